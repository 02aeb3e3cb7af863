//! What a step up still lacks.

/// One thing that a step up asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requirement {
    /// The canary serves, and nothing holds it.
    Released,
    /// It has stood long enough at its share.
    Dwell,
    /// There is evidence that its failures are below the limit.
    Evidence,
    /// Every feature was seen often enough, with a good answer.
    Features,
    /// Enough tenants were served.
    Tenants,
    /// The required checks passed.
    Checks,
}

impl Requirement {
    /// All of them.
    pub const ALL: [Requirement; 6] = [
        Requirement::Released,
        Requirement::Dwell,
        Requirement::Evidence,
        Requirement::Features,
        Requirement::Tenants,
        Requirement::Checks,
    ];

    /// The name used in records and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Requirement::Released => "released",
            Requirement::Dwell => "dwell",
            Requirement::Evidence => "evidence",
            Requirement::Features => "features",
            Requirement::Tenants => "tenants",
            Requirement::Checks => "checks",
        }
    }
}

/// The requirements that are not met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing(u8);

impl Missing {
    /// Whether all are met.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is not.
    #[must_use]
    pub fn contains(self, requirement: Requirement) -> bool {
        self.0 & (1 << requirement as u8) != 0
    }

    /// Those that are not.
    pub fn iter(self) -> impl Iterator<Item = Requirement> {
        Requirement::ALL.into_iter().filter(move |requirement| self.contains(*requirement))
    }

    pub(super) fn note(&mut self, requirement: Requirement, is_missing: bool) {
        self.0 |= u8::from(is_missing) << requirement as u8;
    }
}
