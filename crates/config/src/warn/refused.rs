//! Tenants whose `allowed_providers` keep them from what a route does for them: each such request gets a 403.
//!
//! Asked of `decisions::decide` itself with requests that the tenant might send, so what is said here
//! happens.

use std::collections::HashSet;

use decisions::plan::{AllowedAliases, FeatureSet, Mode, StickyBy};
use decisions::route::choose_route;
use decisions::{
    AliasId, Caller, Decision, Endpoint, Facts, ProviderSet, Refusal, RouteId, StickyKeys, TenantId, decide,
    no_gates,
};

use crate::check::{provider_name, title};
use crate::code::Code;
use crate::names::quote;
use crate::warn::{Budget, Whole};

/// Some draws of a request without keys, so that one at least is on the primary's side of a usual canary.
const DRAWS: [u64; 3] = [0, 1, 2];

pub(super) fn warn(whole: &Whole<'_>) {
    let parts = whole.plan.parts();
    let primaries: HashSet<_> =
        parts.routes.iter().flat_map(|route| std::iter::once(route.primary).chain(route.fallback)).collect();
    let draws = if draws_matter(whole) { &DRAWS[..] } else { &DRAWS[..1] };
    let mut budget = Budget::new();
    for ((id, tenant), entry) in (0..).map(TenantId).zip(&parts.tenants).zip(&whole.tenants.tenants) {
        if primaries.iter().all(|provider| tenant.allowed_providers.contains(*provider)) {
            continue;
        }
        let every = (0..).map(AliasId).zip(&parts.aliases).map(|(alias, _)| alias);
        let refused: Option<Vec<RouteId>> = match &tenant.allowed_aliases {
            AllowedAliases::All => refused_routes(whole, id, every, draws, &mut budget),
            AllowedAliases::Only(list) => refused_routes(whole, id, list.iter().copied(), draws, &mut budget),
        };
        let Some(refused) = refused else { return };
        let Some((first, route)) = refused.first().and_then(|id| Some((*id, whole.route_entry(*id)?))) else {
            continue;
        };
        let provider = provider_that_refuses(whole, tenant.allowed_providers, first);
        let more = match refused.len() - 1 {
            0 => String::new(),
            more => format!(", and so it is on {more} more"),
        };
        let message = format!(
            "tenant {} is refused (403 provider_not_allowed) on {} (line {} of the map): it may not use \
             {}{more}",
            quote(&tenant.name),
            title(route),
            whole.document.line(route.at),
            quote(provider),
        );
        let at =
            entry.allowed_providers.as_ref().and_then(|list| list.first()).map_or(entry.name.at, |of| of.at);
        let help = "add the provider to `allowed_providers`, or give the tenant a route of its own";
        whole.tenants_document.warn(Code::TenantRefused, at, message, help);
    }
}

fn draws_matter(whole: &Whole<'_>) -> bool {
    let by_draw = |list: &Vec<StickyBy>| list.contains(&StickyBy::Request);
    let of_routes = whole.map.routes.iter().filter_map(|route| route.canary.as_ref()).map(|of| &of.bucketing);
    let of_cohorts = whole.map.cohorts.iter().filter_map(|cohort| cohort.bucketing.as_ref());
    of_routes.chain(of_cohorts).any(|bucketing| by_draw(&bucketing.sticky_by))
}

/// In the order of the file; nothing when the budget is spent.
fn refused_routes(
    whole: &Whole<'_>,
    tenant: TenantId,
    aliases: impl Iterator<Item = AliasId>,
    draws: &[u64],
    budget: &mut Budget,
) -> Option<Vec<RouteId>> {
    let mut refused = Vec::new();
    for alias in aliases {
        let model = whole.map.aliases.get(alias.index()).map_or("", |entry| entry.name.text.as_str());
        for endpoint in Endpoint::ALL {
            for draw in draws {
                budget.step()?;
                let facts = Facts {
                    tenant,
                    caller: Caller::Known,
                    endpoint,
                    model,
                    keys: StickyKeys::default(),
                    stateful: false,
                    features: FeatureSet::EMPTY,
                    draw: *draw,
                };
                if decide(whole.plan, &facts, no_gates) == Decision::Refuse(Refusal::ProviderNotAllowed) {
                    refused.extend(choose_route(whole.plan, alias, &facts));
                }
            }
        }
    }
    refused.sort_unstable();
    refused.dedup();
    Some(refused)
}

/// The one that the route would have sent to.
fn provider_that_refuses<'w>(whole: &Whole<'w>, allowed: ProviderSet, id: RouteId) -> &'w str {
    let route = whole.plan.route(id);
    let served_by = route.fallback.filter(|_| route.mode == Mode::Fallback).unwrap_or(route.primary);
    let refusing = if allowed.contains(served_by) { route.primary } else { served_by };
    provider_name(whole.map, refusing)
}
