//! What a provider lists at its models endpoint, and what that says of the model IDs that the map names (runbooks 1 and 2).
//!
//! A list is a signal of contract and account, no health check: it proves neither that a model answers nor what it costs.
//! IDs are compared byte for byte. An answer that says nothing, be it that nobody answered or that the list was empty, is
//! no data: it neither finds an ID nor misses one.
//!
//! Reading order: [`ask`] (one request), [`Outcome`] (what came), [`parse`] (the smallest shape), [`Configured`] (what the
//! map names), [`align`] (the one against the other), [`drift`] (against the list before), [`Watch`] (from check to check),
//! [`judge`] (the verdict).

mod align;
mod ask;
mod auth_drift;
mod configured;
mod drift;
mod judge;
mod negative;
mod outcome;
mod parity;
mod parse;
mod signal;
mod triage;
mod watch;

pub use align::{Alignment, Presence, align};
pub use ask::{Asked, Seen, ask};
pub use auth_drift::{AuthDrift, AuthFacts, auth_drifts};
pub use configured::{Configured, Use, configured};
pub use drift::{Drift, drift};
pub use judge::{Facts, Item, Judgement, State, judge};
pub use negative::{Negative, NegativeCase};
pub use outcome::{Class, Outcome, classify_failure, classify_status};
pub use parity::{Difference, parity};
pub use parse::{Catalog, SchemaFailure, parse};
pub use signal::{Severity, Signal};
pub use triage::{TriageFacts, TriageStep, is_near_empty, triage};
pub use watch::{Told, Watch};
