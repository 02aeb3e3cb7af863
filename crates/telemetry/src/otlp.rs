//! What leaves the process in OpenTelemetry's protocol (OTLP 1.x): spans, and the metrics of the page, as protobuf over HTTP
//! or gRPC.
//!
//! Nothing here is called by a request. How bytes get to a collector is for a [`Transport`] to say, so there is no second
//! HTTP client beside the gateway's; what is sent, what an answer means, what is tried again and what is counted of it is
//! here.
//!
//! Reading order: [`resource`] (who sends), [`traces`] and [`metrics`](mod@metrics) (what), [`collector`] (sending and trying
//! again), `answer` (what an answer means), `grpc` (its framing), [`counts`] (what is counted of all that).

mod answer;
pub mod collector;
pub mod counts;
mod grpc;
pub mod metrics;
pub mod resource;
pub mod traces;

use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 2] = [Signal::Traces, Signal::Metrics];

    /// The value of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
        }
    }
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/HTTP with protobuf.
    Http,
    /// OTLP/gRPC.
    Grpc,
}

/// Carries a request to the collector and brings its whole answer back. It keeps to no time limit of its own for the
/// answer: whoever calls drops it.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request, whose URI is a path.
    fn send(&self, request: Request<Bytes>) -> Sending<'_>;
}

/// A request under way.
pub type Sending<'t> = Pin<Box<dyn Future<Output = Result<Answer, Unsent>> + Send + 't>>;

/// What a collector answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, up to some length that no answer of a collector has.
    pub body: Bytes,
    /// What came after the body.
    pub trailers: HeaderMap,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// No connection, or it broke.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// What came is not HTTP, or far too long.
    Garbage,
}
