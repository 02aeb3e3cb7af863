//! The exact shares against what `decide` does with thousands of drawn requests, and by hand where splits are nested.

mod plans;
mod scale;
mod small;

use decisions::plan::{
    AllowedAliases, Bucketing, CohortMembers, FeatureSet, Plan, PlanParts, Scope, StickyBy,
};
use decisions::spread::{Carries, Class, Part, PartDecision, spread};
use decisions::{
    Caller, CohortId, Decision, Endpoint, Facts, Refusal, Role, RouteId, StickyKeys, TenantId, decide,
    no_gates,
};
use proptest::prelude::*;

use crate::plans::{asked, plan_parts};
use crate::scale::scaled;
use crate::small::{route, small_plan, split};

const DRAWS: u32 = 2_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(20_000)))]

    #[test]
    fn shares_sum_to_one_and_no_part_is_empty_or_listed_twice(
        parts in plan_parts(), asked in asked(), carries in carries(),
    ) {
        let plan = Plan::new(parts).unwrap();
        let spread = spread(&plan, class(&asked.facts(), carries));
        let sum: f64 = spread.iter().map(|part| part.share).sum();
        prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        prop_assert!(spread.iter().all(|part| part.share > 0.0));
        for (at, part) in spread.iter().enumerate() {
            prop_assert!(spread.iter().skip(at + 1).all(|other| other.decision != part.decision));
        }
    }

    #[test]
    fn a_class_without_keys_goes_one_way_where_no_list_has_request(parts in plan_parts(), asked in asked()) {
        let mut parts = parts;
        for split in splits(&mut parts) {
            split.sticky_by.retain(|by| *by != StickyBy::Request);
        }
        let plan = Plan::new(parts).unwrap();
        let class = class(&asked.facts(), Carries::Nothing);
        let spread = spread(&plan, class);
        prop_assert_eq!(spread.len(), 1);
        let expected = outcome(decide(&plan, &facts(class, StickyKeys::default(), 0), no_gates));
        prop_assert_eq!(spread[0].decision, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(3_000)))]

    #[test]
    fn drawn_requests_go_where_the_shares_say(
        parts in plan_parts(), asked in asked(), carries in carries(), seed in any::<u64>(),
    ) {
        let plan = Plan::new(parts).unwrap();
        let request = asked.facts();
        let class = class(&request, carries);
        let spread = spread(&plan, class);
        let mut seen = vec![0_u32; spread.len()];
        for at in 0..DRAWS {
            let [safety_identifier, user, cache] = ["s", "u", "c"].map(|field| format!("{field}{seed}-{at}"));
            let keys = match class.carries {
                Carries::Keys => StickyKeys {
                    safety_identifier: Some(&safety_identifier),
                    user: Some(&user),
                    prompt_cache_key: Some(&cache),
                },
                Carries::Nothing => StickyKeys::default(),
            };
            let draw = seed.wrapping_add(u64::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let decision = outcome(decide(&plan, &facts(class, keys, draw), no_gates));
            let part = spread.iter().position(|part| part.decision == decision);
            prop_assert!(part.is_some(), "{decision:?} is none of {spread:?}");
            seen[part.unwrap()] += 1;
        }
        for (part, seen) in spread.iter().zip(seen) {
            let sigma = (part.share * (1.0 - part.share).max(0.0) / f64::from(DRAWS)).sqrt();
            let off = (f64::from(seen) / f64::from(DRAWS) - part.share).abs();
            prop_assert!(off <= 5.0 * sigma + 1e-3, "{seen} of {DRAWS} for {part:?}");
        }
    }
}

/// Two cohorts of 30 % and 50 % and a canary of 10 % and one of 60 %, all of the same salt: 0 to 30 % is the first
/// cohort with 0 to 10 % of it in the canary, 30 to 50 % is what is left to the second, 50 to 60 % is all that is left
/// of everyone's canary.
#[test]
fn splits_of_one_salt_lie_inside_each_other() {
    let plan = Plan::new(nested(["s", "s", "s", "s"])).unwrap();
    let expected = [
        (0.1, RouteId(0), Role::Canary),
        (0.2, RouteId(0), Role::Primary),
        (0.2, RouteId(1), Role::Primary),
        (0.1, RouteId(2), Role::Canary),
        (0.4, RouteId(2), Role::Primary),
    ];
    assert_parts(&spread(&plan, everything(Carries::Keys)), &expected);
}

