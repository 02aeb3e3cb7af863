//! What a request leaves for its trace and its line in the log: plain facts, gathered while it runs by the ticket and by its
//! attempts, and handed over once all of them are gone.
//!
//! Only where somebody takes them; then it is one allocation for a request, and a short lock, which nobody else wants as a
//! rule, at the end of each attempt. Whether it is kept is decided at the end, by whoever takes it: what became of the request
//! is known then. Nothing here is a text of a caller or a provider, but for their IDs of the request.
//!
//! Reading order: [`TraceSink`] (who takes them), [`Traced`] (what they get), [`Trace`] (what a request holds).

mod facts;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, request};
use telemetry::trace_context::{RANDOM, SAMPLED, SpanId, TraceId, TraceParent};
use tokio::time::Instant;

use crate::snapshot::Snapshot;
pub use facts::{Happened, Moment, TracePlace, Traced, TracedAttempt, TracedDecision, TracedEnd};

/// The parent of a trace, among the headers (W3C Trace Context).
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What goes with it.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Takes what requests leave. Called on the request path: it must neither block nor fail.
pub trait TraceSink: Send + Sync + 'static {
    /// Whether a trace is kept, as far as that is known when it begins: what others are told of it. `None` where no spans
    /// are made, so that there is nothing to tell.
    fn expects(&self, trace_id: TraceId, parent_is_kept: Option<bool>) -> Option<bool>;

    /// A request and all its attempts are over.
    fn finished(&self, traced: Traced);
}

/// Which trace a provider is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToldTrace {
    /// The caller's, as it came.
    #[default]
    Callers,
    /// The gateway's own span, where it makes traces; else the caller's.
    Gateways,
    /// None.
    Nothing,
}

/// A request's trace; nothing where none are made.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Arc<UnderTrace>>);

/// What ticket and attempts share. The last one that lets go hands it over.
struct UnderTrace {
    sink: Arc<dyn TraceSink>,
    started: Instant,
    place: TracePlace,
    held: Mutex<Option<Traced>>,
    /// Counted frame by frame, without the lock.
    answer_bytes: AtomicU64,
}

/// A span of the gateway's, for the one that it calls.
#[derive(Clone, Copy)]
pub(crate) struct OwnSpan {
    parent: TraceParent,
    /// The trace is the caller's, and so is what goes with it.
    continues: bool,
}

impl Trace {
    /// Begins one, in the trace of the caller if that is told in good form.
    pub(crate) fn open(
        sink: Option<&Arc<dyn TraceSink>>,
        snapshot: &Arc<Snapshot>,
        (head, id): (&request::Parts, &HeaderValue),
        started: Instant,
    ) -> Trace {
        let Some(sink) = sink else { return Trace(None) };
        let headers = &head.headers;
        let parent = callers(headers);
        let trace_id = parent.map_or_else(TraceId::random, |parent| parent.trace_id);
        let expected = sink.expects(trace_id, parent.map(TraceParent::is_sampled));
        // Ours are random as a whole; of another's it is known by its flag alone.
        let random = parent.map_or(RANDOM, |parent| parent.flags & RANDOM);
        let place = TracePlace {
            trace_id,
            span: SpanId::random(),
            parent: parent.map(|parent| (parent.parent_id, parent.is_sampled())),
            flags: random | if expected == Some(true) { SAMPLED } else { 0 },
            has_spans: expected.is_some(),
        };
        let held = Traced {
            snapshot: Arc::clone(snapshot),
            place,
            begun: SystemTime::now(),
            method: known(&head.method),
            request_id: id.clone(),
            announced_bytes: announced(headers),
            decision: None,
            attempts: [const { None }; Traced::MOST_ATTEMPTS],
            moments: [const { None }; Traced::MOST_MOMENTS],
            end: None,
        };
        Trace(Some(Arc::new(UnderTrace {
            sink: Arc::clone(sink),
            started,
            place,
            held: Mutex::new(Some(held)),
            answer_bytes: AtomicU64::new(0),
        })))
    }

