//! Whether two environments mean the same models (runbook 1, "Config parity"). Base URLs, paths and secrets may differ between
//! environments by design, so these are shown and decide nothing; IDs decide.

use std::collections::{BTreeMap, BTreeSet};

use decisions::plan::Plan;

/// One difference between two maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The alias that applications send.
    pub alias: String,
    /// The provider.
    pub provider: String,
    /// What this map asks the provider for; `None` where it offers the alias not there.
    pub here: Option<String>,
    /// What the other asks it for.
    pub there: Option<String>,
}

/// Where an alias leads to different IDs at a provider that both maps have; in the order of their names.
#[must_use]
pub fn parity(here: &Plan, there: &Plan) -> Vec<Difference> {
    let (ours, theirs) = (ids(here), ids(there));
    let (our_providers, their_providers) = (providers(here), providers(there));
    let names: BTreeSet<&(&str, &str)> = ours.keys().chain(theirs.keys()).collect();
    let is_common =
        |name: &&&(&str, &str)| our_providers.contains(name.1) && their_providers.contains(name.1);
    let compared = names.iter().filter(is_common).map(|name| (name, ours.get(*name), theirs.get(*name)));
    let differ = compared.filter(|(_, here, there)| here != there);
    let difference = differ.map(|((alias, provider), here, there)| Difference {
        alias: (*alias).to_owned(),
        provider: (*provider).to_owned(),
        here: here.map(|id| (*id).to_owned()),
        there: there.map(|id| (*id).to_owned()),
    });
    difference.collect()
}

fn providers(plan: &Plan) -> BTreeSet<&str> {
    plan.parts().providers.iter().map(|provider| provider.name.as_str()).collect()
}

fn ids(plan: &Plan) -> BTreeMap<(&str, &str), &str> {
    let mut ids = BTreeMap::new();
    for alias in &plan.parts().aliases {
        for (provider, model_id) in plan.parts().providers.iter().zip(&alias.model_ids) {
            if let Some(model_id) = model_id {
                ids.insert((alias.name.as_str(), provider.name.as_str()), model_id.as_str());
            }
        }
    }
    ids
}
