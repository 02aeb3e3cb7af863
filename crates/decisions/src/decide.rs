//! The whole decision for one request: match, bucket, order.
//!
//! It is the same function that answers traffic and explains a route; it allocates nothing.

use std::time::Duration;

use crate::bucket::{self, Share};
use crate::facts::{Caller, Facts};
use crate::ids::{AliasId, ProviderId, RouteId, TenantId};
use crate::order::{Order, Role, Side, Target, list_targets};
use crate::plan::{
    AllowedAliases, Bucketing, CredentialKind, FeatureSet, Mode, Plan, Route, StickyBy, UnlistedModels,
};
use crate::route::{choose_route, choose_tenant_route};
use crate::standing::{Barred, Standing};

/// How long a target may take to begin its answer where no route says: what OpenAI's clients wait.
pub const NO_ROUTE_TIMEOUT: Duration = Duration::from_secs(600);

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
    /// The tenant's `allowed_providers` do not list the canary's.
    NotAllowed,
    /// It uses something that the alias is not known to bear elsewhere.
    Feature,
    /// The route is held at its primary: its map went live without a proven way back.
    Held,
    /// It would leave home, and the gate of where it would go keeps that out.
    Barred(Barred),
    /// It refers to what lives at one provider, or carries what must not leave its primary.
    Pinned,
    /// It is of a check that named this target.
    Check,
}

impl Reason {
    /// The name used in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Unlisted => "unlisted",
            Reason::NoRoute => "no_route",
            Reason::Mode => "mode",
            Reason::InShare(_) => "in_share",
            Reason::OutsideShare(_) => "outside_share",
            Reason::NoKey => "no_key",
            Reason::Stateful => "stateful",
            Reason::Unproven => "unproven",
            Reason::NotAllowed => "not_allowed",
            Reason::Feature => "feature",
            Reason::Held => "held",
            Reason::Barred(barred) => barred.as_str(),
            Reason::Pinned => "pinned",
            Reason::Check => "check",
        }
    }
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
    /// The tenant's `allowed_providers` do not list the one that would serve it.
    ProviderNotAllowed,
}

/// Decides one request to a routed endpoint. `gates` says what those of its route say now;
/// [`no_gates`](crate::standing::no_gates) where nobody asks them.
#[must_use]
pub fn decide<'p>(
    plan: &'p Plan,
    facts: &Facts<'_>,
    gates: impl FnOnce(RouteId) -> Standing,
) -> Decision<'p> {
    match routed_alias(plan, facts) {
        Ok(alias) => {
            let name = &plan.tenant(facts.tenant).name;
            let draw = |split: &Bucketing, share| bucket::draw_within(split, share, name, facts);
            let route = choose_route(plan, alias, facts).map(|id| (id, gates(id)));
            decide_on_route(plan, route, alias, facts, draw)
        }
        Err(decided) => decided,
    }
}

/// The alias by which a request finds its route, or what becomes of it without one.
pub(crate) fn routed_alias<'p>(plan: &'p Plan, facts: &Facts<'_>) -> Result<AliasId, Decision<'p>> {
    let allowed = &plan.tenant(facts.tenant).allowed_aliases;
    let Some(alias) = plan.alias_named(facts.model) else {
        return Err(match (plan.parts().unlisted_models, allowed) {
            (UnlistedModels::Primary, AllowedAliases::All) => unlisted(plan, facts),
            _ => Decision::Refuse(Refusal::UnknownModel),
        });
    };
    if allowed.allows(alias) { Ok(alias) } else { Err(Decision::Refuse(Refusal::UnknownModel)) }
}

/// What becomes of a request once its route is known. `draw` answers for the canary's split at a share, as [`bucket::draw_within`] does,
/// and is asked only where the split decides: whoever explains the route without a request answers it both ways.
pub(crate) fn decide_on_route<'p>(
    plan: &'p Plan,
    route: Option<(RouteId, Standing)>,
    alias: AliasId,
    facts: &Facts<'_>,
    draw: impl FnOnce(&'p Bucketing, Share) -> Option<(bool, StickyBy)>,
) -> Decision<'p> {
    match route {
        Some((id, standing)) => {
            let Route { mode, held, .. } = *plan.route(id);
            follow_route(plan, RouteNow { id, standing, mode, held }, alias, facts, draw)
        }
        None => without_route(plan, alias, facts),
    }
}