#[test]
fn splits_of_different_salts_multiply() {
    let plan = Plan::new(nested(["a", "b", "c", "d"])).unwrap();
    let expected = [
        (0.3 * 0.1, RouteId(0), Role::Canary),
        (0.3 * 0.9, RouteId(0), Role::Primary),
        (0.7 * 0.5, RouteId(1), Role::Primary),
        (0.7 * 0.5 * 0.6, RouteId(2), Role::Canary),
        (0.7 * 0.5 * 0.4, RouteId(2), Role::Primary),
    ];
    assert_parts(&spread(&plan, everything(Carries::Keys)), &expected);
}

#[test]
fn without_a_key_nobody_is_in_a_cohort_or_a_canary() {
    let plan = Plan::new(nested(["s", "s", "s", "s"])).unwrap();
    assert_parts(&spread(&plan, everything(Carries::Nothing)), &[(1.0, RouteId(2), Role::Primary)]);
}

#[test]
fn what_is_refused_comes_out_as_a_whole() {
    let mut parts = nested(["s", "s", "s", "s"]);
    parts.tenants[0].allowed_aliases = AllowedAliases::Only(Vec::new());
    let plan = Plan::new(parts).unwrap();
    for model in ["alias", "no alias"] {
        let spread = spread(&plan, Class { model, ..everything(Carries::Keys) });
        assert_eq!(spread, [Part { share: 1.0, decision: PartDecision::Refuse(Refusal::UnknownModel) }]);
    }
}

fn assert_parts(spread: &[Part<'_>], expected: &[(f64, RouteId, Role)]) {
    assert_eq!(spread.len(), expected.len(), "{spread:#?}");
    for (part, (share, route, role)) in spread.iter().zip(expected) {
        let found = match part.decision {
            PartDecision::Send { route, first } => Some((route, first.role)),
            PartDecision::Refuse(_) => None,
        };
        assert_eq!(found, Some((Some(*route), *role)), "{spread:#?}");
        assert!((part.share - share).abs() < 1e-12, "{spread:#?}");
    }
}

fn outcome(decision: Decision<'_>) -> PartDecision<'_> {
    match decision {
        Decision::Send(chosen) => PartDecision::Send { route: chosen.route, first: chosen.order.first() },
        Decision::Refuse(refusal) => PartDecision::Refuse(refusal),
    }
}

fn facts<'r>(class: Class<'r>, keys: StickyKeys<'r>, draw: u64) -> Facts<'r> {
    let Class { tenant, model, endpoint, stateful, .. } = class;
    Facts {
        tenant,
        caller: Caller::Known,
        endpoint,
        model,
        keys,
        stateful,
        features: FeatureSet::EMPTY,
        draw,
    }
}

fn class<'r>(request: &Facts<'r>, carries: Carries) -> Class<'r> {
    let Facts { tenant, model, endpoint, stateful, .. } = *request;
    Class { tenant, model, endpoint, carries, stateful }
}

fn carries() -> impl Strategy<Value = Carries> {
    prop_oneof![3 => Just(Carries::Keys), 1 => Just(Carries::Nothing)]
}

fn splits(parts: &mut PlanParts) -> impl Iterator<Item = &mut Bucketing> {
    let of_cohorts = parts.cohorts.iter_mut().filter_map(|cohort| match &mut cohort.members {
        CohortMembers::Tenants(_) => None,
        CohortMembers::Buckets(split) => Some(split),
    });
    let canaries = parts.routes.iter_mut().filter_map(|route| route.canary.as_mut());
    of_cohorts.chain(canaries.map(|canary| &mut canary.bucketing))
}

fn everything(carries: Carries) -> Class<'static> {
    Class { tenant: TenantId(0), model: "alias", endpoint: Endpoint::Chat, carries, stateful: false }
}

/// Routes for a cohort of 30 % with a canary of 10 %, for one of 50 %, and for everyone with a canary of 60 %.
fn nested(salts: [&str; 4]) -> PlanParts {
    let [first, second, first_canary, last_canary] = salts;
    small_plan(
        [CohortMembers::Buckets(split(30, first)), CohortMembers::Buckets(split(50, second))],
        vec![
            route(Scope::Cohort(CohortId(0)), Some(split(10, first_canary))),
            route(Scope::Cohort(CohortId(1)), None),
            route(Scope::Everyone, Some(split(60, last_canary))),
        ],
    )
}
