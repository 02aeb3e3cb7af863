//! What a run says to the rollouts that require a probe: per route, and only where it is a result for the whole of it.

use decisions::ProviderId;
use decisions::plan::Plan;
use evidence::Decision;
use readiness::probe::Target;

use crate::commands::probe::targets::is_away;

/// Of each route that was probed at all: passed, failed, or no result, where a part of what it sends away was left out.
pub(super) fn results(plan: &Plan, probed: &[(&Target, Decision)]) -> Vec<(String, Option<bool>)> {
    let decision_of = |alias: &str, provider: ProviderId| {
        let is_it =
            |(target, _): &&(&Target, Decision)| target.alias == alias && target.provider == provider.index();
        probed.iter().find(is_it).map(|(_, decision)| *decision)
    };
    let mut results = Vec::new();
    for (_, route) in plan.routes() {
        let mut decisions = Vec::new();
        for (id, alias) in plan.aliases() {
            if plan.is_for(route, id) {
                let providers = (0..).map(ProviderId).zip(&alias.model_ids);
                let away = providers.filter(|(provider, model)| model.is_some() && is_away(route, *provider));
                decisions.extend(away.map(|(provider, _)| decision_of(&alias.name, provider)));
            }
        }
        let failed = decisions.iter().flatten().any(|decision| *decision != Decision::Proceed);
        if decisions.iter().flatten().next().is_some() {
            let is_whole = decisions.iter().all(Option::is_some);
            results.push((route.name.clone(), if failed { Some(false) } else { is_whole.then_some(true) }));
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use config::{Source, load_map};

    use super::*;

    const MAP: &str = r#"route_version = "1"
primary_provider = "openai"
[providers.openai]
base_url = "https://api.openai.com/v1"
credential = "client"
[providers.cometapi]
base_url = "https://api.cometapi.com/v1"
credential = { env = "COMETAPI_KEY" }
[aliases.one]
provider_model_id = { openai = "a", cometapi = "a" }
[aliases.two]
provider_model_id = { openai = "b", cometapi = "b" }
[[routes]]
name = "one"
tenant_or_cohort = "*"
model_alias = "one"
mode = "primary"
primary_provider = "openai"
fallback_provider = "cometapi"
[[routes]]
name = "all"
tenant_or_cohort = "*"
model_alias = "*"
mode = "primary"
primary_provider = "openai"
fallback_provider = "cometapi"
# end 1
"#;

    #[test]
    fn a_route_has_passed_when_all_that_it_sends_away_has() {
        let tenants = "version = \"1\"\n# end 1\n";
        let source = |path: &'static str, text| Source { path: path.as_ref(), text };
        let plan = load_map(source("routes.toml", MAP), source("tenants.toml", tenants)).unwrap().plan;
        let target = |alias: &str| Target {
            alias: alias.to_owned(),
            model_id: "a".to_owned(),
            provider: 1,
            enabled: None,
            required_fields: Vec::new(),
            families: Vec::new(),
            models_path: "/models".to_owned(),
        };
        let (one, two) = (target("one"), target("two"));
        let (good, bad) = (Decision::Proceed, Decision::Pause);
        let said =
            |one: Option<bool>, all: Option<bool>| vec![("one".to_owned(), one), ("all".to_owned(), all)];
        assert_eq!(results(&plan, &[]), []);
        assert_eq!(results(&plan, &[(&one, good)]), said(Some(true), None));
        assert_eq!(results(&plan, &[(&one, bad)]), said(Some(false), Some(false)));
        assert_eq!(results(&plan, &[(&one, good), (&two, good)]), said(Some(true), Some(true)));
        assert_eq!(results(&plan, &[(&one, good), (&two, bad)]), said(Some(true), Some(false)));
    }
}
