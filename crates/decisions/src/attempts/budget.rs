//! How many retries a target's successes pay for.
//!
//! A bucket of whole micro-tokens: a success deposits the ratio exactly, a retry takes a token. So in an outage, when
//! nothing succeeds, the retries soon end, and with them what they would add to the load. A small floor refill lets a
//! target of little traffic be tried again at all. Integers, because a ratio that is rounded is another ratio: one
//! known budget turns 0.35 into 0.5.

use std::time::Duration;

/// One retry, in micro-tokens. A deposit of so many parts per million is so many micro-tokens.
const TOKEN: u64 = 1_000_000;

/// The most that is saved up, so that a long good time does not pay for a storm: 10 retries.
const CAP: u64 = 10 * TOKEN;

/// The floor refill: one token in 30 s, so one micro-token in 30 µs.
const NANOSECONDS_EACH: u128 = 30_000;

/// A budget of retries or of fallbacks for one route and target. Starts full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What a success deposits, in micro-tokens.
    deposit: u64,
    /// What is there, in micro-tokens; never above the cap.
    balance: u64,
    /// Up to when the floor refill is paid out; never runs back.
    refilled_to: Duration,
}

impl Budget {
    /// One whose successes pay for this share of retries, in parts per million. Zero means no retry ever, neither
    /// from the first stock nor from the floor.
    #[must_use]
    pub fn new(ratio_ppm: u32) -> Budget {
        let balance = if ratio_ppm == 0 { 0 } else { CAP };
        Budget { deposit: u64::from(ratio_ppm), balance, refilled_to: Duration::ZERO }
    }

    /// A request has succeeded. Not to be called for one that is itself a caller's retry: retries must not pay for
    /// retries.
    pub fn deposit(&mut self) {
        self.add(self.deposit);
    }

    /// Takes one token. To be called before the wait of a retry, so that those who wait are counted.
    #[must_use]
    pub fn withdraw(&mut self, now: Duration) -> bool {
        self.refill(now);
        let Some(rest) = self.balance.checked_sub(TOKEN) else { return false };
        self.balance = rest;
        true
    }

    /// Returns a token whose retry was not sent.
    pub fn give_back(&mut self) {
        if self.deposit != 0 {
            self.add(TOKEN);
        }
    }

    /// What is there, in parts per million of a token.
    #[must_use]
    pub fn balance(&self, now: Duration) -> u64 {
        let mut later = *self;
        later.refill(now);
        later.balance
    }

    /// Pays out the floor refill in whole micro-tokens; what is left of the time counts towards the next one. A
    /// moment that lies back changes nothing.
    fn refill(&mut self, now: Duration) {
        let Some(passed) = now.checked_sub(self.refilled_to) else { return };
        if self.deposit == 0 {
            return;
        }
        let earned = u64::try_from(passed.as_nanos() / NANOSECONDS_EACH).unwrap_or(u64::MAX);
        self.refilled_to = if earned >= CAP {
            now
        } else {
            self.refilled_to.saturating_add(Duration::from_nanos(earned.saturating_mul(30_000)))
        };
        self.add(earned);
    }

    fn add(&mut self, micro_tokens: u64) {
        self.balance = self.balance.saturating_add(micro_tokens).min(CAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn spent(ratio_ppm: u32) -> Budget {
        let mut budget = Budget::new(ratio_ppm);
        while budget.withdraw(START) {}
        budget
    }

    #[test]
    fn it_starts_with_ten_tokens() {
        let mut budget = Budget::new(100_000);
        assert_eq!((0..20).filter(|_| budget.withdraw(START)).count(), 10);
    }

    #[test]
    fn ten_successes_at_ten_percent_pay_for_one_retry() {
        let mut budget = spent(100_000);
        for _ in 0..9 {
            budget.deposit();
        }
        assert!(!budget.withdraw(START));
        budget.deposit();
        assert!(budget.withdraw(START));
        assert!(!budget.withdraw(START));
    }

    #[test]
    fn the_floor_is_one_token_in_thirty_seconds_however_often_it_is_asked() {
        let mut budget = spent(100_000);
        let granted = (0..=300_000).filter(|ms| budget.withdraw(START + Duration::from_millis(*ms))).count();
        assert_eq!(granted, 10);
        assert!(!budget.withdraw(Duration::ZERO), "a clock that runs back pays nothing");
        assert!(!budget.withdraw(START + Duration::from_secs(329)), "and nothing twice");
        assert!(budget.withdraw(START + Duration::from_secs(330)));
    }

    #[test]
    fn a_ratio_of_zero_never_pays() {
        let mut budget = Budget::new(0);
        budget.deposit();
        budget.give_back();
        assert!(!budget.withdraw(Duration::from_secs(1_000_000)));
        assert_eq!(budget.balance(Duration::MAX), 0);
    }

    #[test]
    fn nothing_is_saved_beyond_the_cap() {
        let mut budget = Budget::new(1_000_000);
        budget.deposit();
        budget.give_back();
        assert_eq!(budget.balance(Duration::MAX), CAP);
        assert!(budget.withdraw(Duration::MAX));
        assert_eq!(budget.balance(Duration::MAX), CAP - TOKEN);
    }

    /// The lock belongs to the caller; that no token is granted twice through it is the point of the state being one
    /// value.
    #[test]
    fn sixty_four_threads_never_overdraw() {
        let budget = std::sync::Mutex::new(Budget::new(350_000));
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..64)
                .map(|_| {
                    scope.spawn(|| {
                        (0..1_000)
                            .filter(|_| {
                                budget.lock().unwrap().deposit();
                                budget.lock().unwrap().withdraw(START)
                            })
                            .count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let deposited = 64 * 1_000 * 350_000_usize;
        assert!(granted * 1_000_000 <= deposited + 10_000_000, "{granted}");
        assert!(granted * 1_000_000 > deposited - 10_000_000, "{granted}");
    }
}
