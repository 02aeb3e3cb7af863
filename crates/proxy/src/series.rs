//! What is counted of a plan's requests: series that exist from the first request that they are of, kept over reloads by
//! the names in their labels, so that no counter ever goes backwards.
//!
//! They hang on the snapshot, as the targets' memory does, so a request finds them by position: no lock, no look-up by
//! name, and memory is allocated once for each series, not for each request. Only so many routes and targets get series of their own,
//! and only so many tenants, whatever the plan's size; the others count where requests without a route do.
//!
//! Reading order: [`target`] (one target), [`route`] (one route), [`tenant`] (one tenant), [`version`] (one map), [`labels`] (the closed sets),
//! [`written`] (what the page says).

pub(crate) mod labels;
pub(crate) mod route;
pub(crate) mod target;
pub(crate) mod tenant;
mod version;
mod written;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use decisions::plan::{Plan, Route};
use decisions::{ProviderId, Role, RouteId, TenantId};
use telemetry::{Histogram, names};

use crate::series::route::RouteSeries;
use crate::series::target::TargetSeries;
use crate::series::tenant::{Spent, TenantSeries};
use crate::series::version::VersionSeries;
pub use written::Measured;

/// Routes and targets with series of their own. A target has about a hundred lines on the page.
const MOST_OF_THEIR_OWN: usize = 2_000;

/// Tenants, and what each took at each provider: of three lines or so. Apart from the others, so that no number of tenants
/// takes a route from the page.
const MOST_OF_TENANTS: usize = 5_000;

const ROLES: [Role; 3] = [Role::Primary, Role::Canary, Role::Fallback];

/// A place for series, empty until they are first used; shared with the snapshots before and after.
type Slot<T> = Arc<OnceLock<Box<T>>>;

/// The series of a plan.
#[derive(Debug)]
pub(crate) struct PlanSeries {
    /// In the plan's order.
    by_route: Vec<OfRoute>,
    /// Of whatever has none of its own: for each provider in the plan's order, one for each role.
    unrouted: Vec<[Slot<TargetSeries>; 3]>,
    unrouted_route: Arc<RouteSeries>,
    /// In the plan's order.
    by_tenant: Vec<OfTenant>,
    /// Of tenants that have none of their own.
    other_tenants: OfTenant,
    pub(crate) version: Arc<VersionSeries>,
    /// Of maps before that have requests still.
    earlier: Vec<Arc<VersionSeries>>,
    /// How many more may have their own.
    left: AtomicUsize,
    tenants_left: AtomicUsize,
    /// Of the process.
    overhead: Arc<Histogram>,
}

#[derive(Debug)]
struct OfRoute {
    own: Slot<RouteSeries>,
    targets: Vec<OfTarget>,
}

#[derive(Debug)]
struct OfTarget {
    provider: ProviderId,
    role: Role,
    series: Slot<TargetSeries>,
}

#[derive(Debug, Default)]
struct OfTenant {
    own: Slot<TenantSeries>,
    /// By provider, in the plan's order.
    spent: Vec<Slot<Spent>>,
}

impl OfTenant {
    /// With what another has of the same tenant; `known` has what each provider was there.
    fn new(known: &[Option<ProviderId>], before: Option<&OfTenant>) -> OfTenant {
        let spent = known.iter().map(|known| before?.spent.get((*known)?.index()).map(Arc::clone));
        OfTenant {
            spent: spent.map(Option::unwrap_or_default).collect(),
            own: before.map_or_else(Slot::default, |before| Arc::clone(&before.own)),
        }
    }

    /// How many of the series that may be are there.
    fn used(&self) -> usize {
        usize::from(self.own.get().is_some())
            + self.spent.iter().filter(|spent| spent.get().is_some()).count()
    }
}

