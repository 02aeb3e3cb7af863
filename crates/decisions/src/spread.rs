//! Where requests of one kind go, in exact shares, without drawing a single key.
//!
//! A key's position in a split is uniform, so a share is a length: the length of the interval of positions that leads
//! there. One field under one salt has one position, whichever splits ask for it, so an interval that an earlier split
//! has left is what a later one divides; different salts or different fields are independent, and their lengths
//! multiply. The rules of routes and targets are not repeated here: they are those of [`decide`](crate::decide()).

mod joint;

use std::cell::Cell;
use std::ops::Range;

use crate::bucket::{self, WHOLE};
use crate::decide::{Decision, Refusal, decide_on_route, routed_alias};
use crate::facts::{Caller, Endpoint, Facts, StickyKeys};
use crate::ids::{AliasId, RouteId, TenantId};
use crate::order::Target;
use crate::plan::{Bucketing, FeatureSet, Plan, StickyBy};
use crate::route::candidates;
use crate::standing::Standing;

pub use joint::{Joint, Pair, joint};

/// Requests that differ in the values of their sticky fields only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class<'m> {
    /// Who is calling, by a listed key.
    pub tenant: TenantId,
    /// The `model` that is sent: an alias, or a name that is none.
    pub model: &'m str,
    /// Which of the routed endpoints is called.
    pub endpoint: Endpoint,
    /// Which fields a split can go by.
    pub carries: Carries,
    /// They create or use state that lives at one provider.
    pub stateful: bool,
}

/// The sticky fields of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// All of them, with values that are independent of one another and evenly spread.
    Keys,
    /// None, like a plain SDK call: only `tenant` and `request` can split those.
    Nothing,
}

/// A share of a class and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part<'p> {
    /// Above 0, at most 1.
    pub share: f64,
    /// What becomes of it.
    pub decision: PartDecision<'p>,
}

/// What becomes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartDecision<'p> {
    /// It is sent.
    Send {
        /// The route that matched; `None` when none did.
        route: Option<RouteId>,
        /// The target that is tried first.
        first: Target<'p>,
    },
    /// It is answered by the gateway.
    Refuse(Refusal),
}

/// Where the requests of a class go. The shares sum to 1; no two parts are equal; they stand in the order in which the
/// routes are asked, and the part inside a canary before the part outside of it.
#[must_use]
pub fn spread<'p>(plan: &'p Plan, class: Class<'_>) -> Vec<Part<'p>> {
    let mut parts: Vec<Part<'p>> = Vec::new();
    walk(plan, class, Vec::new(), |decision, positions| {
        let share = share_of(positions);
        match parts.iter_mut().find(|part| part.decision == decision) {
            Some(part) => part.share += share,
            None => parts.push(Part { share, decision }),
        }
    });
    parts
}

/// Tells `arrive` of every way through the routes that some requests take, with where those stand that take it. Where
/// requests have been divided before, `positions` says which of them there are.
fn walk<'p>(
    plan: &'p Plan,
    class: Class<'_>,
    positions: Vec<Position<'p>>,
    arrive: impl FnMut(PartDecision<'p>, &[Position<'p>]),
) {
    let facts = Facts {
        tenant: class.tenant,
        caller: Caller::Known,
        endpoint: class.endpoint,
        model: class.model,
        keys: StickyKeys::default(),
        stateful: class.stateful,
        features: FeatureSet::EMPTY,
        draw: 0,
    };
    let mut walk = Walk { plan, carries: class.carries, facts, positions, arrive };
    match routed_alias(plan, &facts) {
        Ok(alias) => walk.routes(alias),
        Err(decided) => walk.add(decided),
    }
}

/// The way through the candidates: at every point, `positions` says which requests have come so far.
struct Walk<'p, 'm, F> {
    plan: &'p Plan,
    carries: Carries,
    facts: Facts<'m>,
    positions: Vec<Position<'p>>,
    arrive: F,
}

