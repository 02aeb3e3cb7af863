//! The decision for one request together with every rule that was tried and why it matched or not.
//!
//! The decision is the one that answers traffic, not a second opinion; the rules are read off the plan beside it, and
//! a property holds that the two agree.

use std::cmp::Reverse;

use crate::bucket::{self, Share};
use crate::decide::{Decision, decide, decide_on_route, lacking, routed_alias};
use crate::facts::Facts;
use crate::ids::{AliasId, CohortId, ProviderId, RouteId};
use crate::mirror::{NotMirrored, mirror_of};
use crate::order::Role;
use crate::plan::{
    Bucketing, CohortMembers, FeatureSet, Mirror, Mode, ModelMatch, Plan, Route, Scope, StickyBy,
};
use crate::standing::Standing;

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'p> {
    /// Every route of the plan, in the order in which it would be tried: the most specific first.
    pub tried: Vec<Tried>,
    /// How the canary of the chosen route splits its requests; `None` where no canary is in question.
    pub split: Option<Split<'p>>,
    /// What becomes of the request.
    pub decision: Decision<'p>,
    /// What becomes of it in and outside of the canary, where each request is drawn by itself: then the decision above
    /// is the one for the draw at hand, and the next request may see the other.
    pub either: Option<[Decision<'p>; 2]>,
    /// Where the chosen route sends to, and not this request, because of what it uses.
    pub unfit: Vec<Unfit>,
    /// Whether a copy of it may go to the route's canary, as far as that depends on it; why not where it may not.
    pub mirror: Result<Mirror, NotMirrored>,
}

/// A target that a request is kept from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Where.
    pub provider: ProviderId,
    /// In which role.
    pub role: Role,
    /// What the request uses and the alias does not declare there.
    pub features: FeatureSet,
}

/// A route and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The route.
    pub route: RouteId,
    /// Why it applies or not.
    pub verdict: Verdict,
}

/// Why a route applies or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Applies,
    /// It matches, and a more specific route or one further up in the file was found before.
    Later,
    /// It is for another tenant.
    OtherTenant,
    /// The tenant is not in its cohort.
    NotInCohort,
    /// The request's key falls outside the cohort's share.
    OutsideCohort(Drawn),
    /// The request carries none of the fields that the cohort is drawn by.
    NoKeyForCohort,
    /// It is for another alias.
    OtherAlias,
    /// It is for another model family.
    OtherFamily,
    /// It is for another endpoint.
    OtherEndpoint,
    /// The model is no alias, and the route names some.
    OnlyAliases,
}

/// Where a request falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// By which of its fields.
    pub by: StickyBy,
    /// 0 to 999,999.
    pub position: u32,
    /// In if the position is below it.
    pub share: Share,
}

/// How a canary splits its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split<'p> {
    /// The rule.
    pub bucketing: &'p Bucketing,
    /// Where this request falls; `None` when it carries no field of the list.
    pub drawn: Option<Drawn>,
}

/// Decides a request and says why. `gates` says what those of its route say now, as in [`decide`].
#[must_use]
pub fn explain<'p>(
    plan: &'p Plan,
    facts: &Facts<'_>,
    gates: impl Fn(RouteId) -> Standing,
) -> Explanation<'p> {
    let alias = plan.alias_named(facts.model);
    let mut order: Vec<(RouteId, &Route)> = plan.routes().collect();
    order.sort_by_key(|(id, route)| {
        (scope_rank(plan, route.scope), model_rank(route), Reverse(route.endpoint.is_some()), *id)
    });
    let mut is_found = false;
    let tried = order.into_iter().map(|(id, route)| {
        let verdict = match mismatch(plan, route, alias, facts) {
            Some(verdict) => verdict,
            None if is_found => Verdict::Later,
            None => {
                is_found = true;
                Verdict::Applies
            }
        };
        Tried { route: id, verdict }
    });
    let tried: Vec<Tried> = tried.collect();
    let route = tried.iter().find(|tried| tried.verdict == Verdict::Applies).map(|tried| tried.route);
    let route = route.map(|id| (id, gates(id)));
    let applies = route.map(|(id, standing)| (plan.route(id), standing));
    let is_split = |(route, _): &(&Route, Standing)| alias.is_some() && route.mode == Mode::Canary;
    let split = applies.filter(is_split).and_then(|(route, standing)| {
        let bucketing = &route.canary.as_ref()?.bucketing;
        let share = standing.share_or(bucketing.share);
        Some(Split { bucketing, drawn: locate(plan, bucketing, share, facts) })
    });
    let is_drawn = split.and_then(|split| split.drawn).is_some_and(|drawn| drawn.by == StickyBy::Request);
    let either = alias.filter(|_| is_drawn && routed_alias(plan, facts).is_ok()).map(|alias| {
        let side = |is_in| Some((is_in, StickyBy::Request));
        [true, false].map(|is_in| decide_on_route(plan, route, alias, facts, |_, _| side(is_in)))
    });
    let unfit = route.zip(alias).map(|((id, _), alias)| unfit(plan, plan.route(id), alias, facts));
    let decision = decide(plan, facts, &gates);
    let at_home = either.map_or(decision, |[_, outside]| outside);
    let mirror = match &at_home {
        Decision::Send(chosen) => mirror_of(plan, facts, chosen, &gates).map(|(mirror, _)| *mirror),
        Decision::Refuse(_) => Err(NotMirrored::NoMirror),
    };
    Explanation { tried, split, decision, mirror, either, unfit: unfit.unwrap_or_default() }
}

