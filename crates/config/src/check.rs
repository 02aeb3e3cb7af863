//! The rules that span several entries of the map, one function each.
//!
//! They run over whatever could be resolved, so that one wrong name hides no other problem.

use std::collections::{HashMap, HashSet};

use decisions::plan::{CohortMembers, Mode, Scope};
use decisions::{AliasId, ProviderId, TenantId};

use crate::document::Document;
use crate::map_file::{MapFile, RouteEntry};
use crate::names::quote;
use crate::resolve::{Resolved, RouteRefs};

/// `decisions` keeps the providers that accepted a key in a set of this many.
const PROVIDERS: usize = 64;

/// How many aliases one message names.
const NAMED_ALIASES: usize = 3;

/// Reports what is wrong with the map as a whole.
pub(crate) fn check(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    check_providers(map, document);
    check_distinct(map, resolved, document);
    for (entry, refs) in map.routes.iter().zip(&resolved.routes) {
        check_route(map, entry, refs, document);
    }
    check_model_ids(map, resolved, document);
    check_default_tenant(map, resolved, document);
}

fn title(entry: &RouteEntry) -> String {
    entry.name.as_ref().map_or_else(|| "this route".to_owned(), |name| format!("route {}", quote(&name.text)))
}

fn provider_name(map: &MapFile, id: ProviderId) -> &str {
    map.providers.get(id.index()).map_or("", |entry| entry.name.text.as_str())
}

fn check_providers(map: &MapFile, document: &Document<'_>) {
    if let Some(entry) = map.providers.get(PROVIDERS) {
        document.problem(entry.name.at, format!("there may be {PROVIDERS} providers at most"));
    }
    let mut takers = map.providers.iter().filter(|entry| entry.takes_client_key);
    let Some(first) = takers.next() else { return };
    for other in takers {
        let line = document.line(first.credential_at);
        let message = format!(
            "a caller's key is for one provider alone, and {} takes it already (line {line})",
            quote(&first.name.text)
        );
        let help = "give this one a credential of its own: { env = \"VARIABLE\" }";
        document.problem_with_help(other.credential_at, message, help);
    }
}

fn check_distinct(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut matches: HashMap<(Scope, Option<AliasId>), &RouteEntry> = HashMap::new();
    for (entry, refs) in map.routes.iter().zip(&resolved.routes) {
        if let Some(name) = &entry.name {
            if let Some(first) = names.get(name.text.as_str()) {
                let line = document.line(*first);
                let message = format!("there is a route {} already, on line {line}", quote(&name.text));
                document.problem(name.at, message);
            } else {
                names.insert(&name.text, name.at);
            }
        }
        let (Some(scope), Some(alias)) = (refs.scope, refs.alias) else { continue };
        let Some(first) = matches.get(&(scope, alias)) else {
            matches.insert((scope, alias), entry);
            continue;
        };
        let message = format!(
            "{} on line {} matches the same requests as {} on line {}",
            title(entry),
            document.line(entry.at),
            title(first),
            document.line(first.at)
        );
        let help = "one route for one tenant or cohort and one alias";
        document.problem_with_help(entry.at, message, help);
    }
}

fn check_route(map: &MapFile, entry: &RouteEntry, refs: &RouteRefs, document: &Document<'_>) {
    match entry.mode {
        Some(Mode::Canary) if entry.canary.is_none() => {
            let message = format!("{} has mode `canary` and no `[routes.canary]`", title(entry));
            document.problem_with_help(entry.at, message, "it names the canary's `provider` and `share`");
        }
        Some(Mode::Fallback) if entry.fallback.is_none() => {
            let message = format!("{} has mode `fallback` and no `fallback_provider`", title(entry));
            document.problem(entry.at, message);
        }
        Some(Mode::Primary | Mode::Canary | Mode::Fallback | Mode::Disabled) | None => {}
    }
    let Some(primary) = refs.primary else { return };
    let canary = entry.canary.as_ref().and_then(|canary| canary.provider.as_ref());
    let others = [("canary", canary, refs.canary), ("fallback", entry.fallback.as_ref(), refs.fallback)];
    for (role, name, id) in others {
        if let Some(name) = name
            && id == Some(primary)
        {
            let provider = quote(provider_name(map, primary));
            let message = format!("the {role} of {} is its primary, {provider}", title(entry));
            document.problem(name.at, message);
        }
    }
}

