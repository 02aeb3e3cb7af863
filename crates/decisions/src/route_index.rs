//! Finds routes by what they match, in constant time and without allocating.
//!
//! Requests only ever look names up, so a caller cannot fill these tables; the keys are the operator's.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::ids::{AliasId, CohortId, ProviderId, RouteId, TenantId};
use crate::plan::{AllowedAliases, CohortMembers, PlanError, PlanParts, Route, Scope};

type Aliases = HashMap<Box<str>, AliasId, BuildHasherDefault<NameHasher>>;
type Routes = HashMap<u64, RouteId, BuildHasherDefault<NameHasher>>;

/// The tables behind [`Plan`](crate::plan::Plan).
#[derive(Debug)]
pub(crate) struct RouteIndex {
    aliases: Aliases,
    routes: Routes,
    /// Cohorts of named tenants, by tenant.
    cohorts_of_tenant: Vec<Vec<CohortId>>,
    /// Cohorts of sticky-key buckets that some route uses.
    bucket_cohorts: Vec<CohortId>,
}

impl RouteIndex {
    pub(crate) fn new(parts: &PlanParts) -> Result<RouteIndex, PlanError> {
        check_ids(parts)?;
        let mut aliases =
            Aliases::with_capacity_and_hasher(parts.aliases.len(), BuildHasherDefault::default());
        for (at, alias) in (0..).zip(&parts.aliases) {
            if aliases.insert(alias.name.as_str().into(), AliasId(at)).is_some() {
                return Err(PlanError::Duplicate);
            }
        }
        let mut routes = Routes::with_capacity_and_hasher(parts.routes.len(), BuildHasherDefault::default());
        for (at, route) in (0..).zip(&parts.routes) {
            if routes.insert(route_key(route.scope, route.alias), RouteId(at)).is_some() {
                return Err(PlanError::Duplicate);
            }
        }
        if !parts.routes.iter().all(|route| has_model_ids(parts, &routes, route)) {
            return Err(PlanError::MissingModelId);
        }
        let mut cohorts_of_tenant = vec![Vec::new(); parts.tenants.len()];
        let mut bucket_cohorts = Vec::new();
        for (at, cohort) in (0..).zip(&parts.cohorts) {
            let id = CohortId(at);
            if !parts.routes.iter().any(|route| route.scope == Scope::Cohort(id)) {
                continue;
            }
            match &cohort.members {
                CohortMembers::Tenants(tenants) => {
                    for tenant in tenants {
                        cohorts_of_tenant[tenant.index()].push(id);
                    }
                }
                CohortMembers::Buckets(_) => bucket_cohorts.push(id),
            }
        }
        Ok(RouteIndex { aliases, routes, cohorts_of_tenant, bucket_cohorts })
    }

    pub(crate) fn alias_named(&self, name: &str) -> Option<AliasId> {
        self.aliases.get(name).copied()
    }

    pub(crate) fn route(&self, scope: Scope, alias: Option<AliasId>) -> Option<RouteId> {
        self.routes.get(&route_key(scope, alias)).copied()
    }

    pub(crate) fn cohorts_of(&self, tenant: TenantId) -> &[CohortId] {
        &self.cohorts_of_tenant[tenant.index()]
    }

    pub(crate) fn bucket_cohorts(&self) -> &[CohortId] {
        &self.bucket_cohorts
    }
}

fn check_ids(parts: &PlanParts) -> Result<(), PlanError> {
    let provider_ok = |id: ProviderId| id.index() < parts.providers.len();
    let tenant_ok = |id: TenantId| id.index() < parts.tenants.len();
    let alias_ok = |id: AliasId| id.index() < parts.aliases.len();
    let route_ok = |route: &Route| {
        let scope_ok = match route.scope {
            Scope::Tenant(id) => tenant_ok(id),
            Scope::Cohort(id) => id.index() < parts.cohorts.len(),
            Scope::Everyone => true,
        };
        scope_ok && route.alias.is_none_or(alias_ok) && providers_of(route).all(provider_ok)
    };
    let cohorts_ok = parts.cohorts.iter().all(|cohort| match &cohort.members {
        CohortMembers::Tenants(tenants) => tenants.iter().copied().all(tenant_ok),
        CohortMembers::Buckets(_) => true,
    });
    let allowed_ok = parts.tenants.iter().all(|tenant| match &tenant.allowed_aliases {
        AllowedAliases::All => true,
        AllowedAliases::Only(list) => list.iter().copied().all(alias_ok) && list.is_sorted(),
    });
    let all_ok = provider_ok(parts.primary_provider)
        && parts.default_tenant.is_none_or(tenant_ok)
        && parts.aliases.iter().all(|alias| alias.model_ids.len() == parts.providers.len())
        && parts.routes.iter().all(route_ok)
        && cohorts_ok
        && allowed_ok;
    if !all_ok {
        return Err(PlanError::DanglingId);
    }
    Ok(())
}

/// Whether every alias that the route can apply to has a model ID at every provider it may send to. A route for
/// every alias does not apply to those that have a route of their own in the same scope.
fn has_model_ids(parts: &PlanParts, routes: &Routes, route: &Route) -> bool {
    let has_ids = |alias: AliasId| {
        let ids = &parts.aliases[alias.index()].model_ids;
        providers_of(route).all(|provider| ids[provider.index()].is_some())
    };
    match route.alias {
        Some(only) => has_ids(only),
        None => (0..)
            .map(AliasId)
            .take(parts.aliases.len())
            .all(|alias| routes.contains_key(&route_key(route.scope, Some(alias))) || has_ids(alias)),
    }
}

/// Every provider that a route may send to.
fn providers_of(route: &Route) -> impl Iterator<Item = ProviderId> + '_ {
    let canary = route.canary.as_ref().map(|canary| canary.provider);
    std::iter::once(route.primary).chain(route.fallback).chain(canary)
}

/// Packs what a route matches into one word: 2 bits of scope kind, 30 of its id, 32 of alias (0 is "every alias").
fn route_key(scope: Scope, alias: Option<AliasId>) -> u64 {
    let (kind, id) = match scope {
        Scope::Tenant(id) => (1_u64, u64::from(id.0)),
        Scope::Cohort(id) => (2, u64::from(id.0)),
        Scope::Everyone => (3, 0),
    };
    (kind << 62) | (id << 32) | alias.map_or(0, |alias| u64::from(alias.0) + 1)
}

/// Hashes names in one go, since the streaming form of the same hash costs several times as much to set up, and
/// spreads the words of [`route_key`], which are unique already (the finaliser of `MurmurHash3`).
#[derive(Debug, Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The mark that `str` puts after its bytes; a key is one name, so there is nothing to keep apart.
    fn write_u8(&mut self, _end: u8) {}

    fn write_u64(&mut self, word: u64) {
        let mut mixed = word ^ (word >> 33);
        mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^= mixed >> 33;
        mixed = mixed.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        self.0 = mixed ^ (mixed >> 33);
    }
}
