//! A request of a check: decided on the route that was lent to it, which no caller's request is moved by.
//!
//! It goes by what the map says of the route but for what a check is there to find out: the canary's share is that of the
//! lease, or one target is named; gates, steps and holds are not asked, since a target that they keep out is checked before
//! it is let in again.

use crate::bucket::{self, Share};
use crate::decide::{Chosen, Decision, Reason, RouteNow, follow_route};
use crate::facts::{Endpoint, Facts};
use crate::ids::{AliasId, ProviderId, RouteId};
use crate::order::{Order, Role, Target};
use crate::plan::{Mode, Plan, Route};
use crate::standing::Standing;

/// What is lent of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    /// Which.
    pub route: RouteId,
    /// The canary's share for these requests; `None` is the map's.
    pub share: Option<Share>,
    /// The one target that all of them go to.
    pub role: Option<Role>,
}

/// Why a request is not of what was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLent {
    /// The route does not serve the model.
    Model,
    /// The route does not serve the endpoint.
    Endpoint,
    /// The route has no target in that role.
    Role,
}

/// Decides a request of a check.
///
/// # Errors
/// [`NotLent`] where the request is none that the route would get.
pub fn decide_lent<'p>(plan: &'p Plan, lent: Lent, facts: &Facts<'_>) -> Result<Decision<'p>, NotLent> {
    let route = plan.route(lent.route);
    let alias = plan.alias_named(facts.model).filter(|alias| plan.is_for(route, *alias));
    let alias = alias.ok_or(NotLent::Model)?;
    if !takes_endpoint(route, facts.endpoint) {
        return Err(NotLent::Endpoint);
    }
    if let Some(role) = lent.role {
        let target = target(plan, route, alias, role).ok_or(NotLent::Role)?;
        let order = Order::only(target);
        return Ok(Decision::Send(Chosen { route: Some(lent.route), order, reason: Reason::Check }));
    }
    // What is kept of a canary while the mode sends it nothing is what a check looks at.
    let mode = if route.canary.is_some() { Mode::Canary } else { route.mode };
    let now = RouteNow { id: lent.route, standing: Standing::default(), mode, held: false };
    let tenant = plan.tenant(facts.tenant).name.as_str();
    Ok(follow_route(plan, now, alias, facts, |split, planned| {
        bucket::draw_within(split, lent.share.unwrap_or(planned), tenant, facts)
    }))
}

/// The aliases that a route serves, in the file's order.
pub fn aliases_of(plan: &Plan, id: RouteId) -> impl Iterator<Item = AliasId> {
    let route = plan.route(id);
    plan.aliases().map(|(alias, _)| alias).filter(move |alias| plan.is_for(route, *alias))
}

/// Which provider a route has in a role, and how long one attempt there may take to begin its answer.
#[must_use]
pub fn provider_in(route: &Route, role: Role) -> Option<(ProviderId, std::time::Duration)> {
    match role {
        Role::Primary => Some((route.primary, route.primary_timeout)),
        Role::Canary => route.canary.as_ref().map(|canary| (canary.provider, canary.timeout)),
        Role::Fallback => route.fallback.map(|provider| (provider, route.fallback_timeout)),
    }
}

/// Whether a route serves an endpoint.
#[must_use]
pub fn takes_endpoint(route: &Route, endpoint: Endpoint) -> bool {
    route.endpoint.is_none_or(|only| only == endpoint)
}

fn target<'p>(plan: &'p Plan, route: &Route, alias: AliasId, role: Role) -> Option<Target<'p>> {
    let (provider, timeout) = provider_in(route, role)?;
    let model_id = plan.alias(alias).model_ids.get(provider.index())?.as_deref()?;
    Some(Target { provider, role, model_id: Some(model_id), timeout })
}
