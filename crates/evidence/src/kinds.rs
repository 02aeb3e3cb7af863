//! The kinds of records: a closed list. A new one is a struct in a file below, and a line in the table here.
//!
//! Every field has a type that has no place for a prompt, a completion or a credential: numbers, moments, hashes, words of
//! closed lists, and short text that comes from configuration or from an operator.

mod catalog;
mod contract_item;
mod drill;
mod gate;
mod operator;
mod overriding;
mod probe;
mod readiness;
mod rollback_proof;
mod rollback_readiness;
mod route_check;
mod segment;

use serde::Serialize;
use serde_json::value::RawValue;

pub use catalog::{CatalogCheck, CatalogDrift, CatalogItem, CatalogModel, CatalogNegative, CatalogTriage};
pub use contract_item::{ContractItem, ContractState};
pub use drill::{Drill, DrillAttempt, DrillChange, DrillOutcome, DrillRoute, DrillStep, ErrorCount};
pub use gate::{Acts, Check, CheckState, Feature, GateAction, GateDecision, Scope, StepDecision, Verdict};
pub use operator::{OperatorAction, OperatorVerb, QUESTIONS, RollbackDecision};
pub use overriding::Override;
pub use probe::{MatrixCell, PreCutoverCheck, Probe, ProbeResult, ProbeSummary};
pub use readiness::Decision;
pub use rollback_proof::{ProofItem, ProofState, ProofVerdict, RollbackProof};
pub use rollback_readiness::{Readiness, ReadinessItem, ReadinessModel, ReadinessState, RollbackNote};
pub use route_check::{
    Assertion, EndpointFamily, FallbackDecision, ModelAsked, OperatorResult, Presence, RequestType,
    RetryDecision, RollforwardCheck, RollforwardDecision, ShapeSeen, SmokeCheck, StatusClass,
};
pub use segment::GateLogSegment;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a record is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Kind] = &[$(Kind::$name,)*];

            /// The word in records.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$name => $word,)* }
            }
        }

        /// What a record says.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Body {
            $($(#[$doc])* $name(Box<$name>),)*
        }

        impl Body {
            /// What it is about.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Body::$name(_) => Kind::$name,)* }
            }

            /// Reads what a record of this kind says.
            pub(crate) fn read(kind: Kind, json: &RawValue) -> serde_json::Result<Body> {
                match kind { $(Kind::$name => serde_json::from_str(json.get()).map(Body::$name),)* }
            }
        }

        $(impl From<$name> for Body {
            fn from(body: $name) -> Body {
                Body::$name(Box::new(body))
            }
        })*
    };
}

kinds! {
    /// A gate judged a canary.
    GateDecision = "gate_decision",
    /// A canary grew by a step, or did not.
    StepDecision = "step_decision",
    /// An operator did something by hand.
    OperatorAction = "operator_action",
    /// What was looked at after a rollback.
    RollbackProof = "rollback_proof",
    /// A finished file of the log from which a gate is replayed.
    GateLogSegment = "gate_log_segment",
    /// Someone decided to go on against what a check says.
    Override = "override",
    /// A provider was asked which models it has.
    CatalogCheck = "catalog_check",
    /// What it lists was compared with what it listed before.
    CatalogDrift = "catalog_drift",
    /// A rollback drill.
    Drill = "drill",
    /// What all checks together say of a route.
    Readiness = "readiness",
    /// Answers to the questions of the rollback decision, given before it is needed.
    RollbackNote = "rollback_note",
    /// A provider was asked one thing directly.
    Probe = "probe",
    /// What the probes of an alias at a provider say together.
    ProbeSummary = "probe_summary",
    /// An item of a contract worksheet was verified.
    ContractItem = "contract_item",
    /// An attempt of a smoke test.
    SmokeCheck = "smoke_check",
    /// An attempt of a check before rolling forward.
    RollforwardCheck = "rollforward_check",
}

impl Kind {
    /// By its word; `None` if this version knows no such kind.
    #[must_use]
    pub fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}
