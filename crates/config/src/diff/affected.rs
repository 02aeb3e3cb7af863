//! Which requests a change can send elsewhere at all, so that the rest of a large map is not asked about.
//!
//! It errs on the side of asking: a class that is listed here and goes where it went before costs a moment, and one that
//! is missing would be a change that nobody is told of.

use std::collections::{HashMap, HashSet};

use decisions::plan::{
    Alias, AllowedAliases, Bucketing, CohortMembers, CredentialKind, Mode, ModelMatch, ModelRules, Plan,
    Provider, Route, Scope, Tenant,
};
use decisions::{Endpoint, FamilyId, ProviderId};

/// The models whose requests may go elsewhere, by who sends them.
#[derive(Default)]
pub(super) struct Affected<'p> {
    is_everything: bool,
    /// For whoever asks.
    shared: HashSet<Model<'p>>,
    of_tenant: HashMap<&'p str, HashSet<Model<'p>>>,
    whole_tenants: HashSet<&'p str>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Model<'p> {
    Alias(&'p str),
    /// Whatever no alias lists.
    Unlisted,
}

impl<'p> Affected<'p> {
    pub(super) fn new(before: &'p Plan, after: &'p Plan) -> Affected<'p> {
        let mut affected = Affected { is_everything: is_everything(before, after), ..Affected::default() };
        if !affected.is_everything {
            affected.add_aliases(before, after);
            affected.add_tenants(before, after);
            affected.add_routes(before, after);
        }
        affected
    }

    /// Whether a tenant's requests for a model may go elsewhere.
    pub(super) fn has(&self, tenant: &str, model: Model<'p>) -> bool {
        self.is_everything
            || self.shared.contains(&model)
            || self.whole_tenants.contains(tenant)
            || self.of_tenant.get(tenant).is_some_and(|models| models.contains(&model))
    }

    fn add_aliases(&mut self, before: &'p Plan, after: &'p Plan) {
        let by_name = |plan: &'p Plan| -> HashMap<&'p str, _> {
            let entry = |alias: &'p Alias| {
                let family = family_name(plan, alias.family);
                let at = |(id, model): (u32, &'p Option<String>)| {
                    model.as_deref().map(|model| (provider_name(plan, ProviderId(id)), model))
                };
                let ids: HashMap<&str, &str> = (0..).zip(&alias.model_ids).filter_map(at).collect();
                (alias.name.as_str(), (family, ids))
            };
            plan.parts().aliases.iter().map(entry).collect()
        };
        let (old, new) = (by_name(before), by_name(after));
        let differs = |name: &&&str| old.get(**name) != new.get(**name);
        let changed: Vec<&str> = old.keys().chain(new.keys()).filter(differs).copied().collect();
        self.shared.extend(changed.into_iter().map(Model::Alias));
    }

    fn add_tenants(&mut self, before: &'p Plan, after: &'p Plan) {
        let old: HashMap<&str, _> = allowed(before).collect();
        self.whole_tenants.extend(
            allowed(after)
                .filter(|(name, now)| old.get(name).is_some_and(|then| then != now))
                .map(|(name, _)| name),
        );
    }

    fn add_routes(&mut self, before: &'p Plan, after: &'p Plan) {
        let (old, new) = (routes(before), routes(after));
        for (matched, route) in &old {
            if new.get(matched) != Some(route) {
                self.add_route(before, after, *matched);
            }
        }
        for matched in new.keys().filter(|matched| !old.contains_key(*matched)) {
            self.add_route(before, after, *matched);
        }
    }

    fn add_route(&mut self, before: &'p Plan, after: &'p Plan, (scope, models, _): Matched<'p>) {
        let models: Vec<Model<'p>> = match models {
            ModelName::Alias(name) => vec![Model::Alias(name)],
            ModelName::Family(family) => {
                let of = |plan: &'p Plan| {
                    plan.parts()
                        .aliases
                        .iter()
                        .filter(move |alias| family_name(plan, alias.family) == Some(family))
                        .map(|alias| Model::Alias(alias.name.as_str()))
                };
                of(before).chain(of(after)).collect()
            }
            ModelName::Any => all_models(before, after),
        };
        match scope {
            ScopeName::Tenant(name) => self.of_tenant.entry(name).or_default().extend(models),
            ScopeName::Cohort(_) | ScopeName::Everyone => self.shared.extend(models),
        }
    }
}

/// The aliases of both plans, those of the second first, then what is none.
pub(super) fn all_models<'p>(before: &'p Plan, after: &'p Plan) -> Vec<Model<'p>> {
    let names = after.parts().aliases.iter().chain(&before.parts().aliases).map(|alias| alias.name.as_str());
    let mut seen = HashSet::new();
    let mut models: Vec<Model<'p>> = names.filter(|name| seen.insert(*name)).map(Model::Alias).collect();
    models.push(Model::Unlisted);
    models
}

