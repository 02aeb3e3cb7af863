//! What leaves home in a new plan and did not in the old one is reported, and what only narrows it is not.

mod edits;
mod plans;
mod scale;
mod small;

use decisions::bucket::Share;
use decisions::exposure::{exposed, raised};
use decisions::plan::{
    CohortMembers, EnabledFeatures, Feature, FeatureSet, Mode, Plan, PlanParts, Route, Scope, Tenant,
};
use decisions::{
    Chosen, CohortId, Decision, Facts, ProviderId, Role, RouteId, Target, TenantId, decide, no_gates,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseResult, TestRunner};

use crate::edits::{edit, edited, renamed, renumbered};
use crate::plans::{asked, plan_parts};
use crate::scale::scaled;
use crate::small::{route, small_plan, split};

const STREAMING: FeatureSet = FeatureSet::EMPTY.with(Feature::Streaming);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(20_000)))]

    #[test]
    fn what_no_route_raises_went_out_before(
        parts in plan_parts(), other in plan_parts(),
        edits in prop::collection::vec(edit(), 1..=2), turn in any::<bool>(),
        asked in prop::collection::vec(asked(), 48),
    ) {
        let mut after = edits.iter().fold(parts.clone(), |parts, edit| edited(&parts, &other, *edit));
        if turn {
            after = renumbered(&after);
        }
        let (before, after) = (Plan::new(parts).unwrap(), Plan::new(after).unwrap());
        if raised(&before, &after).is_empty() {
            for asked in &asked {
                went_out_before(&before, &after, &asked.facts())?;
            }
        }
    }

    /// The same for each route by itself: one that is reported excuses no other.
    #[test]
    fn what_a_route_does_not_raise_went_out_before(
        parts in plan_parts(), other in plan_parts(),
        edits in prop::collection::vec(edit(), 1..=4), asked in prop::collection::vec(asked(), 24),
    ) {
        let after = edits.iter().fold(parts.clone(), |parts, edit| edited(&parts, &other, *edit));
        for after in [after, other] {
            let (before, after) = (Plan::new(parts.clone()).unwrap(), Plan::new(after).unwrap());
            let raised = raised(&before, &after);
            for asked in &asked {
                let facts = asked.facts();
                let route = sent(&after, &renamed(&facts, &before, &after)).and_then(|chosen| chosen.route);
                if route.is_none_or(|id| !raised.contains(&id)) {
                    went_out_before(&before, &after, &facts)?;
                }
            }
        }
    }

    #[test]
    fn the_same_plan_raises_nothing_whatever_its_ids(parts in plan_parts()) {
        let turned = Plan::new(renumbered(&parts)).unwrap();
        let plan = Plan::new(parts).unwrap();
        prop_assert_eq!(raised(&plan, &plan), []);
        prop_assert_eq!(raised(&plan, &turned), []);
        prop_assert_eq!(raised(&turned, &plan), []);
    }

    #[test]
    fn what_only_narrows_or_moves_nothing_is_not_reported(parts in plan_parts(), what in 0..6_u8, at in 0..16_usize) {
        let mut after = parts.clone();
        let Some(at) = at.checked_rem(parts.routes.len()) else { return Ok(()) };
        narrow(&mut after, what, at);
        let (before, after) = (Plan::new(parts).unwrap(), Plan::new(after).unwrap());
        prop_assert_eq!(raised(&before, &after), []);
    }

    /// Whatever else a route does, the rest match what they did.
    #[test]
    fn only_the_edited_route_is_reported_where_all_match_what_they_did(
        parts in plan_parts(), other in plan_parts(), edit in edit(),
    ) {
        let after = edited(&parts, &other, edit);
        let (before, after) = (Plan::new(parts).unwrap(), Plan::new(after).unwrap());
        let matched = |plan: &Plan| -> Vec<_> {
            plan.routes().map(|(_, route)| (route.scope, route.models, route.endpoint)).collect()
        };
        let (old, new) = (before.parts(), after.parts());
        let is_same = matched(&before) == matched(&after)
            && (&old.cohorts, &old.aliases) == (&new.cohorts, &new.aliases)
            && (&old.tenants, &old.providers) == (&new.tenants, &new.providers);
        if is_same {
            for id in raised(&before, &after) {
                prop_assert_ne!(before.route(id), after.route(id));
            }
        }
    }

    #[test]
    fn holding_all_that_is_exposed_leaves_nothing(parts in plan_parts(), asked in prop::collection::vec(asked(), 8)) {
        let mut plan = Plan::new(parts).unwrap();
        for id in exposed(&plan) {
            plan.hold(id);
        }
        prop_assert_eq!(exposed(&plan), []);
        for asked in asked {
            if let Some(chosen) = sent(&plan, &asked.facts()) {
                prop_assert!(chosen.order.iter().all(|target| !leaves_home(&plan, &chosen, &target)));
            }
        }
    }

    #[test]
    fn what_leaves_home_is_exposed(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        if let Some(chosen) = sent(&plan, &asked.facts()) {
            let leaves = chosen.order.iter().any(|target| target.role != Role::Primary);
            let is_held = chosen.route.is_some_and(|id| plan.route(id).held);
            let is_exposed = chosen.route.is_some_and(|id| exposed(&plan).contains(&id));
            prop_assert!(!leaves || is_held || is_exposed);
        }
    }
}

