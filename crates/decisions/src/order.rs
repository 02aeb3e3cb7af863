//! Which targets a request tries, in order.
//!
//! A canary request goes to the canary, then home to the primary; a primary request goes to the primary, then to the
//! fallback if the route names one.

use std::time::Duration;

use crate::ids::{AliasId, ProviderId};
use crate::plan::{Canary, Plan, Route};

/// A provider and what to call the model there, with its role in the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'p> {
    /// Where.
    pub provider: ProviderId,
    /// As what.
    pub role: Role,
    /// What the provider calls the model; `None` leaves the request as it was sent.
    pub model_id: Option<&'p str>,
    /// How long one attempt at it may take to begin its answer.
    pub timeout: Duration,
}

/// What a target is in its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The home of the route.
    Primary,
    /// The one under test.
    Canary,
    /// The one in need.
    Fallback,
}

impl Role {
    /// The name used in headers, logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Canary => "canary",
            Role::Fallback => "fallback",
        }
    }
}

/// The targets of one request, first to last; on the stack, since a request has two at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'p> {
    first: Target<'p>,
    second: Option<Target<'p>>,
}

impl<'p> Order<'p> {
    /// Only one.
    #[must_use]
    pub fn only(first: Target<'p>) -> Order<'p> {
        Order { first, second: None }
    }

    /// The target to try first.
    #[must_use]
    pub fn first(&self) -> Target<'p> {
        self.first
    }

    /// All targets.
    pub fn iter(&self) -> impl Iterator<Item = Target<'p>> + '_ {
        std::iter::once(self.first).chain(self.second)
    }
}

/// Which side of a route a request is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side<'p> {
    Home,
    Canary(&'p Canary),
    Fallback(ProviderId),
}

impl Side<'_> {
    /// The provider that is tried first.
    pub(crate) fn provider(&self, route: &Route) -> ProviderId {
        match self {
            Side::Home => route.primary,
            Side::Canary(canary) => canary.provider,
            Side::Fallback(provider) => *provider,
        }
    }
}

/// Lists the targets of one side. `may_reach` says which providers this caller may use.
///
/// `None` when the caller may not reach the first of them, or the alias has no model ID there: another target may
/// stand in for the first only after it has failed.
pub(crate) fn list_targets<'p>(
    plan: &'p Plan,
    route: &Route,
    alias: AliasId,
    side: Side<'_>,
    may_reach: impl Fn(ProviderId) -> bool,
) -> Option<Order<'p>> {
    let target = |provider: ProviderId, role: Role, timeout: Duration| -> Option<Target<'p>> {
        let model_id = plan.alias(alias).model_ids[provider.index()].as_deref()?;
        may_reach(provider).then_some(Target { provider, role, model_id: Some(model_id), timeout })
    };
    let fallback = |provider| target(provider, Role::Fallback, route.fallback_timeout);
    let primary = target(route.primary, Role::Primary, route.primary_timeout);
    let (first, second) = match side {
        Side::Canary(canary) => (target(canary.provider, Role::Canary, canary.timeout), primary),
        Side::Home => (primary, route.fallback.and_then(fallback)),
        Side::Fallback(provider) => (fallback(provider), None),
    };
    first.map(|first| Order { first, second })
}
