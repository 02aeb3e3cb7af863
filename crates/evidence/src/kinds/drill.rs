//! What a rollback drill did and found (runbook 3, "Prove rollback, not just forward cutover"): every item of "validation
//! evidence to capture", the fields of the canary validation for each attempt, and the items of the rollback validation.

use serde::{Deserialize, Serialize};

use crate::{Decision, Digest, Moment, Name, ProofItem, Prose};

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillOutcome {
    /// As it has to.
    Passed,
    /// Not so.
    Failed,
    /// It was not brought to its end, and shows nothing.
    Interrupted,
    /// It was not begun.
    NotRun,
}

/// One of the seven steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillStep {
    /// Its name.
    pub step: Name,
    /// How it ended.
    pub outcome: DrillOutcome,
    /// When it began; `None` if it was not.
    pub began_at: Option<Moment>,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// The operator who approved it.
    pub approved_by: Option<Name>,
    /// Requests that were sent in it.
    pub requests: u64,
    /// What was found, or why it failed.
    pub note: Option<Prose>,
}

/// A change of where the drill's requests go. Callers' requests go where they went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillChange {
    /// When it took effect.
    pub at: Moment,
    /// The version of the route map in force.
    pub route_version: Name,
    /// Which requests of the drill go to the target from then on.
    pub to: Name,
}

/// A class of errors and how often it was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// The class.
    pub error_class: Name,
    /// So many attempts.
    pub count: u64,
}

/// What was counted at one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillRoute {
    /// `primary`, `canary` or `fallback`.
    pub role: Name,
    /// Provider and model.
    pub target: Name,
    /// Requests that it was the first to be asked for.
    pub request_count: u64,
    /// Attempts there.
    pub attempt_count: u64,
    /// Of these, those that failed.
    pub error_count: u64,
    /// By class.
    pub errors: Vec<ErrorCount>,
    /// Half of the attempts took no longer, in milliseconds; `None` without any.
    pub p50_ms: Option<u64>,
    /// 95 of 100.
    pub p95_ms: Option<u64>,
    /// 99 of 100.
    pub p99_ms: Option<u64>,
    /// Attempts that ran into a time limit.
    pub timeout_count: u64,
    /// Attempts that repeated another at the same target.
    pub retry_count: u64,
    /// Attempts that came after another target.
    pub fallback_count: u64,
    /// Answers that were not what the endpoint answers.
    pub malformed_response_count: u64,
    /// Tokens, as far as usage was reported.
    pub input_token_count: u64,
    /// Likewise.
    pub output_token_count: u64,
    /// Good answers without usage.
    pub usage_missing_count: u64,
}

/// One attempt (runbook 3, "Canary validation").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillAttempt {
    /// The step in which its request was sent.
    pub step: Name,
    /// The version of the route map that decided.
    pub route_version: Name,
    /// Whose.
    pub request_id: Name,
    /// What the provider calls it.
    pub provider_request_id: Option<Name>,
    /// `primary`, `canary` or `fallback`.
    pub role: Name,
    /// `first`, `retry`, `fallback` or `hedge`.
    pub kind: Name,
    /// From its beginning to its end, in milliseconds.
    pub latency_ms: u64,
    /// `None` without an answer.
    pub http_status: Option<u16>,
    /// `None` where it was good.
    pub error_class: Option<Name>,
    /// The model that the answer names.
    pub provider_model: Option<Name>,
    /// As reported.
    pub input_token_count: Option<u64>,
    /// As reported.
    pub output_token_count: Option<u64>,
    /// What the operator's own command says of the answer; `None` where it was not asked.
    pub accepted: Option<bool>,
}

/// A rollback drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// When it ended.
    pub ts: Moment,
    /// Names this drill in logs and tickets.
    pub check_id: Name,
    /// When it began.
    pub began_at: Moment,
    /// Who did it, as they say.
    pub by: Name,
    /// Where more is said.
    pub link: Option<Prose>,
    /// Of the route map.
    pub environment: Option<Name>,
    /// The version of the route map in force.
    pub route_version: Name,
    /// Of that map.
    pub config_sha256: Digest,
    /// The version to go back to, which this drill is of.
    pub rollback_route_version: Name,
    /// Of that version's text.
    pub rollback_config_sha256: Digest,
    /// `canary` or `fallback`.
    pub role: Name,
    /// Provider and model.
    pub target: Name,
    /// Where requests are before and afterwards: provider and model.
    pub prior_target: Name,
    /// The target's identity: provider, model, salt and generation.
    pub identity: Name,
    /// Which try of it.
    pub generation: u32,
    /// Requests for each cohort.
    pub requests: u64,
    /// Of the small cohort, in parts per million.
    pub share_ppm: u32,
    /// Whether callers' requests went to the target meanwhile.
    pub while_live: bool,
    /// The rollback version's model ID that was asked for at the end of the way back.
    pub rollback_model_id: Option<Name>,
    /// How it ended.
    pub outcome: DrillOutcome,
    /// The rollback decision: what follows.
    pub verdict: Decision,
    /// Why.
    pub reason: Prose,
    /// What to do next.
    pub next: Prose,
    /// What would have ended it, as it was printed before it began.
    pub stop_conditions: Vec<Prose>,
    /// The seven, in their order.
    pub steps: Vec<DrillStep>,
    /// Timestamps of route changes.
    pub changes: Vec<DrillChange>,
    /// What was counted, by target.
    pub routes: Vec<DrillRoute>,
    /// The most attempts under way at one time.
    pub queue_depth: u64,
    /// Answers that the operator's own command took.
    pub accepted_count: u64,
    /// Answers that it did not take.
    pub rejected_count: u64,
    /// What was looked at after the way back.
    pub rollback_validation: Vec<ProofItem>,
    /// The attempts; those that failed are never left out.
    pub attempts: Vec<DrillAttempt>,
    /// So many more good ones.
    pub attempts_left_out: u64,
}
