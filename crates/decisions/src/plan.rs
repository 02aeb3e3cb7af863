//! What operators configured, checked and indexed; immutable for as long as a request holds it.
//!
//! `config` fills [`PlanParts`] after it has checked every name and reported every problem with its place in the
//! file. [`Plan::new`] repeats only what memory safety of the indexes needs, so it fails on a bug, not on a typo.

use std::time::Duration;

use crate::bucket::Share;
use crate::ids::{AliasId, CohortId, ProviderId, RouteId, TenantId};
use crate::route_index::RouteIndex;

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
    /// Providers in the file's order.
    pub providers: Vec<Provider>,
    /// Aliases in the file's order.
    pub aliases: Vec<Alias>,
    /// Tenants in the file's order.
    pub tenants: Vec<Tenant>,
    /// Cohorts in the file's order.
    pub cohorts: Vec<Cohort>,
    /// Routes in the file's order.
    pub routes: Vec<Route>,
}

/// A place that serves models. How it is reached is not a decision and lives elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name in the map.
    pub name: String,
    /// Who pays for a request sent there.
    pub credential: CredentialKind,
}

/// Whose credential a provider sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// The gateway's: a secret named in the map.
    Ours,
    /// The caller's own key goes on to this provider alone.
    Client,
}

/// A model name that applications send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The exact bytes of the name.
    pub name: String,
    /// The provider's own model ID, exact bytes, by provider; `None` where the alias is not offered there.
    pub model_ids: Vec<Option<String>>,
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name in the tenants file.
    pub name: String,
    /// The aliases it may use.
    pub allowed_aliases: AllowedAliases,
}

/// The aliases that a tenant may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedAliases {
    /// Every alias, and unlisted models as the map says.
    All,
    /// Only these, in ascending order; unlisted models are refused.
    Only(Vec<AliasId>),
}

impl AllowedAliases {
    /// Whether an alias is among them.
    #[must_use]
    pub fn allows(&self, alias: AliasId) -> bool {
        match self {
            AllowedAliases::All => true,
            AllowedAliases::Only(list) => list.binary_search(&alias).is_ok(),
        }
    }
}

/// A named set of tenants or of sticky-key buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// Its name in the map.
    pub name: String,
    /// Who belongs to it.
    pub members: CohortMembers,
}

/// Who belongs to a cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CohortMembers {
    /// Named tenants.
    Tenants(Vec<TenantId>),
    /// Requests whose sticky key falls into a share, whatever their tenant.
    Buckets(Bucketing),
}

/// How requests are split by a sticky key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucketing {
    /// How much is in.
    pub share: Share,
    /// The first of these that a request carries counts.
    pub sticky_by: Vec<StickyBy>,
    /// Makes one split independent of another.
    pub salt: String,
}

/// A field of a request that keeps a user on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StickyBy {
    /// `safety_identifier`
    SafetyIdentifier,
    /// `user`
    User,
    /// `prompt_cache_key`
    PromptCacheKey,
    /// The tenant's name: a tenant is in or out as a whole.
    Tenant,
    /// A draw for each request; only sensible at the end of a list, since every request has it.
    Request,
}

impl StickyBy {
    /// All of them.
    pub const ALL: [StickyBy; 5] = [
        StickyBy::SafetyIdentifier,
        StickyBy::User,
        StickyBy::PromptCacheKey,
        StickyBy::Tenant,
        StickyBy::Request,
    ];

    /// The name used in the map.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StickyBy::SafetyIdentifier => "safety_identifier",
            StickyBy::User => "user",
            StickyBy::PromptCacheKey => "prompt_cache_key",
            StickyBy::Tenant => "tenant",
            StickyBy::Request => "request",
        }
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

/// What matches and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name in the map.
    pub name: String,
    /// Whose requests it matches.
    pub scope: Scope,
    /// Which alias it matches; `None` matches every alias and names the scope's primary for all else.
    pub alias: Option<AliasId>,
    /// What it does.
    pub mode: Mode,
    /// The provider of its primary target.
    pub primary: ProviderId,
    /// The provider of its fallback target.
    pub fallback: Option<ProviderId>,
    /// Its canary; kept in every mode, used in [`Mode::Canary`] only.
    pub canary: Option<Canary>,
    /// Requests that store state at the provider may go to the canary too.
    pub stateful_canary: bool,
    /// How long a target may take to begin its answer.
    pub timeout: Duration,
}

/// Whose requests a route matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One tenant.
    Tenant(TenantId),
    /// One cohort.
    Cohort(CohortId),
    /// Everyone: `tenant_or_cohort = "*"`.
    Everyone,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All to the primary.
    Primary,
    /// A share to the canary, the rest to the primary.
    Canary,
    /// All to the fallback.
    Fallback,
    /// Nothing is served.
    Disabled,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Primary, Mode::Canary, Mode::Fallback, Mode::Disabled];

    /// The name used in the map.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Primary => "primary",
            Mode::Canary => "canary",
            Mode::Fallback => "fallback",
            Mode::Disabled => "disabled",
        }
    }
}

/// The canary of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Where it sends its share.
    pub provider: ProviderId,
    /// Who is in.
    pub bucketing: Bucketing,
    /// Raising it says "this is a new try".
    pub generation: u32,
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
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PlanError::DanglingId => "an id points at nothing",
            PlanError::Duplicate => "an alias or what a route matches occurs twice",
            PlanError::MissingModelId => "a target has no model ID",
        })
    }
}

impl std::error::Error for PlanError {}

/// The checked, indexed configuration of one moment.
#[derive(Debug)]
pub struct Plan {
    parts: PlanParts,
    index: RouteIndex,
}

impl Plan {
    /// Indexes the parts.
    ///
    /// # Errors
    /// [`PlanError`] where the parts contradict each other.
    pub fn new(parts: PlanParts) -> Result<Plan, PlanError> {
        let index = RouteIndex::new(&parts)?;
        Ok(Plan { parts, index })
    }

    /// `route_version` of the map.
    #[must_use]
    pub fn route_version(&self) -> &str {
        &self.parts.route_version
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

    /// A tenant by id.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> &Tenant {
        &self.parts.tenants[id.index()]
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
