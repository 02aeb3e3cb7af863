//! What may be wrong, and how much: the example policy of runbook 2.

/// How much somebody has to care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// To be read.
    Info,
    /// To be tidied.
    Low,
    /// For the working day.
    Medium,
    /// Somebody is called.
    High,
}

impl Severity {
    /// The name used in records, logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// The request cannot authenticate.
    AuthFailure,
    /// A configured ID is not listed.
    ConfiguredMissing,
    /// A configured ID is not approved, or is blocked.
    NotAllowed,
    /// A good answer, and no ID in it.
    ZeroIds,
    /// A 2xx that is no list of models.
    SchemaFailure,
    /// An approved ID is no longer listed, or is again.
    ApprovedChanged,
    /// An ID is listed that was not before.
    NewId,
    /// An ID that nothing uses is gone.
    RemovedUnused,
    /// The answer took longer than the objective.
    Slow,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 9] = [
        Signal::AuthFailure,
        Signal::ConfiguredMissing,
        Signal::NotAllowed,
        Signal::ZeroIds,
        Signal::SchemaFailure,
        Signal::ApprovedChanged,
        Signal::NewId,
        Signal::RemovedUnused,
        Signal::Slow,
    ];

    /// The name used in records, logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::AuthFailure => "auth_failure",
            Signal::ConfiguredMissing => "configured_missing",
            Signal::NotAllowed => "not_allowed",
            Signal::ZeroIds => "zero_ids",
            Signal::SchemaFailure => "schema_failure",
            Signal::ApprovedChanged => "approved_changed",
            Signal::NewId => "new_id",
            Signal::RemovedUnused => "removed_unused",
            Signal::Slow => "slow",
        }
    }

    /// As a sentence, for whoever is called.
    #[must_use]
    pub fn as_sentence(self) -> &'static str {
        match self {
            Signal::AuthFailure => "the key is refused",
            Signal::ConfiguredMissing => "configured models are not listed",
            Signal::NotAllowed => "configured models are not approved, or are blocked",
            Signal::ZeroIds => "the list is empty: permissions, account, or a change of schema",
            Signal::SchemaFailure => "the answer is no list of models",
            Signal::ApprovedChanged => "which approved models are not listed has changed",
            Signal::NewId => "models are listed that were not before: for review, no route changes",
            Signal::RemovedUnused => "models that nothing uses are gone",
            Signal::Slow => "the answer took longer than `catalog.slow_ms`",
        }
    }

    /// How much it matters: `is_confirmed` is that two consecutive checks say it.
    #[must_use]
    pub fn severity(self, is_confirmed: bool) -> Severity {
        match self {
            Signal::AuthFailure | Signal::ConfiguredMissing | Signal::ZeroIds | Signal::SchemaFailure => {
                if is_confirmed {
                    Severity::High
                } else {
                    Severity::Medium
                }
            }
            // No answer is needed to know it.
            Signal::NotAllowed => Severity::High,
            Signal::ApprovedChanged | Signal::Slow => Severity::Medium,
            Signal::RemovedUnused => Severity::Low,
            Signal::NewId => Severity::Info,
        }
    }
}