/// Decides a request that is not routed by alias: it goes to the tenant's primary, unchanged.
#[must_use]
pub fn tenant_primary(plan: &Plan, tenant: TenantId, caller: Caller) -> Decision<'_> {
    if plan.tenant(tenant).allowed_aliases != AllowedAliases::All {
        return Decision::Refuse(Refusal::RestrictedTenant);
    }
    unchanged(plan, choose_tenant_route(plan, tenant, None), tenant, caller, NO_ROUTE_TIMEOUT)
}

/// A model that no alias lists: to the tenant's primary, unless its `approved_models` or `blocked_models` forbid it.
fn unlisted<'p>(plan: &'p Plan, facts: &Facts<'_>) -> Decision<'p> {
    let route = choose_tenant_route(plan, facts.tenant, Some(facts.endpoint));
    let timeout = route.map_or(NO_ROUTE_TIMEOUT, |id| plan.route(id).timeout);
    let decision = unchanged(plan, route, facts.tenant, facts.caller, timeout);
    if let Decision::Send(chosen) = &decision
        && !plan.provider(chosen.order.first().provider).models.allow(facts.model)
    {
        return Decision::Refuse(Refusal::UnknownModel);
    }
    decision
}

fn unchanged(
    plan: &Plan,
    route: Option<RouteId>,
    tenant: TenantId,
    caller: Caller,
    timeout: Duration,
) -> Decision<'_> {
    if let Some(disabled) = route.filter(|id| plan.route(*id).mode == Mode::Disabled) {
        return Decision::Refuse(Refusal::RouteDisabled(disabled));
    }
    let provider = route.map_or(plan.parts().primary_provider, |id| plan.route(id).primary);
    let reach = Reach { plan, tenant, caller, primary: provider };
    if let Err(refusal) = reach.check(provider) {
        return Decision::Refuse(refusal);
    }
    let order = Order::only(Target { provider, role: Role::Primary, model_id: None, timeout });
    Decision::Send(Chosen { route, order, reason: Reason::Unlisted })
}

/// A route as a request finds it.
pub(crate) struct RouteNow {
    pub(crate) id: RouteId,
    pub(crate) standing: Standing,
    pub(crate) mode: Mode,
    pub(crate) held: bool,
}

pub(crate) fn follow_route<'p>(
    plan: &'p Plan,
    RouteNow { id, standing, mode, held }: RouteNow,
    alias: AliasId,
    facts: &Facts<'_>,
    draw: impl FnOnce(&'p Bucketing, Share) -> Option<(bool, StickyBy)>,
) -> Decision<'p> {
    let route = plan.route(id);
    let reach = Reach { plan, tenant: facts.tenant, caller: facts.caller, primary: route.primary };
    let fits =
        |provider| provider == route.primary || lacking(plan, alias, provider, facts.features).is_empty();
    let (side, reason) = match mode {
        Mode::Disabled => return Decision::Refuse(Refusal::RouteDisabled(id)),
        Mode::Primary => (Side::Home, Reason::Mode),
        Mode::Fallback | Mode::Canary if held => (Side::Home, Reason::Held),
        Mode::Fallback if route.fallback.is_some_and(|provider| !fits(provider)) => {
            (Side::Home, Reason::Feature)
        }
        // `config` refuses the mode without the provider; were it missing, home is the safe side.
        Mode::Fallback => match route.fallback.map(|provider| (provider, standing.bars(route, provider))) {
            Some((provider, None)) => (Side::Fallback(provider), Reason::Mode),
            Some((_, Some(barred))) => (Side::Home, Reason::Barred(barred)),
            None => (Side::Home, Reason::Mode),
        },
        Mode::Canary => canary_side(route, standing, facts, reach, fits, draw),
    };
    // State stays where it is: what stores some goes nowhere but home, unless the operator has moved the whole route.
    let at_home = held || (stays_home(route, facts) && mode != Mode::Fallback);
    // The canary's own gate has been asked; another role of its provider has a gate of its own.
    let is_its_canary = |provider| matches!(side, Side::Canary(canary) if canary.provider == provider);
    let is_open = |provider| {
        provider == route.primary
            || (!at_home && (is_its_canary(provider) || standing.bars(route, provider).is_none()))
    };
    let reachable = |provider| is_open(provider) && fits(provider) && reach.check(provider).is_ok();
    match list_targets(plan, route, alias, side, reachable) {
        Some(order) => Decision::Send(Chosen { route: Some(id), order, reason }),
        None => Decision::Refuse(reach.check(side.provider(route)).err().unwrap_or(Refusal::UnknownKey)),
    }
}

