//! What is counted of one route, whichever target it is about.

use decisions::attempts::Stop;
use decisions::decide::Reason;
use telemetry::Counters;

use crate::series::labels::{ENDS, End, REASONS, reason_at};

/// The series of one route.
#[derive(Debug, Default)]
pub(crate) struct RouteSeries {
    pub(super) decided: Counters<{ REASONS.len() }>,
    pub(super) given_up: Counters<{ Stop::ALL.len() }>,
    /// Requests that no target was asked for.
    pub(super) unasked: Counters<{ ENDS.len() }>,
}

impl RouteSeries {
    /// A request is on its side of the route, for this reason.
    pub(crate) fn decided(&self, reason: Reason) {
        self.decided.add_one(reason_at(reason));
    }

    /// A request ends with a failed attempt, since nothing more may be tried.
    pub(crate) fn given_up(&self, stop: Stop) {
        self.given_up.add_one(stop as usize);
    }

    /// A request is over that the gateway has answered by itself.
    pub(crate) fn unasked(&self, end: End) {
        self.unasked.add_one(end as usize);
    }
}
