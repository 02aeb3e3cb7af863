//! One request's record while it is under way. Whichever way the request ends, dropping it reports exactly once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use decisions::{ProviderId, Role, RouteId, TenantId};
use http::StatusCode;
use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::error::Error;
use crate::handler::Arriving;
use crate::observer::{Outcome, Record};
use crate::request::path::Asked;
use crate::series::labels::End;
use crate::snapshot::Snapshot;
use crate::tenant_state::{Place, WhatIsLeft};
use crate::trace::{Trace, TracedEnd};
use crate::worker::Context;

/// A request under way.
pub(crate) struct Ticket {
    context: Arc<Context>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) trace: Trace,
    started: Instant,
    endpoint: &'static str,
    /// The shape of errors that the caller's client reads.
    pub(crate) dialect: Dialect,
    /// It is routed by its model.
    pub(crate) is_routed: bool,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) route: Option<RouteId>,
    pub(crate) target: Option<(ProviderId, Role)>,
    pub(crate) attempts: u8,
    status: Option<StatusCode>,
    head_after: Option<Duration>,
    /// How long the attempts took until it was known what came of them; kept where answers say it.
    provider_time: Option<Duration>,
    outcome: Outcome,
    /// Among the tenant's requests at one time.
    place: Option<Place>,
}

impl Ticket {
    /// Pins the snapshot in force for this request. In a box, because it goes from step to step.
    pub(crate) fn open(context: Arc<Context>, dialect: Dialect, arriving: &Arriving) -> Box<Ticket> {
        context.live.enter();
        let snapshot = context.snapshot.current();
        snapshot.series().version.enter();
        let started = Instant::now();
        Box::new(Ticket {
            trace: Trace::open(context.traces.as_ref(), &snapshot, (&arriving.head, &arriving.id), started),
            snapshot,
            context,
            started,
            endpoint: "other",
            dialect,
            is_routed: false,
            tenant: None,
            route: None,
            target: None,
            attempts: 0,
            status: None,
            head_after: None,
            provider_time: None,
            // What holds if nobody says otherwise before the drop.
            outcome: Outcome::ClientGone,
            place: None,
        })
    }

    /// When the request's head was there.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// What is asked is known.
    pub(crate) fn asked(&mut self, asked: Asked<'_>) {
        self.is_routed = matches!(asked, Asked::Routed(_));
        self.endpoint = match asked {
            Asked::Routed(endpoint) => endpoint.as_str(),
            Asked::Models | Asked::Model(_) => "models",
            Asked::Other => "other",
        };
    }

    /// Takes what the request needs of the limits of its tenant, until it is over.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        let Some(state) = self.tenant.and_then(|tenant| self.snapshot.tenant_state(tenant)) else {
            return Ok(());
        };
        let place = state.begin(self.context.live.now()).map_err(Error::OverLimit)?;
        self.place = Some(place);
        Ok(())
    }

    /// What is left to its tenant; `None` where that has no limits.
    pub(crate) fn left(&self) -> Option<WhatIsLeft> {
        Some(self.snapshot.tenant_state(self.tenant?)?.left(self.context.live.now()))
    }

    /// An attempt that began then has an answer, or has failed.
    pub(crate) fn provider_took(&mut self, since: Instant) {
        if self.context.server_timing {
            *self.provider_time.get_or_insert_default() += since.elapsed();
        }
    }

    /// How long the gateway took until now, and the providers; where answers say it.
    pub(crate) fn timing(&self) -> Option<(Duration, Duration)> {
        let providers = self.provider_time?;
        Some((self.started.elapsed().saturating_sub(providers), providers))
    }

    /// The head of the answer is about to go out.
    pub(crate) fn answer(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.head_after = Some(self.started.elapsed());
    }

    /// So many bytes of the answer's body are there.
    pub(crate) fn answered_with(&self, bytes: usize) {
        self.trace.answered_with(bytes as u64);
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.context.live.leave();
        let elapsed = self.started.elapsed();
        let (series, end) = (self.snapshot.series(), End::of(self.outcome, self.status));
        series.version.leave();
        let is_check = self.tenant == Some(TenantId::CHECKS);
        let target = self.target.filter(|_| !is_check);
        match target.and_then(|(provider, role)| series.target(self.route, provider, role)) {
            _ if is_check => self.context.leases.count(self.attempts),
            Some(target) => target.request(end, self.attempts, elapsed),
            None => series.route(self.route).unasked(end),
        }
        self.trace.ended(|| TracedEnd {
            endpoint: self.endpoint,
            tenant: self.tenant,
            route: self.route,
            target: self.target,
            attempts: self.attempts,
            status: self.status,
            outcome: end.as_str(),
            is_bad: end.is_bad(self.status),
            code: match self.outcome {
                Outcome::Answered(code) => Some(code),
                Outcome::Complete | Outcome::ClientGone | Outcome::Cut => None,
            },
            head_after: self.head_after,
            elapsed,
            answer_bytes: self.trace.answer_bytes(),
        });
        if let Some(tenant) = self.tenant.filter(|_| !is_check) {
            series.tenant(tenant).request(end);
        }
        self.context.observer.finished(&Record {
            snapshot: &self.snapshot,
            endpoint: self.endpoint,
            tenant: self.tenant,
            route: self.route,
            target: self.target,
            attempts: self.attempts,
            status: self.status,
            outcome: self.outcome,
            head_after: self.head_after,
            elapsed,
        });
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("endpoint", &self.endpoint).field("outcome", &self.outcome).finish()
    }
}
