//! Whose are the errors? A test of the canary against its primary that looks at failed attempts only.
//!
//! If the canary fails no oftener than its primary, then of the errors it has at most the share that it has of the
//! attempts, whatever the rate of errors is and however it moves: an outage of both cancels out. Three bets say that
//! the canary fails 3, 10 or 50 times as often; each error multiplies them by how much likelier its place is then. The
//! same change-point construction as for [the limit](super::change_point) makes it hold at every moment.

use super::prior::part;

/// How many times as often as its primary the canary fails, by each bet.
const TIMES: [f64; 3] = [3.0, 10.0, 50.0];

/// What no bet grows beyond; see [`ChangePoint`](super::ChangePoint).
const MOST: f64 = 1e12;

/// The evidence that errors belong to the canary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Relative {
    /// How many errors it has seen.
    pub(super) seen: u64,
    pub(super) bets: [f64; 3],
}

impl Relative {
    /// Counts one error. `share` is the likelihood, from 0 to 1, with which an attempt at that moment was the
    /// canary's; too high a figure only makes the test slower.
    pub fn step(&mut self, share: f64, is_canarys: bool) {
        let part = part(self.seen);
        self.seen = self.seen.saturating_add(1);
        for (bet, times) in self.bets.iter_mut().zip(TIMES) {
            let place = if is_canarys { times } else { 1.0 };
            *bet = ((*bet + part) * (place / (times * share + 1.0 - share))).min(MOST);
        }
    }

    /// How much likelier the places of the errors are under one of the bets than by chance: an e-value.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        self.bets.iter().sum::<f64>() / 3.0
    }
}

/// What each attempt leaves of the older ones' weight: the last 16 count most, or the last 256.
const RECENT: f64 = 1.0 / 16.0;
const LATELY: f64 = 1.0 / 256.0;

/// The canary's share of recent attempts, never below what is known of it.
///
/// The configured share is the likelihood itself where keys are spread evenly, and moves at the same moment as the
/// traffic does. Sticky keys can make a few callers into more than their share, so what is counted matters as well: over
/// few attempts, to follow a caller that wakes up, and over many, with a standard error more, to be exact. The
/// highest of the three is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    pub(super) recent: f64,
    pub(super) lately: f64,
    pub(super) seen: u64,
}

impl Share {
    /// The share to judge an error by, before the attempt that it belongs to is counted.
    #[must_use]
    pub fn estimate(&self, configured_ppm: u32) -> f64 {
        let configured = f64::from(configured_ppm.min(1_000_000)) / 1e6;
        let lately = (self.lately + margin(self.lately)).min(1.0);
        configured.max(self.recent).max(lately)
    }

    /// Counts one attempt.
    pub fn count(&mut self, is_canarys: bool) {
        let seen = if is_canarys { 1.0 } else { 0.0 };
        self.seen = self.seen.saturating_add(1);
        // The first attempts are averaged, or the start at zero would be remembered for long.
        let first = if self.seen < 256 { 1.0 / super::prior::real(self.seen) } else { 0.0 };
        self.recent += (seen - self.recent) * RECENT.max(first);
        self.lately += (seen - self.lately) * LATELY.max(first);
    }
}

/// The standard error of a share over the last 512 attempts, which weigh as much as the fading ones.
fn margin(share: f64) -> f64 {
    (share * (1.0 - share) / 512.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_whose_place_follows_the_share_is_not_expected_to_move_the_bets() {
        for share in [0.0, 0.01, 0.25, 0.9, 1.0] {
            for times in TIMES {
                let average = times * share + 1.0 - share;
                let expected = share * (times / average) + (1.0 - share) * (1.0 / average);
                assert!((expected - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn where_all_attempts_are_the_canarys_its_errors_say_nothing() {
        let mut relative = Relative::default();
        for _ in 0..10_000 {
            relative.step(1.0, true);
        }
        assert!(relative.evidence() < 1.0);
    }

    #[test]
    fn a_raised_share_counts_at_once_and_a_woken_caller_within_a_few_attempts() {
        let mut share = Share::default();
        for n in 0..1_000 {
            share.count(n % 100 == 0);
        }
        assert!(share.estimate(10_000) < 0.05);
        assert!(share.estimate(250_000) >= 0.25);
        for _ in 0..16 {
            share.count(true);
        }
        assert!(share.estimate(10_000) > 0.5);
    }
}