#[test]
fn what_brings_traffic_home_or_moves_none_needs_no_proof() {
    assert_raised(&[], |_| {});
    assert_raised(&[], |parts| parts.route_version = "2".to_owned());
    assert_raised(&[], |parts| set_share(&mut parts.routes[2], 4));
    assert_raised(&[], |parts| set_share(&mut parts.routes[2], 0));
    assert_raised(&[], |parts| parts.routes[2].mode = Mode::Primary);
    assert_raised(&[], |parts| parts.routes[2].mode = Mode::Disabled);
    assert_raised(&[], |parts| parts.routes[2].held = true);
    assert_raised(&[], |parts| parts.routes[2].timeout *= 2);
    assert_raised(&[], |parts| parts.routes[2].name = "renamed".to_owned());
    assert_raised(&[], |parts| parts.routes[2].fallback = None);
    assert_raised(&[], |parts| parts.routes[0].mode = Mode::Disabled);
    assert_raised(&[], |parts| drop(parts.routes.remove(2)));
    assert_raised(&[], |parts| declare(parts, Some(FeatureSet::EMPTY)));
}

#[test]
fn what_sends_more_away_is_reported_for_the_route_that_does() {
    assert_raised(&[2], |parts| set_share(&mut parts.routes[2], 6));
    assert_raised(&[2], |parts| parts.routes[2].mode = Mode::Fallback);
    assert_raised(&[2], |parts| parts.routes[2].stateful_canary = true);
    assert_raised(&[1, 2], |parts| declare(parts, Some(STREAMING.with(Feature::Tools))));
    assert_raised(&[1, 2], |parts| declare(parts, None));
    assert_raised(&[2], |parts| parts.providers[2].reached_by = "another place".to_owned());
    assert_raised(&[0], |parts| parts.routes[0].fallback = Some(ProviderId(2)));
    // Each takes what the one before it has left.
    assert_raised(&[0, 1], |parts| drop(parts.routes.remove(0)));
    assert_raised(&[1], |parts| drop(parts.routes.remove(1)));
    assert_raised(&[1, 2], |parts| parts.cohorts[0].members = CohortMembers::Tenants(Vec::new()));
    // Nobody knows where the requests of a new tenant went before.
    assert_raised(&[1, 2], |parts| {
        let tenant = Tenant { name: "new".to_owned(), ..parts.tenants[0].clone() };
        parts.tenants.push(tenant);
    });
}

/// A cohort of tenants stays home; of the rest, a cohort of users and everyone have a canary each.
fn assert_raised(expected: &[u32], edit: impl FnOnce(&mut PlanParts)) {
    let mut last = route(Scope::Everyone, Some(split(5, "last")));
    last.fallback = Some(ProviderId(2));
    let routes = vec![
        route(Scope::Cohort(CohortId(0)), None),
        route(Scope::Cohort(CohortId(1)), Some(split(5, "users"))),
        last,
    ];
    let members = [CohortMembers::Tenants(vec![TenantId(0)]), CohortMembers::Buckets(split(50, "cohort"))];
    let mut parts = small_plan(members, routes);
    declare(&mut parts, Some(STREAMING));
    let mut after = parts.clone();
    edit(&mut after);
    let found = Plan::new(parts).and_then(|before| Ok(raised(&before, &Plan::new(after)?)));
    assert_eq!(found, Ok(expected.iter().copied().map(RouteId).collect()));
}

