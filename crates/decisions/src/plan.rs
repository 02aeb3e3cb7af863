//! What operators configured, checked and indexed; immutable for as long as a request holds it.
//!
//! `config` fills [`PlanParts`] after it has checked every name and reported every problem with its place in the
//! file. [`Plan::new`] repeats only what memory safety of the indexes needs, so it fails on a bug, not on a typo.

mod aliases;
mod features;
mod gates;
mod mirror;
mod providers;
mod routes;
mod tenants;

use std::collections::HashSet;

use crate::ids::{AliasId, CohortId, ProviderId, RouteId, TenantId};
use crate::route_index::RouteIndex;

pub use aliases::Alias;
pub use features::{EnabledFeatures, Feature, FeatureSet};
pub use gates::{Check, GateIdentity, Gates, Watched, gate_identity, target_of};
pub use mirror::Mirror;
pub use providers::{CredentialHeader, CredentialKind, ModelRules, Provider};
pub use routes::{Canary, Delivery, Mode, ModelMatch, OnDisconnect, RetryPolicy, Route, Scope};
pub use tenants::{
    AllowedAliases, Bucketing, CHECKS_TENANT, Cohort, CohortMembers, Criticality, StickyBy, Tenant,
};

/// Everything a plan is made of; ids are positions in these lists.
#[derive(Clone, Debug)]
pub struct PlanParts {
    /// `route_version` of the map.
    pub route_version: String,
    /// What to do with a model name that no alias lists.
    pub unlisted_models: UnlistedModels,
    /// Where everything goes that no route names.
    pub primary_provider: ProviderId,
    /// The tenant of a key that the tenants file does not list.
    pub default_tenant: Option<TenantId>,
    /// Tenants behind one credential may see what each other have at the provider.
    pub shared_state: bool,
    /// Providers in the file's order.
    pub providers: Vec<Provider>,
    /// The names of model families.
    pub families: Vec<String>,
    /// Aliases in the file's order.
    pub aliases: Vec<Alias>,
    /// Tenants in the file's order.
    pub tenants: Vec<Tenant>,
    /// Cohorts in the file's order.
    pub cohorts: Vec<Cohort>,
    /// Routes in the file's order.
    pub routes: Vec<Route>,
}

impl PlanParts {
    /// The cohorts that a route names.
    #[must_use]
    pub fn routed_cohorts(&self) -> HashSet<CohortId> {
        let of_route = |route: &Route| match route.scope {
            Scope::Cohort(id) => Some(id),
            Scope::Tenant(_) | Scope::Everyone => None,
        };
        self.routes.iter().filter_map(of_route).collect()
    }
}

/// What to do with a model name that no alias lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnlistedModels {
    /// It goes to the tenant's primary unchanged.
    Primary,
    /// It is refused with 404.
    Refuse,
}

/// Why parts do not make a plan. `config` rules all of these out, with a place in the file for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// An id points outside its list, an alias lists the wrong number of providers, or allowed aliases are unsorted.
    DanglingId,
    /// Two aliases share a name, or two routes match the same requests.
    Duplicate,
    /// A route can send an alias to a provider that has no model ID for it.
    MissingModelId,
    /// More entries of one kind than an index has room for.
    TooMany,
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PlanError::DanglingId => "an id points at nothing",
            PlanError::Duplicate => "an alias or what a route matches occurs twice",
            PlanError::MissingModelId => "a target has no model ID",
            PlanError::TooMany => "there are too many entries of one kind",
        })
    }
}

impl std::error::Error for PlanError {}

/// The checked, indexed configuration of one moment.
#[derive(Debug)]
pub struct Plan {
    parts: PlanParts,
    index: RouteIndex,
    /// [`TenantId::CHECKS`], which is in no list.
    checks: Tenant,
    /// By provider: several tenants must not see each other's state there, and its credential does not part them.
    shared: Vec<bool>,
    asks_features: bool,
}

impl Plan {
    /// Indexes the parts.
    ///
    /// # Errors
    /// [`PlanError`] where the parts contradict each other.
    pub fn new(parts: PlanParts) -> Result<Plan, PlanError> {
        let index = RouteIndex::new(&parts)?;
        let shared = shared_providers(&parts);
        let asks_features = parts.aliases.iter().any(|alias| alias.enabled_features.is_said())
            || parts.routes.iter().any(|route| route.mirror.is_some());
        Ok(Plan { parts, index, checks: Tenant::unrestricted(CHECKS_TENANT), shared, asks_features })
    }

