//! Which targets a request tries, in order.
//!
//! A canary request goes to the canary, then home to the primary; a primary request goes to the primary, then to the
//! fallback if the route names one.

use crate::ids::{AliasId, ProviderId};
use crate::plan::{Plan, Route};

/// A provider and what to call the model there, with its role in the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'p> {
    /// Where.
    pub provider: ProviderId,
    /// As what.
    pub role: Role,
    /// What the provider calls the model; `None` leaves the request as it was sent.
    pub model_id: Option<&'p str>,
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
pub(crate) enum Side {
    Home,
    Canary(ProviderId),
    Fallback(ProviderId),
}

/// Lists the targets of one side. `may_reach` says which providers this caller may use.
///
/// `None` when the caller may not reach the first of them, or the alias has no model ID there: another target may
/// stand in for the first only after it has failed.
pub(crate) fn list_targets<'p>(
    plan: &'p Plan,
    route: &Route,
    alias: AliasId,
    side: Side,
    may_reach: impl Fn(ProviderId) -> bool,
) -> Option<Order<'p>> {
    let target = |provider: ProviderId, role: Role| -> Option<Target<'p>> {
        let model_id = plan.alias(alias).model_ids[provider.index()].as_deref()?;
        may_reach(provider).then_some(Target { provider, role, model_id: Some(model_id) })
    };
    let primary = target(route.primary, Role::Primary);
    let (first, second) = match side {
        Side::Canary(provider) => (target(provider, Role::Canary), primary),
        Side::Home => {
            let fallback = route.fallback.and_then(|provider| target(provider, Role::Fallback));
            (primary, fallback)
        }
        Side::Fallback(provider) => (target(provider, Role::Fallback), None),
    };
    first.map(|first| Order { first, second })
}
