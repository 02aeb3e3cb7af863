//! Which aliases are asked for at which providers: what a route may send away from its primary, unless something is named.

use anyhow::anyhow;
use decisions::plan::{CredentialHeader, Route};
use decisions::{AliasId, Endpoint, ProviderId};
use readiness::probe::{RetryFacts, Target};

use crate::checks::Checked;
use crate::cli::ProbeAsked;
use crate::commands::probe::counters;
use crate::exit::Failure;

/// Those that can be probed.
const FAMILIES: [Endpoint; 3] = [Endpoint::Chat, Endpoint::Responses, Endpoint::Messages];

/// What is asked for.
pub(super) fn select(checked: &Checked, asked: &ProbeAsked) -> Result<Vec<Target>, Failure> {
    let plan = &checked.loaded.plan;
    let invalid = |text: String| Failure::invalid(anyhow!("{text}"));
    let only = match &asked.route {
        Some(name) => {
            Some(plan.route_named(name).ok_or_else(|| invalid(format!("no route is called `{name}`")))?.1)
        }
        None => None,
    };
    let provider = match &asked.provider {
        Some(name) => Some(
            plan.provider_named(name).ok_or_else(|| invalid(format!("no provider is called `{name}`")))?,
        ),
        None => None,
    };
    for name in &asked.aliases {
        plan.alias_named(name).ok_or_else(|| invalid(format!("no alias is called `{name}`")))?;
    }
    let mut targets = Vec::new();
    for (alias_id, alias) in plan.aliases() {
        let is_asked_for = asked.aliases.is_empty() || asked.aliases.contains(&alias.name);
        if !is_asked_for || only.is_some_and(|route| !plan.is_for(route, alias_id)) {
            continue;
        }
        for (provider_id, model_id) in (0..).map(ProviderId).zip(&alias.model_ids) {
            let leads_there = |route: &Route| plan.is_for(route, alias_id) && is_away(route, provider_id);
            let is_asked_for = match (provider, only) {
                (Some(named), _) => named == provider_id,
                (None, Some(route)) => is_away(route, provider_id),
                (None, None) => plan.routes().any(|(_, route)| leads_there(route)),
            };
            let Some(model_id) = model_id.as_ref().filter(|_| is_asked_for) else { continue };
            let families = families(checked, asked, alias_id, provider_id);
            targets.push(Target {
                alias: alias.name.clone(),
                model_id: model_id.clone(),
                provider: provider_id.index(),
                enabled: alias.enabled_features.at(provider_id),
                required_fields: alias.required_fields.clone(),
                families,
                models_path: checked.loaded.providers[provider_id.index()].models_path().to_owned(),
            });
        }
    }
    targets.retain(|target| !target.families.is_empty());
    if targets.is_empty() {
        return Err(invalid(
            "there is nothing to probe: no alias that was asked for is served by a canary or fallback, in a family that can be \
             probed\n  help: --provider names a provider, --family a family"
                .to_owned(),
        ));
    }
    Ok(targets)
}

/// Whether a route may send there something that its primary does not serve.
pub(super) fn is_away(route: &Route, provider: ProviderId) -> bool {
    route.fallback == Some(provider)
        || route.canary.as_ref().is_some_and(|canary| canary.provider == provider)
}

/// Those that were named; else those that the routes are for, and where they do not say, what the provider is known to serve.
fn families(
    checked: &Checked,
    asked: &ProbeAsked,
    alias: AliasId,
    provider: ProviderId,
) -> Vec<(Endpoint, String)> {
    let Some(settings) = checked.loaded.providers.get(provider.index()) else { return Vec::new() };
    let plan = &checked.loaded.plan;
    let routes = plan.routes().map(|(_, route)| route);
    let leading: Vec<&Route> = routes
        .filter(|route| plan.is_for(route, alias) && route.providers().any(|to| to == provider))
        .collect();
    let is_anthropic = settings.credential_header == CredentialHeader::XApiKey;
    let serves = |endpoint: Endpoint| match endpoint {
        Endpoint::Messages => is_anthropic || settings.paths.iter().any(|(named, _)| *named == endpoint),
        _ => !is_anthropic,
    };
    let is_meant = |endpoint: &Endpoint| {
        if !asked.families.is_empty() {
            return asked.families.iter().any(|family| Endpoint::from(*family) == *endpoint);
        }
        let of_routes =
            leading.iter().any(|route| route.endpoint.map_or(serves(*endpoint), |only| only == *endpoint));
        of_routes || leading.is_empty() && serves(*endpoint)
    };
    let meant = FAMILIES.into_iter().filter(is_meant);
    meant.map(|endpoint| (endpoint, settings.path_of(endpoint).to_owned())).collect()
}

/// How the routes that lead to a target try again.
pub(super) fn retries(checked: &Checked, target: &Target, counted: Option<&str>) -> Vec<RetryFacts> {
    let plan = &checked.loaded.plan;
    let Some(alias) = plan.alias_named(&target.alias) else { return Vec::new() };
    let leads_there = |route: &&Route| {
        plan.is_for(route, alias) && route.providers().any(|provider| provider.index() == target.provider)
    };
    let routes = plan.routes().map(|(_, route)| route).filter(leads_there);
    let facts = routes.map(|route| RetryFacts {
        route: route.name.clone(),
        retried: route.retried(),
        fallback_on: route.fallback_on,
        counted: counted.map(|page| counters::retries(page, &route.name)),
    });
    facts.collect()
}
