//! What has changed about who may use what, from one plan to another, apart from the routes.

use std::collections::HashSet;

use crate::exposure::names::Names;
use crate::facts::ProviderSet;
use crate::ids::{AliasId, CohortId, FamilyId, TenantId};
use crate::plan::{AllowedAliases, CohortMembers, Plan};

/// What has more members than before, by new id, and what has lost some, by old id.
pub(super) struct Members<Id> {
    pub(super) grown: HashSet<Id>,
    pub(super) shrunk: HashSet<Id>,
}

/// Cohorts whose members have changed.
pub(super) fn cohorts(before: &Plan, after: &Plan, names: &Names) -> Members<CohortId> {
    let mut changed = Members { grown: HashSet::new(), shrunk: HashSet::new() };
    for (id, known) in names.cohorts() {
        let Some(known) = known else { continue };
        let (gains, loses) = match (&after.cohort(id).members, &before.cohort(known).members) {
            (CohortMembers::Tenants(now), CohortMembers::Tenants(then)) => {
                let now: HashSet<Option<TenantId>> = now.iter().map(|tenant| names.tenant(*tenant)).collect();
                let then: HashSet<Option<TenantId>> = then.iter().copied().map(Some).collect();
                (!now.is_subset(&then), !then.is_subset(&now))
            }
            (CohortMembers::Buckets(now), CohortMembers::Buckets(then)) => {
                let is_drawn_anew = now.salt != then.salt || now.sticky_by != then.sticky_by;
                (is_drawn_anew || now.share > then.share, is_drawn_anew || now.share < then.share)
            }
            (CohortMembers::Tenants(_), CohortMembers::Buckets(_))
            | (CohortMembers::Buckets(_), CohortMembers::Tenants(_)) => (true, true),
        };
        changed.grown.extend(gains.then_some(id));
        changed.shrunk.extend(loses.then_some(known));
    }
    changed
}

/// Families that an alias has left, by their old ids, and the aliases that are new in theirs. An alias that is gone
/// has left none: what asks for it is no longer routed by alias, and goes home.
pub(super) fn families(before: &Plan, after: &Plan, names: &Names) -> (HashSet<FamilyId>, Vec<AliasId>) {
    let (mut shrunk, mut new_in_family) = (HashSet::new(), Vec::new());
    for (id, known) in names.aliases() {
        let family = after.alias(id).family;
        let old_family = known.and_then(|known| before.alias(known).family);
        let is_same = old_family.is_some() && family.and_then(|family| names.family(family)) == old_family;
        if !is_same {
            shrunk.extend(old_family);
            new_in_family.extend(family.map(|_| id));
        }
    }
    (shrunk, new_in_family)
}

/// Tenants that may use more than before, each with the providers that this concerns.
pub(super) fn widened_tenants(before: &Plan, after: &Plan, names: &Names) -> Vec<(TenantId, ProviderSet)> {
    let widened = |(id, known): (TenantId, Option<TenantId>)| {
        let (tenant, Some(known)) = (after.tenant(id), known) else { return (id, ProviderSet::ALL) };
        let old = before.tenant(known);
        let may_be_copied = tenant.allow_mirror && !old.allow_mirror;
        if may_be_copied || allows_more(&tenant.allowed_aliases, &old.allowed_aliases, names) {
            return (id, ProviderSet::ALL);
        }
        let is_new = |provider, old_provider| {
            tenant.allowed_providers.contains(provider) && !old.allowed_providers.contains(old_provider)
        };
        let new_providers = names
            .providers()
            .filter(|(provider, known)| known.is_some_and(|known| is_new(*provider, known)))
            .fold(ProviderSet::EMPTY, |set, (provider, _)| set.with(provider));
        (id, new_providers)
    };
    names.tenants().map(widened).filter(|(_, providers)| *providers != ProviderSet::EMPTY).collect()
}

/// New aliases do not count here: a route that applies to one is found by that.
fn allows_more(now: &AllowedAliases, then: &AllowedAliases, names: &Names) -> bool {
    match (now, then) {
        (_, AllowedAliases::All) => false,
        (AllowedAliases::All, AllowedAliases::Only(_)) => true,
        (AllowedAliases::Only(now), AllowedAliases::Only(_)) => {
            now.iter().any(|alias| names.alias(*alias).is_some_and(|known| !then.allows(known)))
        }
    }
}
