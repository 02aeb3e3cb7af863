//! Who is calling: tenants, what they may use, and the cohorts they belong to.

use xxhash_rust::xxh3::xxh3_64;

use crate::bucket::Share;
use crate::facts::ProviderSet;
use crate::ids::{AliasId, TenantId};
use crate::tenant_limits::TenantLimits;

/// The name of [`TenantId::CHECKS`]; no tenants file may list it.
pub const CHECKS_TENANT: &str = "cometgate-checks";

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name in the tenants file.
    pub name: String,
    /// The aliases it may use.
    pub allowed_aliases: AllowedAliases,
    /// The providers that may see its requests, in whatever role (residency, vendor approval).
    pub allowed_providers: ProviderSet,
    /// Copies of its requests may go to a canary, for the evidence alone.
    pub allow_mirror: bool,
    /// How its requests fare when a target is full.
    pub criticality: Criticality,
    /// How much it may ask for.
    pub limits: TenantLimits,
}

impl Tenant {
    /// One that may use everything, without limits of its own.
    #[must_use]
    pub fn unrestricted(name: &str) -> Tenant {
        Tenant {
            name: name.to_owned(),
            allowed_aliases: AllowedAliases::All,
            allowed_providers: ProviderSet::ALL,
            allow_mirror: false,
            criticality: Criticality::default(),
            limits: TenantLimits::default(),
        }
    }

    /// What gates tell tenants apart by: a hash of the name, the same on every machine.
    #[must_use]
    pub fn name_hash(&self) -> u64 {
        xxh3_64(self.name.as_bytes())
    }
}

/// Who is turned away last when a target is full (Google's SRE book, "Handling Overload").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criticality {
    /// First to go: it may be lost.
    Sheddable,
    /// It may be lost in part.
    SheddablePlus,
    /// What people wait for.
    #[default]
    Critical,
    /// Last to go.
    CriticalPlus,
}

impl Criticality {
    /// All of them, lowest first.
    pub const ALL: [Criticality; 4] = [
        Criticality::Sheddable,
        Criticality::SheddablePlus,
        Criticality::Critical,
        Criticality::CriticalPlus,
    ];

    /// The name used in the tenants file and in the request header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Criticality::Sheddable => "sheddable",
            Criticality::SheddablePlus => "sheddable_plus",
            Criticality::Critical => "critical",
            Criticality::CriticalPlus => "critical_plus",
        }
    }
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