impl PlanSeries {
    /// Those of a plan; what `earlier` has under the same names goes on.
    pub(crate) fn new(plan: &Plan, earlier: Option<(&Plan, &PlanSeries)>) -> PlanSeries {
        let known: HashMap<&str, &OfRoute> = earlier
            .into_iter()
            .flat_map(|(plan, series)| {
                plan.routes().map(|(_, route)| route.name.as_str()).zip(&series.by_route)
            })
            .collect();
        let mut used = 0;
        let by_route = plan.routes().map(|(_, route)| {
            let before = known.get(route.name.as_str());
            let own = before.map_or_else(Slot::default, |before| Arc::clone(&before.own));
            used += usize::from(own.get().is_some());
            let targets = targets_of(route).map(|(provider, role)| {
                let name = plan.provider(provider).name.as_str();
                let is_it = |(old, target): &(&Plan, &OfTarget)| {
                    target.role == role && old.provider(target.provider).name == name
                };
                let targets = before.into_iter().flat_map(|before| &before.targets);
                let kept = earlier.and_then(|(old, _)| targets.map(|target| (old, target)).find(is_it));
                let series = kept.map_or_else(Slot::default, |(_, target)| Arc::clone(&target.series));
                used += usize::from(series.get().is_some());
                OfTarget { provider, role, series }
            });
            OfRoute { targets: targets.collect(), own }
        });
        let by_route: Vec<OfRoute> = by_route.collect();
        let tenants: HashMap<&str, &OfTenant> = earlier
            .into_iter()
            .flat_map(|(plan, series)| {
                plan.parts().tenants.iter().map(|tenant| tenant.name.as_str()).zip(&series.by_tenant)
            })
            .collect();
        let providers = plan.parts().providers.iter();
        let providers: Vec<_> = providers.map(|one| earlier?.0.provider_named(&one.name)).collect();
        let by_tenant = plan.parts().tenants.iter();
        let by_tenant: Vec<OfTenant> = by_tenant
            .map(|tenant| OfTenant::new(&providers, tenants.get(tenant.name.as_str()).copied()))
            .collect();
        let used_by_tenants = by_tenant.iter().map(OfTenant::used).sum::<usize>();
        let before = earlier.map(|(_, series)| series);
        let unrouted = providers.iter().map(|known| before?.unrouted.get((*known)?.index()).cloned());
        let unrouted = unrouted.map(Option::unwrap_or_default);
        let version = plan.route_version();
        let versions =
            || before.into_iter().flat_map(|before| before.earlier.iter().chain([&before.version]));
        PlanSeries {
            by_route,
            by_tenant,
            other_tenants: OfTenant::new(&providers, before.map(|series| &series.other_tenants)),
            unrouted: unrouted.collect(),
            unrouted_route: before.map_or_else(Arc::default, |before| Arc::clone(&before.unrouted_route)),
            version: versions()
                .find(|known| known.name == version)
                .map_or_else(|| Arc::new(VersionSeries::new(version)), Arc::clone),
            earlier: versions()
                .filter(|known| known.name != version && known.in_flight() > 0)
                .cloned()
                .collect(),
            left: AtomicUsize::new(MOST_OF_THEIR_OWN.saturating_sub(used)),
            tenants_left: AtomicUsize::new(MOST_OF_TENANTS.saturating_sub(used_by_tenants)),
            overhead: before.map_or_else(
                || Arc::new(Histogram::new(names::OVERHEAD)),
                |before| Arc::clone(&before.overhead),
            ),
        }
    }

    /// Of a target, in this role of a route, if there is one.
    pub(crate) fn target(
        &self,
        route: Option<RouteId>,
        provider: ProviderId,
        role: Role,
    ) -> Option<&TargetSeries> {
        let of_route = route.and_then(|route| self.by_route.get(route.index()));
        let own = of_route.and_then(|of_route| {
            let is_meant = |target: &&OfTarget| target.provider == provider && target.role == role;
            own(&of_route.targets.iter().find(is_meant)?.series, &self.left)
        });
        let unrouted = || self.unrouted.get(provider.index())?.get(role as usize);
        own.or_else(|| Some(unrouted()?.get_or_init(Box::default)))
    }

    /// Of a route.
    pub(crate) fn route(&self, route: Option<RouteId>) -> &RouteSeries {
        let own = route.and_then(|route| own(&self.by_route.get(route.index())?.own, &self.left));
        own.unwrap_or(&self.unrouted_route)
    }

    /// Of a tenant.
    pub(crate) fn tenant(&self, tenant: TenantId) -> &TenantSeries {
        let own = self.by_tenant.get(tenant.index()).and_then(|of| own(&of.own, &self.tenants_left));
        own.unwrap_or_else(|| self.other_tenants.own.get_or_init(Box::default))
    }

    /// What a tenant took at a provider.
    pub(crate) fn spent(&self, tenant: TenantId, provider: ProviderId) -> Option<&Spent> {
        let at = provider.index();
        let of_tenant = self.by_tenant.get(tenant.index());
        let own = of_tenant.and_then(|of| own(of.spent.get(at)?, &self.tenants_left));
        own.or_else(|| Some(self.other_tenants.spent.get(at)?.get_or_init(Box::default)))
    }

    /// From the end of a request's body to its first attempt.
    pub(crate) fn overhead(&self) -> &Histogram {
        &self.overhead
    }
}

/// What is in a slot; made there by the first that asks, if so many are left.
fn own<'s, T: Default>(slot: &'s Slot<T>, left: &AtomicUsize) -> Option<&'s T> {
    if let Some(series) = slot.get() {
        return Some(series);
    }
    let one_less = |left: usize| left.checked_sub(1);
    // Two that are the first at once take two places; nothing else depends on that.
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok()?;
    Some(slot.get_or_init(Box::default))
}

/// A route's targets. One provider may have two roles.
fn targets_of(route: &Route) -> impl Iterator<Item = (ProviderId, Role)> {
    let canary = route.canary.as_ref().map(|canary| (canary.provider, Role::Canary));
    let fallback = route.fallback.map(|provider| (provider, Role::Fallback));
    [Some((route.primary, Role::Primary)), canary, fallback].into_iter().flatten()
}

#[cfg(test)]
mod tests;
