//! Which route applies to a request: the most specific one.
//!
//! Who is asked first, what is asked second: a tenant's own routes beat those of its cohorts, those beat the ones of
//! a bucket cohort, and those beat `*`; within each, a route for the very alias beats one for every alias. Between
//! two cohorts of the same kind the route that stands first in the file wins.

use crate::bucket;
use crate::facts::Facts;
use crate::ids::{AliasId, CohortId, RouteId, TenantId};
use crate::plan::{CohortMembers, Plan, Scope};

/// The route of a request for an alias, if any route matches.
#[must_use]
pub fn choose_route(plan: &Plan, alias: AliasId, facts: &Facts<'_>) -> Option<RouteId> {
    let index = plan.index();
    let one_of = |scope: Scope| index.route(scope, Some(alias)).or_else(|| index.route(scope, None));
    one_of(Scope::Tenant(facts.tenant))
        .or_else(|| {
            let is_member = |_| true;
            first_in_file(plan, index.cohorts_of(facts.tenant), is_member, alias)
        })
        .or_else(|| {
            let is_member = |cohort| is_member_by_bucket(plan, cohort, facts);
            first_in_file(plan, index.bucket_cohorts(), is_member, alias)
        })
        .or_else(|| one_of(Scope::Everyone))
}

/// The route that names a tenant's primary for what is not routed by alias: the most specific one for every alias.
#[must_use]
pub fn choose_tenant_route(plan: &Plan, tenant: TenantId) -> Option<RouteId> {
    let index = plan.index();
    index
        .route(Scope::Tenant(tenant), None)
        .or_else(|| {
            let cohorts = index.cohorts_of(tenant).iter();
            cohorts.filter_map(|cohort| index.route(Scope::Cohort(*cohort), None)).min()
        })
        .or_else(|| index.route(Scope::Everyone, None))
}

fn first_in_file(
    plan: &Plan,
    cohorts: &[CohortId],
    is_member: impl Fn(CohortId) -> bool,
    alias: AliasId,
) -> Option<RouteId> {
    let index = plan.index();
    let route_of = |cohort: CohortId| {
        let scope = Scope::Cohort(cohort);
        // A route for the very alias sorts before one for every alias; then the file's order decides.
        let exact = index.route(scope, Some(alias)).map(|route| (0, route));
        let found = exact.or_else(|| index.route(scope, None).map(|route| (1, route)))?;
        // Asked last, because the answer may take a hash of the sticky key.
        is_member(cohort).then_some(found)
    };
    cohorts.iter().copied().filter_map(route_of).min().map(|(_, route)| route)
}

fn is_member_by_bucket(plan: &Plan, cohort: CohortId, facts: &Facts<'_>) -> bool {
    match &plan.cohort(cohort).members {
        CohortMembers::Tenants(_) => false,
        CohortMembers::Buckets(bucketing) => {
            let tenant = &plan.tenant(facts.tenant).name;
            bucket::draw(bucketing, tenant, facts).is_some_and(|(is_in, _)| is_in)
        }
    }
}
