//! Decides a request that must go to one provider: there, unchanged but for the model's name, and nowhere else.
//!
//! Neither a canary nor a fallback is asked, and no mode of the route moves it: a map that has turned away from a
//! provider does not bring along what lives there, and neither has a gate that keeps the provider out of its route: only
//! what lives there already is asked for there. Only a route that is switched off refuses it too.

use std::time::Duration;

use crate::decide::{
    Chosen, Decision, NO_ROUTE_TIMEOUT, Reach, Reason, Refusal, decide, routed_alias, tenant_primary,
};
use crate::facts::{Caller, Facts};
use crate::ids::{ProviderId, RouteId, TenantId};
use crate::order::{Order, Role, Target};
use crate::plan::{Mode, Plan};
use crate::route::{choose_route, choose_tenant_route};
use crate::standing::Standing;

/// Decides a request to a routed endpoint that goes to `to`, or to its primary where that is `None`.
#[must_use]
pub fn decide_pinned<'p>(plan: &'p Plan, facts: &Facts<'_>, to: Option<ProviderId>) -> Decision<'p> {
    let alias = match routed_alias(plan, facts) {
        Ok(alias) => alias,
        Err(Decision::Refuse(refusal)) => return Decision::Refuse(refusal),
        Err(Decision::Send(chosen)) => {
            return move_to(plan, chosen, to, (facts.tenant, facts.caller), Some(facts.model));
        }
    };
    let route = choose_route(plan, alias, facts);
    let home = route.map_or(plan.parts().primary_provider, |id| plan.route(id).primary);
    let provider = to.unwrap_or(home);
    let reach = Reach { plan, tenant: facts.tenant, caller: facts.caller, primary: home };
    if let Some(refusal) = refusal(plan, route, reach, provider) {
        return Decision::Refuse(refusal);
    }
    let Some(model_id) = plan.alias(alias).model_ids[provider.index()].as_deref() else {
        return Decision::Refuse(Refusal::UnknownModel);
    };
    let (role, timeout) = role_of(plan, route, provider);
    let order = Order::only(Target { provider, role, model_id: Some(model_id), timeout });
    Decision::Send(Chosen { route, order, reason: Reason::Pinned })
}

/// Decides a request that may make something at its provider while nothing can be kept about where: at home only, unless
/// the operator has moved the whole route.
#[must_use]
pub fn decide_unkept<'p>(
    plan: &'p Plan,
    facts: &Facts<'_>,
    gates: impl FnOnce(RouteId) -> Standing,
) -> Decision<'p> {
    let decided = decide(plan, facts, gates);
    match decided {
        Decision::Send(chosen) if chosen.order.first().role == Role::Canary => {
            match decide_pinned(plan, facts, None) {
                Decision::Send(home) => Decision::Send(Chosen { reason: Reason::Stateful, ..home }),
                refused @ Decision::Refuse(_) => refused,
            }
        }
        // Home, without what would be asked after it.
        Decision::Send(chosen) => {
            Decision::Send(Chosen { order: Order::only(chosen.order.first()), ..chosen })
        }
        refused @ Decision::Refuse(_) => refused,
    }
}

/// Decides a request that is not routed by alias and goes to `to`.
#[must_use]
pub fn tenant_pinned(plan: &Plan, tenant: TenantId, caller: Caller, to: ProviderId) -> Decision<'_> {
    match tenant_primary(plan, tenant, caller) {
        Decision::Send(chosen) => move_to(plan, chosen, Some(to), (tenant, caller), None),
        refused @ Decision::Refuse(_) => refused,
    }
}

/// The primary of a request to a routed endpoint, whatever its route does.
#[must_use]
pub fn home_of(plan: &Plan, facts: &Facts<'_>) -> ProviderId {
    let route = match plan.alias_named(facts.model) {
        Some(alias) => choose_route(plan, alias, facts),
        None => choose_tenant_route(plan, facts.tenant, Some(facts.endpoint)),
    };
    route.map_or(plan.parts().primary_provider, |id| plan.route(id).primary)
}

/// The primary of what is not routed by alias.
#[must_use]
pub fn tenant_home(plan: &Plan, tenant: TenantId) -> ProviderId {
    let route = choose_tenant_route(plan, tenant, None);
    route.map_or(plan.parts().primary_provider, |id| plan.route(id).primary)
}

/// What would go to the primary unchanged goes elsewhere unchanged.
fn move_to<'p>(
    plan: &'p Plan,
    chosen: Chosen<'p>,
    to: Option<ProviderId>,
    (tenant, caller): (TenantId, Caller),
    model: Option<&str>,
) -> Decision<'p> {
    let first = chosen.order.first();
    let provider = to.unwrap_or(first.provider);
    if provider == first.provider {
        return Decision::Send(Chosen { reason: Reason::Pinned, ..chosen });
    }
    let reach = Reach { plan, tenant, caller, primary: first.provider };
    if let Err(refusal) = reach.check(provider) {
        return Decision::Refuse(refusal);
    }
    if model.is_some_and(|model| !plan.provider(provider).models.allow(model)) {
        return Decision::Refuse(Refusal::UnknownModel);
    }
    let (role, _) = role_of(plan, chosen.route, provider);
    let order = Order::only(Target { provider, role, ..first });
    Decision::Send(Chosen { order, reason: Reason::Pinned, ..chosen })
}

fn refusal(plan: &Plan, route: Option<RouteId>, reach: Reach<'_>, provider: ProviderId) -> Option<Refusal> {
    if let Some(disabled) = route.filter(|id| plan.route(*id).mode == Mode::Disabled) {
        return Some(Refusal::RouteDisabled(disabled));
    }
    reach.check(provider).err()
}

/// What a provider is in a route. One that the route does not name any more stands in for the one that it names now.
fn role_of(plan: &Plan, route: Option<RouteId>, provider: ProviderId) -> (Role, Duration) {
    let Some(route) = route.map(|id| plan.route(id)) else { return (Role::Primary, NO_ROUTE_TIMEOUT) };
    let canary = route.canary.as_ref().filter(|canary| canary.provider == provider);
    match canary {
        _ if provider == route.primary => (Role::Primary, route.primary_timeout),
        Some(canary) => (Role::Canary, canary.timeout),
        None => (Role::Fallback, route.fallback_timeout),
    }
}
