//! What is said of a request once it is over, and of each of its attempts: one record, whichever way it ended.

use std::time::Duration;

use decisions::decide::Reason;
use decisions::price::Cost;
use decisions::{ErrorClass, ProviderId, Role, RouteId, TenantId};
use http::StatusCode;
use telemetry::trace_context::TraceId;

use crate::scan::Usage;
use crate::snapshot::Snapshot;

/// Hears of every attempt and of every request once, when it is over. Called on the request path: it must neither
/// block nor fail.
pub trait Observer: Send + Sync + 'static {
    /// An attempt is over.
    fn attempted(&self, record: &AttemptRecord<'_>);

    /// A request is over.
    fn finished(&self, record: &Record<'_>);
}

/// One request. It holds names and numbers only; nothing of what was asked or answered.
#[derive(Debug)]
pub struct Record<'s> {
    /// The configuration it was served under; the ids below are positions in its plan.
    pub snapshot: &'s Snapshot,
    /// What was called, for example `chat`; `other` for a path that is not routed by model.
    pub endpoint: &'static str,
    /// Who called, once known.
    pub tenant: Option<TenantId>,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// Where it was sent; of several attempts the last.
    pub target: Option<(ProviderId, Role)>,
    /// How many attempts were made.
    pub attempts: u8,
    /// What the caller was told; `None` when it left before.
    pub status: Option<StatusCode>,
    /// How it ended.
    pub outcome: Outcome,
    /// From the request's head to the head of the answer.
    pub head_after: Option<Duration>,
    /// From the request's head to the end.
    pub elapsed: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider's answer was passed on whole.
    Complete,
    /// The gateway answered, with this code; `ok` where it answered what was asked.
    Answered(&'static str),
    /// The caller left before the end.
    ClientGone,
    /// The provider's answer failed in its middle, and the caller was told so.
    Cut,
}

impl Outcome {
    /// The name used in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Complete => "complete",
            Outcome::Answered(code) => code,
            Outcome::ClientGone => "client_gone",
            Outcome::Cut => "cut",
        }
    }
}

/// One attempt: one request to one target. Names, numbers and ids only.
#[derive(Debug)]
pub struct AttemptRecord<'s> {
    /// The configuration it was made under; the ids below are positions in its plan.
    pub snapshot: &'s Snapshot,
    /// The gateway's id of the request.
    pub request_id: &'s str,
    /// The trace that the request is in, where somebody wants to know.
    pub trace_id: Option<TraceId>,
    /// What was called, for example `chat`.
    pub endpoint: &'static str,
    /// Who called.
    pub tenant: TenantId,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// The alias that was asked for; `None` for a model that the map does not list.
    pub alias: Option<&'s str>,
    /// Why the request is on its side of the route.
    pub reason: Reason,
    /// From 1, over all attempts of the request.
    pub number: u8,
    /// What kind of attempt it is.
    pub kind: AttemptKind,
    /// What it answers to: the class of the failure before it, or why the target before it was passed over.
    pub because: Option<&'static str>,
    /// Where it went.
    pub provider: ProviderId,
    /// In which role.
    pub role: Role,
    /// What the provider calls the model; `None` where the request went on as it was sent.
    pub model_id: Option<&'s str>,
    /// The status of the answer.
    pub status: Option<StatusCode>,
    /// What went wrong; `None` for a success.
    pub error_class: Option<ErrorClass>,
    /// What was decided after it: `done`, `retry`, `fallback`, or why nothing more was tried.
    pub decision: &'static str,
    /// The provider's own id of the request.
    pub provider_request_id: Option<&'s str>,
    /// How long it could take to begin its answer.
    pub timeout: Duration,
    /// From sending to the head of the answer.
    pub head_after: Option<Duration>,
    /// From sending to the first content of a streamed answer.
    pub first_token_after: Option<Duration>,
    /// From sending to its end.
    pub elapsed: Duration,
    /// Tokens.
    pub usage: Usage,
    /// Where the tokens are known from.
    pub usage_source: UsageSource,
    /// What they cost, where the map has a price for the model.
    pub cost: Option<Cost>,
    /// It failed after the provider had the whole request, so it may cost something all the same.
    pub possibly_billed: bool,
    /// How often the caller itself had tried before.
    pub callers_retries: u32,
}

/// What kind of attempt it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
    /// The first of its request.
    First,
    /// Another at the same target.
    Retry,
    /// The first at another target.
    Fallback,
    /// Beside a slow one; the first content wins.
    Hedge,
    /// A copy at the canary, beside whatever the request itself has done; nobody gets its answer.
    Mirror,
}

impl AttemptKind {
    /// The name used in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptKind::First => "first",
            AttemptKind::Retry => "retry",
            AttemptKind::Fallback => "fallback",
            AttemptKind::Hedge => "hedge",
            AttemptKind::Mirror => "mirror",
        }
    }
}

/// Where the tokens of an attempt are known from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageSource {
    /// The provider said so.
    Reported,
    /// Counted by the gateway: one token for each event with content.
    Estimated,
    /// Not known.
    #[default]
    Unread,
}

impl UsageSource {
    /// The name used in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            UsageSource::Reported => "reported",
            UsageSource::Estimated => "estimated",
            UsageSource::Unread => "unread",
        }
    }
}
