//! What the series say when they are asked, beside what is known of the targets anyway.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use decisions::attempts::Stop;
use decisions::attempts::breaker::State;
use decisions::plan::Plan;
use decisions::{Role, RouteId};
use telemetry::{Number, Page, names};

use crate::UsageSource;
use crate::live::Live;
use crate::series::labels::{ATTEMPTS, ENDS, KINDS, REASONS, TURNED_AWAY, result_named};
use crate::series::route::RouteSeries;
use crate::series::target::{TargetSeries, Tokens};
use crate::series::tenant::Spent;
use crate::series::{OfRoute, PlanSeries, ROLES};
use crate::snapshot::{Snapshot, SnapshotHandle};
use crate::target_state::Shown;
use crate::unlisted::UnlistedModel;

/// What a running gateway measures.
#[derive(Clone, Debug)]
pub struct Measured {
    pub(crate) live: Arc<Live>,
    pub(crate) snapshot: Arc<SnapshotHandle>,
}

impl Measured {
    /// Writes all of it. It takes the short lock of each target that was ever used, one after the other.
    pub fn write_to(&self, page: &mut Page) {
        let snapshot = self.snapshot.current();
        snapshot.series().write_to(page, &snapshot, self.live.now());
        page.write(&names::BUFFERED_BYTES, &[], self.live.buffered());
    }

    /// Model names that callers sent and no alias lists, and how many requests named others that are not remembered.
    #[must_use]
    pub fn unlisted(&self) -> (Vec<UnlistedModel>, u64) {
        self.live.unlisted.all()
    }
}

/// The labels of a target.
type Of<'p> = [&'p str; 3];

impl PlanSeries {
    /// A route of the plan that has got a request since the process began.
    pub(crate) fn is_used(&self, route: RouteId) -> bool {
        let is_used = |of_route: &OfRoute| {
            of_route.own.get().is_some()
                || of_route.targets.iter().any(|target| target.series.get().is_some())
        };
        self.by_route.get(route.index()).is_some_and(is_used)
    }

    fn write_to(&self, page: &mut Page, snapshot: &Snapshot, now: Duration) {
        let plan = snapshot.plan();
        for ((id, route), of_route) in plan.routes().zip(&self.by_route) {
            if let Some(series) = of_route.own.get() {
                series.write_to(page, &route.name);
            }
            for target in &of_route.targets {
                let Some(series) = target.series.get() else { continue };
                let of =
                    [route.name.as_str(), plan.provider(target.provider).name.as_str(), target.role.as_str()];
                series.write_to(page, of);
                snapshot.targets(Some(id)).of(target.role).shown(now).write_to(page, of);
            }
        }
        self.unrouted_route.write_to(page, "");
        self.write_tenants(page, plan);
        self.write_unrouted(page, snapshot, now);
        for version in self.earlier.iter().filter(|version| version.in_flight() > 0).chain([&self.version]) {
            page.write(&names::REQUESTS_BY_VERSION, &[&version.name], version.begun.shown());
            page.write(&names::REQUESTS_IN_FLIGHT, &[&version.name], version.in_flight());
        }
        page.write_histogram(&names::OVERHEAD_SECONDS, &[], &self.overhead);
        page.write(&names::SERIES_LEFT, &[], self.left.load(Ordering::Relaxed));
        page.write(&names::TENANT_SERIES_LEFT, &[], self.tenants_left.load(Ordering::Relaxed));
    }

    fn write_tenants(&self, page: &mut Page, plan: &Plan) {
        let parts = plan.parts();
        let named = parts.tenants.iter().map(|tenant| tenant.name.as_str()).zip(&self.by_tenant);
        for (tenant, of) in named.chain([("", &self.other_tenants)]) {
            for (at, count) in of.own.get().into_iter().flat_map(|own| own.requests.shown()) {
                page.write(&names::TENANT_REQUESTS, &[tenant, ENDS[at]], count);
            }
            for (provider, slot) in parts.providers.iter().zip(&of.spent) {
                if let Some(spent) = slot.get() {
                    spent.write_to(page, [tenant, &provider.name]);
                }
            }
        }
    }