/// What bears on every request, or on which of two cohorts comes first.
fn is_everything(before: &Plan, after: &Plan) -> bool {
    fn rules(plan: &Plan) -> HashMap<&str, (bool, &ModelRules)> {
        let is_ours = |provider: &Provider| provider.credential == CredentialKind::Ours;
        let providers = plan.parts().providers.iter();
        providers.map(|provider| (provider.name.as_str(), (is_ours(provider), &provider.models))).collect()
    }
    fn cohorts(plan: &Plan) -> HashMap<&str, (Option<HashSet<&str>>, Option<&Bucketing>)> {
        plan.parts()
            .cohorts
            .iter()
            .map(|cohort| {
                let entry = match &cohort.members {
                    CohortMembers::Tenants(list) => {
                        (Some(list.iter().map(|id| plan.tenant(*id).name.as_str()).collect()), None)
                    }
                    CohortMembers::Buckets(split) => (None, Some(split)),
                };
                (cohort.name.as_str(), entry)
            })
            .collect()
    }
    let (old, new) = (before.parts(), after.parts());
    old.unlisted_models != new.unlisted_models
        || provider_name(before, old.primary_provider) != provider_name(after, new.primary_provider)
        || rules(before) != rules(after)
        || cohorts(before) != cohorts(after)
        || is_reordered(before, after)
}

/// Between two cohorts the place in the file decides.
fn is_reordered(before: &Plan, after: &Plan) -> bool {
    let of_cohorts = |plan| -> Vec<Matched<'_>> {
        let plan: &Plan = plan;
        let routes = plan.parts().routes.iter().filter(|route| matches!(route.scope, Scope::Cohort(_)));
        routes.map(|route| matched(plan, route)).collect()
    };
    let (old, new) = (of_cohorts(before), of_cohorts(after));
    let (in_old, in_new): (HashSet<_>, HashSet<_>) = (old.iter().collect(), new.iter().collect());
    !old.iter().filter(|one| in_new.contains(one)).eq(new.iter().filter(|one| in_old.contains(one)))
}

/// What a route matches, by names.
type Matched<'p> = (ScopeName<'p>, ModelName<'p>, Option<Endpoint>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ScopeName<'p> {
    Tenant(&'p str),
    Cohort(&'p str),
    Everyone,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ModelName<'p> {
    Alias(&'p str),
    Family(&'p str),
    Any,
}

fn matched<'p>(plan: &'p Plan, route: &Route) -> Matched<'p> {
    let scope = match route.scope {
        Scope::Tenant(id) => ScopeName::Tenant(&plan.tenant(id).name),
        Scope::Cohort(id) => ScopeName::Cohort(&plan.cohort(id).name),
        Scope::Everyone => ScopeName::Everyone,
    };
    let models = match route.models {
        ModelMatch::Alias(id) => ModelName::Alias(&plan.alias(id).name),
        ModelMatch::Family(id) => ModelName::Family(family_name(plan, Some(id)).unwrap_or_default()),
        ModelMatch::Any => ModelName::Any,
    };
    (scope, models, route.endpoint)
}

/// What a route does with what it matches, by names.
type Does<'p> = (Mode, bool, &'p str, Option<&'p str>, Option<(&'p str, &'p Bucketing)>);

fn routes(plan: &Plan) -> HashMap<Matched<'_>, Does<'_>> {
    let does = |route| -> Does<'_> {
        let route: &Route = route;
        let canary = route.canary.as_ref();
        (
            route.mode,
            route.held,
            provider_name(plan, route.primary),
            route.fallback.map(|id| provider_name(plan, id)),
            canary.map(|canary| (provider_name(plan, canary.provider), &canary.bucketing)),
        )
    };
    plan.parts().routes.iter().map(|route| (matched(plan, route), does(route))).collect()
}

/// What each tenant may use, by names.
fn allowed(plan: &Plan) -> impl Iterator<Item = (&str, (Option<HashSet<&str>>, HashSet<&str>))> {
    let of = |tenant: &'_ Tenant| {
        let aliases: Option<HashSet<&str>> = match &tenant.allowed_aliases {
            AllowedAliases::All => None,
            AllowedAliases::Only(list) => Some(list.iter().map(|id| plan.alias(*id).name.as_str()).collect()),
        };
        let ids = (0..).map(ProviderId).zip(&plan.parts().providers);
        let providers = ids
            .filter(|(id, _)| tenant.allowed_providers.contains(*id))
            .map(|(_, provider)| provider.name.as_str())
            .collect();
        (aliases, providers)
    };
    plan.parts().tenants.iter().map(move |tenant| (tenant.name.as_str(), of(tenant)))
}

fn provider_name(plan: &Plan, id: ProviderId) -> &str {
    &plan.provider(id).name
}

fn family_name(plan: &Plan, family: Option<FamilyId>) -> Option<&str> {
    plan.parts().families.get(family?.index()).map(String::as_str)
}
