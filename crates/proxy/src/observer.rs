//! What is said of a request once it is over: one record, whichever way it ended.

use std::time::Duration;

use decisions::{ProviderId, Role, RouteId, TenantId};
use http::StatusCode;

use crate::snapshot::Snapshot;

/// Hears of every request once, when it is over. Called on the request path: it must neither block nor fail.
pub trait Observer: Send + Sync + 'static {
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
    /// Where it was sent.
    pub target: Option<(ProviderId, Role)>,
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
    /// The provider broke off in the middle of its answer.
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