/// What the alias is known to bear away from home.
fn declare(parts: &mut PlanParts, features: Option<FeatureSet>) {
    parts.aliases[0].enabled_features = EnabledFeatures::by_provider(vec![features; parts.providers.len()]);
}

fn set_share(route: &mut Route, percent: u32) {
    if let Some(canary) = &mut route.canary {
        canary.bucketing.share = split(percent, "").share;
    }
}

/// Properties over random edits mean nothing if too few of them pass for harmless, or none of them sends anything away.
#[test]
fn random_edits_are_often_harmless_and_often_not() {
    let mut runner = TestRunner::deterministic();
    let (mut harmless, mut raising, mut away) = (0, 0, 0);
    for _ in 0..4_000 {
        let mut draw = || plan_parts().new_tree(&mut runner).unwrap().current();
        let (parts, other) = (draw(), draw());
        let edit = edit().new_tree(&mut runner).unwrap().current();
        let after = edited(&parts, &other, edit);
        if after.routes == parts.routes && after.cohorts == parts.cohorts {
            continue;
        }
        let (before, after) = (Plan::new(parts).unwrap(), Plan::new(after).unwrap());
        if !raised(&before, &after).is_empty() {
            raising += 1;
            continue;
        }
        harmless += 1;
        let asked = asked().new_tree(&mut runner).unwrap().current();
        let chosen = sent(&after, &renamed(&asked.facts(), &before, &after));
        away += u32::from(chosen.is_some_and(|chosen| chosen.order.iter().count() > 1));
    }
    assert!(harmless > 100 && raising > 100 && away > 30, "{harmless} harmless, {raising} not, {away} away");
}

/// A target away from home was one before. The one exception: whom a lowered share brings home has the route's
/// fallback behind the primary now, which it did not have behind the canary. It went out first before.
fn went_out_before(before: &Plan, after: &Plan, facts: &Facts<'_>) -> TestCaseResult {
    let Some(now) = sent(after, &renamed(facts, before, after)) else { return Ok(()) };
    let then = sent(before, facts);
    for target in now.order.iter().filter(|target| leaves_home(after, &now, target)) {
        let name = &after.provider(target.provider).name;
        let is_same = |known: &Target<'_>| {
            known.role != Role::Primary
                && before.provider(known.provider).name == *name
                && known.model_id == target.model_id
        };
        let went = then.is_some_and(|then| then.order.iter().any(|known| is_same(&known)));
        let was_in_canary = then.is_some_and(|then| {
            let fallback = then.route.and_then(|id| before.route(id).fallback);
            then.order.first().role == Role::Canary
                && now.order.first().role == Role::Primary
                && fallback.is_some_and(|id| before.provider(id).name == *name)
        });
        prop_assert!(went || was_in_canary, "{target:?} of {facts:?} is new: {then:#?}");
    }
    Ok(())
}

fn sent<'p>(plan: &'p Plan, facts: &Facts<'_>) -> Option<Chosen<'p>> {
    match decide(plan, facts, no_gates) {
        Decision::Send(chosen) => Some(chosen),
        Decision::Refuse(_) => None,
    }
}

/// `config` refuses a fallback that is the primary; random plans have some, and a held route keeps it.
fn leaves_home(plan: &Plan, chosen: &Chosen<'_>, target: &Target<'_>) -> bool {
    let home = chosen.route.map_or(plan.parts().primary_provider, |id| plan.route(id).primary);
    target.role != Role::Primary && !(target.role == Role::Fallback && target.provider == home)
}

/// One of the edits that must never hold anybody up.
fn narrow(parts: &mut PlanParts, what: u8, at: usize) {
    parts.route_version.push_str(".1");
    let route = &mut parts.routes[at];
    match what {
        0 => {
            if let Some(canary) = &mut route.canary {
                canary.bucketing.share =
                    Share::from_ppm(canary.bucketing.share.ppm() / 3).unwrap_or_default();
            }
        }
        1 if route.mode != Mode::Disabled => route.mode = Mode::Primary,
        2 => route.mode = Mode::Disabled,
        3 => {
            route.name.push_str("-renamed");
            route.timeout *= 2;
            route.fallback_timeout *= 2;
        }
        4 => route.held = true,
        _ => {
            (route.fallback, route.stateful_canary) =
                if route.mode == Mode::Fallback { (route.fallback, false) } else { (None, false) };
        }
    }
}
