//! The entries of a map as named fields with their values: what there is to compare besides where requests go.
//!
//! Values are those of the loaded map, so a default that is written out is no difference. Nothing here is a secret: a
//! credential is told of by where it comes from, and a tenant's keys are counted.

use std::path::Path;
use std::time::Duration;

use decisions::plan::{
    Alias, AllowedAliases, Canary, Cohort, CohortMembers, FeatureSet, ModelMatch, Plan, Provider, Route,
    Scope, StickyBy, Tenant, UnlistedModels,
};
use decisions::price::{Cost, Price};
use decisions::{ProviderId, ProviderSet, TenantId};
use serde_json::{Value as Json, json};

use crate::diff::Diff;
use crate::diff::attempts;
use crate::diff::gates;
use crate::diff::words::shown;
use crate::load::{CredentialSource, Loaded, ProviderSettings, TenantKey};
use crate::provider_connection::{ROOTS, Roots};
use crate::provider_forward::TraceParentTold;
use crate::share::format_share;

/// An entry of a map.
pub(super) struct Entry {
    /// `provider`, `alias`, `cohort`, `tenant` or `route`; `map` for the map itself.
    pub(super) kind: &'static str,
    /// Its name; empty for the map itself.
    pub(super) name: String,
    /// What it says; a field that it leaves open is missing.
    pub(super) fields: Vec<(String, Value)>,
}

/// What a field says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// One thing.
    One(String),
    /// A list whose order means nothing.
    Many(Vec<String>),
}

impl Value {
    pub(super) fn text(&self) -> String {
        match self {
            Value::One(text) => shown(text),
            Value::Many(list) if list.is_empty() => "none".to_owned(),
            Value::Many(list) => list.iter().map(|text| shown(text)).collect::<Vec<_>>().join(", "),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            Value::One(text) => json!(text),
            Value::Many(list) => json!(list),
        }
    }
}

/// Every entry, in the file's order.
pub(super) fn entries(loaded: &Loaded, kind: Diff) -> Vec<Entry> {
    let describe = Describe { loaded, plan: &loaded.plan, is_parity: kind == Diff::Parity };
    let parts = loaded.plan.parts();
    let settings = |id: usize| loaded.providers.get(id);
    let mut entries = vec![describe.map()];
    entries
        .extend(parts.providers.iter().enumerate().map(|(at, entry)| describe.provider(entry, settings(at))));
    entries.extend(parts.aliases.iter().map(|entry| describe.alias(entry)));
    entries.extend(parts.cohorts.iter().map(|entry| describe.cohort(entry)));
    if !describe.is_parity {
        let tenants = (0..).map(TenantId).zip(&parts.tenants);
        entries.extend(tenants.map(|(id, entry)| describe.tenant(id, entry)));
    }
    entries.extend(parts.routes.iter().map(|entry| describe.route(entry)));
    entries
}

/// Gathers an entry's fields.
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(super) fn one(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), Value::One(value.into())));
    }

    pub(super) fn one_of(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.one(name, value);
        }
    }

    pub(super) fn many(&mut self, name: impl Into<String>, mut list: Vec<String>) {
        list.sort_unstable();
        self.0.push((name.into(), Value::Many(list)));
    }

    fn of(self, kind: &'static str, name: &str) -> Entry {
        Entry { kind, name: name.to_owned(), fields: self.0 }
    }
}

struct Describe<'l> {
    loaded: &'l Loaded,
    plan: &'l Plan,
    /// What has to differ between two environments is left out, and what is told of as traffic is in.
    is_parity: bool,
}

