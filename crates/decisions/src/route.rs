//! Which route applies to a request: the most specific one.
//!
//! Who is asked first, what is asked second, the endpoint last: a tenant's own routes beat those of its cohorts, those
//! beat the ones of a bucket cohort, and those beat `*`; within each, a route for the very alias beats one for its
//! family, and that beats one for every alias; then a route for one endpoint beats one for all. Between two cohorts of
//! the same kind the more specific route wins, and of two as specific the one that stands first in the file.

use crate::bucket;
use crate::facts::{Endpoint, Facts};
use crate::ids::{AliasId, CohortId, RouteId, TenantId};
use crate::plan::{Bucketing, CohortMembers, Plan, Scope};
use crate::route_index::{Asked, Ranked};

/// The route of a request for an alias, if any route matches.
#[must_use]
pub fn choose_route(plan: &Plan, alias: AliasId, facts: &Facts<'_>) -> Option<RouteId> {
    let index = plan.index();
    let asked = Asked::for_alias(alias, plan.alias(alias).family, facts.endpoint);
    let one_of = |scope: Scope| index.most_specific(scope, &asked);
    of_tenant(plan, facts.tenant, one_of)
        .or_else(|| {
            let is_member = |cohort| is_member_by_bucket(plan, cohort, facts);
            first_in_file(index.bucket_cohorts(), one_of, is_member)
        })
        .or_else(|| one_of(Scope::Everyone))
        .map(|(_, route)| route)
}

/// The route that names a tenant's primary for what is not routed by alias: the most specific one for every alias. An
/// endpoint narrows it where the request goes to one that is routed.
#[must_use]
pub fn choose_tenant_route(plan: &Plan, tenant: TenantId, endpoint: Option<Endpoint>) -> Option<RouteId> {
    let index = plan.index();
    let asked = Asked::for_no_alias(endpoint);
    let one_of = |scope: Scope| index.most_specific(scope, &asked);
    of_tenant(plan, tenant, one_of).or_else(|| one_of(Scope::Everyone)).map(|(_, route)| route)
}

/// Every route that a request of a tenant for an alias may find, in the order in which they are asked: first those that
/// take the requests within a share, last the one that takes all the rest, if any does. It is [`choose_route`] before
/// anything is drawn.
pub(crate) fn candidates(
    plan: &Plan,
    tenant: TenantId,
    alias: AliasId,
    endpoint: Endpoint,
) -> (Vec<(&Bucketing, RouteId)>, Option<RouteId>) {
    let index = plan.index();
    let asked = Asked::for_alias(alias, plan.alias(alias).family, endpoint);
    let one_of = |scope: Scope| index.most_specific(scope, &asked);
    if let Some((_, route)) = of_tenant(plan, tenant, one_of) {
        return (Vec::new(), Some(route));
    }
    let with_split = |cohort: &CohortId| match &plan.cohort(*cohort).members {
        CohortMembers::Tenants(_) => None,
        CohortMembers::Buckets(split) => one_of(Scope::Cohort(*cohort)).map(|ranked| (ranked, split)),
    };
    let mut split: Vec<_> = index.bucket_cohorts().iter().filter_map(with_split).collect();
    split.sort_unstable_by_key(|(ranked, _)| *ranked);
    let split = split.into_iter().map(|((_, route), split)| (split, route)).collect();
    (split, one_of(Scope::Everyone).map(|(_, route)| route))
}

/// The route of a tenant's own, else that of its cohorts: those that need no draw.
fn of_tenant(plan: &Plan, tenant: TenantId, one_of: impl Fn(Scope) -> Option<Ranked>) -> Option<Ranked> {
    one_of(Scope::Tenant(tenant)).or_else(|| first_in_file(plan.index().cohorts_of(tenant), one_of, |_| true))
}

fn first_in_file(
    cohorts: &[CohortId],
    one_of: impl Fn(Scope) -> Option<Ranked>,
    is_member: impl Fn(CohortId) -> bool,
) -> Option<Ranked> {
    // Membership is asked last, because the answer may take a hash of the sticky key.
    let route_of = |cohort: CohortId| one_of(Scope::Cohort(cohort)).filter(|_| is_member(cohort));
    cohorts.iter().copied().filter_map(route_of).min()
}

pub(crate) fn is_member_by_bucket(plan: &Plan, cohort: CohortId, facts: &Facts<'_>) -> bool {
    match &plan.cohort(cohort).members {
        CohortMembers::Tenants(_) => false,
        CohortMembers::Buckets(bucketing) => {
            let tenant = &plan.tenant(facts.tenant).name;
            bucket::draw(bucketing, tenant, facts).is_some_and(|(is_in, _)| is_in)
        }
    }
}
