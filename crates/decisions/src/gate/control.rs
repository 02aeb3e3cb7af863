//! The canary is suspended: does its primary have the same trouble?
//!
//! Two e-processes over the primary's next attempts. One against "it fails as often as the canary did", whose trip says
//! that the canary is to blame; one against "it keeps its limit", whose trip says that the fault is shared. The canary's
//! rate is known from few attempts, and from just those that made it trip, so not the estimate counts but a lower bound
//! for it: a canary that failed twice of two is compared with a rate of a few percent, which takes the primary a
//! hundred good answers to refute, and not with 100 %, which takes two.
//!
//! It lasts 200 attempts or 60 seconds, since what the primary does later says nothing of that moment. A test that
//! decides nothing leaves the canary suspended, and a person decides.

use super::prior::real;

/// How many of the primary's attempts are looked at.
const MOST_ATTEMPTS: u64 = 200;

/// For how long.
const LONGEST_MS: u64 = 60_000;

/// How many times the usual time between two attempts must pass without one, before there is no control traffic: with
/// attempts that come at random that is once in 20,000.
const GAPS: f64 = 10.0;

/// How far below the estimate the canary's rate is taken to be: what it showed is a thousand times likelier under the estimate.
const LOG_DOUBT: f64 = 6.907_755_278_982_137;

/// How likely a primary that keeps its limit may be to let a canary back.
const FALSE_RESTORE: f64 = 0.01;

/// What a test has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The primary is well: the canary is to blame.
    Canary,
    /// The primary has the same trouble.
    Shared,
    /// The primary was not asked.
    NoControl,
    /// Neither is shown.
    Undecided,
}

/// The canary's attempts since its trouble may have begun: when failures and successes balance at five times the limit,
/// the count starts anew.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Run {
    pub(super) attempts: u64,
    pub(super) failures: u64,
    pub(super) balance: f64,
}

impl Run {
    /// By how much a success and a failure move the balance.
    pub(super) fn factors(limit: f64) -> [f64; 2] {
        let rate = (5.0 * limit).min(0.9);
        [(1.0 - rate) / (1.0 - limit), rate / limit]
    }

    /// `factors` are those of [`Run::factors`].
    pub(super) fn step(&mut self, factors: [f64; 2], failed: bool) {
        if !failed && self.failures == 0 {
            // Nothing has begun.
            return;
        }
        let factor = factors[usize::from(failed)];
        self.balance = (self.balance.max(1.0) * factor).min(1e12);
        self.attempts += 1;
        self.failures += u64::from(failed);
        if self.balance <= 1.0 {
            *self = Run::default();
        }
    }

    /// The lowest rate that what was seen is not a thousand times less likely under than under the estimate.
    fn lowest_rate(&self) -> f64 {
        let (attempts, failures) = (real(self.attempts.max(1)), real(self.failures));
        let estimate = failures / attempts;
        let log_likelihood = |rate: f64| {
            let of = |count: f64, rate: f64| if count > 0.0 { count * libm::log(rate) } else { 0.0 };
            of(failures, rate) + of(attempts - failures, 1.0 - rate)
        };
        let lowest = log_likelihood(estimate) - LOG_DOUBT;
        let (mut below, mut above) = (0.0, estimate);
        // Sixty halvings are all that the format can tell apart.
        for _ in 0..60 {
            let middle = f64::midpoint(below, above);
            if log_likelihood(middle) < lowest { below = middle } else { above = middle }
        }
        above
    }
}

/// A test under way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ControlTest {
    pub(super) started_ms: u64,
    /// After how long without an attempt there is no control traffic.
    pub(super) patience_ms: u64,
    pub(super) attempts: u64,
    pub(super) failures: u64,
    /// The rate that the primary is compared with.
    pub(super) rate: f64,
    /// How likely this test may be to blame a canary whose trouble is shared.
    pub(super) alpha: f64,
    pub(super) well: [f64; 2],
    pub(super) ill: [f64; 4],
}

impl ControlTest {
    /// `gap_ms` is the usual time between two attempts of the route.
    pub(super) fn start(now_ms: u64, gap_ms: f64, run: &Run, limit: f64, alpha: f64) -> ControlTest {
        ControlTest {
            started_ms: now_ms,
            patience_ms: LONGEST_MS.max(whole(GAPS * gap_ms)),
            attempts: 0,
            failures: 0,
            rate: run.lowest_rate().max(limit),
            alpha,
            well: [1.0; 2],
            ill: [1.0; 4],
        }
    }

    /// Counts one of the primary's attempts.
    pub(super) fn step(&mut self, limit: f64, failed: bool) {
        self.attempts += 1;
        self.failures += u64::from(failed);
        let likelihood = |rate: f64| if failed { rate } else { 1.0 - rate };
        let wells = [self.rate / 50.0, self.rate / 5.0].map(|rate| rate.min(limit));
        for (bet, rate) in self.well.iter_mut().zip(wells) {
            *bet *= likelihood(rate) / likelihood(self.rate);
        }
        let ills = [2.5 * limit, 5.0 * limit, 15.0 * limit, 0.9].map(|rate| rate.min(0.9));
        for (bet, rate) in self.ill.iter_mut().zip(ills) {
            *bet *= likelihood(rate) / likelihood(limit);
        }
    }

    /// For the canary's guilt: an e-value against "the primary fails as often".
    pub(super) fn evidence(&self) -> f64 {
        f64::midpoint(self.well[0], self.well[1])
    }

    /// What follows from the attempts and the time so far.
    pub(super) fn finding(&self, now_ms: u64) -> Option<Finding> {
        if self.ill.iter().sum::<f64>() / 4.0 >= 1.0 / FALSE_RESTORE {
            return Some(Finding::Shared);
        }
        if self.evidence() >= 1.0 / self.alpha {
            return Some(Finding::Canary);
        }
        let passed = now_ms.saturating_sub(self.started_ms);
        if self.attempts == 0 {
            return (passed >= self.patience_ms).then_some(Finding::NoControl);
        }
        (self.attempts >= MOST_ATTEMPTS || passed >= LONGEST_MS).then_some(Finding::Undecided)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
fn whole(milliseconds: f64) -> u64 {
    milliseconds.clamp(0.0, 3_600_000.0) as u64
}
