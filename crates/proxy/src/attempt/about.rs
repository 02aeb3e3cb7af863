//! A request as its attempts see it: what all of them share, and where one of them goes.

use std::sync::Arc;
use std::time::Duration;

use decisions::decide::Reason;
use decisions::plan::Criticality;
use decisions::{AliasId, Barred, Endpoint, ProviderId, Role, RouteId, TenantId};
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::gates::Class;
use crate::leases::Checking;
use crate::observer::AttemptKind;
use crate::response::limit_headers::tell_left;
use crate::series::target::TargetSeries;
use crate::snapshot::Snapshot;
use crate::trace::{Happened, Trace};
use crate::worker::Context;

/// What all attempts of a request share, for their records.
pub(crate) struct About {
    pub(crate) context: Arc<Context>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) trace: Trace,
    pub(crate) request_id: HeaderValue,
    pub(crate) endpoint: Endpoint,
    pub(crate) tenant: TenantId,
    pub(crate) criticality: Criticality,
    pub(crate) route: Option<RouteId>,
    pub(crate) alias: Option<AliasId>,
    pub(crate) reason: Reason,
    /// The canary's share that it was decided by, in parts per million.
    pub(crate) share_ppm: u32,
    /// What of the API it uses, one bit for each feature.
    pub(crate) features: u16,
    pub(crate) callers_retries: u32,
    /// How long the request's body is.
    pub(crate) request_bytes: usize,
    /// The caller waits for less than the route allows.
    pub(crate) is_impatient: bool,
    /// When the request's body was there.
    pub(crate) body_at: Instant,
    /// It is of a check: nothing that callers depend on hears of it.
    pub(crate) check: Option<Box<Checking>>,
}

/// Where an attempt goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    pub(crate) provider: ProviderId,
    pub(crate) role: Role,
    /// How long it may take to begin its answer.
    pub(crate) timeout: Duration,
    /// A check has lent it that time: the first content of a stream has no more.
    pub(crate) is_lent: bool,
}

impl About {
    /// Says what is left to the tenant, in an answer of which nothing more is known yet.
    pub(crate) fn tell_left(&self, headers: &mut HeaderMap) {
        if let Some(state) = self.snapshot.tenant_state(self.tenant) {
            tell_left(headers, state.left(self.context.live.now()));
        }
    }

    /// Why an attempt there may not be begun: a gate has spoken since the request was decided. What lives there is asked
    /// for there all the same.
    pub(crate) fn barred(&self, aim: Aim) -> Option<Barred> {
        let route = self.route.filter(|_| self.reason != Reason::Pinned && aim.role != Role::Primary)?;
        let (standing, route) = (self.snapshot.gates().standing(route), self.snapshot.plan().route(route));
        match aim.role {
            Role::Canary => standing.bars_canary(route),
            Role::Primary | Role::Fallback => standing.bars(route, aim.provider),
        }
    }

    /// Notes in the trace what its gates say otherwise after this than before.
    pub(super) fn noting_gates(&self, told: impl FnOnce()) {
        let Some(route) = self.route.filter(|_| self.trace.is_made()) else { return told() };
        let standing = || self.snapshot.gates().standing(route);
        let before = standing();
        told();
        let after = standing();
        let of_each =
            [(Role::Canary, before.canary, after.canary), (Role::Fallback, before.fallback, after.fallback)];
        for (role, _, says) in of_each.into_iter().filter(|(_, before, after)| before != after) {
            self.trace.note(Happened::GateSays(role, says));
        }
        if let Some(share) = after.share.filter(|_| before.share != after.share) {
            self.trace.note(Happened::ShareMoved(share.ppm()));
        }
    }

    /// What is counted of a target; checks are counted apart.
    pub(crate) fn series(&self, aim: Aim) -> Option<&TargetSeries> {
        if self.check.is_some() {
            return None;
        }
        self.snapshot.series().target(self.route, aim.provider, aim.role)
    }

    /// What an attempt of this kind is to a rollback.
    pub(super) fn class(&self, kind: AttemptKind) -> Option<Class> {
        Class::of(kind, self.reason == Reason::Pinned)
    }

    /// What a provider calls the model; `None` leaves the request as it was sent.
    pub(crate) fn model_id(&self, provider: ProviderId) -> Option<&str> {
        if let Some(id) = self.check.as_ref().and_then(|check| check.terms().model_id.as_deref()) {
            return Some(id);
        }
        self.snapshot.plan().alias(self.alias?).model_ids.get(provider.index())?.as_deref()
    }
}
