//! Names to ids: every reference of the map and the tenants file is looked up, and the ones that lead nowhere are
//! reported with the name that was probably meant.

use std::collections::{HashMap, HashSet};

use decisions::plan::{
    Alias, AllowedAliases, Bucketing, Canary, Cohort, CohortMembers, CredentialKind, EnabledFeatures,
    ModelMatch, ModelRules, PlanParts, Provider, Route, Scope, Tenant,
};
use decisions::{AliasId, CohortId, FamilyId, ProviderId, ProviderSet, TenantId};

use crate::alias_entry::{AliasEntry, FeaturesEntry};
use crate::code::Code;
use crate::cohort_entry::{BucketingEntry, CohortEntry};
use crate::document::{Document, Named};
use crate::load::ProviderSettings;
use crate::make_gates::{first_share, make_gates};
use crate::map_file::MapFile;
use crate::mirror_entry::MirrorEntry;
use crate::names::quote;
use crate::provider_entry::ProviderEntry;
use crate::route_entry::{ModelsEntry, RouteEntry};
use crate::tenants_file::TenantsFile;

/// What the names of both files stand for. What is missing has been reported.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) primary: Option<ProviderId>,
    pub(crate) default_tenant: Option<TenantId>,
    pub(crate) families: Vec<String>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) cohorts: Vec<Cohort>,
    /// In the order of the map's routes.
    pub(crate) routes: Vec<RouteRefs>,
    pub(crate) tenants: Vec<Tenant>,
}

/// What a route refers to.
#[derive(Debug)]
pub(crate) struct RouteRefs {
    pub(crate) scope: Option<Scope>,
    pub(crate) models: Option<ModelMatch>,
    pub(crate) primary: Option<ProviderId>,
    pub(crate) fallback: Option<ProviderId>,
    pub(crate) canary: Option<ProviderId>,
}

impl RouteRefs {
    /// Every provider that the route may send to.
    pub(crate) fn providers(&self) -> impl Iterator<Item = ProviderId> {
        self.primary.into_iter().chain(self.fallback).chain(self.canary)
    }
}

/// Names of one kind and what they stand for.
struct Names<'n, Id> {
    kind: &'static str,
    ids: HashMap<&'n str, Id>,
    in_file: Vec<&'n str>,
}

impl<'n, Id: Copy> Names<'n, Id> {
    fn new(kind: &'static str, names: impl Iterator<Item = (&'n str, Id)> + Clone) -> Names<'n, Id> {
        let in_file = names.clone().map(|(name, _)| name).collect();
        Names { kind, ids: names.collect(), in_file }
    }

    fn find(&self, document: &Document<'_>, name: &Named) -> Option<Id> {
        self.find_or(Code::UnknownName, document, name)
    }

    /// What a tenant is allowed may be missing from the map: it is then allowed nothing by that name, and a map that knew
    /// less can still be gone back to.
    fn find_allowed(&self, document: &Document<'_>, name: &Named) -> Option<Id> {
        self.find_or(Code::AllowedUnknown, document, name)
    }

    fn find_or(&self, code: Code, document: &Document<'_>, name: &Named) -> Option<Id> {
        let id = self.ids.get(name.text.as_str()).copied();
        if id.is_none() {
            let message = format!("there is no {} {}", self.kind, quote(&name.text));
            document.unknown(code, name.at, message, &name.text, self.in_file.iter().copied());
        }
        id
    }
}

struct Tables<'n> {
    providers: Names<'n, ProviderId>,
    families: Names<'n, FamilyId>,
    aliases: Names<'n, AliasId>,
    /// Missing when the tenants file could not be read; then nothing that may name a tenant is reported.
    tenants: Option<Names<'n, TenantId>>,
    scopes: Names<'n, Scope>,
}

