//! The facts of a request that is over, as whoever makes spans of them gets them: names of closed sets, positions in a plan,
//! numbers, and IDs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use decisions::attempts::MOST_ATTEMPTS;
use decisions::decide::Reason;
use decisions::price::Cost;
use decisions::{AliasId, Barred, ErrorClass, ProviderId, Role, RouteId, TenantId};
use http::{HeaderValue, StatusCode};
use telemetry::trace_context::{SpanId, TraceId};

use crate::observer::{AttemptKind, AttemptRecord, UsageSource};
use crate::scan::Usage;
use crate::snapshot::Snapshot;

/// A request and all its attempts, when all of it is over.
#[derive(Debug)]
pub struct Traced {
    /// The configuration it was served under; the ids below are positions in its plan.
    pub snapshot: Arc<Snapshot>,
    /// Where in which trace.
    pub place: TracePlace,
    /// When its head was there; all else is counted from here.
    pub begun: SystemTime,
    /// `_OTHER` for one that is not known.
    pub method: &'static str,
    /// The gateway's id of it.
    pub request_id: HeaderValue,
    /// How many bytes of a body its head has announced.
    pub announced_bytes: Option<u64>,
    /// Of a request that is routed by its model.
    pub decision: Option<TracedDecision>,
    /// In the order of their ends.
    pub attempts: [Option<TracedAttempt>; Traced::MOST_ATTEMPTS],
    /// In their order.
    pub moments: [Option<Moment>; Traced::MOST_MOMENTS],
    /// How the caller saw it end.
    pub end: Option<TracedEnd>,
}

