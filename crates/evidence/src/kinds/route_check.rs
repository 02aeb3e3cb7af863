//! What one attempt of a check of a route has shown: runbook 4's smoke test and runbook 5's rollforward check, each under the
//! names of its template and in its order; what the runbooks ask for beside the template comes after it.

use serde::{Deserialize, Serialize};

use crate::{Decision, Digest, Moment, Name, Prose};

/// Which of the two documented request shapes was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointFamily {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/responses`
    Responses,
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestType {
    /// A minimal request that is in order.
    HappyPath,
    /// One that has to fail.
    ErrorPath,
}

/// The class of the provider's status, or that none came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatusClass {
    /// 100 to 199.
    #[serde(rename = "1xx")]
    Informational,
    /// 200 to 299.
    #[serde(rename = "2xx")]
    Success,
    /// 300 to 399.
    #[serde(rename = "3xx")]
    Redirect,
    /// 400 to 499.
    #[serde(rename = "4xx")]
    ClientError,
    /// 500 and more.
    #[serde(rename = "5xx")]
    ServerError,
    /// No status came.
    #[serde(rename = "network_error")]
    NetworkError,
}

impl StatusClass {
    /// The class of a status.
    #[must_use]
    pub fn of(status: Option<u16>) -> StatusClass {
        match status {
            None => StatusClass::NetworkError,
            Some(..200) => StatusClass::Informational,
            Some(200..300) => StatusClass::Success,
            Some(300..400) => StatusClass::Redirect,
            Some(400..500) => StatusClass::ClientError,
            Some(500..) => StatusClass::ServerError,
        }
    }
}

/// Whether a field of an answer was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It was.
    True,
    /// The answer could be read and has no such field.
    False,
    /// There was no answer to look into.
    NotReturned,
}

/// What was decided about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryDecision {
    /// Nothing was tried again.
    NoRetry,
    /// Something was, once.
    SingleRetry,
    /// A person is to decide.
    Escalate,
}

/// What is advised for the fallback (runbook 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackDecision {
    /// Traffic stays where it is.
    KeepPrimary,
    /// The canary may get some.
    RouteCanary,
    /// What the canary has is to be taken back.
    RollBack,
    /// A person is to decide.
    Escalate,
}

/// What is advised for rolling forward (runbook 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollforwardDecision {
    /// It serves already, and may go on.
    Stay,
    /// It may be promoted.
    Promote,
    /// Nothing is to move.
    Hold,
}

/// Whether an answer had the form that it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeSeen {
    /// It had.
    Expected,
    /// It had not, or nobody knows.
    Unexpected,
}

/// The result in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorResult {
    /// The attempt has shown what it had to.
    Pass,
    /// It has not.
    Fail,
}

/// Which model ID was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelAsked {
    /// The one that the map in force has.
    Current,
    /// That of the version to go back to.
    Rollback,
}

/// Something that has to be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// What.
    pub assertion: Name,
    /// Whether it is; what nobody could look at is not.
    pub holds: bool,
}