/// Looks every name up.
pub(crate) fn resolve(
    map: &MapFile,
    tenants_file: Option<&TenantsFile>,
    document: &Document<'_>,
    tenants_document: &Document<'_>,
) -> Resolved {
    let tables = make_tables(map, tenants_file);
    let provider = |name: &Named| tables.providers.find(document, name);
    let routes = map
        .routes
        .iter()
        .map(|route| RouteRefs {
            scope: route.tenant_or_cohort.as_ref().and_then(|name| find_scope(&tables, document, name)),
            models: route.models.as_ref().and_then(|models| match models {
                ModelsEntry::Alias(name) if name.text == "*" => Some(ModelMatch::Any),
                ModelsEntry::Alias(name) => tables.aliases.find(document, name).map(ModelMatch::Alias),
                ModelsEntry::Family(name) => tables.families.find(document, name).map(ModelMatch::Family),
            }),
            primary: route.primary.as_ref().and_then(provider),
            fallback: route.fallback.as_ref().and_then(provider),
            canary: route.canary.as_ref().and_then(|canary| canary.provider.as_ref()).and_then(provider),
        })
        .collect();
    let tenants = tenants_file.map_or(&[][..], |file| &file.tenants).iter().map(|entry| Tenant {
        name: entry.name.text.clone(),
        criticality: entry.criticality,
        limits: entry.limits,
        allow_mirror: entry.allow_mirror,
        allowed_aliases: match &entry.allowed_aliases {
            None => AllowedAliases::All,
            Some(names) => {
                let find = |name| tables.aliases.find_allowed(tenants_document, name);
                let mut ids: Vec<AliasId> = names.iter().filter_map(find).collect();
                ids.sort_unstable();
                ids.dedup();
                AllowedAliases::Only(ids)
            }
        },
        allowed_providers: match &entry.allowed_providers {
            None => ProviderSet::ALL,
            Some(names) => {
                let find = |name| tables.providers.find_allowed(tenants_document, name);
                names.iter().filter_map(find).fold(ProviderSet::EMPTY, ProviderSet::with)
            }
        },
    });
    Resolved {
        primary: map.primary.as_ref().and_then(provider),
        default_tenant: map
            .default_tenant
            .as_ref()
            .and_then(|name| tables.tenants.as_ref().and_then(|tenants| tenants.find(document, name))),
        families: tables.families.in_file.iter().map(|name| (*name).to_owned()).collect(),
        aliases: map.aliases.iter().map(|entry| make_alias(map, &tables, document, entry)).collect(),
        cohorts: map.cohorts.iter().map(|entry| make_cohort(&tables, document, entry)).collect(),
        routes,
        tenants: tenants.collect(),
    }
}

fn make_tables<'n>(map: &'n MapFile, tenants_file: Option<&'n TenantsFile>) -> Tables<'n> {
    let providers = map.providers.iter().map(|entry| entry.name.text.as_str());
    let aliases = map.aliases.iter().map(|entry| entry.name.text.as_str());
    let mut families: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    for family in map.aliases.iter().filter_map(|entry| entry.family.as_ref()) {
        if seen.insert(family.text.as_str()) {
            families.push(&family.text);
        }
    }
    let cohorts = map.cohorts.iter().map(|entry| entry.name.text.as_str());
    let tenants = tenants_file.map_or(&[][..], |file| &file.tenants);
    let tenants = tenants.iter().map(|entry| entry.name.text.as_str());
    let scopes = (0..)
        .map(|id| Scope::Cohort(CohortId(id)))
        .zip(cohorts)
        .chain((0..).map(|id| Scope::Tenant(TenantId(id))).zip(tenants.clone()))
        .chain([(Scope::Everyone, "*")])
        .map(|(scope, name)| (name, scope));
    Tables {
        providers: Names::new("provider", providers.zip((0..).map(ProviderId))),
        families: Names::new("model family", families.into_iter().zip((0..).map(FamilyId))),
        aliases: Names::new("alias", aliases.zip((0..).map(AliasId))),
        tenants: tenants_file.map(|_| Names::new("tenant", tenants.zip((0..).map(TenantId)))),
        scopes: Names::new("tenant or cohort", scopes),
    }
}

fn find_scope(tables: &Tables<'_>, document: &Document<'_>, name: &Named) -> Option<Scope> {
    match &tables.tenants {
        Some(_) => tables.scopes.find(document, name),
        None => tables.scopes.ids.get(name.text.as_str()).copied(),
    }
}

fn make_alias(map: &MapFile, tables: &Tables<'_>, document: &Document<'_>, entry: &AliasEntry) -> Alias {
    let mut model_ids = vec![None; map.providers.len()];
    for model in &entry.model_ids {
        if let Some(found) = tables.providers.find(document, &model.provider)
            && let Some(slot) = model_ids.get_mut(found.index())
        {
            *slot = Some(model.id.text.clone());
        }
    }
    Alias {
        name: entry.name.text.clone(),
        family: entry.family.as_ref().and_then(|name| tables.families.ids.get(name.text.as_str()).copied()),
        model_ids,
        enabled_features: make_features(map, tables, document, entry),
        required_fields: entry.required_fields.clone(),
        rollback_target: entry
            .rollback_target
            .as_ref()
            .and_then(|name| tables.providers.find(document, name)),
    }
}

fn make_features(
    map: &MapFile,
    tables: &Tables<'_>,
    document: &Document<'_>,
    entry: &AliasEntry,
) -> EnabledFeatures {
    let mut sets = vec![None; map.providers.len()];
    match &entry.enabled_features {
        None => {}
        Some(FeaturesEntry::Everywhere(features)) => sets.fill(Some(*features)),
        Some(FeaturesEntry::At(list)) => {
            for (provider, features) in list {
                let found = tables.providers.find(document, provider);
                if let Some(slot) = found.and_then(|id| sets.get_mut(id.index())) {
                    *slot = Some(*features);
                }
            }
        }
    }
    EnabledFeatures::by_provider(sets)
}

