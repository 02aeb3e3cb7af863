//! Which routes can apply to what a tenant asks for, over every request that it might send.
//!
//! `decisions::route` answers for one request. Here the request's sticky key is unknown, so a bucket cohort
//! is either certain to have it or merely may have it; routes are only ever ruled out where that is certain.

use std::collections::HashMap;

use decisions::bucket::{self, Share};
use decisions::plan::{Bucketing, CohortMembers, ModelMatch, PlanParts, Scope, StickyBy};
use decisions::{AliasId, CohortId, Endpoint, RouteId, TenantId};

use crate::warn::Budget;

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// An alias.
    Alias(AliasId, Endpoint),
    /// A model that no alias lists, or with `None` a path that is not routed.
    Unlisted(Option<Endpoint>),
}

/// How specific a match is within a scope, then the order of the file: the least is taken.
type Ranked = (usize, RouteId);

/// The routes by what they match.
pub(super) struct Matching<'p> {
    pub(super) parts: &'p PlanParts,
    routes: HashMap<(Scope, ModelMatch, Option<Endpoint>), RouteId>,
    cohorts_of: Vec<Vec<CohortId>>,
    buckets: Vec<(CohortId, &'p Bucketing)>,
}

impl<'p> Matching<'p> {
    pub(super) fn new(parts: &'p PlanParts) -> Matching<'p> {
        let ids = (0..).map(RouteId);
        let routes: HashMap<_, _> = parts
            .routes
            .iter()
            .zip(ids)
            .map(|(route, id)| ((route.scope, route.models, route.endpoint), id))
            .collect();
        let routed: std::collections::HashSet<Scope> = parts.routes.iter().map(|route| route.scope).collect();
        let mut cohorts_of = vec![Vec::new(); parts.tenants.len()];
        let mut buckets = Vec::new();
        for (cohort, id) in parts.cohorts.iter().zip((0..).map(CohortId)) {
            match &cohort.members {
                _ if !routed.contains(&Scope::Cohort(id)) => {}
                CohortMembers::Tenants(tenants) => {
                    for tenant in tenants {
                        cohorts_of.get_mut(tenant.index()).into_iter().for_each(|of| of.push(id));
                    }
                }
                CohortMembers::Buckets(bucketing) => buckets.push((id, bucketing)),
            }
        }
        Matching { parts, routes, cohorts_of, buckets }
    }

    /// The most specific route of one scope.
    pub(super) fn in_scope(&self, scope: Scope, ask: Ask) -> Option<RouteId> {
        self.ranked(scope, ask).map(|(_, route)| route)
    }

    fn ranked(&self, scope: Scope, ask: Ask) -> Option<Ranked> {
        let (models, endpoint) = match ask {
            Ask::Alias(alias, endpoint) => {
                let family = self.parts.aliases.get(alias.index()).and_then(|alias| alias.family);
                ([Some(ModelMatch::Alias(alias)), family.map(ModelMatch::Family)], Some(endpoint))
            }
            Ask::Unlisted(endpoint) => ([None, None], endpoint),
        };
        let ways = models.into_iter().chain([Some(ModelMatch::Any)]).enumerate();
        ways.filter_map(|(rank, models)| Some((rank, models?))).find_map(|(rank, models)| {
            let find = |endpoint| self.routes.get(&(scope, models, endpoint)).copied();
            let of_endpoint = endpoint.and_then(|endpoint| find(Some(endpoint)));
            let of_endpoint = of_endpoint.map(|route| (2 * rank, route));
            of_endpoint.or_else(|| find(None).map(|route| (2 * rank + 1, route)))
        })
    }

    /// Whether some request of a tenant for this may take the route; yes when the search would take too long.
    pub(super) fn may_take(&self, tenant: TenantId, ask: Ask, route: RouteId, budget: &mut Budget) -> bool {
        let Some(first) = self.of_tenant(tenant, ask, budget) else { return true };
        if let Some(certain) = first {
            return certain == route;
        }
        let Ask::Alias(..) = ask else {
            return self.in_scope(Scope::Everyone, ask) == Some(route);
        };
        let of_everyone = self.in_scope(Scope::Everyone, ask) == Some(route);
        let own = self.buckets.iter().find_map(|(id, bucketing)| {
            let ranked = self.ranked(Scope::Cohort(*id), ask)?;
            (ranked.1 == route).then_some((ranked, *bucketing))
        });
        if own.is_none() && !of_everyone {
            return false;
        }
        for (id, other) in &self.buckets {
            if budget.step().is_none() {
                return true;
            }
            let Some(ranked) = self.ranked(Scope::Cohort(*id), ask) else { continue };
            let takes_all = match own {
                Some((own, bucketing)) => {
                    ranked < own && (has_all_of(other, bucketing) || self.has_tenant(other, tenant))
                }
                None => self.has_tenant(other, tenant),
            };
            if takes_all {
                return false;
            }
        }
        true
    }

    /// The route that is the tenant's own or its cohorts'; nothing when the budget is spent.
    fn of_tenant(&self, tenant: TenantId, ask: Ask, budget: &mut Budget) -> Option<Option<RouteId>> {
        budget.step()?;
        if let Some(own) = self.in_scope(Scope::Tenant(tenant), ask) {
            return Some(Some(own));
        }
        let mut best: Option<Ranked> = None;
        for cohort in self.cohorts_of.get(tenant.index()).map_or(&[][..], Vec::as_slice) {
            budget.step()?;
            best = self.ranked(Scope::Cohort(*cohort), ask).into_iter().chain(best).min();
        }
        Some(best.map(|(_, route)| route))
    }

    /// Whether every request of a tenant is in.
    fn has_tenant(&self, bucketing: &Bucketing, tenant: TenantId) -> bool {
        let by_name = bucketing.sticky_by.first() == Some(&StickyBy::Tenant);
        let is_in = |name: &str| bucket::contains(bucketing.share, &bucketing.salt, name.as_bytes());
        has_everyone(bucketing)
            || by_name && self.parts.tenants.get(tenant.index()).is_some_and(|entry| is_in(&entry.name))
    }
}

/// Every request has a tenant and can be drawn for; other fields may be missing.
fn has_everyone(bucketing: &Bucketing) -> bool {
    let always = |by: &StickyBy| matches!(by, StickyBy::Tenant | StickyBy::Request);
    bucketing.share == Share::ALL && bucketing.sticky_by.iter().any(always)
}

/// Whether whoever is in `one` is in `all` too: the same key is at the same position, under a share as large.
fn has_all_of(all: &Bucketing, one: &Bucketing) -> bool {
    let is_same_key = all.sticky_by == one.sticky_by;
    let is_same_place = all.salt == one.salt && all.share >= one.share || all.share == Share::ALL;
    is_same_key && is_same_place
}
