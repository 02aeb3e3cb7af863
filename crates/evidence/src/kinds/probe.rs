//! What was seen when a provider was asked directly (runbook 3, section 2 and "Pre-cutover validation").
//!
//! Of requests and answers only what shape they had: no text of either has a place here.

use serde::{Deserialize, Serialize};

use crate::kinds::Decision;
use crate::{Moment, Name, Prose};

/// What came of one request of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeResult {
    /// It was answered as it should be, and what it asked for shows in the answer.
    Works,
    /// It was answered well, and nothing in the answer shows what it asked for.
    Ignored,
    /// The provider refused it for what it asks.
    Refused,
    /// It failed for another reason.
    Failed,
    /// It was not sent, or its answer settles nothing.
    NotTried,
}

impl ProbeResult {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ProbeResult::Works => "works",
            ProbeResult::Ignored => "ignored",
            ProbeResult::Refused => "refused",
            ProbeResult::Failed => "failed",
            ProbeResult::NotTried => "not_tried",
        }
    }
}

/// One request to a provider and what was seen of its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// When it was sent.
    pub ts: Moment,
    /// That of the run that it belongs to.
    pub check_id: Name,
    /// Of the route map.
    pub environment: Option<Name>,
    /// What was asked, as `single_turn` or `tools`.
    pub probe: Name,
    /// `chat`, `responses` or `messages`, said by who asked and never guessed from the answer; `models` for the list.
    pub endpoint_family: Name,
    /// Its name in the map.
    pub provider: Name,
    /// The exact ID that was sent; `None` where the request is about no model of the map.
    pub provider_model_id: Option<Name>,
    /// The alias that stands for it.
    pub model_alias: Option<Name>,
    /// What it was shown: `valid`, `invalid` or `none`.
    pub credential: Name,
    /// `None` without an answer.
    pub http_status: Option<u16>,
    /// `2xx`, …; `none` without an answer.
    pub status_class: Name,
    /// What went wrong, in the words of the route map; `None` for a good answer.
    pub error_class: Option<Name>,
    /// Which of the known shapes the error body has; `None` where there is none.
    pub error_shape: Option<Name>,
    /// From sending to the last byte that was read, in milliseconds.
    pub latency_ms: u64,
    /// The limit of time that it had, in milliseconds.
    pub timeout_ms: u64,
    /// Always 0: a probe is sent once.
    pub retry_count: u32,
    /// The answer names the request.
    pub request_id_present: bool,
    /// Where: `x-request-id`, `x-oneapi-request-id` or `message`.
    pub request_id_in: Option<Name>,
    /// `json`, `event_stream`, `html`, `empty`, `other` or `none`.
    pub response_shape_seen: Name,
    /// The answer has an `id`.
    pub response_id_present: bool,
    /// `object`, or `type` of Anthropic's: a known word, or `other`.
    pub response_object_type: Option<Name>,
    /// A known word, or `other`; of Responses the `status`.
    pub finish_reason: Option<Name>,
    /// `same`, `snapshot` (begins with what was asked for), `other` or `absent`.
    pub model_echo: Name,
    /// Which of the fields that the alias requires, or that every answer has, are not there.
    pub missing_fields: Vec<Name>,
    /// The answer counts tokens.
    pub usage_field_present: bool,
    /// As reported.
    pub input_token_count: Option<u64>,
    /// As reported.
    pub output_token_count: Option<u64>,
    /// `reported` or `none`.
    pub usage_source: Name,
    /// What the plan set aside for it, in tokens.
    pub planned_tokens: u64,
    /// A stream had `[DONE]`; `None` where there was no stream. It proves nothing by itself.
    pub done_seen: Option<bool>,
    /// A stream had a chunk with usage.
    pub usage_chunk_seen: Option<bool>,
    /// Comments of the event stream, which relays send to keep a connection alive.
    pub keep_alive_comments: Option<u64>,
    /// A stream ended as its family ends one.
    pub stream_complete: Option<bool>,
    /// The connection was closed after it was left or ran out of time; `None` where it was not left.
    pub connection_closed: Option<bool>,
    /// What came of it.
    pub result: ProbeResult,
    /// What it settles, or why not.
    pub note: Prose,
}

/// One of the eight checks of runbook 3 before a cutover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreCutoverCheck {
    /// `dns_and_egress`, `auth_success`, …
    pub check: Name,
    /// What has to be so.
    pub pass_condition: Prose,
    /// Whether it is; `None` where nothing says so.
    pub passed: Option<bool>,
    /// By what.
    pub result: Prose,
}

/// How one thing fares at one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatrixCell {
    /// `chat`, `responses` or `messages`.
    pub endpoint_family: Name,
    /// A feature of `enabled_features`, or an optional field.
    pub feature: Name,
    /// The alias declares it there.
    pub enabled: bool,
    /// What came of trying it.
    pub result: ProbeResult,
    /// What went wrong, where something did.
    pub error_class: Option<Name>,
    /// Why it is so.
    pub note: Prose,
}

/// All probes of one alias at one provider together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeSummary {
    /// When it ended.
    pub ts: Moment,
    /// That of its probes.
    pub check_id: Name,
    /// Of the route map.
    pub environment: Option<Name>,
    /// Its name in the map.
    pub provider: Name,
    /// The exact ID that was sent.
    pub provider_model_id: Name,
    /// The alias that stands for it.
    pub model_alias: Name,
    /// By which way the provider was asked.
    pub network_path: Prose,
    /// The most that the whole run may use, in tokens.
    pub budget_tokens: u64,
    /// What the whole run counts as used: as reported, or as planned where nothing was reported.
    pub used_tokens: u64,
    /// Probes of this alias there that were sent.
    pub probes_sent: u64,
    /// And that were not, for the budget.
    pub probes_withheld: u64,
    /// The eight checks.
    pub checks: Vec<PreCutoverCheck>,
    /// Feature by feature.
    pub matrix: Vec<MatrixCell>,
    /// What to do.
    pub decision: Decision,
    /// What comes next.
    pub next: Vec<Prose>,
    /// Where it is reviewed.
    pub review_link: Option<Prose>,
}
