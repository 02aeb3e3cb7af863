//! A request of a check is decided as one of the route that was lent to it, and no gate, hold or share of the map matters to it.

mod plans;

use decisions::bucket::{Share, WHOLE};
use decisions::plan::{Mode, Plan};
use decisions::{Decision, Facts, Lent, Role, RouteId, TenantId, decide, decide_lent};
use proptest::prelude::*;

use crate::plans::{asked, plan_parts};

fn share() -> impl Strategy<Value = Option<Share>> {
    prop_oneof![Just(None), (0..=WHOLE).prop_map(Share::from_ppm)]
}

fn lent(route: RouteId, share: Option<Share>) -> Lent {
    Lent { route, share, role: None }
}

proptest! {
    /// Where nothing keeps the canary away and the share is the map's, a check goes where a caller goes.
    #[test]
    fn at_the_maps_share_it_goes_where_a_caller_would(parts in plan_parts(), asked in asked()) {
        let plan = Plan::new(parts).unwrap();
        let mut facts = asked.facts();
        // The reserved tenant may use everything; so may this one here.
        let tenant = plan.tenant(facts.tenant);
        prop_assume!(tenant.allowed_providers == decisions::ProviderSet::ALL);
        facts.caller = decisions::Caller::Known;
        let Decision::Send(chosen) = decide(&plan, &facts, decisions::no_gates) else { return Ok(()) };
        let Some(route) = chosen.route.filter(|id| plan.alias_named(facts.model).is_some() && !plan.route(*id).held) else { return Ok(()) };
        prop_assume!(plan.route(route).canary.is_none() || plan.route(route).mode == Mode::Canary);
        prop_assert_eq!(decide_lent(&plan, lent(route, None), &facts), Ok(Decision::Send(chosen)));
    }

    /// Whatever gates and holds say, and whatever mode the route is in.
    #[test]
    fn holds_modes_and_shares_of_the_map_change_nothing(parts in plan_parts(), asked in asked(), at: prop::sample::Index, share in (0..=WHOLE).prop_map(Share::from_ppm)) {
        prop_assume!(!parts.routes.is_empty());
        let route = RouteId(u32::try_from(at.index(parts.routes.len())).unwrap());
        let mut other = parts.clone();
        let changed = &mut other.routes[route.index()];
        changed.held = !changed.held;
        if let Some(canary) = &mut changed.canary {
            canary.bucketing.share = Share::NONE;
            changed.mode = Mode::Primary;
        }
        let (plan, other) = (Plan::new(parts).unwrap(), Plan::new(other).unwrap());
        let facts = Facts { tenant: TenantId::CHECKS, ..asked.facts() };
        let is_moved = plan.route(route).canary.is_some() || plan.route(route).mode == Mode::Primary;
        prop_assume!(is_moved);
        prop_assert_eq!(decide_lent(&plan, lent(route, share), &facts), decide_lent(&other, lent(route, share), &facts));
    }

    /// A named target is the only one, or there is none.
    #[test]
    fn a_named_target_is_the_only_one(parts in plan_parts(), asked in asked(), at: prop::sample::Index, role in 0..3_usize, share in share()) {
        prop_assume!(!parts.routes.is_empty());
        let plan = Plan::new(parts).unwrap();
        let route = RouteId(u32::try_from(at.index(plan.parts().routes.len())).unwrap());
        let role = [Role::Primary, Role::Canary, Role::Fallback][role];
        let facts = Facts { tenant: TenantId::CHECKS, ..asked.facts() };
        if let Ok(decision) = decide_lent(&plan, Lent { route, share, role: Some(role) }, &facts) {
            let Decision::Send(chosen) = decision else { panic!("{decision:?}") };
            prop_assert_eq!(chosen.route, Some(route));
            prop_assert_eq!(chosen.order.iter().count(), 1);
            prop_assert_eq!(chosen.order.first().role, role);
        }
    }

    /// What is lent moves no caller: the tenant of checks is in no list, and its name changes no plan.
    #[test]
    fn the_tenant_of_checks_is_in_no_list(parts in plan_parts()) {
        let plan = Plan::new(parts).unwrap();
        prop_assert!(plan.parts().tenants.len() < TenantId::CHECKS.index());
        prop_assert_eq!(plan.tenant(TenantId::CHECKS).name.as_str(), decisions::plan::CHECKS_TENANT);
        prop_assert_eq!(plan.tenant_named(decisions::plan::CHECKS_TENANT), None);
    }
}
