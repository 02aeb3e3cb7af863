//! Finds routes by what they match, in constant time and without allocating.
//!
//! Requests only ever look names up, so a caller cannot fill these tables; the keys are the operator's.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::facts::Endpoint;
use crate::ids::{AliasId, CohortId, FamilyId, ProviderId, RouteId, TenantId};
use crate::plan::{Alias, AllowedAliases, CohortMembers, ModelMatch, PlanError, PlanParts, Route, Scope};

/// Bits of an id in a key; a file of 16 MiB has not nearly as many entries.
const ID_BITS: u32 = 22;
/// Room for every endpoint and for none of them.
const ENDPOINT_BITS: u32 = 4;

type Aliases = HashMap<Box<str>, AliasId, BuildHasherDefault<NameHasher>>;
type Routes = HashMap<u64, RouteId, BuildHasherDefault<NameHasher>>;

/// The tables behind [`Plan`](crate::plan::Plan).
#[derive(Debug)]
pub(crate) struct RouteIndex {
    aliases: Aliases,
    routes: Routes,
    /// The ways in which routes match, by rank: most maps use two of six. See [`shape`].
    shapes: Vec<u8>,
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
        let mut shapes: Vec<u8> =
            parts.routes.iter().map(|route| shape(route.models, route.endpoint)).collect();
        shapes.sort_unstable();
        shapes.dedup();
        for (at, route) in (0..).zip(&parts.routes) {
            if routes.insert(route_key(route.scope, route.models, route.endpoint), RouteId(at)).is_some() {
                return Err(PlanError::Duplicate);
            }
        }
        let mut cohorts_of_tenant = vec![Vec::new(); parts.tenants.len()];
        let mut bucket_cohorts = Vec::new();
        let routed_cohorts = parts.routed_cohorts();
        for (at, cohort) in (0..).zip(&parts.cohorts) {
            let id = CohortId(at);
            if !routed_cohorts.contains(&id) {
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
        let index = RouteIndex { aliases, routes, shapes, cohorts_of_tenant, bucket_cohorts };
        if !parts
            .routes
            .iter()
            .zip((0..).map(RouteId))
            .all(|(route, id)| index.has_model_ids(parts, route, id))
        {
            return Err(PlanError::MissingModelId);
        }
        Ok(index)
    }

    pub(crate) fn alias_named(&self, name: &str) -> Option<AliasId> {
        self.aliases.get(name).copied()
    }

    /// The most specific route of one scope: alias, then family, then every alias; within each, the very endpoint first.
    pub(crate) fn most_specific(&self, scope: Scope, asked: &Asked) -> Option<Ranked> {
        let scope = scope_key(scope);
        self.shapes.iter().find_map(|rank| {
            let key = scope | asked.key(*rank)?;
            self.routes.get(&key).map(|id| (*rank, *id))
        })
    }

    pub(crate) fn cohorts_of(&self, tenant: TenantId) -> &[CohortId] {
        &self.cohorts_of_tenant[tenant.index()]
    }

    pub(crate) fn bucket_cohorts(&self) -> &[CohortId] {
        &self.bucket_cohorts
    }

    /// Whether every alias that the route can apply to has a model ID at every provider it may send to. A route does
    /// not apply to what a more specific one of the same scope takes.
    fn has_model_ids(&self, parts: &PlanParts, route: &Route, id: RouteId) -> bool {
        let lacks =
            |alias: &Alias| route.providers().any(|provider| alias.model_ids[provider.index()].is_none());
        let applies = |alias: AliasId| {
            let family = parts.aliases[alias.index()].family;
            Endpoint::ALL.into_iter().any(|endpoint| {
                let asked = Asked::for_alias(alias, family, endpoint);
                self.most_specific(route.scope, &asked).is_some_and(|(_, found)| found == id)
            })
        };
        match route.models {
            ModelMatch::Alias(only) => !lacks(&parts.aliases[only.index()]) || !applies(only),
            ModelMatch::Family(_) | ModelMatch::Any => {
                (0..).map(AliasId).zip(&parts.aliases).all(|(alias, entry)| !lacks(entry) || !applies(alias))
            }
        }
    }
}

/// A route with how specific its match is within its scope.
pub(crate) type Ranked = (u8, RouteId);

/// What a request asks for, to be looked up in several scopes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    alias: Option<AliasId>,
    family: Option<FamilyId>,
    endpoint: Option<Endpoint>,
}

