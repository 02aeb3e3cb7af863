//! The choice of a route against a naive oracle that asks every route in turn.

mod plans;
mod scale;

use decisions::plan::{Bucketing, CohortMembers, ModelMatch, Plan, PlanParts, Route, Scope, StickyBy};
use decisions::route::{choose_route, choose_tenant_route};
use decisions::{AliasId, Endpoint, Facts, TenantId};
use proptest::prelude::*;

use crate::plans::{asked, plan_parts};
use crate::scale::scaled;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(20_000)))]

    #[test]
    fn the_chosen_route_is_the_one_that_asking_every_route_finds(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts.clone()).unwrap();
        let facts = asked.facts();
        for alias in (0..).map(AliasId).take(parts.aliases.len()) {
            let expected = best(&parts, |route| rank(&parts, route, alias, &facts)).first().copied();
            prop_assert_eq!(choose_route(&plan, alias, &facts).map(|id| plan.route(id)), expected);
        }
        for endpoint in [None, Some(facts.endpoint)] {
            let expected = best(&parts, |route| tenant_rank(&parts, route, facts.tenant, endpoint)).first().copied();
            prop_assert_eq!(choose_tenant_route(&plan, facts.tenant, endpoint).map(|id| plan.route(id)), expected);
        }
    }

    #[test]
    fn the_order_of_routes_matters_only_between_tied_cohorts(
        (parts, shuffled) in plan_parts().prop_flat_map(|parts| {
            let shuffled = Just(parts.routes.clone()).prop_shuffle();
            (Just(parts), shuffled)
        }),
        asked in asked(),
    ) {
        let plan = Plan::new(parts.clone()).unwrap();
        let other = Plan::new(PlanParts { routes: shuffled, ..parts.clone() }).unwrap();
        let facts = asked.facts();
        for alias in (0..).map(AliasId).take(parts.aliases.len()) {
            let tied = best(&parts, |route| rank(&parts, route, alias, &facts));
            let chosen = choose_route(&plan, alias, &facts).map(|id| &plan.route(id).name);
            let chosen_there = choose_route(&other, alias, &facts).map(|id| &other.route(id).name);
            if tied.len() > 1 {
                prop_assert!(tied.iter().all(|route| matches!(route.scope, Scope::Cohort(_))));
                prop_assert!(chosen_there.is_some_and(|name| tied.iter().any(|route| route.name == *name)));
            } else {
                prop_assert_eq!(chosen, chosen_there);
            }
        }
    }
}

/// Whose route it is, what models it names, whether it names the endpoint; smaller is more specific.
type Rank = (u8, u8, bool);

/// The routes of the best rank, in the file's order; a route without a rank does not match.
fn best(parts: &PlanParts, rank: impl Fn(&Route) -> Option<Rank>) -> Vec<&Route> {
    let Some(best) = parts.routes.iter().filter_map(&rank).min() else { return Vec::new() };
    parts.routes.iter().filter(|route| rank(route) == Some(best)).collect()
}

fn rank(parts: &PlanParts, route: &Route, alias: AliasId, facts: &Facts<'_>) -> Option<Rank> {
    let whose = match route.scope {
        Scope::Tenant(tenant) => (tenant == facts.tenant).then_some(0),
        Scope::Cohort(cohort) => match &parts.cohorts[cohort.index()].members {
            CohortMembers::Tenants(tenants) => tenants.contains(&facts.tenant).then_some(1),
            CohortMembers::Buckets(bucketing) => is_in(parts, bucketing, facts).then_some(2),
        },
        Scope::Everyone => Some(3),
    };
    let what = match route.models {
        ModelMatch::Alias(named) => (named == alias).then_some(0),
        ModelMatch::Family(named) => (parts.aliases[alias.index()].family == Some(named)).then_some(1),
        ModelMatch::Any => Some(2),
    };
    Some((whose?, what?, endpoint_rank(route, Some(facts.endpoint))?))
}

/// What is not routed by alias knows no sticky key, so cohorts of buckets do not count.
fn tenant_rank(
    parts: &PlanParts,
    route: &Route,
    tenant: TenantId,
    endpoint: Option<Endpoint>,
) -> Option<Rank> {
    let whose = match route.scope {
        Scope::Tenant(id) => (id == tenant).then_some(0),
        Scope::Cohort(cohort) => match &parts.cohorts[cohort.index()].members {
            CohortMembers::Tenants(tenants) => tenants.contains(&tenant).then_some(1),
            CohortMembers::Buckets(_) => None,
        },
        Scope::Everyone => Some(2),
    };
    if route.models == ModelMatch::Any { Some((whose?, 2, endpoint_rank(route, endpoint)?)) } else { None }
}

fn endpoint_rank(route: &Route, asked: Option<Endpoint>) -> Option<bool> {
    match route.endpoint {
        Some(named) => (Some(named) == asked).then_some(false),
        None => Some(true),
    }
}

fn is_in(parts: &PlanParts, bucketing: &Bucketing, facts: &Facts<'_>) -> bool {
    let mut keys = Vec::new();
    for by in &bucketing.sticky_by {
        let key = match by {
            StickyBy::SafetyIdentifier => facts.keys.safety_identifier.unwrap_or("").as_bytes().to_vec(),
            StickyBy::User => facts.keys.user.unwrap_or("").as_bytes().to_vec(),
            StickyBy::PromptCacheKey => facts.keys.prompt_cache_key.unwrap_or("").as_bytes().to_vec(),
            StickyBy::Tenant => parts.tenants[facts.tenant.index()].name.as_bytes().to_vec(),
            StickyBy::Request => facts.draw.to_le_bytes().to_vec(),
        };
        keys.push(key);
    }
    keys.retain(|key| !key.is_empty());
    keys.first().is_some_and(|key| {
        let joined = [bucketing.salt.as_bytes(), &[0x1F], key].concat();
        let hash = u128::from(xxhash_rust::xxh3::xxh3_64(&joined));
        hash * 1_000_000 < u128::from(bucketing.share.ppm()) << 64
    })
}
