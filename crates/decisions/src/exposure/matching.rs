//! Whether a route takes requests in a new plan that its counterpart did not take in the old one.
//!
//! No class of requests is listed for that, so it takes no time for each tenant and alias: a route takes more only if
//! it matches more, or if a route that came before it is gone, matches less or has moved behind it. For if none did,
//! whatever kept a request from the counterpart still keeps it from the route.

use std::collections::HashSet;

use crate::exposure::changes;
use crate::exposure::names::Names;
use crate::facts::{Endpoint, ProviderSet};
use crate::ids::{AliasId, CohortId, RouteId, TenantId};
use crate::plan::{CohortMembers, ModelMatch, Plan, Route, Scope};
use crate::route_index::{Asked, shape};

/// What of two plans bears on which route a request finds.
pub(super) struct Matching<'p> {
    before: &'p Plan,
    after: &'p Plan,
    /// By route of the new plan: the one of the old plan that matches the same by name.
    counterparts: Vec<Option<RouteId>>,
    /// Routes that may have let go of requests.
    receding: Vec<Receding>,
    grown_cohorts: HashSet<CohortId>,
    new_aliases: Vec<AliasId>,
    new_in_family: Vec<AliasId>,
    widened: Vec<(TenantId, ProviderSet)>,
}

/// A route of the old plan that kept requests from later ones, and may no longer.
struct Receding {
    route: RouteId,
    /// Its place in the new plan, if moving is all that happened to it.
    moved_to: Option<RouteId>,
}

impl<'p> Matching<'p> {
    pub(super) fn new(before: &'p Plan, after: &'p Plan, names: &Names) -> Matching<'p> {
        let cohorts = changes::cohorts(before, after, names);
        let (shrunk_families, new_in_family) = changes::families(before, after, names);
        let shrank = |route: &Route| {
            let members = matches!(route.scope, Scope::Cohort(id) if cohorts.shrunk.contains(&id));
            let models = matches!(route.models, ModelMatch::Family(id) if shrunk_families.contains(&id));
            members || models
        };
        let counterparts = names.routes(before, after);
        let receding = receding(before, &counterparts, shrank);
        Matching {
            before,
            after,
            counterparts,
            receding,
            grown_cohorts: cohorts.grown,
            new_aliases: names.aliases().filter(|(_, known)| known.is_none()).map(|(id, _)| id).collect(),
            new_in_family,
            widened: changes::widened_tenants(before, after, names),
        }
    }

    pub(super) fn counterpart(&self, route: RouteId) -> Option<RouteId> {
        self.counterparts[route.index()]
    }

    /// Whether a route takes a request that its counterpart did not take, or took for a tenant that had to stay home.
    pub(super) fn takes_more(&self, id: RouteId, counterpart: RouteId) -> bool {
        let route = self.after.route(id);
        let has_new_members = matches!(route.scope, Scope::Cohort(id) if self.grown_cohorts.contains(&id));
        let new_models: &[AliasId] = match route.models {
            ModelMatch::Alias(_) => &[],
            ModelMatch::Family(_) => &self.new_in_family,
            ModelMatch::Any => &self.new_aliases,
        };
        let concerns = |(tenant, providers): &(TenantId, ProviderSet)| {
            route.providers().any(|provider| providers.contains(provider))
                && may_take(self.after, route.scope, *tenant)
        };
        has_new_members
            || new_models.iter().any(|alias| self.applies(id, *alias))
            || self.widened.iter().any(concerns)
            || self.receding.iter().any(|past| self.makes_room(past, id, counterpart))
    }

    /// Whether a route is the most specific one of its scope for an alias at some endpoint.
    pub(super) fn applies(&self, id: RouteId, alias: AliasId) -> bool {
        let (scope, family) = (self.after.route(id).scope, self.after.alias(alias).family);
        Endpoint::ALL.into_iter().any(|endpoint| {
            let index = self.after.index();
            let found = index.most_specific(scope, &Asked::for_alias(alias, family, endpoint));
            found.is_some_and(|(_, route)| route == id)
        })
    }

    fn makes_room(&self, past: &Receding, id: RouteId, counterpart: RouteId) -> bool {
        let (earlier, later) = (self.before.route(past.route), self.before.route(counterpart));
        precedence(self.before, past.route) < precedence(self.before, counterpart)
            && past.moved_to.is_none_or(|to| precedence(self.after, to) > precedence(self.after, id))
            && (earlier.endpoint == later.endpoint || earlier.endpoint.is_none() || later.endpoint.is_none())
            && share_models(self.before, earlier.models, later.models)
            && share_callers(self.before, earlier.scope, later.scope)
    }
}