fn make_cohort(tables: &Tables<'_>, document: &Document<'_>, entry: &CohortEntry) -> Cohort {
    let name = entry.name.text.clone();
    if tables.tenants.as_ref().is_some_and(|tenants| tenants.ids.contains_key(name.as_str())) {
        let message = format!("{} is the name of a tenant: a cohort needs another", quote(&name));
        document.problem(Code::CohortIsTenant, entry.name.at, message);
    }
    if let Some(bucketing) = &entry.bucketing {
        return Cohort { members: CohortMembers::Buckets(make_bucketing(bucketing, &name)), name };
    }
    let mut members = Vec::new();
    let mut first_at = HashMap::new();
    for tenant in entry.tenants.iter().flatten() {
        if let Some(at) = first_at.insert(tenant.text.as_str(), tenant.at) {
            let line = document.line(at);
            let message = format!("{} is already on line {line}", quote(&tenant.text));
            document.problem_beside(Code::ListedTwice, tenant.at, at, "first here", message);
        }
        members.extend(tables.tenants.as_ref().and_then(|tenants| tenants.find(document, tenant)));
    }
    Cohort { name, members: CohortMembers::Tenants(members) }
}

/// A share that could not be read is reported, and stands for nobody until the file is refused.
fn make_bucketing(entry: &BucketingEntry, default_salt: &str) -> Bucketing {
    Bucketing {
        share: entry.share.unwrap_or_default(),
        sticky_by: entry.sticky_by.clone(),
        salt: entry.salt.as_ref().map_or_else(|| default_salt.to_owned(), |salt| salt.text.clone()),
    }
}

impl Resolved {
    /// The plan's parts, unless something is missing.
    pub(crate) fn into_parts(self, map: &MapFile) -> Option<PlanParts> {
        let provider = |entry: &ProviderEntry| Provider {
            name: entry.name.text.clone(),
            reached_by: entry.settings.as_ref().map_or_else(String::new, ProviderSettings::reached_by),
            credential: if entry.takes_client_key { CredentialKind::Client } else { CredentialKind::Ours },
            models: ModelRules {
                approved: entry.approved_models.as_ref().map(|list| sorted(list)),
                blocked: sorted(&entry.blocked_models),
            },
            max_concurrent: entry.max_concurrent,
            asks_usage: entry.asks_usage,
            prices: entry.prices.clone(),
        };
        let routes: Option<Vec<Route>> = map
            .routes
            .iter()
            .zip(&self.routes)
            .map(|(entry, refs)| make_route(map, &self, entry, refs))
            .collect();
        Some(PlanParts {
            route_version: map.version.as_ref()?.text.clone(),
            unlisted_models: map.unlisted_models,
            primary_provider: self.primary?,
            default_tenant: self.default_tenant,
            shared_state: map.shared_state,
            providers: map.providers.iter().map(provider).collect(),
            families: self.families,
            aliases: self.aliases,
            tenants: self.tenants,
            cohorts: self.cohorts,
            routes: routes?,
        })
    }
}

fn sorted(list: &[Named]) -> Vec<String> {
    let mut ids: Vec<String> = list.iter().map(|id| id.text.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn make_route(map: &MapFile, resolved: &Resolved, entry: &RouteEntry, refs: &RouteRefs) -> Option<Route> {
    let name = entry.name.as_ref()?.text.clone();
    let canary = match &entry.canary {
        None => None,
        Some(canary) => Some(Canary {
            provider: refs.canary?,
            bucketing: Bucketing { share: first_share(canary)?, ..make_bucketing(&canary.bucketing, &name) },
            generation: canary.generation,
            timeout: canary.timeout.value,
        }),
    };
    let attempts = &entry.attempts;
    Some(Route {
        scope: refs.scope?,
        models: refs.models?,
        endpoint: entry.endpoint,
        mode: entry.mode?,
        primary: refs.primary?,
        fallback: refs.fallback,
        fallback_generation: entry.fallback_generation.value,
        gates: make_gates(map, resolved, entry, refs),
        canary,
        mirror: entry.mirror.and_then(MirrorEntry::make),
        stateful_canary: entry.stateful_canary,
        timeout: attempts.timeout,
        primary_timeout: attempts.primary_timeout.value,
        fallback_timeout: attempts.fallback_timeout.value,
        first_token_timeout: attempts.first_token_timeout.value,
        idle_timeout: attempts.idle_timeout.value,
        stream_timeout: attempts.stream_timeout.value,
        retry_policy: attempts.retry_policy,
        retry_budget: attempts.retry_budget,
        fallback_on: attempts.falls_back_on(),
        fallback_budget: attempts.fallback_budget.value,
        delivery: attempts.delivery,
        on_disconnect: attempts.on_disconnect,
        hedge: attempts.hedge.value,
        held: false,
        name,
    })
}
