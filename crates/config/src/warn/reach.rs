//! Routes that no request reaches, because more specific ones take everything or because nobody whom they are
//! for may use what they are for.
//!
//! A route counts as reached as soon as one request is found that may take it; most are at the first try. The
//! rest cost as much as there is in their way: each fruitless try meets a route or a rule of the file that
//! causes it.

use std::collections::HashMap;

use decisions::plan::{AllowedAliases, CohortMembers, ModelMatch, Route, Scope, UnlistedModels};
use decisions::{AliasId, Endpoint, FamilyId, RouteId, TenantId};

use crate::check::title;
use crate::code::Code;
use crate::warn::matching::{Ask, Matching};
use crate::warn::{Budget, Whole};

/// Without tenants nothing is reached at all, and that is not the routes' fault.
pub(super) fn warn(whole: &Whole<'_>, matching: &Matching<'_>) {
    let parts = whole.plan.parts();
    if parts.tenants.is_empty() {
        return;
    }
    let mut reach = Reach::new(matching);
    for ((id, route), entry) in whole.plan.routes().zip(&whole.map.routes) {
        let (message, help) = match reach.verdict(id, route) {
            Verdict::Reached => continue,
            Verdict::NotAllowed => (
                "nobody whom it is for may use what it is for",
                "see `allowed_aliases` of its tenants in the tenants file",
            ),
            Verdict::Shadowed => (
                "more specific routes take all that it is for",
                "`cometgate routes explain` shows which route a request takes",
            ),
        };
        let message = format!("no request reaches {}: {message}", title(entry));
        whole.document.warn(Code::UnreachableRoute, entry.at, message, help);
    }
}

enum Verdict {
    Reached,
    /// None of its tenants may ask for it.
    NotAllowed,
    /// Some may, and their requests go elsewhere.
    Shadowed,
}

struct Reach<'m> {
    matching: &'m Matching<'m>,
    budget: Budget,
    everyone: Vec<TenantId>,
    every_alias: Vec<AliasId>,
    families: HashMap<FamilyId, Vec<AliasId>>,
}

impl<'m> Reach<'m> {
    fn new(matching: &'m Matching<'m>) -> Reach<'m> {
        let parts = matching.parts;
        let mut families: HashMap<FamilyId, Vec<AliasId>> = HashMap::new();
        for (alias, id) in parts.aliases.iter().zip((0..).map(AliasId)) {
            if let Some(family) = alias.family {
                families.entry(family).or_default().push(id);
            }
        }
        Reach {
            matching,
            budget: Budget::new(),
            everyone: (0..).map(TenantId).zip(&parts.tenants).map(|(id, _)| id).collect(),
            every_alias: (0..).map(AliasId).zip(&parts.aliases).map(|(id, _)| id).collect(),
            families,
        }
    }

    fn verdict(&mut self, id: RouteId, route: &'m Route) -> Verdict {
        let parts = self.matching.parts;
        let everyone = std::mem::take(&mut self.everyone);
        let own;
        let tenants = match route.scope {
            Scope::Tenant(tenant) => {
                own = [tenant];
                &own[..]
            }
            Scope::Everyone => &everyone,
            Scope::Cohort(cohort) => match parts.cohorts.get(cohort.index()).map(|entry| &entry.members) {
                Some(CohortMembers::Tenants(tenants)) => tenants.as_slice(),
                Some(CohortMembers::Buckets(_)) | None => &everyone,
            },
        };
        // A cohort without tenants has a warning of its own.
        let mut verdict = if tenants.is_empty() { Verdict::Reached } else { Verdict::NotAllowed };
        for tenant in tenants {
            match self.of_tenant(*tenant, id, route) {
                Verdict::NotAllowed => {}
                Verdict::Shadowed => verdict = Verdict::Shadowed,
                Verdict::Reached => {
                    verdict = Verdict::Reached;
                    break;
                }
            }
        }
        self.everyone = everyone;
        verdict
    }

    fn of_tenant(&mut self, tenant: TenantId, id: RouteId, route: &Route) -> Verdict {
        let Some(entry) = self.matching.parts.tenants.get(tenant.index()) else { return Verdict::Reached };
        let allowed = &entry.allowed_aliases;
        if self.budget.step().is_none() || self.takes_unlisted(tenant, id, route, allowed) {
            return Verdict::Reached;
        }
        let only;
        let matched: &[AliasId] = match route.models {
            ModelMatch::Alias(alias) => {
                only = [alias];
                &only
            }
            ModelMatch::Family(family) => self.families.get(&family).map_or(&[], Vec::as_slice),
            ModelMatch::Any => match allowed {
                AllowedAliases::All => &self.every_alias,
                AllowedAliases::Only(aliases) => aliases,
            },
        };
        let mut verdict = Verdict::NotAllowed;
        for alias in matched.iter().copied() {
            if self.budget.step().is_none() {
                return Verdict::Reached;
            }
            if !allowed.allows(alias) {
                continue;
            }
            verdict = Verdict::Shadowed;
            for endpoint in Endpoint::ALL.into_iter().filter(|of| route.endpoint.is_none_or(|one| one == *of))
            {
                let ask = Ask::Alias(alias, endpoint);
                if self.matching.in_scope(route.scope, ask) == Some(id)
                    && self.matching.may_take(tenant, ask, id, &mut self.budget)
                {
                    return Verdict::Reached;
                }
            }
        }
        verdict
    }

    /// A route for every alias also names the primary for unlisted models, where those are served, and for
    /// paths that are not routed, which are served to whoever may use every alias.
    fn takes_unlisted(
        &mut self,
        tenant: TenantId,
        id: RouteId,
        route: &Route,
        allowed: &AllowedAliases,
    ) -> bool {
        if route.models != ModelMatch::Any || *allowed != AllowedAliases::All {
            return false;
        }
        let models = match self.matching.parts.unlisted_models {
            UnlistedModels::Primary => &Endpoint::ALL[..],
            UnlistedModels::Refuse => &[],
        };
        let mut asks = models.iter().copied().map(Some).chain([None]).map(Ask::Unlisted);
        let matching = self.matching;
        asks.any(|ask| matching.may_take(tenant, ask, id, &mut self.budget))
    }
}