    fn write_unrouted(&self, page: &mut Page, snapshot: &Snapshot, now: Duration) {
        let plan: &Plan = snapshot.plan();
        for (provider, slots) in plan.parts().providers.iter().zip(&self.unrouted) {
            for (role, slot) in ROLES.into_iter().zip(slots) {
                if let Some(series) = slot.get() {
                    series.write_to(page, ["", &provider.name, role.as_str()]);
                }
            }
        }
        let primary = plan.parts().primary_provider;
        if self.unrouted.get(primary.index()).is_some_and(|slots| slots[0].get().is_some()) {
            let of = ["", &plan.provider(primary).name, Role::Primary.as_str()];
            snapshot.targets(None).of(Role::Primary).shown(now).write_to(page, of);
        }
    }
}

impl RouteSeries {
    fn write_to(&self, page: &mut Page, route: &str) {
        for (at, count) in self.unasked.shown() {
            page.write(&names::REQUESTS, &[route, "", "", ENDS[at]], count);
        }
        for (at, count) in self.decided.shown() {
            page.write(&names::ROUTE_DECISIONS, &[route, REASONS[at].as_str()], count);
        }
        for (at, count) in self.given_up.shown() {
            page.write(&names::GIVEN_UP, &[route, Stop::ALL[at].as_str()], count);
        }
    }
}

impl TargetSeries {
    fn write_to(&self, page: &mut Page, of: Of<'_>) {
        let [route, provider, role] = of;
        for (at, count) in self.requests.shown() {
            page.write(&names::REQUESTS, &[route, provider, role, ENDS[at]], count);
        }
        for (at, count) in self.attempts_of_requests.shown() {
            page.write(&names::REQUEST_ATTEMPTS, &[route, provider, role, ATTEMPTS[at]], count);
        }
        for (kind, results) in KINDS.iter().zip(&self.attempts) {
            for (at, count) in results.shown() {
                let (outcome, class) = result_named(at);
                page.write(&names::ATTEMPTS, &[route, provider, role, kind.as_str(), outcome, class], count);
            }
        }
        for (at, count) in self.passed_over.shown() {
            page.write(&names::PASSED_OVER, &[route, provider, role, TURNED_AWAY[at].as_str()], count);
        }
        page.write_histogram(&names::REQUEST_DURATION, &of, &self.request_duration);
        page.write_histogram(&names::ATTEMPT_DURATION, &of, &self.attempt_duration);
        page.write_histogram(&names::TIME_TO_FIRST_TOKEN, &of, &self.first_token);
        page.write_histogram(&names::TIME_BETWEEN_TOKENS, &of, &self.between_tokens);
        for (source, tokens) in
            [(UsageSource::Reported, &self.reported), (UsageSource::Estimated, &self.estimated)]
        {
            tokens.write_to(page, of, source.as_str());
        }
        if self.cost.shown() > 0 {
            page.write(&names::COST, &of, Number::Billionths(self.cost.shown()));
        }
        page.write(&names::BREAKER_OPENED, &of, self.breaker_opened.shown());
    }
}

impl Spent {
    fn write_to(&self, page: &mut Page, [tenant, provider]: [&str; 2]) {
        for (kind, counter) in [("input", &self.input), ("output", &self.output)] {
            page.write(&names::TENANT_TOKENS, &[tenant, provider, kind], counter.shown());
        }
        if self.cost.shown() > 0 {
            page.write(&names::TENANT_COST, &[tenant, provider], Number::Billionths(self.cost.shown()));
        }
    }
}

impl Tokens {
    fn write_to(&self, page: &mut Page, [route, provider, role]: Of<'_>, source: &str) {
        let counters = [
            ("input", &self.input),
            ("output", &self.output),
            ("cached", &self.cached),
            ("reasoning", &self.reasoning),
        ];
        for (kind, counter) in counters {
            if counter.shown() > 0 {
                page.write(&names::TOKENS, &[route, provider, role, kind, source], counter.shown());
            }
        }
    }
}

impl Shown {
    fn write_to(self, page: &mut Page, of: Of<'_>) {
        page.write(&names::TARGET_IN_FLIGHT, &of, self.in_flight);
        if let Some(limit) = self.limit {
            page.write(&names::TARGET_LIMIT, &of, limit);
        }
        page.write(&names::BREAKER_OPEN, &of, u8::from(self.breaker != State::Closed));
        page.write(&names::RETRY_BUDGET, &of, attempts(self.retries_ppm));
        page.write(&names::FALLBACK_BUDGET, &of, attempts(self.fallbacks_ppm));
    }
}

/// Whole attempts: less than one pays for none.
fn attempts(ppm: u64) -> u64 {
    ppm / 1_000_000
}