/// Where a request is in which trace.
#[derive(Clone, Copy, Debug)]
pub struct TracePlace {
    /// The caller's, or a new one.
    pub trace_id: TraceId,
    /// The request's own span.
    pub span: SpanId,
    /// The caller's span, and whether that is kept.
    pub parent: Option<(SpanId, bool)>,
    /// As others were told.
    pub flags: u8,
    /// Spans are made of it. Where none are, the span is nobody's, and so is the trace unless the caller is in it.
    pub has_spans: bool,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct TracedDecision {
    /// The alias that was asked for; `None` for a model that the map does not list.
    pub alias: Option<AliasId>,
    /// Why it is on its side of the route.
    pub reason: Reason,
    /// A stream was asked for.
    pub stream: bool,
    /// How long all attempts together may take.
    pub timeout: Duration,
    /// How often the caller itself had tried before.
    pub callers_retries: u32,
    /// From the request's head to the end of its body.
    pub body_after: Duration,
    /// How long its body is; `None` where that went on as it came.
    pub body_bytes: Option<u64>,
}

/// An attempt; as an [`AttemptRecord`](crate::AttemptRecord).
#[derive(Clone, Debug)]
pub struct TracedAttempt {
    /// Its own span.
    pub span: SpanId,
    /// From the beginning of the request to that of the attempt.
    pub begun_after: Duration,
    /// From 1, over all attempts of the request.
    pub number: u8,
    /// What kind of attempt it is.
    pub kind: AttemptKind,
    /// What it answers to.
    pub because: Option<&'static str>,
    /// Where it went.
    pub provider: ProviderId,
    /// In which role.
    pub role: Role,
    /// The status of the answer.
    pub status: Option<StatusCode>,
    /// What went wrong; `None` for a success.
    pub error_class: Option<ErrorClass>,
    /// What was decided after it.
    pub decision: &'static str,
    /// The provider's own id of the request.
    pub provider_request_id: Option<HeaderValue>,
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
    /// It failed after the provider had the whole request.
    pub possibly_billed: bool,
}

/// Something that happened during a request, besides its attempts.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// From the beginning of the request.
    pub after: Duration,
    /// What.
    pub what: Happened,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Happened {
    /// The first content goes to the caller.
    Committed,
    /// A target takes no attempt, and why.
    PassedOver(ProviderId, Role, &'static str),
    /// By an attempt of the request its breaker has opened.
    BreakerOpened(ProviderId, Role),
    /// By an attempt of the request, or of one at the same moment, a gate says this of a target from now on;
    /// `None` is that it serves.
    GateSays(Role, Option<Barred>),
    /// As above, the canary's share from now on, in parts per million.
    ShareMoved(u32),
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct TracedEnd {
    /// What was called, for example `chat`; `other` for a path that is not routed by model.
    pub endpoint: &'static str,
    /// Who called, once known.
    pub tenant: Option<TenantId>,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// Where it was sent; of several attempts the one that answered.
    pub target: Option<(ProviderId, Role)>,
    /// How many attempts were made.
    pub attempts: u8,
    /// What the caller was told.
    pub status: Option<StatusCode>,
    /// As the label of the metrics.
    pub outcome: &'static str,
    /// It ended badly, and not by the caller's own doing.
    pub is_bad: bool,
    /// The gateway's own answer, by its code.
    pub code: Option<&'static str>,
    /// From the request's head to the head of the answer.
    pub head_after: Option<Duration>,
    /// From the request's head to the end.
    pub elapsed: Duration,
    /// Bytes of the answer's body, as far as it was read from whoever gave it.
    pub answer_bytes: u64,
}

impl TracePlace {
    /// The trace that somebody else may know too: the caller's, or one that spans are made of.
    #[must_use]
    pub fn known_trace(&self) -> Option<TraceId> {
        (self.has_spans || self.parent.is_some()).then_some(self.trace_id)
    }
}

impl TracedAttempt {
    /// What a record says of it, without what its request says of all its attempts.
    pub(crate) fn of(
        record: &AttemptRecord<'_>,
        span: SpanId,
        begun_after: Duration,
        provider_request_id: Option<HeaderValue>,
    ) -> TracedAttempt {
        TracedAttempt {
            span,
            begun_after,
            number: record.number,
            kind: record.kind,
            because: record.because,
            provider: record.provider,
            role: record.role,
            status: record.status,
            error_class: record.error_class,
            decision: record.decision,
            provider_request_id,
            timeout: record.timeout,
            head_after: record.head_after,
            first_token_after: record.first_token_after,
            elapsed: record.elapsed,
            usage: record.usage,
            usage_source: record.usage_source,
            cost: record.cost,
            possibly_billed: record.possibly_billed,
        }
    }
}

impl Traced {
    /// All that are ever made, and a copy.
    pub const MOST_ATTEMPTS: usize = MOST_ATTEMPTS as usize + 1;
    /// Most requests have one.
    pub const MOST_MOMENTS: usize = 8;

    /// Its attempts in the order of their ends, without a copy, which is none of what was done for the caller.
    pub fn own_attempts(&self) -> impl DoubleEndedIterator<Item = &TracedAttempt> {
        self.attempts.iter().flatten().filter(|attempt| attempt.kind != AttemptKind::Mirror)
    }

    /// The attempt whose answer the caller has got, whole or, if that broke off, as far as it came.
    #[must_use]
    pub fn answered(&self) -> Option<&TracedAttempt> {
        let whole = self.own_attempts().find(|one| one.error_class.is_none() && one.decision == "done");
        let in_part = |one: &&TracedAttempt| {
            one.usage_source != UsageSource::Unread && matches!(one.decision, "committed" | "client_gone")
        };
        whole.or_else(|| self.own_attempts().rfind(in_part))
    }

    /// What a provider calls the model; `None` where the request went on as it was sent.
    #[must_use]
    pub fn model_id(&self, provider: ProviderId) -> Option<&str> {
        let alias = self.snapshot.plan().alias(self.decision?.alias?);
        alias.model_ids.get(provider.index())?.as_deref()
    }

    /// How many spans it makes.
    #[must_use]
    pub fn spans(&self) -> u64 {
        1 + self.attempts.iter().flatten().count() as u64
    }
}
