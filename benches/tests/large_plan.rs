//! Holds what the benches rely on, and what they cannot show: that a decision allocates nothing.

use benches::{Kind, ROUTES, TENANTS, Request, large_plan, requests};
use decisions::plan::{CohortMembers, Plan, Scope};
use decisions::{Decision, Facts, decide};

#[test]
fn a_decision_at_ten_thousand_routes_allocates_nothing() {
    let plan = large_plan().unwrap();
    for kind in Kind::ALL {
        let requests = requests(kind);
        let facts: Vec<Facts<'_>> = requests.iter().map(Request::facts).collect();
        let counted = allocation_counter::measure(|| {
            for facts in &facts {
                std::hint::black_box(decide(&plan, facts));
            }
        });
        assert_eq!(counted.count_total, 0, "{} allocations for {kind:?}", counted.count_total);
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
    let Decision::Send(chosen) = decide(plan, &facts) else { return None };
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