/// Every alias that a route can apply to needs a model ID at every provider of the route. A route for every alias
/// does not apply to those that have a route of their own in the same scope.
fn check_model_ids(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    let mut lacking: Vec<Vec<AliasId>> = vec![Vec::new(); map.providers.len()];
    for (alias, id) in resolved.aliases.iter().zip((0..).map(AliasId)) {
        for (aliases, model_id) in lacking.iter_mut().zip(&alias.model_ids) {
            if model_id.is_none() {
                aliases.push(id);
            }
        }
    }
    let own_routes: HashSet<(Scope, AliasId)> =
        resolved.routes.iter().filter_map(|refs| refs.scope.zip(refs.alias.flatten())).collect();
    for (entry, refs) in map.routes.iter().zip(&resolved.routes) {
        let Some(alias) = refs.alias else { continue };
        let has_own_route =
            |other: AliasId| refs.scope.is_none_or(|scope| own_routes.contains(&(scope, other)));
        let mut seen = HashSet::new();
        for provider in refs.primary.into_iter().chain(refs.fallback).chain(refs.canary) {
            if !seen.insert(provider) {
                continue;
            }
            let without = lacking.get(provider.index()).map_or(&[][..], Vec::as_slice);
            let missing: Vec<AliasId> = match alias {
                Some(only) => without.binary_search(&only).ok().map(|_| only).into_iter().collect(),
                None => without.iter().copied().filter(|other| !has_own_route(*other)).collect(),
            };
            if !missing.is_empty() {
                report_missing(map, entry, provider, &missing, document);
            }
        }
    }
}

fn report_missing(
    map: &MapFile,
    entry: &RouteEntry,
    provider: ProviderId,
    missing: &[AliasId],
    document: &Document<'_>,
) {
    let provider = provider_name(map, provider);
    let entries = missing.iter().filter_map(|id| map.aliases.get(id.index()));
    let named: Vec<String> = entries.take(NAMED_ALIASES).map(|alias| quote(&alias.name.text)).collect();
    let more = match missing.len().saturating_sub(NAMED_ALIASES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{} can send {}{more} to {}, which has no model ID for it",
        title(entry),
        named.join(", "),
        quote(provider)
    );
    let help = format!("add `{provider} = \"…\"` to the alias's `provider_model_id`");
    document.problem_with_help(entry.at, message, help);
}

/// Keys that nobody listed act as the default tenant. What they reach first must let *them* pay, or any stranger's
/// bearer would spend a credential of ours.
fn check_default_tenant(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    let (Some(name), Some(tenant)) = (&map.default_tenant, resolved.default_tenant) else { return };
    let is_ours = |id: ProviderId| map.providers.get(id.index()).is_some_and(|entry| !entry.takes_client_key);
    let mut reported = HashSet::new();
    let of_map = map.primary.as_ref().map(|primary| (resolved.primary, primary.at));
    let of_routes = map
        .routes
        .iter()
        .zip(&resolved.routes)
        .filter(|(_, refs)| refs.scope.is_some_and(|scope| includes(resolved, scope, tenant)))
        .filter_map(|(entry, refs)| Some((refs.primary, entry.primary.as_ref()?.at)));
    for (provider, at) in of_map.into_iter().chain(of_routes) {
        let Some(provider) = provider.filter(|id| is_ours(*id) && reported.insert(*id)) else { continue };
        let message = format!(
            "unlisted keys act as {}, and its requests can go first to {} (line {}), which we pay for",
            quote(&name.text),
            quote(provider_name(map, provider)),
            document.line(at)
        );
        let help = "every primary of the default tenant needs `credential = \"client\"`: no stranger's key may \
                    spend our credential";
        document.problem_with_help(name.at, message, help);
    }
}

fn includes(resolved: &Resolved, scope: Scope, tenant: TenantId) -> bool {
    match scope {
        Scope::Everyone => true,
        Scope::Tenant(id) => id == tenant,
        Scope::Cohort(id) => resolved.cohorts.get(id.index()).is_some_and(|cohort| match &cohort.members {
            CohortMembers::Tenants(tenants) => tenants.contains(&tenant),
            CohortMembers::Buckets(_) => true,
        }),
    }
}
