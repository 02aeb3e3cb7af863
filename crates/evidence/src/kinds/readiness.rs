//! What the checks of readiness decide by: runbook 1's field "Decision".

use serde::{Deserialize, Serialize};

/// What somebody who changes a route should do after a check. What could not be looked at is a pause, never a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on.
    Proceed,
    /// Change nothing until what is missing has been seen or mended.
    #[default]
    Pause,
    /// Change nothing, and ask whoever owns it or the provider's support.
    Escalate,
}

impl Decision {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Proceed => "proceed",
            Decision::Pause => "pause",
            Decision::Escalate => "escalate",
        }
    }
}
