//! What operators do by hand, with who and why, and the answers to the questions of the rollback decision.

use serde::{Deserialize, Serialize};

use crate::{Digest, Moment, Name, Prose};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorVerb {
    /// The canary was taken out, for good.
    Rollback,
    /// It was kept as large as it was.
    Hold,
    /// A hold was ended.
    Resume,
    /// It was made larger by a step.
    Promote,
}

/// The rollback decision: each field answers the question of the same place in [`QUESTIONS`]. What nobody answered is
/// `None`, and stays visible as unanswered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RollbackDecision {
    /// A model ID.
    pub rolling_back_from: Option<Name>,
    /// A model ID.
    pub rolling_back_to: Option<Name>,
    /// A person or a role.
    pub mapping_approved_by: Option<Name>,
    /// A moment or the record of a check.
    pub rollback_id_last_confirmed: Option<Prose>,
    /// An ID of a request or the record of a check.
    pub canary_request: Option<Prose>,
    /// The name of a metric or an alert.
    pub watched_metric: Option<Prose>,
    /// A person or a role.
    pub may_revert: Option<Name>,
}

/// The seven questions of runbook 1, "Write the rollback decision before you need it", with the field that answers each.
pub const QUESTIONS: [(&str, &str); 7] = [
    ("rolling_back_from", "What model ID are we rolling back from?"),
    ("rolling_back_to", "What model ID are we rolling back to?"),
    ("mapping_approved_by", "Who approved the rollback mapping?"),
    ("rollback_id_last_confirmed", "When was the rollback ID last confirmed through the models endpoint?"),
    ("canary_request", "What canary request confirmed the application path?"),
    ("watched_metric", "What metric or alert will tell us the rollback made things worse?"),
    ("may_revert", "Who has permission to revert the rollback?"),
];

/// Something that an operator did by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatorAction {
    /// When.
    pub ts: Moment,
    /// Names this action in logs and tickets.
    pub check_id: Name,
    /// What.
    pub action: OperatorVerb,
    /// Who, as they say; the gateway cannot know.
    pub by: Name,
    /// Why, as they say.
    pub reason: Prose,
    /// The version of the route map in force.
    pub route_version: Name,
    /// The version that a rollback leads to.
    pub rollback_route_version: Option<Name>,
    /// Provider and model.
    pub target: Name,
    /// The try that the route map names; `None` where it names the target no more.
    pub generation: Option<u64>,
    /// Whether it changed anything; what was so before stays as it was.
    pub changed: bool,
    /// The share before, in parts per million of requests; a fallback has none.
    pub from_share_ppm: Option<u32>,
    /// The share after.
    pub to_share_ppm: Option<u32>,
    /// Of the route map in force.
    pub config_sha256: Digest,
    /// The answers of who rolled back.
    pub rollback_decision: Option<RollbackDecision>,
}