    /// The ID of a span below the request's, if there is any.
    pub(crate) fn new_span(&self) -> Option<SpanId> {
        self.0.as_ref().map(|_| SpanId::random())
    }

    /// Which one it is, where it is of the gateway's or of the caller's.
    pub(crate) fn id(&self) -> Option<TraceId> {
        self.0.as_ref()?.place.known_trace()
    }

    /// A span of it, as the one that is called is told; without one of its own the request's.
    pub(crate) fn own_span(&self, span: Option<SpanId>) -> Option<OwnSpan> {
        let place = self.0.as_ref().map(|under| under.place).filter(|place| place.has_spans)?;
        let parent_id = span.unwrap_or(place.span);
        let parent = TraceParent { trace_id: place.trace_id, parent_id, flags: place.flags };
        Some(OwnSpan { parent, continues: place.parent.is_some() })
    }

    /// When something is, counted from the beginning of the request.
    pub(crate) fn after(&self, at: Instant) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |under| at.saturating_duration_since(under.started))
    }

    /// Something happens now.
    pub(crate) fn note(&self, what: Happened) {
        let Some(under) = &self.0 else { return };
        let after = under.started.elapsed();
        under.change(|traced| {
            let free = traced.moments.iter_mut().find(|moment| moment.is_none());
            // More than fit is more than one can read.
            if let Some(place) = free {
                *place = Some(Moment { after, what });
            }
        });
    }

    /// Where the request goes is decided.
    pub(crate) fn decided(&self, decision: impl FnOnce() -> TracedDecision) {
        if let Some(under) = &self.0 {
            under.change(|traced| traced.decision = Some(decision()));
        }
    }

    /// An attempt is over.
    pub(crate) fn attempted(&self, attempt: impl FnOnce() -> TracedAttempt) {
        if let Some(under) = &self.0 {
            under.change(|traced| {
                if let Some(place) = traced.attempts.iter_mut().find(|place| place.is_none()) {
                    *place = Some(attempt());
                }
            });
        }
    }

    /// So many bytes of the answer's body are there.
    pub(crate) fn answered_with(&self, bytes: u64) {
        if let Some(under) = &self.0 {
            under.answer_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn answer_bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |under| under.answer_bytes.load(Ordering::Relaxed))
    }

    /// The request is over; attempts may go on.
    pub(crate) fn ended(&self, end: impl FnOnce() -> TracedEnd) {
        if let Some(under) = &self.0 {
            under.change(|traced| traced.end = Some(end()));
        }
    }

    pub(crate) fn is_made(&self) -> bool {
        self.0.is_some()
    }
}

impl UnderTrace {
    fn change(&self, change: impl FnOnce(&mut Traced)) {
        if let Some(traced) = self.lock().as_mut() {
            change(traced);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Traced>> {
        // A panic in between leaves facts that are true, if not all of them.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderTrace {
    fn drop(&mut self) {
        let traced = self.held.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(traced) = traced {
            self.sink.finished(traced);
        }
    }
}

impl OwnSpan {
    /// Puts it in the place of whatever the caller has said; a trace that begins here has no state from elsewhere.
    pub(crate) fn write_to(self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_bytes(&self.parent.header()) {
            headers.insert(TRACEPARENT, value);
        }
        if !self.continues {
            headers.remove(TRACESTATE);
        }
    }
}

/// Two of them are none: nobody knows which is meant.
fn callers(headers: &HeaderMap) -> Option<TraceParent> {
    let mut sent = headers.get_all(TRACEPARENT).iter();
    match (sent.next(), sent.next()) {
        (Some(one), None) => TraceParent::parse(one.as_bytes()),
        _ => None,
    }
}

/// How long the body is to be, as the caller says.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A method that a caller made up is not repeated.
fn known(method: &Method) -> &'static str {
    let all = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    all.iter().zip(names).find(|(known, _)| *known == method).map_or("_OTHER", |(_, name)| name)
}

#[cfg(test)]
mod tests;
