//! What all checks together say of a route (runbook 1, "Example rollback readiness record"), and the answers to the seven
//! questions that a person gives before they are needed.

use serde::{Deserialize, Serialize};

use crate::{Decision, Digest, Moment, Name, Prose, RollbackDecision};

/// How one check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessState {
    /// It passed, for what is in force, not too long ago.
    Fresh,
    /// It passed, too long ago or for something else.
    Stale,
    /// It did not pass.
    Failed,
    /// There is no result.
    Missing,
    /// Somebody goes on without it, until a certain time.
    Overridden,
    /// The route does not need it.
    NotNeeded,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessItem {
    /// Which.
    pub check: Name,
    /// How it stands.
    pub state: ReadinessState,
    /// When it was made.
    pub last_at: Option<Moment>,
    /// How old it may be, in seconds.
    pub max_age_s: u64,
    /// Its record.
    pub evidence: Option<u64>,
    /// What was found, or is missing.
    pub note: Option<Prose>,
}

/// A model ID that the route needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessModel {
    /// As the map says it, byte for byte.
    pub model_id: Option<Name>,
    /// Of whom it is asked.
    pub provider: Option<Name>,
    /// Whether the provider's models endpoint listed it when it was last asked; `None` if nobody asked.
    pub present: Option<bool>,
}

/// The rollback readiness of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readiness {
    /// When it was evaluated: the review date.
    pub ts: Moment,
    /// Names this evaluation in logs and tickets.
    pub check_id: Name,
    /// Of the route map.
    pub environment: Option<Name>,
    /// The version of the route map.
    pub route_version: Name,
    /// Of that map.
    pub config_sha256: Digest,
    /// The version to go back to.
    pub rollback_route_version: Option<Name>,
    /// What the canary serves.
    pub current: ReadinessModel,
    /// What a rollback leads to.
    pub rollback: ReadinessModel,
    /// What is asked where the primary fails.
    pub fallback: ReadinessModel,
    /// Whether a models endpoint was asked, and not too long ago.
    pub models_endpoint_checked: bool,
    /// Whether a canary request went through the application's path, not too long ago.
    pub canary_completed: bool,
    /// Where the records are, and what was linked.
    pub evidence_location: Prose,
    /// Every check.
    pub checks: Vec<ReadinessItem>,
    /// The seven answers; what nobody knows is `None`.
    pub rollback_decision: RollbackDecision,
    /// What follows.
    pub decision: Decision,
    /// Why.
    pub reason: Prose,
    /// What to do next, in this order.
    pub next: Vec<Prose>,
    /// Who answers for it.
    pub approver: Option<Name>,
}

/// Answers to the questions of the rollback decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollbackNote {
    /// When.
    pub ts: Moment,
    /// Names these answers in logs and tickets.
    pub check_id: Name,
    /// Who answered, as they say.
    pub by: Name,
    /// The version of the route map then in force.
    pub route_version: Name,
    /// Of that map.
    pub config_sha256: Digest,
    /// Those that were given; the others are `None` and stay as they were.
    pub rollback_decision: RollbackDecision,
}
