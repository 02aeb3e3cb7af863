//! What the gateway decided and checked: an append-only, hash-chained store, and beside it the log of attempts from which
//! the decisions of a gate are replayed.
//!
//! A record has a fixed set of typed fields, none of which has room for a credential, a prompt or a completion. There is no
//! HTTP here, no clock, and nothing that decides.
//!
//! Reading order: [`Entry`] and [`Record`] (what is stored, and how it is chained), [`Body`] (the kinds), [`Store`]
//! (appending), [`Reader`] (reading, exporting, verifying), [`gate_log`] (the log of attempts). For who operates a gateway:
//! `docs/evidence.md`.

mod digest;
mod error;
mod exact;
pub mod gate_log;
mod kinds;
mod markdown;
mod moment;
mod record;
mod store;
mod text;

pub use digest::Digest;
pub use error::{Error, Result};
pub use exact::Exact;
pub use kinds::{
    Acts, Assertion, Body, CatalogCheck, CatalogDrift, CatalogItem, CatalogModel, CatalogNegative,
    CatalogTriage, Check, CheckState, ContractItem, ContractState, Decision, Drill, DrillAttempt,
    DrillChange, DrillOutcome, DrillRoute, DrillStep, EndpointFamily, ErrorCount, FallbackDecision, Feature,
    GateAction, GateDecision, GateLogSegment, Kind, MatrixCell, ModelAsked, OperatorAction, OperatorResult,
    OperatorVerb, Override, PreCutoverCheck, Presence, Probe, ProbeResult, ProbeSummary, ProofItem,
    ProofState, ProofVerdict, QUESTIONS, Readiness, ReadinessItem, ReadinessModel, ReadinessState,
    RequestType, RetryDecision, RollbackDecision, RollbackNote, RollbackProof, RollforwardCheck,
    RollforwardDecision, Scope, ShapeSeen, SmokeCheck, StatusClass, StepDecision, Verdict,
};
pub use markdown::{answers, fields, markdown};
pub use moment::Moment;
pub use record::{Entry, Head, Record};
pub use store::Store;
pub use store::reader::{Filter, Reader};
pub use store::verify::{Finding, Verification};
pub use text::{Name, Prose, Text};
