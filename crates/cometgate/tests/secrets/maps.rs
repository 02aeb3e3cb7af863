//! Maps with routes of every kind, and where they lead.

use std::path::Path;

use config::{Loaded, Source, load_map};
use decisions::plan::FeatureSet;
use decisions::{Caller, Decision, Endpoint, Facts, StickyKeys, explain, no_gates};
use fastrand::Rng;

use crate::support::Files;
use crate::world::TENANTS;

/// A map in which every tenant has a route of any mode for each alias.
pub(crate) fn random_map(rng: &mut Rng, version: usize, urls: &[String; 2], second: &str) -> String {
    let mut map = format!(
        // What a gate keeps out goes home: here it is asked beforehand where a request may go.
        "route_version = \"v{version}\"\nenvironment = \"development\"\nprimary_provider = \"one\"\n\
         [gates]\nmode = \"off\"\n\
         [providers.one]\nbase_url = \"{}\"\ncredential = {{ env = \"PRIMARY_KEY\" }}\n\
         [providers.two]\nbase_url = \"{}\"\ncredential = {{ env = \"CANARY_KEY\" }}\n{second}\n",
        urls[0], urls[1]
    );
    for alias in 0..2 {
        map.push_str(&format!(
            "[aliases.alias-{alias}]\nprovider_model_id = {{ one = \"m-{alias}\", two = \"n-{alias}\" }}\n"
        ));
    }
    for (tenant, alias) in (0..TENANTS).flat_map(|tenant| [(tenant, 0), (tenant, 1)]) {
        let (home, away) = if rng.bool() { ("one", "two") } else { ("two", "one") };
        let mode = ["primary", "canary", "canary", "fallback"][rng.usize(..4)];
        let fallback = if rng.bool() || mode == "fallback" {
            format!("fallback_provider = \"{away}\"\nfallback_budget = \"100%\"\n")
        } else {
            String::new()
        };
        let canary = format!(
            "[routes.canary]\nprovider = \"{away}\"\nshare = \"{}%\"\n",
            [0, 50, 100][rng.usize(..3)]
        );
        map.push_str(&format!(
            "[[routes]]\nname = \"r-{tenant}-{alias}\"\ntenant_or_cohort = \"tenant-{tenant}\"\nmodel_alias = \"alias-{alias}\"\n\
             mode = \"{mode}\"\nprimary_provider = \"{home}\"\n{fallback}\
             retry_policy = {{ retries = 2, on = [\"reset\", \"overloaded\", \"server\"] }}\nretry_budget = \"100%\"\n{}",
            if mode == "canary" { &canary } else { "" }
        ));
    }
    map.push_str(&format!("# end v{version}\n"));
    map
}

pub(crate) fn load(map: &str, files: &Files) -> Loaded {
    let tenants = std::fs::read_to_string(files.path().join("tenants.toml")).unwrap();
    let source = |name, text| Source { path: Path::new(name), text };
    load_map(source("routes.toml", map), source("tenants.toml", &tenants)).unwrap()
}

/// Where a request may go, whatever is drawn and fails.
pub(crate) fn targets(loaded: &Loaded, tenant: usize, model: &str) -> u8 {
    let facts = Facts {
        tenant: loaded.plan.tenant_named(&format!("tenant-{tenant}")).unwrap(),
        caller: Caller::Known,
        endpoint: Endpoint::Chat,
        model,
        keys: StickyKeys::default(),
        stateful: false,
        features: FeatureSet::EMPTY,
        draw: 0,
    };
    let explained = explain(&loaded.plan, &facts, no_gates);
    let sides = explained.either.map_or_else(|| vec![explained.decision], |either| either.to_vec());
    let orders = sides.iter().filter_map(|decision| match decision {
        Decision::Send(chosen) => Some(chosen.order),
        Decision::Refuse(_) => None,
    });
    orders
        .flat_map(|order| order.iter().map(|target| 1_u8 << target.provider.0).collect::<Vec<_>>())
        .fold(0, |a, b| a | b)
}