/// One attempt of a smoke test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeCheck {
    /// When the request was sent.
    pub ts: Moment,
    /// The same for all attempts of one test.
    pub check_id: Name,
    /// The day, in UTC.
    pub review_date: Name,
    /// Who made the test, as they say.
    pub operator: Name,
    /// That of the route map.
    pub environment: Name,
    /// Which request shape was sent.
    pub endpoint_family: EndpointFamily,
    /// The model ID that was to be asked for.
    pub model_reference: Name,
    /// What was sent.
    pub request_type: RequestType,
    /// Of the provider's answer.
    pub status_class: StatusClass,
    /// Whether the answer has an `id`.
    pub response_id_present: Presence,
    /// `object` of the answer: one of the documented words, `other`, or `not_returned`.
    pub response_object_type: Name,
    /// Whether the answer has a `usage`.
    pub usage_field_present: Presence,
    /// Whether anything was tried again.
    pub retry_decision: RetryDecision,
    /// What is advised.
    pub fallback_decision: FallbackDecision,
    /// Pages of the documentation and tickets.
    pub evidence_links: Vec<Prose>,
    /// What happened, in a sentence.
    pub notes: Prose,
    /// Why this request shape.
    pub endpoint_family_because: Prose,
    /// What applications call the model.
    pub model_alias: Name,
    /// Which of the route's model IDs it is.
    pub model_asked: ModelAsked,
    /// Which field was left out on purpose.
    pub left_out: Option<Name>,
    /// The most tokens that the answer could have.
    pub token_limit: u32,
    /// Of the provider's answer.
    pub http_status: Option<u16>,
    /// `finish_reason`, or `status` of a response: one of the documented words, `other`, or `not_returned`.
    pub finish_state: Name,
    /// The route that was to be followed.
    pub route: Name,
    /// Role and provider that were to be asked.
    pub target: Name,
    /// Runbook 1: the model ID that the gateway asked for.
    pub selected_model_id: Option<Name>,
    /// Runbook 1: that is the expected one.
    pub expected_model_selected: bool,
    /// Runbook 1: the gateway took the answer for a good one, with every field that the alias requires.
    pub response_accepted: bool,
    /// As what the gateway classed the failure.
    pub error_class: Option<Name>,
    /// The gateway's own id of the request, by which its logs have it.
    pub request_id: Option<Name>,
    /// Attempts that the gateway's decision log has of it.
    pub decisions_logged: u32,
    /// Runbook 4's minimum assertions.
    pub assertions: Vec<Assertion>,
    /// Why the test as a whole is no pass.
    pub holds: Vec<Name>,
    /// Of the test as a whole.
    pub decision: Decision,
    /// What to do next.
    pub next: Prose,
    /// Of the route map in force.
    pub config_sha256: Digest,
}

/// One attempt of a rollforward check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollforwardCheck {
    /// When the request was sent.
    pub ts: Moment,
    /// `route-rollforward-check-YYYYMMDD-HHMM`, in UTC; the same for both attempts.
    pub check_id: Name,
    /// The route, as the gateway's decision log names it; `not_seen` where it does not.
    pub route_label: Name,
    /// Which request shape the gateway's decision log names; `not_seen` where it does not.
    pub request_family: Name,
    /// Of the provider's answer.
    pub http_status_class: StatusClass,
    /// Whether the answer was what it should be.
    pub response_shape_seen: ShapeSeen,
    /// What is advised.
    pub fallback_decision: RollforwardDecision,
    /// Attempts after the first; `None` where the decision log does not say.
    pub retry_count: Option<u32>,
    /// Whether this attempt has shown what it had to.
    pub operator_result: OperatorResult,
    /// The ticket or review.
    pub review_link: Prose,
    /// Who made the check, as they say.
    pub operator: Name,
    /// That of the route map.
    pub environment: Name,
    /// What was sent.
    pub request_type: RequestType,
    /// Of the provider's answer.
    pub http_status: Option<u16>,
    /// Role and provider that were to be asked.
    pub intended_upstream: Name,
    /// Role and provider that were.
    pub selected_upstream: Option<Name>,
    /// The model ID that the gateway asked for.
    pub model_id: Option<Name>,
    /// Whether the answer has an `id`.
    pub response_id_present: Presence,
    /// `finish_reason`, or `status` of a response: one of the documented words, `other`, or `not_returned`.
    pub completion_marker: Name,
    /// Whether the answer has a `usage`.
    pub usage_field_present: Presence,
    /// As what the gateway classed the failure.
    pub error_class: Option<Name>,
    /// The gateway's own id of the request.
    pub request_id: Option<Name>,
    /// What the gateway decided after each attempt, in order.
    pub decisions_logged: Vec<Name>,
    /// Runbook 5's minimum assertions.
    pub assertions: Vec<Assertion>,
    /// Why rolling forward is held.
    pub holds: Vec<Name>,
    /// Of the check as a whole.
    pub decision: Decision,
    /// What to do next.
    pub next: Prose,
    /// What happened, in a sentence.
    pub notes: Prose,
    /// Of the route map in force.
    pub config_sha256: Digest,
}
