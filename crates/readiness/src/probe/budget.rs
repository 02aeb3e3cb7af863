//! The budget of tokens: nothing is sent that could go beyond it, whatever the provider reports.

/// What a run may use and has used.
#[derive(Clone, Copy, Debug)]
pub struct Ledger {
    budget: u64,
    used: u64,
}

/// A probe was reported to have used more than was set aside for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun {
    /// Tokens that were set aside.
    pub planned: u64,
    /// Tokens that were reported.
    pub reported: u64,
}

impl Ledger {
    /// With so many tokens to use.
    #[must_use]
    pub fn new(budget: u64) -> Ledger {
        Ledger { budget, used: 0 }
    }

    /// Whether a probe that may use so many tokens still fits.
    #[must_use]
    pub fn allows(&self, planned: u64) -> bool {
        self.used.checked_add(planned).is_some_and(|used| used <= self.budget)
    }

    /// Takes down what a probe used that [`Ledger::allows`] let through. What nobody reports counts as planned: whether a
    /// failed or cancelled request is billed is not documented (contract, section 8).
    pub fn charge(&mut self, planned: u64, reported: Option<u64>) -> Option<Overrun> {
        let used = reported.unwrap_or(planned);
        self.used = self.used.saturating_add(used);
        (used > planned).then_some(Overrun { planned, reported: used })
    }

    /// Tokens used so far.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Tokens that may be used.
    #[must_use]
    pub fn budget(&self) -> u64 {
        self.budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is reported: a probe only begins where its bound fits, so a run goes beyond the budget by no more than one
        /// probe was reported beyond its bound, and by nothing where each keeps to its own.
        #[test]
        fn the_budget_is_never_exceeded(
            budget in 0..5_000_u64,
            probes in prop::collection::vec((0..1_000_u64, prop::option::of(prop_oneof![0..1_500_u64, Just(u64::MAX)])), 0..40),
        ) {
            let mut ledger = Ledger::new(budget);
            let mut is_over = false;
            for (planned, reported) in probes {
                let before = ledger.used();
                if !ledger.allows(planned) {
                    prop_assert!(before.saturating_add(planned) > budget);
                    continue;
                }
                prop_assert!(before + planned <= budget && !is_over, "a probe began beyond the budget");
                let overrun = ledger.charge(planned, reported);
                prop_assert_eq!(overrun.is_some(), reported.is_some_and(|reported| reported > planned));
                let beyond = overrun.map_or(0, |overrun| overrun.reported - overrun.planned);
                prop_assert!(ledger.used() <= budget.saturating_add(beyond));
                is_over = ledger.used() > budget;
            }
        }
    }

    #[test]
    fn what_is_not_reported_counts_as_planned() {
        let mut ledger = Ledger::new(100);
        assert_eq!(ledger.charge(60, None), None);
        assert!(ledger.allows(40) && !ledger.allows(41));
        assert_eq!(ledger.charge(40, Some(7)), None);
        assert_eq!(ledger.used(), 67);
    }
}