/// Where the values of one field stand under one salt.
#[derive(Clone)]
struct Position<'p> {
    salt: &'p str,
    by: StickyBy,
    /// Where they can stand at all.
    all: Range<u32>,
    /// Where those stand that have come here.
    left: Range<u32>,
}

impl<'p, F: FnMut(PartDecision<'p>, &[Position<'p>])> Walk<'p, '_, F> {
    fn routes(&mut self, alias: AliasId) {
        let (shared, rest) = candidates(self.plan, self.facts.tenant, alias, self.facts.endpoint);
        for (members, route) in shared {
            let Some(at) = self.position(members) else { continue };
            let [inside, outside] = self.split(at, members);
            self.within(at, inside, |walk| walk.route(Some(route), alias));
            self.keep(at, outside);
        }
        self.route(rest, alias);
    }

    /// A route that all who have come here find.
    fn route(&mut self, route: Option<RouteId>, alias: AliasId) {
        let plan = self.plan;
        let route = route.map(|id| (id, Standing::default()));
        let asked = Cell::new(None);
        let undrawn = decide_on_route(plan, route, alias, &self.facts, |canary, _| {
            asked.set(Some(canary));
            None
        });
        let split = asked.get().and_then(|canary| Some((canary, self.position(canary)?)));
        let Some((canary, at)) = split else { return self.add(undrawn) };
        let by = self.positions[at].by;
        for (is_in, side) in [true, false].into_iter().zip(self.split(at, canary)) {
            let decided = decide_on_route(plan, route, alias, &self.facts, |_, _| Some((is_in, by)));
            self.within(at, side, |walk| walk.add(decided));
        }
    }

    fn add(&mut self, decided: Decision<'p>) {
        if share_of(&self.positions) <= 0.0 {
            return;
        }
        let decision = match decided {
            Decision::Send(chosen) => PartDecision::Send { route: chosen.route, first: chosen.order.first() },
            Decision::Refuse(refusal) => PartDecision::Refuse(refusal),
        };
        (self.arrive)(decision, &self.positions);
    }

    /// The position that a split goes by; `None` where the class carries no field of its list.
    fn position(&mut self, split: &'p Bucketing) -> Option<usize> {
        let is_carried = |by: &StickyBy| match by {
            StickyBy::Tenant | StickyBy::Request => true,
            StickyBy::SafetyIdentifier | StickyBy::User | StickyBy::PromptCacheKey => {
                self.carries == Carries::Keys
            }
        };
        let by = split.sticky_by.iter().copied().find(is_carried)?;
        let salt = split.salt.as_str();
        if let Some(at) = self.positions.iter().position(|known| known.salt == salt && known.by == by) {
            return Some(at);
        }
        let all = if by == StickyBy::Tenant {
            let only = bucket::position(salt, self.plan.tenant(self.facts.tenant).name.as_bytes());
            only..only + 1
        } else {
            0..WHOLE
        };
        self.positions.push(Position { salt, by, left: all.clone(), all });
        Some(self.positions.len() - 1)
    }

    /// Those inside and those outside a split, of all who have come here.
    fn split(&self, at: usize, split: &Bucketing) -> [Range<u32>; 2] {
        let left = &self.positions[at].left;
        let line = split.share.ppm().clamp(left.start, left.end);
        [left.start..line, line..left.end]
    }

    /// Goes on with some of those who have come here, then comes back.
    fn within(&mut self, at: usize, some: Range<u32>, go_on: impl FnOnce(&mut Self)) {
        if some.is_empty() {
            return;
        }
        let all = std::mem::replace(&mut self.positions[at].left, some);
        go_on(self);
        self.keep(at, all);
    }

    fn keep(&mut self, at: usize, left: Range<u32>) {
        self.positions[at].left = left;
    }
}

impl Position<'_> {
    fn share_left(&self) -> f64 {
        f64::from(self.left.end - self.left.start) / f64::from(self.all.end - self.all.start)
    }
}

/// The share of a class that stands there.
fn share_of(positions: &[Position<'_>]) -> f64 {
    positions.iter().map(Position::share_left).product()
}
