//! What no plan and no request may bring about: rules of safety, held over random plans.

mod plans;
mod scale;

use std::collections::BTreeSet;

use decisions::decide::Reason;
use decisions::plan::{AllowedAliases, CredentialKind, FeatureSet, Mode, Plan, Route};
use decisions::route::choose_route;
use decisions::{
    Caller, Chosen, Decision, Facts, ProviderId, Refusal, Role, Target, decide, no_gates, tenant_primary,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::plans::{asked, plan_parts};
use crate::scale::scaled;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(20_000)))]

    /// The one way in is that the primary of this very route takes the caller's own key and has accepted it.
    #[test]
    fn an_unlisted_key_spends_our_credential_only_after_the_routes_primary_took_it(
        parts in plan_parts(), asked in asked(),
    ) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let Caller::Unlisted { accepted_by } = facts.caller else { return Ok(()) };
        for decision in [decide(&plan, &facts, no_gates), tenant_primary(&plan, facts.tenant, facts.caller)] {
            let Decision::Send(chosen) = decision else { continue };
            let primary = primary_of(&plan, &chosen);
            let vouched = is_client(&plan, primary) && accepted_by.contains(primary);
            prop_assert!(vouched || targets(&chosen).iter().all(|target| is_client(&plan, target.provider)));
        }
    }

    #[test]
    fn a_disabled_route_sends_nothing(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        for decision in [decide(&plan, &facts, no_gates), tenant_primary(&plan, facts.tenant, facts.caller)] {
            if let Decision::Send(chosen) = decision {
                prop_assert!(route_of(&plan, &chosen).is_none_or(|route| route.mode != Mode::Disabled));
            }
        }
        let alias = plan.alias_named(facts.model);
        let alias = alias.filter(|alias| plan.tenant(facts.tenant).allowed_aliases.allows(*alias));
        let route = alias.and_then(|alias| choose_route(&plan, alias, &facts));
        if let Some(id) = route.filter(|id| plan.route(*id).mode == Mode::Disabled) {
            prop_assert_eq!(decide(&plan, &facts, no_gates), Decision::Refuse(Refusal::RouteDisabled(id)));
        }
    }

    #[test]
    fn a_tenant_restricted_to_aliases_gets_those_as_if_unrestricted_and_no_others(
        parts in plan_parts(), asked in asked(),
    ) {
        let facts = asked.facts();
        let tenant = facts.tenant.index();
        let AllowedAliases::Only(allowed) = parts.tenants[tenant].allowed_aliases.clone() else { return Ok(()) };
        let plan = Plan::new(parts.clone()).unwrap();
        let mut unrestricted = parts;
        unrestricted.tenants[tenant].allowed_aliases = AllowedAliases::All;
        let unrestricted = Plan::new(unrestricted).unwrap();
        let expected = match plan.alias_named(facts.model).filter(|alias| allowed.contains(alias)) {
            Some(_) => decide(&unrestricted, &facts, no_gates),
            None => Decision::Refuse(Refusal::UnknownModel),
        };
        prop_assert_eq!(decide(&plan, &facts, no_gates), expected);
        let other_paths = tenant_primary(&plan, facts.tenant, facts.caller);
        prop_assert_eq!(other_paths, Decision::Refuse(Refusal::RestrictedTenant));
    }

    #[test]
    fn a_target_gets_the_very_model_id_that_the_alias_names_for_it(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let Decision::Send(chosen) = decide(&plan, &facts, no_gates) else { return Ok(()) };
        let alias = plan.alias_named(facts.model);
        prop_assert_eq!(chosen.reason == Reason::Unlisted, alias.is_none());
        for target in targets(&chosen) {
            let expected = alias.map(|id| plan.alias(id).model_ids[target.provider.index()].as_deref().unwrap());
            prop_assert_eq!(target.model_id, expected);
        }
    }

    #[test]
    fn a_request_with_state_stays_home_unless_the_route_says_so_or_was_moved(
        parts in plan_parts(), asked in asked(),
    ) {
        let plan = Plan::new(parts).unwrap();
        let facts = Facts { stateful: true, ..asked.facts() };
        let Decision::Send(chosen) = decide(&plan, &facts, no_gates) else { return Ok(()) };
        let allows = route_of(&plan, &chosen)
            .is_some_and(|route| !route.held && (route.stateful_canary || route.mode == Mode::Fallback));
        let home = primary_of(&plan, &chosen);
        prop_assert!(allows || targets(&chosen).iter().all(|target| target.provider == home));
    }

    #[test]
    fn nothing_but_its_home_gets_a_request_with_what_the_alias_does_not_declare_there(
        parts in plan_parts(), asked in asked(),
    ) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let Decision::Send(chosen) = decide(&plan, &facts, no_gates) else { return Ok(()) };
        let Some(alias) = plan.alias_named(facts.model) else { return Ok(()) };
        let home = primary_of(&plan, &chosen);
        let fits = |provider| {
            let declared = plan.alias(alias).enabled_features.at(provider);
            declared.is_none_or(|declared| facts.features.iter().all(|used| declared.contains(used)))
        };
        prop_assert!(targets(&chosen).iter().all(|target| target.provider == home || fits(target.provider)));
        // And nothing else is changed by it: without features the request goes where its route says.
        let plain = Facts { features: FeatureSet::EMPTY, ..facts };
        let elsewhere = decide(&plan, &plain, no_gates);
        let is_kept = chosen.reason == Reason::Feature || matches!(elsewhere, Decision::Send(other)
            if targets(&other).iter().any(|target| target.provider != home && !fits(target.provider)));
        prop_assert!(is_kept || elsewhere == Decision::Send(chosen));
    }

    #[test]
    fn an_order_holds_each_role_once_at_the_provider_that_the_route_names_for_it(
        parts in plan_parts(), asked in asked(),
    ) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let Decision::Send(chosen) = decide(&plan, &facts, no_gates) else { return Ok(()) };
        let targets = targets(&chosen);
        for target in &targets {
            let route = route_of(&plan, &chosen);
            let named = match target.role {
                Role::Primary => Some(primary_of(&plan, &chosen)),
                Role::Canary => route.and_then(|route| route.canary.as_ref()).map(|canary| canary.provider),
                Role::Fallback => route.and_then(|route| route.fallback),
            };
            prop_assert_eq!(Some(target.provider), named);
        }
        let mut roles = targets.iter().map(|target| target.role);
        let (first, second) = (roles.next().unwrap(), roles.next());
        prop_assert_eq!(first, chosen.order.first().role);
        prop_assert_eq!(roles.next(), None);
        let as_promised = match first {
            Role::Canary => second == Some(Role::Primary),
            Role::Primary => second.is_none_or(|role| role == Role::Fallback),
            Role::Fallback => second.is_none(),
        };
        prop_assert!(as_promised, "{first:?}, then {second:?}");
    }

    #[test]
    fn a_held_route_sends_home_only(parts in plan_parts(), asked in asked()) {
        let mut plan = Plan::new(parts).unwrap();
        let held: Vec<_> = plan.routes().map(|(id, _)| id).collect();
        held.into_iter().for_each(|id| plan.hold(id));
        if let Decision::Send(chosen) = decide(&plan, &asked.facts(), no_gates) {
            let home = primary_of(&plan, &chosen);
            prop_assert!(targets(&chosen).iter().all(|target| target.provider == home));
        }
    }

    #[test]
    fn a_tenant_reaches_only_the_providers_it_allows(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let allowed = plan.tenant(facts.tenant).allowed_providers;
        for decision in [decide(&plan, &facts, no_gates), tenant_primary(&plan, facts.tenant, facts.caller)] {
            if let Decision::Send(chosen) = decision {
                prop_assert!(targets(&chosen).iter().all(|target| allowed.contains(target.provider)));
            }
        }
    }

    #[test]
    fn a_model_that_is_not_approved_is_never_asked_for_by_its_own_name(
        parts in plan_parts(), asked in asked(), approves in any::<bool>(), blocks in any::<bool>(),
    ) {
        let mut parts = parts;
        let facts = asked.facts();
        for provider in &mut parts.providers {
            provider.models.approved = Some(if approves { vec![facts.model.to_owned()] } else { Vec::new() });
            provider.models.blocked = if blocks { vec![facts.model.to_owned()] } else { Vec::new() };
        }
        let plan = Plan::new(parts).unwrap();
        if let Decision::Send(chosen) = decide(&plan, &facts, no_gates) {
            prop_assert!(chosen.reason != Reason::Unlisted || (approves && !blocks));
        }
    }

    #[test]
    fn a_canary_is_tried_exactly_when_the_reason_says_in_share(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        let Decision::Send(chosen) = decide(&plan, &facts, no_gates) else { return Ok(()) };
        let in_share = matches!(chosen.reason, Reason::InShare(_));
        prop_assert_eq!(chosen.order.first().role == Role::Canary, in_share);
        if let Some(route) = route_of(&plan, &chosen) {
            prop_assert!(!in_share || route.mode == Mode::Canary);
        }
    }
}

