//! The rules for the models that a route can send: an ID at every provider, approved and not blocked, and taken back to
//! where the alias says.

use std::collections::HashSet;

use decisions::plan::{ModelMatch, Scope};
use decisions::{AliasId, Endpoint, ProviderId};

use crate::check::{provider_name, title};
use crate::code::Code;
use crate::document::Document;
use crate::map_file::MapFile;
use crate::names::quote;
use crate::resolve::{Resolved, RouteRefs};
use crate::route_entry::RouteEntry;

/// How many aliases one message names.
const NAMED_ALIASES: usize = 3;

pub(crate) fn check_models(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    check_model_ids(map, resolved, document);
    check_approval(map, document);
    check_rollback_targets(map, resolved, document);
}

/// What each route matches, to tell which aliases a broad route has left.
struct Matches(HashSet<(Scope, ModelMatch, Option<Endpoint>)>);

impl Matches {
    fn new(map: &MapFile, resolved: &Resolved) -> Matches {
        let routes = map.routes.iter().zip(&resolved.routes);
        Matches(
            routes.filter_map(|(entry, refs)| Some((refs.scope?, refs.models?, entry.endpoint))).collect(),
        )
    }

    /// Whether a route can apply to an alias: for some endpoint no more specific route of its scope takes it.
    fn applies(&self, resolved: &Resolved, entry: &RouteEntry, refs: &RouteRefs, alias: AliasId) -> bool {
        let (Some(scope), Some(models)) = (refs.scope, refs.models) else { return true };
        let family = resolved.aliases.get(alias.index()).and_then(|entry| entry.family);
        let matches_alias = match models {
            ModelMatch::Alias(named) => named == alias,
            ModelMatch::Family(named) => family == Some(named),
            ModelMatch::Any => true,
        };
        let ways = [Some(ModelMatch::Alias(alias)), family.map(ModelMatch::Family), Some(ModelMatch::Any)];
        let is_first = |endpoint: Endpoint| {
            let mut specific =
                ways.into_iter().flatten().flat_map(|way| [(way, Some(endpoint)), (way, None)]);
            let first = specific.find(|(way, endpoint)| self.0.contains(&(scope, *way, *endpoint)));
            first == Some((models, entry.endpoint))
        };
        matches_alias && Endpoint::ALL.into_iter().any(is_first)
    }
}

fn check_model_ids(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    let mut lacking: Vec<Vec<AliasId>> = vec![Vec::new(); map.providers.len()];
    let aliases = resolved.aliases.iter().zip(&map.aliases).zip((0..).map(AliasId));
    for ((alias, _), id) in aliases.filter(|((_, entry), _)| !entry.lacks_reported_ids) {
        for (aliases, model_id) in lacking.iter_mut().zip(&alias.model_ids) {
            if model_id.is_none() {
                aliases.push(id);
            }
        }
    }
    let matches = Matches::new(map, resolved);
    for (entry, refs) in map.routes.iter().zip(&resolved.routes) {
        let mut seen = HashSet::new();
        for provider in refs.providers() {
            if !seen.insert(provider) {
                continue;
            }
            let without = lacking.get(provider.index()).map_or(&[][..], Vec::as_slice);
            let missing: Vec<AliasId> = match refs.models {
                None => Vec::new(),
                Some(ModelMatch::Alias(only)) => {
                    without.binary_search(&only).ok().map(|_| only).into_iter().collect()
                }
                Some(ModelMatch::Family(_) | ModelMatch::Any) => {
                    let applies = |alias: &AliasId| matches.applies(resolved, entry, refs, *alias);
                    without.iter().copied().filter(applies).collect()
                }
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
    let help = format!("add a model ID for {} to the alias's `provider_model_id`", quote(provider));
    document.problem_with_help(Code::NoModelId, entry.at, message, help);
}

/// Whatever an alias names must be approved where the provider lists what is, and never blocked: also an ID that no route
/// uses yet, since somebody will shift to it at night.
fn check_approval(map: &MapFile, document: &Document<'_>) {
    for model in map.aliases.iter().flat_map(|alias| &alias.model_ids) {
        let Some(provider) = map.providers.iter().find(|entry| entry.name.text == model.provider.text) else {
            continue;
        };
        let name = quote(&provider.name.text);
        if let Some(blocked) = provider.blocked_models.iter().find(|blocked| blocked.text == model.id.text) {
            let message = format!("{} is among the `blocked_models` of {name}", quote(&model.id.text));
            document.problem_beside(Code::ModelBlocked, model.id.at, blocked.at, "blocked here", message);
        }
        let Some(approved) = &provider.approved_models else { continue };
        if !approved.iter().any(|approved| approved.text == model.id.text) {
            let message = format!("{} is not among the `approved_models` of {name}", quote(&model.id.text));
            // No "did you mean": the closest ID is another model, and nobody asked for it.
            let help = "add it there once it is approved, or name one that is";
            document.problem_with_help(Code::ModelNotApproved, model.id.at, message, help);
        }
    }
}

/// An alias that says where it is taken back to is taken back there by every route that can send it elsewhere.
fn check_rollback_targets(map: &MapFile, resolved: &Resolved, document: &Document<'_>) {
    let aliases = map.aliases.iter().zip(&resolved.aliases).zip((0..).map(AliasId));
    let bound: Vec<_> = aliases.filter(|((_, alias), _)| alias.rollback_target.is_some()).collect();
    for ((entry, alias), _) in &bound {
        let (Some(named), Some(target)) = (&entry.rollback_target, alias.rollback_target) else { continue };
        if alias.model_ids.get(target.index()).is_some_and(Option::is_none) {
            let message = format!("{} has no model ID at its `rollback_target`", quote(&entry.name.text));
            document.problem(Code::NoModelId, named.at, message);
        }
    }
    let matches = Matches::new(map, resolved);
    for (route, refs) in map.routes.iter().zip(&resolved.routes) {
        let Some(primary) = refs.primary.filter(|_| refs.canary.or(refs.fallback).is_some()) else {
            continue;
        };
        for ((entry, alias), id) in &bound {
            let (Some(named), Some(target)) = (&entry.rollback_target, alias.rollback_target) else {
                continue;
            };
            if target == primary || !matches.applies(resolved, route, refs, *id) {
                continue;
            }
            let message = format!(
                "{} takes {} back to {}, and the alias says {}",
                title(route),
                quote(&entry.name.text),
                quote(provider_name(map, primary)),
                quote(&named.text)
            );
            let at = route.primary.as_ref().map_or(route.at, |primary| primary.at);
            let label = "where the alias is to go back to";
            document.problem_beside(Code::RollbackTargetMismatch, at, named.at, label, message);
        }
    }
}
