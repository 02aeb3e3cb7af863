//! Is a rate below its limit? Not tripping is no proof, so growing needs evidence of its own.
//!
//! An e-process against "the rate is at its limit or above": each good attempt raises it a little, each failure lowers it
//! much. While the rate is not below the limit it ever reaches 1/α with a likelihood of α at most.

/// What the bets say: the rate is next to nothing, a tenth, or three tenths of the limit.
const PARTS_OF_LIMIT: [f64; 3] = [0.001, 0.1, 0.3];

/// By how much a failure and a success change each bet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoodFactors {
    failure: [f64; 3],
    success: [f64; 3],
}

impl GoodFactors {
    /// For a limit between 0 and 0.3, as a share of attempts.
    #[must_use]
    pub fn of_limit(limit: f64) -> GoodFactors {
        GoodFactors {
            failure: PARTS_OF_LIMIT,
            success: PARTS_OF_LIMIT.map(|part| (1.0 - part * limit) / (1.0 - limit)),
        }
    }
}

/// The evidence that a rate is below its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoodEvidence {
    pub(crate) bets: [f64; 3],
}

impl Default for GoodEvidence {
    fn default() -> GoodEvidence {
        GoodEvidence { bets: [1.0; 3] }
    }
}

impl GoodEvidence {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> GoodEvidence {
        GoodEvidence::default()
    }

    /// Counts one attempt.
    pub fn step(&mut self, factors: &GoodFactors, failed: bool) {
        let factors = if failed { &factors.failure } else { &factors.success };
        for (bet, factor) in self.bets.iter_mut().zip(factors) {
            // The bound keeps weeks of good attempts finite; lowering an e-value leaves it one.
            *bet = (*bet * factor).min(1e12);
        }
    }

    /// How much likelier what was seen is under one of the bets than at the limit: an e-value.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        self.bets.iter().sum::<f64>() / 3.0
    }

    /// How many good attempts in a row would bring the evidence to this threshold; `None` where 100,000 would not.
    #[must_use]
    pub fn good_until(&self, factors: &GoodFactors, threshold: f64) -> Option<u32> {
        let mut ahead = *self;
        for good in 0..100_000 {
            if ahead.evidence() >= threshold {
                return Some(good);
            }
            ahead.step(factors, false);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_or_above_no_bet_is_expected_to_grow() {
        for limit in [0.001, 0.02, 0.1] {
            let factors = GoodFactors::of_limit(limit);
            for times in 10..50 {
                let rate = limit * f64::from(times) / 10.0;
                for at in 0..3 {
                    let expected = rate * factors.failure[at] + (1.0 - rate) * factors.success[at];
                    assert!(expected <= 1.0 + 1e-12, "{limit} {rate}: {expected}");
                }
            }
        }
    }

    #[test]
    fn two_percent_take_167_good_attempts_to_exclude() {
        let good = |limit, threshold| {
            GoodEvidence::new().good_until(&GoodFactors::of_limit(limit), threshold).unwrap()
        };
        assert_eq!((good(0.02, 20.0), good(0.02, 100.0)), (167, 253));
    }
}