/// The routes of the old plan that are gone, match less, or have been overtaken by a later one.
fn receding(
    before: &Plan,
    counterparts: &[Option<RouteId>],
    shrank: impl Fn(&Route) -> bool,
) -> Vec<Receding> {
    let mut places: Vec<Option<RouteId>> = vec![None; before.parts().routes.len()];
    for (place, known) in (0..).map(RouteId).zip(counterparts) {
        if let Some(known) = known {
            places[known.index()] = Some(place);
        }
    }
    let mut found = Vec::new();
    // A place in the file counts between cohorts only. From the last one up: has a later one come to stand above?
    let mut highest_later = RouteId(u32::MAX);
    let ids = (0..).map(RouteId).take(places.len());
    for (route, place) in ids.zip(places).collect::<Vec<_>>().into_iter().rev() {
        let entry = before.route(route);
        let is_overtaken = matches!(entry.scope, Scope::Cohort(_)) && place > Some(highest_later);
        match place {
            Some(_) if !shrank(entry) && !is_overtaken => {}
            Some(_) if !shrank(entry) => found.push(Receding { route, moved_to: place }),
            Some(_) | None => found.push(Receding { route, moved_to: None }),
        }
        if let (Scope::Cohort(_), Some(place)) = (entry.scope, place) {
            highest_later = highest_later.min(place);
        }
    }
    found
}

/// When a route is asked: smaller is earlier.
fn precedence(plan: &Plan, id: RouteId) -> (u8, u8, RouteId) {
    let route = plan.route(id);
    let whose = match route.scope {
        Scope::Tenant(_) => 0,
        Scope::Cohort(cohort) => match plan.cohort(cohort).members {
            CohortMembers::Tenants(_) => 1,
            CohortMembers::Buckets(_) => 2,
        },
        Scope::Everyone => 3,
    };
    (whose, shape(route.models, route.endpoint), id)
}

fn share_models(plan: &Plan, one: ModelMatch, other: ModelMatch) -> bool {
    match (one, other) {
        (ModelMatch::Any, _) | (_, ModelMatch::Any) => true,
        (ModelMatch::Alias(alias), ModelMatch::Family(family))
        | (ModelMatch::Family(family), ModelMatch::Alias(alias)) => plan.alias(alias).family == Some(family),
        (ModelMatch::Alias(_), ModelMatch::Alias(_)) | (ModelMatch::Family(_), ModelMatch::Family(_)) => {
            one == other
        }
    }
}

fn share_callers(plan: &Plan, one: Scope, other: Scope) -> bool {
    match one {
        Scope::Everyone => true,
        Scope::Tenant(tenant) => may_take(plan, other, tenant),
        Scope::Cohort(id) => match &plan.cohort(id).members {
            CohortMembers::Tenants(tenants) => tenants.iter().any(|tenant| may_take(plan, other, *tenant)),
            CohortMembers::Buckets(_) => true,
        },
    }
}

/// Whether a scope may take requests of a tenant. It is one that a route names.
fn may_take(plan: &Plan, scope: Scope, tenant: TenantId) -> bool {
    match scope {
        Scope::Tenant(id) => id == tenant,
        Scope::Cohort(id) => match &plan.cohort(id).members {
            CohortMembers::Tenants(_) => plan.index().cohorts_of(tenant).contains(&id),
            CohortMembers::Buckets(_) => true,
        },
        Scope::Everyone => true,
    }
}