impl Describe<'_> {
    fn map(&self) -> Entry {
        let (loaded, parts) = (self.loaded, self.plan.parts());
        let mut fields = Fields(Vec::new());
        let tenant = parts.default_tenant.map(|id| self.plan.tenant(id).name.as_str());
        if self.is_parity {
            // Who it is differs between environments; whether strangers may call must not.
            fields.one_of("default_tenant", tenant.map(|_| "set"));
        } else {
            fields.one_of("environment", loaded.environment.as_deref());
            fields.one_of("owner", loaded.owner.as_deref());
            fields.one_of("expires_at", loaded.expires_at.map(|at| at.to_string()));
            fields.one_of("rollback_route_version", loaded.rollback_route_version.as_deref());
            fields.one_of(
                "rollback_override",
                loaded.rollback_override.as_ref().map(|vouched| {
                    format!("by {} for {} until {}", vouched.by, vouched.incident, vouched.until)
                }),
            );
            fields.one_of("default_tenant", tenant);
        }
        fields.one(
            "unlisted_models",
            match parts.unlisted_models {
                UnlistedModels::Primary => "primary",
                UnlistedModels::Refuse => "refuse",
            },
        );
        if parts.shared_state {
            fields.one("shared_state", "true");
        }
        fields.one("primary_provider", self.provider_name(parts.primary_provider));
        fields.of("map", "")
    }

    fn provider(&self, provider: &Provider, settings: Option<&ProviderSettings>) -> Entry {
        let mut fields = Fields(Vec::new());
        if let Some(settings) = settings {
            if !self.is_parity {
                fields.one("base_url", settings.base_url.to_string());
                fields.one("credential", credential(&settings.credential));
                fields.one("credential_header", settings.credential_header.as_str());
                fields.one("connect_timeout_ms", millis(settings.connect_timeout));
                fields
                    .one_of("max_concurrent_requests", provider.max_concurrent.map(|most| most.to_string()));
                connection(settings, &mut fields);
                for (name, value) in &settings.headers {
                    fields.one(format!("headers.{name}"), value.as_str());
                }
                if !settings.forward_headers.is_empty() {
                    let words = settings.forward_headers.iter().map(|header| header.as_str().to_owned());
                    fields.many("forward_headers", words.collect());
                }
                for (model, price) in provider.prices.iter() {
                    let Price { input, cached_input, output } = price;
                    let [input, cached, output] =
                        [input, cached_input, output].map(|millionths| Cost(millionths * 1_000));
                    let said = format!("input {input}, cached input {cached}, output {output}");
                    fields.one(format!("prices.{model}"), said);
                }
                fields.one_of("ask_usage", provider.asks_usage.then_some("true"));
                let told = settings.trace_parent;
                fields.one_of("trace_parent", (told != TraceParentTold::default()).then(|| told.as_str()));
                fields.one_of("allow_private_addresses", settings.allow_private_addresses.then_some("true"));
            }
            for (endpoint, path) in &settings.paths {
                // A path that is written out and is OpenAI's own differs from none in nothing.
                if path != endpoint.path() {
                    fields.one(format!("paths.{}", endpoint.as_str()), path.as_str());
                }
            }
        }
        if let Some(approved) = &provider.models.approved {
            fields.many("approved_models", approved.clone());
        }
        if !provider.models.blocked.is_empty() {
            fields.many("blocked_models", provider.models.blocked.clone());
        }
        fields.of("provider", &provider.name)
    }

    fn alias(&self, alias: &Alias) -> Entry {
        let mut fields = Fields(Vec::new());
        let family = alias.family.and_then(|id| self.plan.parts().families.get(id.index()));
        fields.one_of("family", family.map(String::as_str));
        for (id, model) in (0..).map(ProviderId).zip(&alias.model_ids) {
            if let Some(model) = model {
                fields.one(format!("provider_model_id at {}", self.provider_name(id)), model.as_str());
            }
        }
        self.features(alias, &mut fields);
        if !alias.required_fields.is_empty() {
            fields.many("required_fields", alias.required_fields.clone());
        }
        fields.one_of("rollback_target", alias.rollback_target.map(|id| self.provider_name(id)));
        fields.of("alias", &alias.name)
    }

    /// As one list where it is the same everywhere, as it is written then.
    fn features(&self, alias: &Alias, fields: &mut Fields) {
        let words = |set: FeatureSet| set.iter().map(|one| one.as_str().to_owned()).collect();
        let said = (0..).map(ProviderId).zip(&self.plan.parts().providers);
        let said: Vec<_> = said.map(|(id, _)| (id, alias.enabled_features.at(id))).collect();
        match said.as_slice() {
            [(_, Some(first)), rest @ ..] if rest.iter().all(|(_, set)| *set == Some(*first)) => {
                fields.many("enabled_features", words(*first));
            }
            said => {
                for (id, set) in said.iter().filter_map(|(id, set)| Some((*id, (*set)?))) {
                    fields.many(format!("enabled_features at {}", self.provider_name(id)), words(set));
                }
            }
        }
    }

    fn cohort(&self, cohort: &Cohort) -> Entry {
        let mut fields = Fields(Vec::new());
        match &cohort.members {
            CohortMembers::Tenants(_) if self.is_parity => fields.one("members", "named tenants"),
            CohortMembers::Tenants(list) => {
                fields.many("tenants", list.iter().map(|id| self.plan.tenant(*id).name.clone()).collect());
            }
            CohortMembers::Buckets(split) => {
                if self.is_parity {
                    fields.one("members", "a share of keys");
                } else {
                    fields.one("share", format_share(split.share));
                    fields.one("salt", split.salt.as_str());
                }
                fields.one("sticky_by", sticky_names(&split.sticky_by));
            }
        }
        fields.of("cohort", &cohort.name)
    }

    fn tenant(&self, id: TenantId, tenant: &Tenant) -> Entry {
        let mut fields = Fields(Vec::new());
        if let AllowedAliases::Only(list) = &tenant.allowed_aliases {
            let names = list.iter().map(|id| self.plan.alias(*id).name.clone());
            fields.many("allowed_aliases", names.collect());
        }
        let providers = || (0..).map(ProviderId).zip(&self.plan.parts().providers);
        if tenant.allowed_providers != ProviderSet::ALL {
            let allowed = providers().filter(|(id, _)| tenant.allowed_providers.contains(*id));
            fields.many("allowed_providers", allowed.map(|(_, provider)| provider.name.clone()).collect());
        }
        let held = |keys: &[TenantKey]| {
            keys.partition_point(|key| key.tenant <= id) - keys.partition_point(|key| key.tenant < id)
        };
        fields.one("priority", tenant.criticality.as_str());
        fields.one_of("allow_mirror", tenant.allow_mirror.then_some("true"));
        fields.one("keys", held(&self.loaded.keys).to_string());
        let certificates = held(&self.loaded.certificates);
        fields.one_of("certificates", (certificates > 0).then(|| certificates.to_string()));
        fields.of("tenant", &tenant.name)
    }

    fn route(&self, route: &Route) -> Entry {
        let mut fields = Fields(Vec::new());
        if self.is_parity {
            self.matching(route, &mut fields);
            fields.one("mode", route.mode.as_str());
            fields.one("primary_provider", self.provider_name(route.primary));
        }
        fields.one_of("fallback_provider", route.fallback.map(|id| self.provider_name(id)));
        let has_own = route.fallback.is_some() && route.fallback_generation != 1;
        fields.one_of("fallback_generation", has_own.then(|| route.fallback_generation.to_string()));
        attempts::describe(route, &mut fields);
        fields.one("stateful", if route.stateful_canary { "canary" } else { "primary" });
        if let Some(canary) = &route.canary {
            self.canary(route, canary, &mut fields);
        }
        if let Some(mirror) = &route.mirror {
            if !self.is_parity {
                fields.one("mirror.share", format_share(mirror.share));
            }
            fields.one("mirror.most_per_second", mirror.most_per_second.to_string());
            fields.one("mirror.most_in_flight", mirror.most_in_flight.to_string());
            fields.one("mirror.max_body_bytes", mirror.max_body_bytes.to_string());
        }
        gates::describe(route, &mut fields);
        fields.of("route", &route.name)
    }

    fn matching(&self, route: &Route, fields: &mut Fields) {
        let plan = self.plan;
        fields.one(
            "tenant_or_cohort",
            match route.scope {
                Scope::Tenant(id) => plan.tenant(id).name.as_str(),
                Scope::Cohort(id) => plan.cohort(id).name.as_str(),
                Scope::Everyone => "*",
            },
        );
        match route.models {
            ModelMatch::Alias(id) => fields.one("model_alias", plan.alias(id).name.as_str()),
            ModelMatch::Family(id) => {
                fields.one_of("model_family", plan.parts().families.get(id.index()).map(String::as_str));
            }
            ModelMatch::Any => fields.one("model_alias", "*"),
        }
        fields.one_of("endpoint", route.endpoint.map(|endpoint| endpoint.as_str()));
    }

    fn canary(&self, route: &Route, canary: &Canary, fields: &mut Fields) {
        if self.is_parity {
            fields.one("canary.provider", self.provider_name(canary.provider));
            fields.one("canary.sticky_by", sticky_names(&canary.bucketing.sticky_by));
        } else {
            fields.one("canary.generation", canary.generation.to_string());
        }
        if canary.timeout != route.timeout {
            fields.one("canary.timeout_ms", millis(canary.timeout));
        }
        if let Some(rules) = &route.gates.rollout {
            // Between two environments shares and tenants differ anyhow.
            gates::describe_steps(rules, !self.is_parity, fields);
        }
    }

    fn provider_name(&self, id: ProviderId) -> &str {
        &self.plan.provider(id).name
    }
}

