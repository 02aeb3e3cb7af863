//! Holds what the benches rely on, and what they cannot show: that a decision allocates nothing.

use benches::{Kind, ROUTES, Request, TENANTS, large_plan, requests};
use decisions::plan::{CohortMembers, Plan, Scope};
use decisions::{Caller, Decision, Facts, ProviderSet, StickyKeys, decide, no_gates, tenant_primary};

#[test]
fn a_decision_at_ten_thousand_routes_allocates_nothing() {
    let plan = large_plan().unwrap();
    for kind in Kind::ALL {
        let requests = requests(kind);
        let facts: Vec<Facts<'_>> = requests.iter().map(Request::facts).collect();
        let counted = allocation_counter::measure(|| {
            for facts in &facts {
                std::hint::black_box(decide(&plan, facts, no_gates));
            }
        });
        assert_eq!(counted.count_total, 0, "{} allocations for {kind:?}", counted.count_total);
    }
}

/// The keys that take another way through the hash, and the answers that take another way through the decision.
#[test]
fn neither_long_keys_nor_refusals_nor_other_paths_allocate() {
    let plan = large_plan().unwrap();
    let long = "k".repeat(1_000);
    let request = &requests(Kind::EveryoneRoute)[0];
    let with_long_key =
        Facts { keys: StickyKeys { user: Some(&long), ..StickyKeys::default() }, ..request.facts() };
    let without_key = Facts { keys: StickyKeys::default(), ..request.facts() };
    let refused = Facts { caller: Caller::Unlisted { accepted_by: ProviderSet::EMPTY }, ..request.facts() };
    let long_model = Facts { model: &long, ..request.facts() };
    for facts in [with_long_key, without_key, refused, long_model] {
        let counted = allocation_counter::measure(|| {
            std::hint::black_box(decide(&plan, &facts, no_gates));
            std::hint::black_box(tenant_primary(&plan, facts.tenant, facts.caller));
        });
        assert_eq!(counted.count_total, 0, "{facts:?}");
    }
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn the_map_has_the_promised_size() {
    let plan = large_plan().unwrap();
    assert_eq!(plan.parts().routes.len(), ROUTES);
    assert_eq!(plan.parts().tenants.len(), TENANTS as usize);
}

/// Else the bench would measure another path than its name says.
#[test]
fn most_requests_of_a_kind_find_a_route_of_that_kind() {
    let plan = large_plan().unwrap();
    for kind in Kind::ALL {
        let requests = requests(kind);
        let as_named = requests.iter().filter(|request| found(&plan, request) == Some(kind)).count();
        let least = match kind {
            // Ten cohorts of 10 % each: 1 − 0.9¹⁰ of the keys are in one of them at least.
            Kind::BucketRoute => requests.len() / 2,
            _ => requests.len(),
        };
        assert!(as_named >= least, "{kind:?}: {as_named} of {}", requests.len());
    }
}

fn found(plan: &Plan, request: &Request) -> Option<Kind> {
    let facts = request.facts();
    let Decision::Send(chosen) = decide(plan, &facts, no_gates) else { return None };
    if plan.alias_named(facts.model).is_none() {
        return Some(Kind::UnlistedModel);
    }
    Some(match chosen.route.map(|id| plan.route(id).scope) {
        None => Kind::NoRoute,
        Some(Scope::Tenant(_)) => Kind::TenantRoute,
        Some(Scope::Everyone) => Kind::EveryoneRoute,
        Some(Scope::Cohort(id)) => match plan.cohort(id).members {
            CohortMembers::Tenants(_) => Kind::CohortRoute,
            CohortMembers::Buckets(_) => Kind::BucketRoute,
        },
    })
}
