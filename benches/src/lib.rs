//! A route map of the size the gateway promises to hold, 10,000 routes and 1,000 tenants, and requests against it.
//!
//! It is shared by the benches and by the tests that hold what the benches only measure. Requests come in kinds, one
//! for each depth of the search for a route, and each kind walks over many tenants and aliases: asking for one route
//! over and over would measure a warm cache.
//!
//! Beside it: a [`chat`] as it is written; a gateway ([`relaying`]) between peers that take turns ([`peers`]), to count what a
//! relayed request takes; and what such counts are compared with ([`baseline`]).

pub mod baseline;
pub mod chat;
pub mod peers;
pub mod relaying;

use std::time::Duration;

use decisions::bucket::Share;
use decisions::plan::{
    Alias, Bucketing, Canary, Cohort, CohortMembers, FeatureSet, Mode, ModelMatch, Plan, PlanError,
    PlanParts, Provider, Route, Scope, StickyBy, Tenant, UnlistedModels,
};
use decisions::{AliasId, Caller, CohortId, Endpoint, Facts, ProviderId, StickyKeys, TenantId};

/// How many routes the map has.
pub const ROUTES: usize = 10_000;

/// How many tenants it has.
pub const TENANTS: u32 = 1_000;

const ALIASES: u32 = 1_000;
const TENANT_COHORTS: u32 = 100;
const BUCKET_COHORTS: u32 = 10;

/// Aliases in five ranges, so that the alias of a request says how far the search for its route has to go.
const OF_TENANTS: std::ops::Range<u32> = 0..800;
const OF_COHORTS: std::ops::Range<u32> = 800..829;
const OF_BUCKETS: std::ops::Range<u32> = 850..855;
const OF_EVERYONE: std::ops::Range<u32> = 900..950;
const ROUTES_PER_TENANT: u32 = 7;

/// How far the search for a request's route goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first look finds a route of the tenant's own.
    TenantRoute,
    /// A route of one of its cohorts.
    CohortRoute,
    /// A route of a cohort of sticky-key buckets.
    BucketRoute,
    /// A route for everyone, after all of those.
    EveryoneRoute,
    /// The alias has no route.
    NoRoute,
    /// The model is no alias.
    UnlistedModel,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] = [
        Kind::TenantRoute,
        Kind::CohortRoute,
        Kind::BucketRoute,
        Kind::EveryoneRoute,
        Kind::NoRoute,
        Kind::UnlistedModel,
    ];

    /// The name in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::TenantRoute => "tenant_route",
            Kind::CohortRoute => "cohort_route",
            Kind::BucketRoute => "bucket_route",
            Kind::EveryoneRoute => "everyone_route",
            Kind::NoRoute => "no_route",
            Kind::UnlistedModel => "unlisted_model",
        }
    }
}

/// What the facts of one request borrow from.
#[derive(Clone, Debug)]
pub struct Request {
    tenant: TenantId,
    model: String,
    safety_identifier: String,
    draw: u64,
}

impl Request {
    /// The request as the decision sees it.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            tenant: self.tenant,
            caller: Caller::Known,
            endpoint: Endpoint::Chat,
            model: &self.model,
            keys: StickyKeys { safety_identifier: Some(&self.safety_identifier), ..StickyKeys::default() },
            stateful: false,
            features: FeatureSet::EMPTY,
            draw: self.draw,
        }
    }
}

/// One request of a kind for each tenant.
#[must_use]
pub fn requests(kind: Kind) -> Vec<Request> {
    let spread = |range: &std::ops::Range<u32>, at: u32| range.start + at % (range.end - range.start);
    (0..TENANTS)
        .map(|tenant| {
            let alias = match kind {
                Kind::TenantRoute => own_alias(tenant, tenant % ROUTES_PER_TENANT),
                Kind::CohortRoute => spread(&OF_COHORTS, tenant),
                Kind::BucketRoute => spread(&OF_BUCKETS, tenant),
                Kind::EveryoneRoute => spread(&OF_EVERYONE, tenant),
                Kind::NoRoute => spread(&(OF_EVERYONE.end..ALIASES), tenant),
                Kind::UnlistedModel => ALIASES + tenant,
            };
            Request {
                tenant: TenantId(tenant),
                model: alias_name(alias),
                safety_identifier: format!("{:064x}", u128::from(tenant).wrapping_mul(u128::MAX / 1_009)),
                draw: u64::from(tenant).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            }
        })
        .collect()
}

