//! Who of a new plan is who in the old one: by name, since ids belong to one plan.

use std::collections::HashMap;
use std::hash::Hash;

use crate::ids::{AliasId, CohortId, FamilyId, ProviderId, RouteId, TenantId};
use crate::plan::{ModelMatch, Plan, Route, Scope};

/// The old entry of each new one's name.
pub(super) struct Names {
    providers: Pairs<ProviderId>,
    families: Pairs<FamilyId>,
    aliases: Pairs<AliasId>,
    tenants: Pairs<TenantId>,
    cohorts: Pairs<CohortId>,
}

/// By new id: the old one.
type Pairs<Id> = Vec<Option<Id>>;

impl Names {
    pub(super) fn new(before: &Plan, after: &Plan) -> Names {
        let (old, new) = (before.parts(), after.parts());
        Names {
            // Under the same name, another place is another provider.
            providers: pair(
                &old.providers,
                &new.providers,
                |entry| (entry.name.as_str(), entry.reached_by.as_str()),
                ProviderId,
            ),
            families: pair(&old.families, &new.families, |name| name, FamilyId),
            aliases: pair(&old.aliases, &new.aliases, |entry| &entry.name, AliasId),
            tenants: pair(&old.tenants, &new.tenants, |entry| &entry.name, TenantId),
            cohorts: pair(&old.cohorts, &new.cohorts, |entry| &entry.name, CohortId),
        }
    }

    pub(super) fn provider(&self, id: ProviderId) -> Option<ProviderId> {
        self.providers[id.index()]
    }

    pub(super) fn family(&self, id: FamilyId) -> Option<FamilyId> {
        self.families[id.index()]
    }

    pub(super) fn alias(&self, id: AliasId) -> Option<AliasId> {
        self.aliases[id.index()]
    }

    pub(super) fn tenant(&self, id: TenantId) -> Option<TenantId> {
        self.tenants[id.index()]
    }

    pub(super) fn providers(&self) -> impl Iterator<Item = (ProviderId, Option<ProviderId>)> + '_ {
        (0..).map(ProviderId).zip(self.providers.iter().copied())
    }

    pub(super) fn aliases(&self) -> impl Iterator<Item = (AliasId, Option<AliasId>)> + '_ {
        (0..).map(AliasId).zip(self.aliases.iter().copied())
    }

    pub(super) fn tenants(&self) -> impl Iterator<Item = (TenantId, Option<TenantId>)> + '_ {
        (0..).map(TenantId).zip(self.tenants.iter().copied())
    }

    pub(super) fn cohorts(&self) -> impl Iterator<Item = (CohortId, Option<CohortId>)> + '_ {
        (0..).map(CohortId).zip(self.cohorts.iter().copied())
    }

    /// By new route: the old one that matches the same. A route's own name is for people; what it matches is unique.
    pub(super) fn routes(&self, before: &Plan, after: &Plan) -> Vec<Option<RouteId>> {
        let old: HashMap<_, RouteId> =
            before.routes().map(|(id, route)| ((route.scope, route.models, route.endpoint), id)).collect();
        let counterpart = |route: &Route| {
            let matched = (self.scope(route.scope)?, self.models(route.models)?, route.endpoint);
            old.get(&matched).copied()
        };
        after.parts().routes.iter().map(counterpart).collect()
    }

    fn scope(&self, scope: Scope) -> Option<Scope> {
        match scope {
            Scope::Tenant(id) => self.tenant(id).map(Scope::Tenant),
            Scope::Cohort(id) => self.cohorts[id.index()].map(Scope::Cohort),
            Scope::Everyone => Some(Scope::Everyone),
        }
    }

    fn models(&self, models: ModelMatch) -> Option<ModelMatch> {
        match models {
            ModelMatch::Alias(id) => self.alias(id).map(ModelMatch::Alias),
            ModelMatch::Family(id) => self.family(id).map(ModelMatch::Family),
            ModelMatch::Any => Some(ModelMatch::Any),
        }
    }
}

fn pair<'p, T, Id: Copy, Name: Eq + Hash>(
    old: &'p [T],
    new: &'p [T],
    name: impl Fn(&'p T) -> Name,
    id: fn(u32) -> Id,
) -> Pairs<Id> {
    let old: HashMap<Name, Id> = old.iter().map(&name).zip((0..).map(id)).collect();
    new.iter().map(|entry| old.get(&name(entry)).copied()).collect()
}
