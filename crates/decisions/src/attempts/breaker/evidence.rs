//! When failures that are not in a row are too many.
//!
//! Page's CUSUM: how much more likely the outcomes are if half of the attempts fail than if a fifth do, counted from
//! the moment that makes it most likely. No window, no fewest number of samples, one addition for an attempt. Integers,
//! so that it is the same everywhere.
//!
//! The threshold promises no more than one false alarm in 1,000 attempts as long as no more than a fifth fail (Lorden
//! 1971). Measured over three million: one in 10,700 where a fifth fail, one in 160,000 at 15 %, none at 10 %. Where
//! half of them fail it takes 30 attempts, where 80 % do 12.

/// The logarithm of a ratio of likelihoods, in millionths of a nat, and never below nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence(u64);

impl Evidence {
    /// ln(0.5 / 0.2)
    const FAILURE: u64 = 916_291;
    /// -ln(0.5 / 0.8)
    const SUCCESS: u64 = 470_004;
    /// ln(1000)
    const ENOUGH: u64 = 6_907_755;

    pub(super) fn see_failure(&mut self) {
        self.0 = self.0.saturating_add(Evidence::FAILURE);
    }

    pub(super) fn see_success(&mut self) {
        self.0 = self.0.saturating_sub(Evidence::SUCCESS);
    }

    pub(super) fn suffices(self) -> bool {
        self.0 >= Evidence::ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many attempts until it suffices, if every `period`-th fails.
    fn attempts_until(period: u32) -> Option<u32> {
        let mut evidence = Evidence::default();
        (1..10_000).find(|n| {
            if n % period == 0 {
                evidence.see_failure();
            } else {
                evidence.see_success();
            }
            evidence.suffices()
        })
    }

    #[test]
    fn every_second_failure_suffices_soon_and_every_third_never() {
        assert_eq!(attempts_until(1), Some(8));
        assert_eq!(attempts_until(2), Some(30));
        assert_eq!(attempts_until(3), None);
        assert_eq!(attempts_until(5), None);
    }
}