/// The map.
///
/// # Errors
/// Never, unless this generator is wrong.
pub fn large_plan() -> Result<Plan, PlanError> {
    Plan::new(PlanParts {
        route_version: "2026-11-21.1".to_owned(),
        unlisted_models: UnlistedModels::Primary,
        primary_provider: ProviderId(0),
        default_tenant: None,
        shared_state: false,
        providers: providers(),
        families: Vec::new(),
        aliases: (0..ALIASES).map(alias).collect(),
        tenants: (0..TENANTS).map(|at| Tenant::unrestricted(&format!("tenant-{at:04}"))).collect(),
        cohorts: cohorts(),
        routes: routes(),
    })
}

fn providers() -> Vec<Provider> {
    vec![Provider::paid_by_us("openai"), Provider::paid_by_us("cometapi")]
}

fn alias(at: u32) -> Alias {
    let model_ids = vec![Some(format!("gpt-{at}")), Some(format!("comet/gpt-{at}"))];
    Alias::of(alias_name(at), model_ids)
}

/// Cohorts of 20 tenants each that overlap, so that every tenant is in two; then the cohorts of buckets.
fn cohorts() -> Vec<Cohort> {
    let of_tenants = (0..TENANT_COHORTS).map(|at| {
        let first = at * (TENANTS / TENANT_COHORTS);
        let members = (first..first + 20).map(|tenant| TenantId(tenant % TENANTS)).collect();
        Cohort { name: format!("cohort-{at}"), members: CohortMembers::Tenants(members) }
    });
    let of_buckets = (0..BUCKET_COHORTS).map(|at| {
        let name = format!("bucket-cohort-{at}");
        Cohort { members: CohortMembers::Buckets(bucketing(&name, 100_000)), name }
    });
    of_tenants.chain(of_buckets).collect()
}

fn routes() -> Vec<Route> {
    let own = (0..TENANTS).flat_map(|tenant| {
        (0..ROUTES_PER_TENANT).map(move |nth| (Scope::Tenant(TenantId(tenant)), own_alias(tenant, nth)))
    });
    let of_cohorts =
        (0..TENANT_COHORTS).flat_map(|at| OF_COHORTS.map(move |alias| (Scope::Cohort(CohortId(at)), alias)));
    let of_buckets = (TENANT_COHORTS..TENANT_COHORTS + BUCKET_COHORTS)
        .flat_map(|at| OF_BUCKETS.map(move |alias| (Scope::Cohort(CohortId(at)), alias)));
    let of_everyone = OF_EVERYONE.map(|alias| (Scope::Everyone, alias));
    own.chain(of_cohorts)
        .chain(of_buckets)
        .chain(of_everyone)
        .enumerate()
        .map(|(at, (scope, alias))| canary_route(format!("route-{at:05}"), scope, AliasId(alias)))
        .collect()
}

fn canary_route(name: String, scope: Scope, alias: AliasId) -> Route {
    let canary = Canary {
        provider: ProviderId(1),
        bucketing: bucketing(&name, 50_000),
        generation: 1,
        timeout: Duration::from_secs(60),
    };
    Route {
        mode: Mode::Canary,
        fallback: Some(ProviderId(1)),
        canary: Some(canary),
        stream_timeout: Duration::from_secs(3600),
        ..Route::at_home(name, scope, ModelMatch::Alias(alias), ProviderId(0), Duration::from_secs(60))
    }
}

fn bucketing(salt: &str, ppm: u32) -> Bucketing {
    Bucketing {
        share: Share::from_ppm(ppm).unwrap_or_default(),
        sticky_by: vec![StickyBy::User, StickyBy::SafetyIdentifier, StickyBy::Request],
        salt: salt.to_owned(),
    }
}

fn own_alias(tenant: u32, nth: u32) -> u32 {
    (tenant * ROUTES_PER_TENANT + nth) % OF_TENANTS.end
}

fn alias_name(at: u32) -> String {
    format!("support-summary-{at}")
}
