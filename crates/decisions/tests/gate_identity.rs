//! What a latch belongs to: it changes with the target, and with nothing else.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod small;

use decisions::bucket::Share;
use decisions::plan::{
    Canary, CohortMembers, GateIdentity, Gates, ModelMatch, Plan, PlanParts, Route, Scope, Watched,
    gate_identity,
};
use decisions::{FamilyId, ProviderId, RouteId};
use small::{route, small_plan, split};

/// A route whose canary is at the second provider and whose fallback at the third.
fn parts() -> PlanParts {
    let route =
        Route { fallback: Some(ProviderId(2)), ..route(Scope::Everyone, Some(split(5, "the route's salt"))) };
    small_plan([CohortMembers::Tenants(Vec::new()), CohortMembers::Tenants(Vec::new())], vec![route])
}

fn identities(parts: PlanParts) -> [Option<GateIdentity>; 2] {
    let plan = Plan::new(parts).unwrap();
    Watched::ALL.map(|watched| gate_identity(&plan, RouteId(0), watched))
}

fn edited(edit: impl Fn(&mut PlanParts)) -> [Option<GateIdentity>; 2] {
    let mut parts = parts();
    edit(&mut parts);
    identities(parts)
}

fn canary_of(parts: &mut PlanParts) -> &mut Canary {
    parts.routes[0].canary.as_mut().unwrap()
}

/// A state directory holds them: another hash would open every latch.
#[test]
fn identities_are_what_they_were() {
    let texts = identities(parts()).map(|identity| identity.unwrap().to_string());
    assert_eq!(texts, ["b9c93d30f0a8fff7", "f119475ce70b5348"]);
}

#[test]
fn what_a_latch_is_not_about_leaves_it_shut() {
    let usual = identities(parts());
    let same = [
        edited(|parts| parts.route_version = "2".to_owned()),
        edited(|parts| canary_of(parts).bucketing.share = Share::ALL),
        edited(|parts| canary_of(parts).bucketing.sticky_by.clear()),
        edited(|parts| parts.routes[0].stateful_canary = true),
        edited(|parts| parts.routes[0].gates = Gates::default()),
        edited(|parts| parts.aliases[0].name = "renamed".to_owned()),
        edited(|parts| parts.providers[1].reached_by = "https://elsewhere.example/v1".to_owned()),
    ];
    for (at, identities) in same.into_iter().enumerate() {
        assert_eq!(identities, usual, "edit {at}");
    }
}

#[test]
fn another_target_salt_or_generation_is_another_identity() {
    let [canary, fallback] = identities(parts());
    let of_canary = [
        edited(|parts| canary_of(parts).generation = 2),
        edited(|parts| canary_of(parts).bucketing.salt = "another".to_owned()),
        edited(|parts| canary_of(parts).provider = ProviderId(2)),
        edited(|parts| parts.aliases[0].model_ids[1] = Some("another".to_owned())),
        edited(|parts| parts.providers[1].name = "another".to_owned()),
    ];
    for (at, [identity, _]) in of_canary.into_iter().enumerate() {
        assert!(identity.is_some() && identity != canary, "edit {at}");
    }
    let of_fallback = [
        edited(|parts| parts.routes[0].fallback_generation = 2),
        edited(|parts| parts.aliases[0].model_ids[2] = Some("another".to_owned())),
        edited(|parts| parts.routes[0].models = ModelMatch::Any),
    ];
    for (at, [_, identity]) in of_fallback.into_iter().enumerate() {
        assert!(identity.is_some() && identity != fallback, "edit {at}");
    }
}

#[test]
fn a_fallback_at_the_canarys_provider_is_the_same_target() {
    let [canary, fallback] = edited(|parts| parts.routes[0].fallback = Some(ProviderId(1)));
    assert!(canary.is_some());
    assert_eq!(canary, fallback);
}

/// Whoever takes a canary out of the map has not said that its provider may be fallen back to again.
#[test]
fn a_fallback_keeps_the_identity_of_a_canary_that_is_gone() {
    let both = |parts: &mut PlanParts| {
        parts.routes[0].fallback = Some(ProviderId(1));
        canary_of(parts).bucketing.salt = parts.routes[0].name.clone();
    };
    let [canary, _] = edited(both);
    let [gone, fallback] = edited(|parts| {
        both(parts);
        parts.routes[0].canary = None;
    });
    assert_eq!((gone, fallback), (None, canary));
}

#[test]
fn a_family_and_every_alias_are_identities_of_their_own() {
    let of_family = |family: &'static str| {
        edited(move |parts| {
            parts.families = vec![family.to_owned()];
            parts.aliases[0].family = Some(FamilyId(0));
            parts.routes[0].models = ModelMatch::Family(FamilyId(0));
        })
    };
    let of_any = edited(|parts| parts.routes[0].models = ModelMatch::Any);
    let all = [identities(parts())[0], of_family("away")[0], of_family("*")[0], of_any[0]];
    for (at, one) in all.iter().enumerate() {
        assert!(one.is_some() && !all[..at].contains(one), "identity {at}");
    }
}
