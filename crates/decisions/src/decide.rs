//! The whole decision for one request: match, bucket, order.
//!
//! It is the same function that answers traffic and explains a route; it allocates nothing.

use crate::bucket;
use crate::facts::{Caller, Facts};
use crate::ids::{AliasId, ProviderId, RouteId, TenantId};
use crate::order::{Order, Role, Side, Target, list_targets};
use crate::plan::{AllowedAliases, CredentialKind, Mode, Plan, Route, StickyBy, UnlistedModels};
use crate::route::{choose_route, choose_tenant_route};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'p> {
    /// It is sent.
    Send(Chosen<'p>),
    /// It is answered by the gateway.
    Refuse(Refusal),
}

/// Where a request goes and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen<'p> {
    /// The route that matched; `None` when the map's `primary_provider` serves it.
    pub route: Option<RouteId>,
    /// The targets to try.
    pub order: Order<'p>,
    /// Why this side of the canary.
    pub reason: Reason,
}

/// Why a request is on its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is not routed by alias, or its model is none; it goes to the primary unchanged.
    Unlisted,
    /// No route matches; the map's `primary_provider` serves it.
    NoRoute,
    /// The route's mode says so.
    Mode,
    /// Its sticky key falls into the canary's share.
    InShare(StickyBy),
    /// Its sticky key falls outside the canary's share.
    OutsideShare(StickyBy),
    /// It carries none of the fields of `sticky_by`.
    NoKey,
    /// It stores state at the provider, and the route does not canary such requests.
    Stateful,
    /// No provider has vouched for its key yet, so it may not spend a credential of ours.
    Unproven,
}

/// Why the gateway answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The model is no alias, and the map refuses those; or the tenant may not use it. One answer for both, so that
    /// nobody can find out which aliases exist.
    UnknownModel,
    /// The route's mode is `disabled`.
    RouteDisabled(RouteId),
    /// An unlisted key for a provider that is paid by a credential of ours.
    UnknownKey,
    /// The tenant may use certain aliases only, and this path is not routed by alias.
    RestrictedTenant,
}

/// Decides one request to a routed endpoint.
#[must_use]
pub fn decide<'p>(plan: &'p Plan, facts: &Facts<'_>) -> Decision<'p> {
    let allowed = &plan.tenant(facts.tenant).allowed_aliases;
    let Some(alias) = plan.alias_named(facts.model) else {
        return match (plan.parts().unlisted_models, allowed) {
            (UnlistedModels::Primary, AllowedAliases::All) => {
                tenant_primary(plan, facts.tenant, facts.caller)
            }
            _ => Decision::Refuse(Refusal::UnknownModel),
        };
    };
    if !allowed.allows(alias) {
        return Decision::Refuse(Refusal::UnknownModel);
    }
    match choose_route(plan, alias, facts) {
        Some(route) => follow_route(plan, route, alias, facts),
        None => without_route(plan, alias, facts.caller),
    }
}

/// Decides a request that is not routed by alias: it goes to the tenant's primary, unchanged.
#[must_use]
pub fn tenant_primary(plan: &Plan, tenant: TenantId, caller: Caller) -> Decision<'_> {
    if plan.tenant(tenant).allowed_aliases != AllowedAliases::All {
        return Decision::Refuse(Refusal::RestrictedTenant);
    }
    let route = choose_tenant_route(plan, tenant);
    if let Some(disabled) = route.filter(|id| plan.route(*id).mode == Mode::Disabled) {
        return Decision::Refuse(Refusal::RouteDisabled(disabled));
    }
    let provider = route.map_or(plan.parts().primary_provider, |id| plan.route(id).primary);
    if !may_reach(plan, provider, provider, caller) {
        return Decision::Refuse(Refusal::UnknownKey);
    }
    let order = Order::only(Target { provider, role: Role::Primary, model_id: None });
    Decision::Send(Chosen { route, order, reason: Reason::Unlisted })
}

fn follow_route<'p>(plan: &'p Plan, id: RouteId, alias: AliasId, facts: &Facts<'_>) -> Decision<'p> {
    let route = plan.route(id);
    let (side, reason) = match route.mode {
        Mode::Disabled => return Decision::Refuse(Refusal::RouteDisabled(id)),
        Mode::Primary => (Side::Home, Reason::Mode),
        // `config` refuses the mode without the provider; were it missing, home is the safe side.
        Mode::Fallback => (route.fallback.map_or(Side::Home, Side::Fallback), Reason::Mode),
        Mode::Canary => canary_side(plan, route, facts),
    };
    // State stays where it is: what stores some goes nowhere but home, unless the operator has moved the whole route.
    let at_home = stays_home(route, facts) && route.mode != Mode::Fallback;
    let reachable = |provider| {
        (provider == route.primary || !at_home) && may_reach(plan, provider, route.primary, facts.caller)
    };
    match list_targets(plan, route, alias, side, reachable) {
        Some(order) => Decision::Send(Chosen { route: Some(id), order, reason }),
        None => Decision::Refuse(Refusal::UnknownKey),
    }
}

fn canary_side(plan: &Plan, route: &Route, facts: &Facts<'_>) -> (Side, Reason) {
    let Some(canary) = &route.canary else { return (Side::Home, Reason::Mode) };
    if stays_home(route, facts) {
        return (Side::Home, Reason::Stateful);
    }
    // Without the way home there is no canary: home then answers, with a refusal.
    let reachable = |provider| may_reach(plan, provider, route.primary, facts.caller);
    if !reachable(canary.provider) || !reachable(route.primary) {
        return (Side::Home, Reason::Unproven);
    }
    match bucket::draw(&canary.bucketing, &plan.tenant(facts.tenant).name, facts) {
        Some((true, by)) => (Side::Canary(canary.provider), Reason::InShare(by)),
        Some((false, by)) => (Side::Home, Reason::OutsideShare(by)),
        None => (Side::Home, Reason::NoKey),
    }
}

fn stays_home(route: &Route, facts: &Facts<'_>) -> bool {
    facts.stateful && !route.stateful_canary
}

fn without_route(plan: &Plan, alias: AliasId, caller: Caller) -> Decision<'_> {
    let provider = plan.parts().primary_provider;
    if !may_reach(plan, provider, provider, caller) {
        return Decision::Refuse(Refusal::UnknownKey);
    }
    match plan.alias(alias).model_ids[provider.index()].as_deref() {
        Some(id) => {
            let order = Order::only(Target { provider, role: Role::Primary, model_id: Some(id) });
            Decision::Send(Chosen { route: None, order, reason: Reason::NoRoute })
        }
        None => Decision::Refuse(Refusal::UnknownModel),
    }
}

/// Whether this caller may reach a provider on a route with this primary. A provider that takes the caller's own key
/// decides for itself; one paid by us is open to listed keys, and to those the route's primary has accepted. A primary
/// paid by us vouches for nobody, since it never saw the caller's key.
fn may_reach(plan: &Plan, provider: ProviderId, primary: ProviderId, caller: Caller) -> bool {
    let sees_the_key = |id| plan.provider(id).credential == CredentialKind::Client;
    match caller {
        Caller::Known => true,
        Caller::Unlisted { accepted_by } => {
            sees_the_key(provider) || (sees_the_key(primary) && accepted_by.contains(primary))
        }
    }
}
