//! The rules that span several entries of the map, one function each.
//!
//! They run over whatever could be resolved, so that one wrong name hides no other problem.

use std::collections::{HashMap, HashSet};

use decisions::plan::{CohortMembers, Mode, ModelMatch, Scope};
use decisions::{Endpoint, ProviderId, TenantId};

use crate::check_gates::check_gates;
use crate::check_models::check_models;
use crate::code::Code;
use crate::document::Document;
use crate::map_file::MapFile;
use crate::mirror_entry::check_mirror;
use crate::names::quote;
use crate::resolve::{Resolved, RouteRefs};
use crate::route_entry::RouteEntry;

/// `decisions` keeps the providers that accepted a key in a set of this many.
pub(crate) const PROVIDERS: usize = 64;

/// Reports what is wrong with the map as a whole.
pub(crate) fn check(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    check_providers(map, document);
    check_distinct(map, resolved, document);
    for (entry, refs) in map.routes.iter().zip(&resolved.routes) {
        check_route(map, entry, refs, document);
        check_gates(map, entry, document);
        check_mirror(map, entry, refs, document);
    }
    check_models(map, resolved, document);
    check_way_back(map, document);
    check_default_tenant(map, resolved, document);
}

pub(crate) fn title(entry: &RouteEntry) -> String {
    entry.name.as_ref().map_or_else(|| "this route".to_owned(), |name| format!("route {}", quote(&name.text)))
}

pub(crate) fn provider_name(map: &MapFile, id: ProviderId) -> &str {
    map.providers.get(id.index()).map_or("", |entry| entry.name.text.as_str())
}

fn check_providers(map: &MapFile, document: &Document<'_>) {
    if let Some(entry) = map.providers.get(PROVIDERS) {
        document.problem(
            Code::TooManyProviders,
            entry.name.at,
            format!("there may be {PROVIDERS} providers at most"),
        );
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
        let taken = (first.credential_at, "taken here");
        document.problem_beside_with_help(
            Code::ClientCredentialTwice,
            other.credential_at,
            taken,
            message,
            help,
        );
    }
}

fn check_distinct(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut matches: HashMap<(Scope, ModelMatch, Option<Endpoint>), &RouteEntry> = HashMap::new();
    for (entry, refs) in map.routes.iter().zip(&resolved.routes) {
        if let Some(name) = &entry.name {
            if let Some(first) = names.get(name.text.as_str()) {
                let line = document.line(*first);
                let message = format!("there is a route {} already, on line {line}", quote(&name.text));
                document.problem_beside(Code::DuplicateRoute, name.at, *first, "first here", message);
            } else {
                names.insert(&name.text, name.at);
            }
        }
        let (Some(scope), Some(models)) = (refs.scope, refs.models) else { continue };
        let Some(first) = matches.get(&(scope, models, entry.endpoint)) else {
            matches.insert((scope, models, entry.endpoint), entry);
            continue;
        };
        let message = format!(
            "{} on line {} matches the same requests as {} on line {}",
            title(entry),
            document.line(entry.at),
            title(first),
            document.line(first.at)
        );
        let help = "one route for one tenant or cohort, one alias or family, and one endpoint";
        document.problem_beside_with_help(
            Code::SameMatch,
            entry.at,
            (first.at, "matches them first"),
            message,
            help,
        );
    }
}

fn check_route(map: &MapFile, entry: &RouteEntry, refs: &RouteRefs, document: &Document<'_>) {
    match entry.mode {
        Some(Mode::Canary) if entry.canary.is_none() => {
            let message = format!("{} has mode `canary` and no `[routes.canary]`", title(entry));
            document.problem_with_help(
                Code::NoCanaryTable,
                entry.at,
                message,
                "it names the canary's `provider` and `share`",
            );
        }
        Some(Mode::Fallback) if entry.fallback.is_none() => {
            let message = format!("{} has mode `fallback` and no `fallback_provider`", title(entry));
            document.problem(Code::NoFallbackProvider, entry.at, message);
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
            document.problem(Code::RoleIsPrimary, name.at, message);
        }
    }
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
        document.problem_beside_with_help(
            Code::DefaultTenantPaysOurs,
            name.at,
            (at, "reached first, and paid by us"),
            message,
            help,
        );
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

/// The version to go back to is another one, and whoever vouches for it says which.
fn check_way_back(map: &MapFile, document: &Document<'_>) {
    if let (Some(version), Some(rollback)) = (&map.version, &map.rollback_version)
        && version.text == rollback.text
    {
        let message = format!("the map names itself, {}, as the version to go back to", quote(&version.text));
        let help = "name the version that was in force before this one";
        document.problem_beside_with_help(
            Code::RollbackIsItself,
            rollback.at,
            (version.at, "this is the map's own version"),
            message,
            help,
        );
    }
    if let (Some(vouched), None) = (&map.rollback_override, &map.rollback_version) {
        let message = "`rollback_override` vouches for a `rollback_route_version`, and the map names none";
        document.problem(Code::BadOverride, vouched.at, message);
    }
}