fn canary_side<'p>(
    route: &'p Route,
    standing: Standing,
    facts: &Facts<'_>,
    reach: Reach<'_>,
    fits: impl Fn(ProviderId) -> bool,
    draw: impl FnOnce(&'p Bucketing, Share) -> Option<(bool, StickyBy)>,
) -> (Side<'p>, Reason) {
    let Some(canary) = &route.canary else { return (Side::Home, Reason::Mode) };
    if stays_home(route, facts) {
        return (Side::Home, Reason::Stateful);
    }
    // Without the way home there is no canary: home then answers, with a refusal.
    for provider in [canary.provider, route.primary] {
        match reach.check(provider) {
            Ok(()) => {}
            Err(Refusal::ProviderNotAllowed) => return (Side::Home, Reason::NotAllowed),
            Err(_) => return (Side::Home, Reason::Unproven),
        }
    }
    if !fits(canary.provider) {
        return (Side::Home, Reason::Feature);
    }
    let barred = standing.bars_canary(route);
    match draw(&canary.bucketing, standing.share_or(canary.bucketing.share)) {
        Some((true, by)) => match barred {
            Some(barred) => (Side::Home, Reason::Barred(barred)),
            None => (Side::Canary(canary), Reason::InShare(by)),
        },
        Some((false, by)) => (Side::Home, Reason::OutsideShare(by)),
        None => (Side::Home, Reason::NoKey),
    }
}

/// What a request uses that its alias is not known to bear at a provider. A route's own primary is not to be asked.
pub(crate) fn lacking(plan: &Plan, alias: AliasId, provider: ProviderId, used: FeatureSet) -> FeatureSet {
    if used.is_empty() {
        return used;
    }
    plan.alias(alias).enabled_features.lacking(provider, used)
}

fn stays_home(route: &Route, facts: &Facts<'_>) -> bool {
    facts.stateful && !route.stateful_canary
}

fn without_route<'p>(plan: &'p Plan, alias: AliasId, facts: &Facts<'_>) -> Decision<'p> {
    let provider = plan.parts().primary_provider;
    let reach = Reach { plan, tenant: facts.tenant, caller: facts.caller, primary: provider };
    if let Err(refusal) = reach.check(provider) {
        return Decision::Refuse(refusal);
    }
    match plan.alias(alias).model_ids[provider.index()].as_deref() {
        Some(id) => {
            let target =
                Target { provider, role: Role::Primary, model_id: Some(id), timeout: NO_ROUTE_TIMEOUT };
            Decision::Send(Chosen { route: None, order: Order::only(target), reason: Reason::NoRoute })
        }
        None => Decision::Refuse(Refusal::UnknownModel),
    }
}

/// Which providers a caller may reach on a route with this primary.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) tenant: TenantId,
    pub(crate) caller: Caller,
    pub(crate) primary: ProviderId,
}

impl Reach<'_> {
    /// The tenant must be allowed the provider. Then: a provider that takes the caller's own key decides for itself;
    /// one paid by us is open to listed keys, and to those the route's primary has accepted. A primary paid by us
    /// vouches for nobody, since it never saw the caller's key.
    pub(crate) fn check(self, provider: ProviderId) -> Result<(), Refusal> {
        if !self.plan.tenant(self.tenant).allowed_providers.contains(provider) {
            return Err(Refusal::ProviderNotAllowed);
        }
        let sees_the_key = |id| self.plan.provider(id).credential == CredentialKind::Client;
        let may_spend = match self.caller {
            Caller::Known => true,
            Caller::Unlisted { accepted_by } => {
                sees_the_key(provider) || (sees_the_key(self.primary) && accepted_by.contains(self.primary))
            }
        };
        if may_spend { Ok(()) } else { Err(Refusal::UnknownKey) }
    }
}
