//! Tenants that no rule tells apart, so that a map for thousands of them is asked about a few.
//!
//! Two tenants are alike where they may use the same, belong to the same cohorts and have no route of their own. Where
//! some split goes by the tenant's name, every tenant stands by itself.

use std::collections::HashMap;

use decisions::TenantId;
use decisions::plan::{AllowedAliases, Bucketing, CohortMembers, Plan, Scope, StickyBy};
use decisions::{ProviderId, ProviderSet};

/// What tells a tenant from others.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    aliases: Option<Vec<u32>>,
    providers: Vec<bool>,
    cohorts: Vec<u32>,
    /// Itself, where nobody can be like it.
    only: Option<TenantId>,
}

/// By tenant: a number that those share who are alike.
pub(crate) fn kinds(plan: &Plan) -> Vec<usize> {
    let parts = plan.parts();
    let is_by_name = splits(plan).any(|split| split.sticky_by.contains(&StickyBy::Tenant));
    let mut is_alone = vec![is_by_name; parts.tenants.len()];
    let mut cohorts = vec![Vec::new(); parts.tenants.len()];
    for route in &parts.routes {
        if let Scope::Tenant(id) = route.scope
            && let Some(alone) = is_alone.get_mut(id.index())
        {
            *alone = true;
        }
    }
    for (at, cohort) in (0_u32..).zip(&parts.cohorts) {
        let CohortMembers::Tenants(members) = &cohort.members else { continue };
        for member in members {
            if let Some(list) = cohorts.get_mut(member.index()) {
                list.push(at);
            }
        }
    }
    let mut numbers = HashMap::new();
    let rest = is_alone.into_iter().zip(cohorts).zip((0..).map(TenantId));
    let numbered = parts.tenants.iter().zip(rest).map(|(tenant, ((is_alone, cohorts), id))| {
        let kind = Kind {
            aliases: match &tenant.allowed_aliases {
                AllowedAliases::All => None,
                AllowedAliases::Only(list) => Some(list.iter().map(|alias| alias.0).collect()),
            },
            providers: members(plan, tenant.allowed_providers),
            cohorts,
            only: is_alone.then_some(id),
        };
        let next = numbers.len();
        *numbers.entry(kind).or_insert(next)
    });
    numbered.collect()
}

/// Tenants by a key, in the order of the first of each.
pub(crate) fn grouped<K: Eq + std::hash::Hash, T>(items: impl Iterator<Item = (K, T)>) -> Vec<Vec<T>> {
    let mut places = HashMap::new();
    let mut groups: Vec<Vec<T>> = Vec::new();
    for (key, item) in items {
        let next = groups.len();
        let at = *places.entry(key).or_insert(next);
        match groups.get_mut(at) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups
}

/// Every rule by which a plan splits requests.
pub(crate) fn splits(plan: &Plan) -> impl Iterator<Item = &Bucketing> {
    let of_cohorts = plan.parts().cohorts.iter().filter_map(|cohort| match &cohort.members {
        CohortMembers::Tenants(_) => None,
        CohortMembers::Buckets(split) => Some(split),
    });
    let canaries = plan.parts().routes.iter().filter_map(|route| route.canary.as_ref());
    of_cohorts.chain(canaries.map(|canary| &canary.bucketing))
}

/// Which of a plan's providers a set has.
pub(crate) fn members(plan: &Plan, set: ProviderSet) -> Vec<bool> {
    (0..).map(ProviderId).zip(&plan.parts().providers).map(|(id, _)| set.contains(id)).collect()
}
