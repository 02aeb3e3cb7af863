//! The gates of a plan: who judges which target, kept over reloads for as long as the target is the same try.
//!
//! They hang on the snapshot, as the targets' memory does. A request asks them where it may go ([`Gates::standing`], two
//! loads of an atomic) and tells them of each of its attempts ([`Gates::attempted`], one short lock). An attempt belongs
//! to the gate of the plan that its request was decided by.
//!
//! Reading order: [`route_gate`] (one gate), [`keeper`] (what remembers it), [`report`] (what an attempt is to it).

mod exposure;
mod keeper;
mod report;
mod route_gate;
mod tally;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use decisions::plan::{GateIdentity, Plan, Route, Watched, gate_identity};
use decisions::{ProviderId, Role, RouteId, Standing};

pub use keeper::{GateId, GateKeeper, GateLog, NoKeeper, Restored};
pub(crate) use report::Finished;
pub use route_gate::{GateState, Progress, RouteGate};
pub(crate) use tally::Class;
pub use tally::{RolledBack, Tally};

use crate::gates::route_gate::{Ruling, Tallies};

/// The gates of all routes of a plan.
#[derive(Debug, Default)]
pub struct Gates {
    /// In the plan's order.
    by_route: Vec<OfRoute>,
    /// Those, and those of earlier plans that may still matter.
    known: HashMap<Arc<GateId>, Arc<RouteGate>>,
    /// A hash of each tenant's name.
    tenants: Vec<u64>,
}

/// The gates of one route.
#[derive(Clone, Debug, Default)]
struct OfRoute {
    canary: Option<Arc<RouteGate>>,
    fallback: Option<Arc<RouteGate>>,
}

impl OfRoute {
    fn of(&self, watched: Watched) -> Option<&Arc<RouteGate>> {
        match watched {
            Watched::Canary => self.canary.as_ref(),
            Watched::Fallback => self.fallback.as_ref(),
        }
    }
}

impl Gates {
    /// Those of a plan. A gate that `earlier` has goes on, under the rules that the new plan has for it; for any other
    /// the keeper is asked what it remembers.
    ///
    /// Every canary and every fallback has one, also where its gates are switched off: a latch stands all the same, and
    /// an operator can roll it back.
    pub(crate) fn new(plan: &Plan, earlier: Option<&Gates>, keeper: &Arc<dyn GateKeeper>) -> Gates {
        let none = HashMap::new();
        let before = earlier.map_or(&none, |gates| &gates.known);
        let latched: HashSet<(&str, GateIdentity)> = before
            .iter()
            .filter(|(_, gate)| gate.is_latched())
            .map(|(id, _)| (id.route.as_str(), id.identity))
            .collect();
        let mut known = HashMap::new();
        let mut of_route: HashMap<&str, Vec<&Arc<RouteGate>>> = HashMap::new();
        for (id, gate) in before {
            of_route.entry(&id.route).or_default().push(gate);
        }
        let mut gate_of = |id: RouteId, route: &Route, watched, beside: Option<&Arc<RouteGate>>| {
            let identity = gate_identity(plan, id, watched)?;
            let gate_id = GateId { route: route.name.clone(), identity, watched };
            let ruling = Ruling::of(route, watched);
            let gate = match before.get(&gate_id) {
                Some(kept) => {
                    kept.rule(ruling);
                    Arc::clone(kept)
                }
                None => {
                    let others = of_route.get(route.name.as_str()).into_iter().flatten().copied();
                    let tallies = Tallies::beside(identity, beside.into_iter().chain(others));
                    Arc::new(RouteGate::restore(gate_id, ruling, Arc::clone(keeper), tallies))
                }
            };
            // One target is one latch, in whatever role it was tripped.
            if latched.contains(&(route.name.as_str(), identity)) {
                gate.latch_from_outside();
            }
            known.insert(Arc::clone(gate.id()), Arc::clone(&gate));
            Some(gate)
        };
        let by_route = plan.routes().map(|(id, route)| {
            let canary = gate_of(id, route, Watched::Canary, None);
            let fallback = gate_of(id, route, Watched::Fallback, canary.as_ref());
            OfRoute { canary, fallback }
        });
        let by_route = by_route.collect();
        for (id, gate) in before {
            // A latch is for good. Of the others, whoever comes back to one is told by the keeper what it was, once no
            // request is under way that could change it.
            if !known.contains_key(id) && (gate.is_latched() || Arc::strong_count(gate) > 1) {
                known.insert(Arc::clone(id), Arc::clone(gate));
            }
        }
        let tenants = plan.parts().tenants.iter().map(|tenant| tenant.name_hash()).collect();
        Gates { by_route, known, tenants }
    }

    /// Those of the plan's routes, in its order, a route's canary before its fallback.
    pub fn all(&self) -> impl Iterator<Item = &Arc<RouteGate>> {
        self.by_route.iter().flat_map(|gates| gates.canary.iter().chain(&gates.fallback))
    }

    /// The gate of one target; `None` where the route has no such target.
    #[must_use]
    pub fn of(&self, route: RouteId, watched: Watched) -> Option<&Arc<RouteGate>> {
        self.by_route.get(route.index())?.of(watched)
    }

    /// What the gates of a route say now.
    #[must_use]
    pub fn standing(&self, route: RouteId) -> Standing {
        let Some(gates) = self.by_route.get(route.index()) else { return Standing::default() };
        let (canary, share) = gates.canary.as_ref().map(|gate| gate.shown()).unwrap_or_default();
        let (fallback, _) = gates.fallback.as_ref().map(|gate| gate.shown()).unwrap_or_default();
        Standing { canary, share, fallback }
    }

    /// An attempt begins: `provider` in this role of the route. To be called once for each that
    /// [`attempted`](Gates::attempted) hears of.
    pub(crate) fn begin(
        &self,
        plan: &Plan,
        route: RouteId,
        (provider, role): (ProviderId, Role),
        class: Class,
    ) {
        if let Some(tally) = self.tally(plan, route, provider, role) {
            tally.begin(class);
        }
    }

    fn tally(&self, plan: &Plan, route: RouteId, provider: ProviderId, role: Role) -> Option<&Arc<Tally>> {
        let gates = self.by_route.get(route.index())?;
        match role {
            Role::Canary => gates.canary.as_ref().map(|gate| gate.tally()),
            Role::Primary => gates.canary.as_ref().or(gates.fallback.as_ref()).map(|gate| gate.prior()),
            // What lives where the route does not send any more is asked for there in this role, too.
            Role::Fallback if plan.route(route).fallback != Some(provider) => None,
            Role::Fallback => gates.fallback.as_ref().map(|gate| gate.tally()),
        }
    }

    /// What they say to one request.
    pub(crate) fn asked_once(&self) -> AskedOnce<'_> {
        AskedOnce { gates: self, said: Cell::new(None) }
    }
}

/// What the gates say to one request: of its route the same however often they are asked, so that what is told of its
/// attempts is what it was decided by.
pub(crate) struct AskedOnce<'g> {
    gates: &'g Gates,
    said: Cell<Option<(RouteId, Standing)>>,
}

impl AskedOnce<'_> {
    pub(crate) fn standing(&self, route: RouteId) -> Standing {
        if let Some((of, standing)) = self.said.get()
            && of == route
        {
            return standing;
        }
        let standing = self.gates.standing(route);
        self.said.set(Some((route, standing)));
        standing
    }
}

#[cfg(test)]
mod tests;