    /// `route_version` of the map.
    #[must_use]
    pub fn route_version(&self) -> &str {
        &self.parts.route_version
    }

    /// Whether it matters anywhere what a request uses of the API.
    #[must_use]
    pub fn asks_features(&self) -> bool {
        self.asks_features
    }

    /// All parts, for whoever lists or explains them.
    #[must_use]
    pub fn parts(&self) -> &PlanParts {
        &self.parts
    }

    /// A provider by id.
    #[must_use]
    pub fn provider(&self, id: ProviderId) -> &Provider {
        &self.parts.providers[id.index()]
    }

    /// Whether several tenants stand behind one credential of this provider, and the map does not say that they may see
    /// each other's state there.
    #[must_use]
    pub fn is_shared(&self, id: ProviderId) -> bool {
        self.shared.get(id.index()).copied().unwrap_or(true)
    }

    /// The provider with exactly this name; a map has a handful.
    #[must_use]
    pub fn provider_named(&self, name: &str) -> Option<ProviderId> {
        let at = self.parts.providers.iter().position(|provider| provider.name == name)?;
        u32::try_from(at).ok().map(ProviderId)
    }

    /// A tenant by id, [`TenantId::CHECKS`] included.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> &Tenant {
        self.parts.tenants.get(id.index()).unwrap_or(&self.checks)
    }

    /// An alias by id.
    #[must_use]
    pub fn alias(&self, id: AliasId) -> &Alias {
        &self.parts.aliases[id.index()]
    }

    /// A cohort by id.
    #[must_use]
    pub fn cohort(&self, id: CohortId) -> &Cohort {
        &self.parts.cohorts[id.index()]
    }

    /// A route by id.
    #[must_use]
    pub fn route(&self, id: RouteId) -> &Route {
        &self.parts.routes[id.index()]
    }

    /// Sends a route's requests to its primary only, whatever its mode says, until its map is proven.
    pub fn hold(&mut self, id: RouteId) {
        if let Some(route) = self.parts.routes.get_mut(id.index()) {
            route.held = true;
        }
    }

    /// All aliases with their ids, in the file's order.
    pub fn aliases(&self) -> impl Iterator<Item = (AliasId, &Alias)> {
        (0..).map(AliasId).zip(&self.parts.aliases)
    }

    /// Whether a route of this plan is for requests that name this alias.
    #[must_use]
    pub fn is_for(&self, route: &Route, alias: AliasId) -> bool {
        match route.models {
            ModelMatch::Alias(only) => only == alias,
            ModelMatch::Family(family) => self.alias(alias).family == Some(family),
            ModelMatch::Any => true,
        }
    }

    /// All routes with their ids, in the file's order.
    pub fn routes(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        (0..).map(RouteId).zip(&self.parts.routes)
    }

    /// The route with exactly this name; a linear search, for commands.
    #[must_use]
    pub fn route_named(&self, name: &str) -> Option<(RouteId, &Route)> {
        self.routes().find(|(_, route)| route.name == name)
    }

    /// The alias with exactly these bytes.
    #[must_use]
    pub fn alias_named(&self, name: &str) -> Option<AliasId> {
        self.index.alias_named(name)
    }

    /// The tenant with exactly this name; a linear search, for commands.
    #[must_use]
    pub fn tenant_named(&self, name: &str) -> Option<TenantId> {
        let at = self.parts.tenants.iter().position(|tenant| tenant.name == name)?;
        u32::try_from(at).ok().map(TenantId)
    }

    pub(crate) fn index(&self) -> &RouteIndex {
        &self.index
    }
}

/// A caller's own key parts it from others at the provider itself.
fn shared_providers(parts: &PlanParts) -> Vec<bool> {
    let is_shared = |(id, provider): (u32, &Provider)| {
        let may_reach = |tenant: &&Tenant| tenant.allowed_providers.contains(ProviderId(id));
        let has_several = || parts.tenants.iter().filter(may_reach).nth(1).is_some();
        !parts.shared_state && provider.credential == CredentialKind::Ours && has_several()
    };
    (0..).zip(&parts.providers).map(is_shared).collect()
}
