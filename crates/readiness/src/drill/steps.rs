//! The seven steps of a drill, in the order of runbook 3.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// "Send 0% production traffic": and how the prior route does before anything moves.
    NoCallers,
    /// "Run contract probes from the same network path as production."
    ContractProbes,
    /// "Enable an internal-only cohort": all of the drill's own requests.
    InternalCohort,
    /// "Enable a small canary cohort": a share of them, by their keys.
    CanaryCohort,
    /// "Disable the canary and return to the previous route."
    Return,
    /// "Confirm no queued jobs, retries, caches, or async workers continue using the fallback route."
    NothingContinues,
    /// "Re-enable the canary only if rollback was clean", and then all is as it was before.
    Reenable,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 7] = [
        Step::NoCallers,
        Step::ContractProbes,
        Step::InternalCohort,
        Step::CanaryCohort,
        Step::Return,
        Step::NothingContinues,
        Step::Reenable,
    ];

    /// The name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Step::NoCallers => "no_production_traffic",
            Step::ContractProbes => "contract_probes",
            Step::InternalCohort => "internal_cohort",
            Step::CanaryCohort => "canary_cohort",
            Step::Return => "return_to_prior_route",
            Step::NothingContinues => "nothing_continues",
            Step::Reenable => "re_enable",
        }
    }

    /// What is done, in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Step::NoCallers => "no caller's request goes there, and the prior route is well",
            Step::ContractProbes => "a valid and an invalid request, by the path of production",
            Step::InternalCohort => "all of the drill's own requests go there",
            Step::CanaryCohort => "a share of them goes there, by their keys",
            Step::Return => "back to the prior route",
            Step::NothingContinues => "nothing continues there",
            Step::Reenable => "there once more, and then all as it was",
        }
    }

    /// Counted from 1.
    #[must_use]
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// Whether it is part of the way back: what goes wrong there is no fault of the canary alone.
    #[must_use]
    pub fn is_way_back(self) -> bool {
        matches!(self, Step::Return | Step::NothingContinues)
    }
}