impl Asked {
    pub(crate) fn for_alias(alias: AliasId, family: Option<FamilyId>, endpoint: Endpoint) -> Asked {
        Asked { alias: Some(alias), family, endpoint: Some(endpoint) }
    }

    /// What is not routed by alias.
    pub(crate) fn for_no_alias(endpoint: Option<Endpoint>) -> Asked {
        Asked { alias: None, family: None, endpoint }
    }

    /// The key under which a route of this rank would match; `None` where none can.
    fn key(&self, rank: u8) -> Option<u64> {
        let models = match rank {
            0 | 1 => ModelMatch::Alias(self.alias?),
            2 | 3 => ModelMatch::Family(self.family?),
            _ => ModelMatch::Any,
        };
        let endpoint = if rank.is_multiple_of(2) { Some(self.endpoint?) } else { None };
        Some(match_key(models, endpoint))
    }
}

fn check_ids(parts: &PlanParts) -> Result<(), PlanError> {
    let counts = [parts.tenants.len(), parts.cohorts.len(), parts.aliases.len(), parts.families.len()];
    if counts.iter().any(|count| *count >> ID_BITS != 0) {
        return Err(PlanError::TooMany);
    }
    let provider_ok = |id: ProviderId| id.index() < parts.providers.len();
    let tenant_ok = |id: TenantId| id.index() < parts.tenants.len();
    let alias_ok = |id: AliasId| id.index() < parts.aliases.len();
    let family_ok = |id: FamilyId| id.index() < parts.families.len();
    let route_ok = |route: &Route| {
        let scope_ok = match route.scope {
            Scope::Tenant(id) => tenant_ok(id),
            Scope::Cohort(id) => id.index() < parts.cohorts.len(),
            Scope::Everyone => true,
        };
        let models_ok = match route.models {
            ModelMatch::Alias(id) => alias_ok(id),
            ModelMatch::Family(id) => family_ok(id),
            ModelMatch::Any => true,
        };
        scope_ok && models_ok && route.providers().all(provider_ok)
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
        && parts.aliases.iter().all(|alias| {
            alias.model_ids.len() == parts.providers.len()
                && alias.family.is_none_or(family_ok)
                && alias.rollback_target.is_none_or(provider_ok)
        })
        && parts.routes.iter().all(route_ok)
        && cohorts_ok
        && allowed_ok;
    if !all_ok {
        return Err(PlanError::DanglingId);
    }
    Ok(())
}

/// What a route matches in one word: 2 bits of scope kind, 22 of its id, 2 of model kind, 22 of its id, 4 of endpoint.
fn route_key(scope: Scope, models: ModelMatch, endpoint: Option<Endpoint>) -> u64 {
    scope_key(scope) | match_key(models, endpoint)
}

fn scope_key(scope: Scope) -> u64 {
    let (kind, id) = match scope {
        Scope::Tenant(id) => (1_u64, id.0),
        Scope::Cohort(id) => (2, id.0),
        Scope::Everyone => (3, 0),
    };
    (kind << ID_BITS | u64::from(id)) << (ID_BITS + 2 + ENDPOINT_BITS)
}

fn match_key(models: ModelMatch, endpoint: Option<Endpoint>) -> u64 {
    let (kind, id) = match models {
        ModelMatch::Alias(id) => (1_u64, id.0),
        ModelMatch::Family(id) => (2, id.0),
        ModelMatch::Any => (3, 0),
    };
    let endpoint = endpoint.map_or(0, |endpoint| endpoint as u64 + 1);
    (kind << ID_BITS | u64::from(id)) << ENDPOINT_BITS | endpoint
}

/// How specific a match is within one scope: smaller wins.
pub(crate) fn shape(models: ModelMatch, endpoint: Option<Endpoint>) -> u8 {
    let models = match models {
        ModelMatch::Alias(_) => 0,
        ModelMatch::Family(_) => 2,
        ModelMatch::Any => 4,
    };
    models + u8::from(endpoint.is_none())
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
