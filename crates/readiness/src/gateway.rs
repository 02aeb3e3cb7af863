//! The running gateway as a check uses it: a route is lent to it, its requests go the way of any caller's, and what became
//! of each attempt can be asked.
//!
//! A check depends on this trait only. `cometgate` implements it over the admin socket and the public listener; tests
//! implement it by hand.

use std::time::Duration;

use bytes::Bytes;
use decisions::Endpoint;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

/// A running gateway.
pub trait Gateway {
    /// Has a route lent.
    fn lease(&self, terms: &LeaseTerms) -> impl Future<Output = Result<Leased, GatewayError>>;

    /// Has it lent for longer; on other terms, where some are given, for requests from now on.
    fn renew(
        &self,
        lease: &str,
        terms: Option<&LeaseTerms>,
    ) -> impl Future<Output = Result<(), GatewayError>>;

    /// Gives it back.
    fn end(&self, lease: &str) -> impl Future<Output = Result<(), GatewayError>>;

    /// What became of the attempts after the one with this number.
    fn seen(&self, lease: &str, after: u64) -> impl Future<Output = Result<Seen, GatewayError>>;

    /// SHA-256 of the map in force, as 64 hexadecimal digits; `None` where that cannot be found out.
    fn map_sha256(&self) -> impl Future<Output = Option<String>> {
        async { None }
    }

    /// Sends a request of the lease to the public listener, once, and reads the answer to its end.
    fn send(&self, lease: &Leased, request: &CheckRequest) -> impl Future<Output = Reply>;
}

/// What is asked to be lent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseTerms {
    /// The route's name.
    pub route: String,
    /// Names the check in logs and tickets.
    pub check_id: String,
    /// Who makes it.
    pub by: String,
    /// The canary's share of the check's own requests, as in `100%`; `None` is the map's.
    #[serde(default)]
    pub share: Option<String>,
    /// `primary`, `canary` or `fallback`: all requests go to that target, and to no other after it.
    #[serde(default)]
    pub role: Option<String>,
    /// In place of the target's own model ID; needs `role`.
    #[serde(default)]
    pub model_id: Option<String>,
    /// With which credential providers are asked.
    #[serde(default)]
    pub credential: Paying,
    /// How long the first target may take to begin its answer, and at the most to the first content of a stream; `None` is the
    /// map's, as it always is for the other target.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Attempts after the first at the same target; `None` is the map's.
    #[serde(default)]
    pub retries: Option<u8>,
}

/// With which credential providers are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paying {
    /// Their own.
    #[default]
    Good,
    /// One that is nobody's; all else is the same.
    Twin,
}

/// What is lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// What requests name it by.
    pub lease: String,
    /// When it lapses, unless it is renewed.
    pub lapses_in_ms: u64,
    /// The map in force.
    pub route_version: String,
    /// Where requests go: the public listener, as a URL without a path.
    pub listen: String,
}

/// What was seen of a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Seen {
    /// Requests under way.
    pub in_flight: usize,
    /// Attempts that are over, in the order of their ends.
    pub attempts: Vec<SeenAttempt>,
}

/// One attempt, as the gateway's decision log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct SeenAttempt {
    /// Of the lease, from 1.
    pub number: u64,
    /// The gateway's id of its request.
    pub request_id: String,
    /// Of its request, from 1.
    pub attempt: u8,
    /// What the request called, as in `chat`.
    pub endpoint: String,
    /// The route that was followed.
    pub route: Option<String>,
    /// By which map.
    pub route_version: String,
    /// Why it went this way.
    pub route_reason: String,
    /// `primary`, `canary` or `fallback`.
    pub role: String,
    /// Who was asked.
    pub provider: String,
    /// For what.
    pub model_id: Option<String>,
    /// `first`, `retry` or `fallback`.
    pub kind: String,
    /// What it answers to.
    pub because: Option<String>,
    /// The provider's status.
    pub status: Option<u16>,
    /// What went wrong; `None` for a success.
    pub error_class: Option<String>,
    /// The answer was not what the endpoint answers.
    pub malformed: bool,
    /// It took too long.
    pub timed_out: bool,
    /// What was decided after it: `done`, `retry`, `fallback`, or why nothing more was tried.
    pub decision: String,
    /// The provider's own id.
    pub provider_request_id: Option<String>,
    /// From sending to its end.
    pub latency_ms: u64,
    /// From sending to the first content of a stream.
    pub first_token_ms: Option<u64>,
    /// Tokens in.
    pub input_tokens: Option<u64>,
    /// Tokens out.
    pub output_tokens: Option<u64>,
    /// `reported`, `estimated` or `unread`.
    pub usage_source: String,
    /// When it ended.
    pub at: Option<String>,
}

/// A request of a check. It is a `POST` of JSON, as every routed request of a check is.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// Where.
    pub endpoint: Endpoint,
    /// What: it must hold nothing that may not be seen by a provider.
    pub body: Bytes,
    /// Until the last byte of the answer.
    pub timeout: Duration,
}

impl CheckRequest {
    /// Has the headers that every request of a check has.
    #[must_use]
    pub fn new(endpoint: Endpoint, body: impl Into<Bytes>, timeout: Duration) -> CheckRequest {
        CheckRequest { endpoint, body: body.into(), timeout }
    }
}

/// What came back of a request.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// `None` where no answer came at all.
    pub status: Option<StatusCode>,
    /// Of the answer.
    pub headers: HeaderMap,
    /// As far as it came.
    pub body: Vec<u8>,
    /// Why it is not whole, in words of ours.
    pub failure: Option<String>,
}

impl Reply {
    /// A header of the answer, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why the gateway does not do what is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// It is not there.
    #[error("{0}")]
    Unreachable(String),
    /// It may not be done now.
    #[error("{0}")]
    NotAllowed(String),
    /// There is no such thing, or it is not in order.
    #[error("{0}")]
    Invalid(String),
    /// Something else.
    #[error("{0}")]
    Internal(String),
}
