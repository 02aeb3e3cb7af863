//! Is a rate above its limit, since some moment that nobody knows? An e-process for a change point.
//!
//! For each of four higher rates there is one number: a bet that the rate has changed to this one. A failure multiplies it by how much likelier
//! failures are then, a success by how much less likely, and with each attempt it gets another part of the
//! `prior` for a change that begins just now. While each attempt fails with a likelihood within the limit,
//! whatever came before, the mean of the four and the parts still to be given is a supermartingale that starts at one:
//! the mean ever reaches 1/α with a likelihood of α at most (Ville 1939), however often one looks and however the
//! traffic comes. What was healthy for a month does not hide a failure of today: old successes leave the newest
//! parts alone.

use super::prior::{given_before, part};

/// What no bet grows beyond. Any real trip happens long before, and a bound keeps it from growing to infinity where a
/// trip is on hold. Lowering a supermartingale leaves it one.
const MOST: f64 = 1e12;

/// By how much a failure and a success change each bet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    failure: [f64; 4],
    success: [f64; 4],
}

impl Factors {
    /// For a limit between 0 and 0.3, as a share of attempts: bets on 2.5, 5 and 15 times the limit and on 90 %, none
    /// above 90 %.
    #[must_use]
    pub fn of_limit(limit: f64) -> Factors {
        let rates = [2.5 * limit, 5.0 * limit, 15.0 * limit, 0.9].map(|rate| rate.min(0.9));
        Factors {
            failure: rates.map(|rate| rate / limit),
            success: rates.map(|rate| (1.0 - rate) / (1.0 - limit)),
        }
    }

    fn of(&self, failed: bool) -> &[f64; 4] {
        if failed { &self.failure } else { &self.success }
    }
}

/// The evidence that a rate is above its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChangePoint {
    /// How many attempts it has seen.
    pub(super) seen: u64,
    pub(super) bets: [f64; 4],
}

impl ChangePoint {
    /// Counts one attempt.
    pub fn step(&mut self, factors: &Factors, failed: bool) {
        self.step_by(part(self.seen), factors, failed);
    }

    /// The same where the part for the attempt is known, as it is of several that have seen equally many.
    pub(super) fn step_by(&mut self, part: f64, factors: &Factors, failed: bool) {
        self.seen = self.seen.saturating_add(1);
        for (bet, factor) in self.bets.iter_mut().zip(factors.of(failed)) {
            *bet = ((*bet + part) * factor).min(MOST);
        }
    }

    /// The same, with no bet above a bound: what was long ago is washed out after so many good attempts.
    pub(super) fn step_below(&mut self, part: f64, factors: &Factors, failed: bool, bound: f64) {
        self.step_by(part, factors, failed);
        for bet in &mut self.bets {
            *bet = bet.min(bound);
        }
    }

    /// Counts attempts whose order is not known: the same result for every order. Valid as single steps are, and
    /// somewhat slower to notice what began in the middle.
    pub fn step_all(&mut self, factors: &Factors, attempts: u64, failures: u64) {
        let failures = failures.min(attempts);
        let end = self.seen.saturating_add(attempts);
        let part = given_before(end) - given_before(self.seen);
        self.seen = end;
        for (at, bet) in self.bets.iter_mut().enumerate() {
            let failed = power(factors.failure[at], failures);
            let succeeded = power(factors.success[at], attempts - failures);
            *bet = ((*bet + part) * (failed * succeeded)).min(MOST);
        }
    }

    /// How much likelier what was seen is under one of the bets than within the limit: an e-value.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        self.bets.iter().sum::<f64>() / 4.0
    }

    /// Bets that are won or lost are over; those on a change to come stay as they are.
    pub fn forget(&mut self) {
        self.bets = [0.0; 4];
    }

    /// How many failures in a row would bring the evidence to this threshold; `None` where 1,000 would not.
    #[must_use]
    pub fn failures_until(&self, factors: &Factors, threshold: f64) -> Option<u32> {
        let mut ahead = *self;
        for failures in 0..1_000 {
            if ahead.evidence() >= threshold {
                return Some(failures);
            }
            ahead.step(factors, true);
        }
        None
    }
}

/// `base` to a whole power, by squaring: multiplications only, so the same bits everywhere.
fn power(mut base: f64, mut exponent: u64) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_the_limit_no_bet_is_expected_to_grow() {
        for limit in [0.001, 0.01, 0.02, 0.1] {
            let factors = Factors::of_limit(limit);
            for tenths in 0..=10 {
                let rate = limit * f64::from(tenths) / 10.0;
                for at in 0..4 {
                    let expected = rate * factors.failure[at] + (1.0 - rate) * factors.success[at];
                    assert!(expected <= 1.0 + 1e-12, "{limit} {rate}: {expected}");
                }
            }
        }
    }

    #[test]
    fn a_batch_of_one_is_a_step() {
        let factors = Factors::of_limit(0.02);
        let (mut steps, mut batches) = (ChangePoint::default(), ChangePoint::default());
        for n in 0_u64..500 {
            let failed = n % 40 == 0;
            steps.step(&factors, failed);
            batches.step_all(&factors, 1, u64::from(failed));
            assert!((steps.evidence() / batches.evidence() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn failures_until_the_threshold_are_those_that_reach_it() {
        let factors = Factors::of_limit(0.02);
        let mut evidence = ChangePoint::default();
        for _ in 0..10_000 {
            evidence.step(&factors, false);
        }
        let failures = evidence.failures_until(&factors, 250.0).unwrap();
        for _ in 0..failures {
            assert!(evidence.evidence() < 250.0);
            evidence.step(&factors, true);
        }
        assert!(evidence.evidence() >= 250.0);
        assert_eq!(evidence.failures_until(&factors, 250.0), Some(0));
        assert_eq!(evidence.failures_until(&factors, f64::INFINITY), None);
    }
}
