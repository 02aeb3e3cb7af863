//! What a check of the catalogs says to canaries: one whose model is gone does not grow. It never shrinks one: traffic says
//! that better and sooner.

use std::collections::BTreeMap;

use decisions::plan::{Check, Watched};
use proxy::Snapshot;
use readiness::catalog::{Alignment, Watch};

use crate::catalog::polling::Known;

/// Tells the canaries of the map in force, and returns for each provider the routes whose canary it holds.
///
/// A canary passes when its own provider lists all that its route asks of it, and no other provider of the route is known to
/// lack something. Where nothing is known nothing is told.
pub(super) fn tell(
    snapshot: &Snapshot,
    known: &BTreeMap<String, Known>,
    now_ms: u64,
) -> BTreeMap<String, Vec<String>> {
    let plan = snapshot.plan();
    let check = u32::try_from(Check::Models.index()).unwrap_or(u32::MAX);
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, route) in plan.routes() {
        let Some(canary) = &route.canary else { continue };
        let named = route.providers().map(|provider| plan.provider(provider).name.as_str());
        let providers: Vec<(&str, &Known)> =
            named.filter_map(|name| known.get(name).map(|known| (name, known))).collect();
        let holding = providers
            .iter()
            .filter(|(_, known)| holds(&known.memory.watch, &known.round.alignment, &route.name));
        let mut is_held = false;
        for (name, _) in holding {
            is_held = true;
            let routes = held.entry((*name).to_owned()).or_default();
            if !routes.contains(&route.name) {
                routes.push(route.name.clone());
            }
        }
        let passes = || known.get(&plan.provider(canary.provider).name)?.round.passes(&route.name);
        let is_known = is_held || passes() == Some(true);
        if let Some(gate) = snapshot.gates().of(id, Watched::Canary).filter(|_| is_known)
            && gate.state().judged.rollout_rules.is_some()
        {
            gate.checked(now_ms, check, !is_held);
        }
    }
    held
}

/// Whether two consecutive lists lack what a route asks a provider for, or the map does not allow it.
fn holds(watch: &Watch, alignment: &Alignment, route: &str) -> bool {
    let of_route = alignment.models.iter().filter(|model| model.of.routes.iter().any(|name| name == route));
    of_route.into_iter().any(|model| watch.holds(&model.of.model_id))
}
