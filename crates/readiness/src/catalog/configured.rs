//! Which model IDs a map names at a provider, and what for.

use std::collections::BTreeMap;

use decisions::ProviderId;
use decisions::plan::{Mode, Plan, Route};

/// What an ID is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// A primary serves it.
    Current,
    /// A canary serves it.
    Canary,
    /// A fallback would.
    Fallback,
    /// The version to go back to would.
    Rollback,
    /// An alias has it, and no route sends it there.
    Unrouted,
}

impl Use {
    /// The name used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Use::Current => "current",
            Use::Canary => "canary",
            Use::Fallback => "fallback",
            Use::Rollback => "rollback",
            Use::Unrouted => "unrouted",
        }
    }
}

/// A model ID that a map names at a provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Configured {
    /// What for.
    pub used_as: Use,
    /// Exact bytes.
    pub model_id: String,
    /// The routes that use it so, in the order of the map.
    pub routes: Vec<String>,
    /// The aliases that lead to it, likewise.
    pub aliases: Vec<String>,
}

/// All that a map, and the one to go back to, name at a provider of this name; one entry for each ID and use of it.
#[must_use]
pub fn configured(plan: &Plan, back: Option<&Plan>, provider: &str) -> Vec<Configured> {
    let mut found = Found::default();
    found.add_plan(plan, provider, |used_as| used_as);
    if let Some(back) = back {
        found.add_plan(back, provider, |_| Use::Rollback);
    }
    found.into_list()
}

type Names = (Vec<String>, Vec<String>);

#[derive(Default)]
struct Found(BTreeMap<(Use, String), Names>);

impl Found {
    fn add_plan(&mut self, plan: &Plan, provider: &str, used_as: impl Fn(Use) -> Use) {
        let Some(provider) = plan.provider_named(provider) else { return };
        let mut is_routed = vec![false; plan.parts().aliases.len()];
        for (_, route) in plan.routes() {
            for used in uses(route, provider) {
                for (id, alias) in plan.aliases().filter(|(id, _)| plan.is_for(route, *id)) {
                    let Some(Some(model_id)) = alias.model_ids.get(provider.index()) else { continue };
                    is_routed[id.index()] = true;
                    self.add((used_as(used), model_id), Some(&route.name), &alias.name);
                }
            }
        }
        for ((_, alias), _) in plan.aliases().zip(is_routed).filter(|(_, is_routed)| !is_routed) {
            if let Some(Some(model_id)) = alias.model_ids.get(provider.index()) {
                self.add((used_as(Use::Unrouted), model_id), None, &alias.name);
            }
        }
    }

    fn add(&mut self, (used_as, model_id): (Use, &str), route: Option<&String>, alias: &str) {
        let (routes, aliases) = self.0.entry((used_as, model_id.to_owned())).or_default();
        if let Some(route) = route.filter(|route| !routes.contains(route)) {
            routes.push(route.clone());
        }
        if !aliases.iter().any(|known| known == alias) {
            aliases.push(alias.to_owned());
        }
    }

    fn into_list(self) -> Vec<Configured> {
        let entry =
            |((used_as, model_id), (routes, aliases))| Configured { used_as, model_id, routes, aliases };
        self.0.into_iter().map(entry).collect()
    }
}

/// In which roles a route may send to a provider. A route that is switched off sends nothing anywhere.
fn uses(route: &Route, provider: ProviderId) -> impl Iterator<Item = Use> {
    let canary = route.canary.as_ref().map(|canary| canary.provider);
    let roles = [(Some(route.primary), Use::Current), (canary, Use::Canary), (route.fallback, Use::Fallback)];
    let sends = route.mode != Mode::Disabled;
    roles.into_iter().filter(move |(at, _)| sends && *at == Some(provider)).map(|(_, used)| used)
}