/// The targets of a route that a request is kept from because of what it uses.
fn unfit(plan: &Plan, route: &Route, alias: AliasId, facts: &Facts<'_>) -> Vec<Unfit> {
    let canary = route.canary.as_ref().filter(|_| route.mode == Mode::Canary).map(|canary| canary.provider);
    let named = [(canary, Role::Canary), (route.fallback, Role::Fallback)];
    named
        .into_iter()
        .filter_map(|(provider, role)| Some((provider?, role)))
        .filter(|(provider, _)| *provider != route.primary)
        .map(|(provider, role)| Unfit {
            provider,
            role,
            features: lacking(plan, alias, provider, facts.features),
        })
        .filter(|unfit| !unfit.features.is_empty())
        .collect()
}

fn locate(plan: &Plan, bucketing: &Bucketing, share: Share, facts: &Facts<'_>) -> Option<Drawn> {
    let (by, position) = bucket::locate(bucketing, &plan.tenant(facts.tenant).name, facts)?;
    Some(Drawn { by, position, share })
}

/// Why a route does not match; `None` when it does. What names the model is asked first: it rules most routes out.
fn mismatch(plan: &Plan, route: &Route, alias: Option<AliasId>, facts: &Facts<'_>) -> Option<Verdict> {
    match (route.models, alias) {
        (ModelMatch::Any, _) => {}
        (_, None) => return Some(Verdict::OnlyAliases),
        (ModelMatch::Alias(named), Some(alias)) if named != alias => return Some(Verdict::OtherAlias),
        (ModelMatch::Family(named), Some(alias)) if plan.alias(alias).family != Some(named) => {
            return Some(Verdict::OtherFamily);
        }
        (ModelMatch::Alias(_) | ModelMatch::Family(_), Some(_)) => {}
    }
    if route.endpoint.is_some_and(|endpoint| endpoint != facts.endpoint) {
        return Some(Verdict::OtherEndpoint);
    }
    match route.scope {
        Scope::Everyone => None,
        Scope::Tenant(tenant) => (tenant != facts.tenant).then_some(Verdict::OtherTenant),
        Scope::Cohort(cohort) => outside_cohort(plan, cohort, alias, facts),
    }
}

fn outside_cohort(
    plan: &Plan,
    cohort: CohortId,
    alias: Option<AliasId>,
    facts: &Facts<'_>,
) -> Option<Verdict> {
    match &plan.cohort(cohort).members {
        CohortMembers::Tenants(tenants) => (!tenants.contains(&facts.tenant)).then_some(Verdict::NotInCohort),
        // What is not routed by alias goes by the tenant's own primary, which no key decides.
        CohortMembers::Buckets(_) if alias.is_none() => Some(Verdict::OnlyAliases),
        CohortMembers::Buckets(bucketing) => match locate(plan, bucketing, bucketing.share, facts) {
            None => Some(Verdict::NoKeyForCohort),
            Some(drawn) if drawn.position < drawn.share.ppm() => None,
            Some(drawn) => Some(Verdict::OutsideCohort(drawn)),
        },
    }
}

/// Whose route is asked first.
fn scope_rank(plan: &Plan, scope: Scope) -> u8 {
    match scope {
        Scope::Tenant(_) => 0,
        Scope::Cohort(id) => match plan.cohort(id).members {
            CohortMembers::Tenants(_) => 1,
            CohortMembers::Buckets(_) => 2,
        },
        Scope::Everyone => 3,
    }
}

fn model_rank(route: &Route) -> u8 {
    match route.models {
        ModelMatch::Alias(_) => 0,
        ModelMatch::Family(_) => 1,
        ModelMatch::Any => 2,
    }
}