pub(super) fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

pub(crate) fn sticky_names(list: &[StickyBy]) -> String {
    list.iter().map(|by| by.as_str()).collect::<Vec<_>>().join(", ")
}

/// How connections are made, where that is said.
fn connection(settings: &ProviderSettings, fields: &mut Fields) {
    let tls = &settings.tls;
    let path = |path: &Path| path.display().to_string();
    fields.one_of("tls.ca", tls.ca.as_deref().map(path));
    if let Some((word, _)) = ROOTS.iter().find(|(_, roots)| *roots == tls.roots) {
        fields.one_of("tls.roots", (tls.roots != Roots::default()).then_some(*word));
    }
    if let Some((certificate, key)) = &tls.client {
        fields.one("tls.client_certificate", path(certificate));
        fields.one("tls.client_key", path(key));
    }
    if let Some(http2) = settings.http2 {
        fields.one("http", "2");
        fields.one("http2.stream_window_bytes", http2.stream_window.to_string());
        fields.one("http2.connection_window_bytes", http2.connection_window.to_string());
        fields.one("http2.max_concurrent_streams", http2.max_streams.to_string());
    }
}

/// Where it comes from, never what it is.
fn credential(source: &CredentialSource) -> String {
    match source {
        CredentialSource::Client => "the caller's own key".to_owned(),
        CredentialSource::Env(name) => format!("env {name}"),
        CredentialSource::File(path) => format!("file {}", path.display()),
    }
}
