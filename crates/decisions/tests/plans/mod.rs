//! Random plans and requests, small enough that everything collides: tenants in several cohorts, routes for every
//! alias beside routes for one, providers of both kinds in every role.
//!
//! What `config` would refuse is repaired rather than discarded, so that every case counts.

use std::time::Duration;

use decisions::bucket::{Share, WHOLE};
use decisions::plan::{
    Alias, AllowedAliases, Bucketing, Canary, Cohort, CohortMembers, CredentialKind, EnabledFeatures,
    Feature, FeatureSet, Mode, ModelMatch, Plan, PlanParts, Provider, Route, Scope, StickyBy, Tenant,
    UnlistedModels,
};
use decisions::{
    AliasId, Caller, CohortId, Endpoint, Facts, FamilyId, ProviderId, ProviderSet, StickyKeys, TenantId,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PROVIDERS: u32 = 4;
const TENANTS: u32 = 4;
const ALIASES: u32 = 3;
const COHORTS: u32 = 5;
const FAMILIES: u32 = 2;

/// Parts of which a plan can be made.
pub(crate) fn plan_parts() -> impl Strategy<Value = PlanParts> {
    let per_alias = prop::collection::vec(prop::option::weighted(0.95, Just(())), PROVIDERS as usize);
    (
        prop::collection::vec(credential(), PROVIDERS as usize),
        prop::collection::vec((per_alias, prop::option::of(family()), enabled_features()), ALIASES as usize),
        prop::collection::vec((allowed_aliases(), allowed_providers()), TENANTS as usize),
        prop::collection::vec(members(), COHORTS as usize),
        prop::collection::vec(route(), 0..16),
        (0..PROVIDERS).prop_map(ProviderId),
        select(vec![UnlistedModels::Primary, UnlistedModels::Refuse]),
    )
        .prop_map(
            |(credentials, offers, allowed, members, routes, primary_provider, unlisted_models)| {
                let named = |kind: &str, at: usize| format!("{kind}-{at}");
                let mut parts = PlanParts {
                    route_version: "1".to_owned(),
                    unlisted_models,
                    primary_provider,
                    default_tenant: None,
                    shared_state: false,
                    providers: (0..)
                        .zip(credentials)
                        .map(|(at, credential)| Provider {
                            credential,
                            ..Provider::paid_by_us(&named("provider", at))
                        })
                        .collect(),
                    families: (0..FAMILIES as usize).map(|at| named("family", at)).collect(),
                    aliases: (0..)
                        .zip(offers)
                        .map(|(at, (offered, family, enabled))| Alias {
                            enabled_features: enabled,
                            ..alias(named("alias", at), offered, family)
                        })
                        .collect(),
                    tenants: (0..)
                        .zip(allowed)
                        .map(|(at, (allowed_aliases, allowed_providers))| Tenant {
                            allowed_aliases,
                            allowed_providers,
                            ..Tenant::unrestricted(&named("tenant", at))
                        })
                        .collect(),
                    cohorts: (0..)
                        .zip(members)
                        .map(|(at, members)| Cohort { name: named("cohort", at), members })
                        .collect(),
                    routes: Vec::new(),
                };
                parts.routes = without_conflicts(&parts, routes);
                parts
            },
        )
}

/// Everything about a request but the plan that it meets.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    tenant: TenantId,
    caller: Caller,
    endpoint: Endpoint,
    model: String,
    keys: [Option<String>; 3],
    stateful: bool,
    features: FeatureSet,
    draw: u64,
}

impl Asked {
    pub(crate) fn facts(&self) -> Facts<'_> {
        let [safety_identifier, user, prompt_cache_key] = self.keys.each_ref().map(Option::as_deref);
        Facts {
            tenant: self.tenant,
            caller: self.caller,
            endpoint: self.endpoint,
            model: &self.model,
            keys: StickyKeys { safety_identifier, user, prompt_cache_key },
            stateful: self.stateful,
            features: self.features,
            draw: self.draw,
        }
    }
}

/// A request of any tenant, for an alias or, one time in four, for a model that is none.
pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let accepted_by = subsequence((0..PROVIDERS).map(ProviderId).collect::<Vec<_>>(), 0..=PROVIDERS as usize);
    let unlisted = accepted_by.prop_map(|accepted_by| {
        let accepted_by = accepted_by.into_iter().fold(ProviderSet::EMPTY, ProviderSet::with);
        Caller::Unlisted { accepted_by }
    });
    (
        (0..TENANTS).prop_map(TenantId),
        prop_oneof![Just(Caller::Known), unlisted],
        select(Endpoint::ALL.to_vec()),
        (0..=ALIASES).prop_map(|at| format!("alias-{at}")),
        [sticky_key(), sticky_key(), sticky_key()],
        any::<bool>(),
        features(),
        any::<u64>(),
    )
        .prop_map(|(tenant, caller, endpoint, model, keys, stateful, features, draw)| Asked {
            tenant,
            caller,
            endpoint,
            model,
            keys,
            stateful,
            features,
            draw,
        })
}

fn sticky_key() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[a-z]{0,3}")
}

fn credential() -> impl Strategy<Value = CredentialKind> {
    select(vec![CredentialKind::Ours, CredentialKind::Client])
}