/// Properties over random plans mean nothing if the plans never get there.
#[test]
fn random_plans_reach_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..5_000 {
        let parts = plan_parts().new_tree(&mut runner).unwrap().current();
        let asked = asked().new_tree(&mut runner).unwrap().current();
        let plan = Plan::new(parts).unwrap();
        let facts = asked.facts();
        match decide(&plan, &facts, no_gates) {
            Decision::Refuse(Refusal::RouteDisabled(_)) => seen.insert("RouteDisabled".to_owned()),
            Decision::Refuse(refusal) => seen.insert(format!("{refusal:?}")),
            Decision::Send(chosen) => {
                let targets = targets(&chosen);
                let spends = targets.iter().any(|target| !is_client(&plan, target.provider));
                if facts.caller != Caller::Known && spends {
                    seen.insert("unlisted key at a provider paid by us".to_owned());
                }
                seen.extend(targets.iter().map(|target| format!("{:?}", target.role)));
                seen.insert(format!("{:?}", chosen.reason))
            }
        };
    }
    let expected = [
        "UnknownModel",
        "RouteDisabled",
        "UnknownKey",
        "ProviderNotAllowed",
        "unlisted key at a provider paid by us",
        "Primary",
        "Canary",
        "Fallback",
        "Unlisted",
        "NoRoute",
        "Mode",
        "InShare(SafetyIdentifier)",
        "InShare(User)",
        "InShare(PromptCacheKey)",
        "InShare(Tenant)",
        "InShare(Request)",
        "OutsideShare(User)",
        "OutsideShare(Request)",
        "NoKey",
        "Stateful",
        "Unproven",
        "NotAllowed",
        "Held",
    ];
    let missing: Vec<_> = expected.iter().filter(|outcome| !seen.contains(**outcome)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}

fn targets<'p>(chosen: &Chosen<'p>) -> Vec<Target<'p>> {
    chosen.order.iter().collect()
}

fn route_of<'p>(plan: &'p Plan, chosen: &Chosen<'p>) -> Option<&'p Route> {
    chosen.route.map(|id| plan.route(id))
}

fn primary_of(plan: &Plan, chosen: &Chosen<'_>) -> ProviderId {
    route_of(plan, chosen).map_or(plan.parts().primary_provider, |route| route.primary)
}

fn is_client(plan: &Plan, provider: ProviderId) -> bool {
    plan.provider(provider).credential == CredentialKind::Client
}