fn allowed_aliases() -> impl Strategy<Value = AllowedAliases> {
    let aliases: Vec<_> = (0..ALIASES).map(AliasId).collect();
    prop_oneof![
        2 => Just(AllowedAliases::All),
        1 => subsequence(aliases, 0..=ALIASES as usize).prop_map(AllowedAliases::Only),
    ]
}

fn allowed_providers() -> impl Strategy<Value = ProviderSet> {
    let providers: Vec<_> = (0..PROVIDERS).map(ProviderId).collect();
    let some = subsequence(providers, 1..=PROVIDERS as usize)
        .prop_map(|list| list.into_iter().fold(ProviderSet::EMPTY, ProviderSet::with));
    prop_oneof![3 => Just(ProviderSet::ALL), 1 => some]
}

/// Mostly few, so that both what fits and what does not is frequent.
fn features() -> impl Strategy<Value = FeatureSet> {
    let some = subsequence(Feature::ALL[..3].to_vec(), 0..=2);
    some.prop_map(|list| list.into_iter().fold(FeatureSet::EMPTY, FeatureSet::with))
}

fn enabled_features() -> impl Strategy<Value = EnabledFeatures> {
    let said = prop::collection::vec(prop::option::of(features()), PROVIDERS as usize);
    prop_oneof![1 => Just(EnabledFeatures::default()), 1 => said.prop_map(EnabledFeatures::by_provider)]
}

fn family() -> impl Strategy<Value = FamilyId> {
    (0..FAMILIES).prop_map(FamilyId)
}

fn alias(name: String, offered: Vec<Option<()>>, family: Option<FamilyId>) -> Alias {
    let id = |at: usize| format!("{name} at {at}");
    let model_ids = (0..).zip(offered).map(|(at, offered)| offered.map(|()| id(at))).collect();
    Alias { family, ..Alias::of(name, model_ids) }
}

fn members() -> impl Strategy<Value = CohortMembers> {
    let tenants: Vec<_> = (0..TENANTS).map(TenantId).collect();
    prop_oneof![
        subsequence(tenants, 0..=TENANTS as usize).prop_map(CohortMembers::Tenants),
        bucketing().prop_map(CohortMembers::Buckets),
    ]
}

fn bucketing() -> impl Strategy<Value = Bucketing> {
    let ppm = prop_oneof![1 => Just(0), 1 => Just(WHOLE), 4 => 0..=WHOLE];
    let list = subsequence(StickyBy::ALL.to_vec(), 0..=StickyBy::ALL.len()).prop_shuffle();
    (ppm, list, "[a-c]").prop_map(|(ppm, sticky_by, salt)| Bucketing {
        share: Share::from_ppm(ppm).unwrap_or(Share::ALL),
        sticky_by,
        salt,
    })
}

fn route() -> impl Strategy<Value = Route> {
    let provider = || (0..PROVIDERS).prop_map(ProviderId);
    let scope = prop_oneof![
        2 => (0..TENANTS).prop_map(|at| Scope::Tenant(TenantId(at))),
        4 => (0..COHORTS).prop_map(|at| Scope::Cohort(CohortId(at))),
        1 => Just(Scope::Everyone),
    ];
    let canary = (provider(), bucketing()).prop_map(|(provider, bucketing)| Canary {
        provider,
        bucketing,
        generation: 1,
        timeout: Duration::from_secs(61),
    });
    let models = prop_oneof![
        2 => (0..ALIASES).prop_map(|at| ModelMatch::Alias(AliasId(at))),
        1 => family().prop_map(ModelMatch::Family),
        2 => Just(ModelMatch::Any),
    ];
    let endpoint = prop_oneof![2 => Just(None), 1 => select(Endpoint::ALL.to_vec()).prop_map(Some)];
    (
        scope,
        (models, endpoint),
        prop_oneof![3 => Just(Mode::Canary), 2 => select(Mode::ALL.to_vec())],
        provider(),
        prop::option::of(provider()),
        prop::option::weighted(0.8, canary),
        (any::<bool>(), prop::bool::weighted(0.1)),
    )
        .prop_map(|(scope, matched, mode, primary, fallback, canary, (stateful_canary, held))| Route {
            endpoint: matched.1,
            mode,
            fallback,
            canary,
            stateful_canary,
            fallback_timeout: Duration::from_secs(62),
            stream_timeout: Duration::from_secs(3600),
            held,
            ..Route::at_home(String::new(), scope, matched.0, primary, Duration::from_secs(60))
        })
}

/// Drops routes that match what an earlier one matches, and those that lead to a provider without the model.
fn without_conflicts(parts: &PlanParts, routes: Vec<Route>) -> Vec<Route> {
    let mut kept: Vec<Route> = Vec::new();
    // The specific ones first, since they decide which aliases a broader one has left.
    let rank = |route: &Route| match route.models {
        ModelMatch::Alias(_) => (0, route.endpoint.is_none()),
        ModelMatch::Family(_) => (1, route.endpoint.is_none()),
        ModelMatch::Any => (2, route.endpoint.is_none()),
    };
    let mut routes = routes;
    routes.sort_by_key(rank);
    for mut route in routes {
        route.name = format!("route-{}", kept.len());
        kept.push(route);
        if Plan::new(PlanParts { routes: kept.clone(), ..parts.clone() }).is_err() {
            kept.pop();
        }
    }
    kept
}
