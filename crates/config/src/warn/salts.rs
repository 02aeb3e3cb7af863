//! Shares that look independent and are not, because they have one salt.
//!
//! Under one salt a key has one position. A canary of 5 % inside a cohort of 10 % then has half of the
//! cohort, and one beside it has nobody; two canaries have the same users as guinea pigs. Where no request
//! could be in both, or where one of the shares is nobody or everybody, there is nothing to tell.

use std::collections::{HashMap, HashSet};

use decisions::bucket::{Share, WHOLE};
use decisions::plan::{
    Bucketing, Canary, CohortMembers, Mode, ModelMatch, PlanParts, Route, Scope, StickyBy,
};
use decisions::{AliasId, CohortId, RouteId, TenantId};

use crate::check::title;
use crate::code::Code;
use crate::names::quote;
use crate::share::format_share;
use crate::warn::{Budget, Whole};

/// A salt and the field whose value is looked at first.
type Split<'w> = (&'w str, StickyBy);

/// The tenants of a cohort; nothing where it takes users of any.
type Members = Option<HashSet<TenantId>>;

pub(super) fn warn(whole: &Whole<'_>) {
    let parts = whole.plan.parts();
    let mut canaries: HashMap<Split<'_>, Vec<RouteId>> = HashMap::new();
    for (id, route) in whole.plan.routes() {
        if let Some(split) = canary_of(route).and_then(|canary| split_of(&canary.bucketing)) {
            canaries.entry(split).or_default().push(id);
        }
    }
    let mut budget = Budget::new();
    about_cohorts(whole, &canaries, &mut budget);
    if canaries.values().any(|routes| routes.len() > 1) {
        let members: Vec<Members> = parts.cohorts.iter().map(|cohort| members(&cohort.members)).collect();
        let mut groups: Vec<(&Split<'_>, &Vec<RouteId>)> = canaries.iter().collect();
        groups.sort_unstable_by_key(|(_, routes)| routes.first().copied());
        for ((salt, by), routes) in groups {
            // Each request takes one route, and draws anew.
            if *by != StickyBy::Request {
                about_canaries(whole, salt, routes, &members, &mut budget);
            }
        }
    }
}

/// The canary, where it is in use.
fn canary_of(route: &Route) -> Option<&Canary> {
    route.canary.as_ref().filter(|_| route.mode == Mode::Canary)
}

fn split_of(bucketing: &Bucketing) -> Option<Split<'_>> {
    let is_split = bucketing.share > Share::NONE && bucketing.share < Share::ALL;
    bucketing.sticky_by.first().filter(|_| is_split).map(|by| (bucketing.salt.as_str(), *by))
}

fn members(of: &CohortMembers) -> Members {
    match of {
        CohortMembers::Tenants(tenants) => Some(tenants.iter().copied().collect()),
        CohortMembers::Buckets(_) => None,
    }
}

/// A bucket cohort with the canaries of its own routes, and with those that get whom it leaves.
fn about_cohorts(whole: &Whole<'_>, canaries: &HashMap<Split<'_>, Vec<RouteId>>, budget: &mut Budget) {
    let parts = whole.plan.parts();
    for ((id, cohort), entry) in (0..).map(CohortId).zip(&parts.cohorts).zip(&whole.map.cohorts) {
        let CohortMembers::Buckets(bucketing) = &cohort.members else { continue };
        let Some(routes) = split_of(bucketing).and_then(|split| canaries.get(&split)) else { continue };
        let scope = Scope::Cohort(id);
        let own: Vec<&Route> = parts.routes.iter().filter(|route| route.scope == scope).collect();
        for route_id in routes {
            let route = whole.plan.route(*route_id);
            let (Some(canary), Some(written)) = (canary_of(route), whole.route_entry(*route_id)) else {
                continue;
            };
            let mut takes_from = false;
            if route.scope == Scope::Everyone {
                for one in &own {
                    if budget.step().is_none() {
                        return;
                    }
                    takes_from |= overlap(parts, one, route);
                }
            }
            let (of_cohort, of_canary) = (bucketing.share.ppm(), canary.bucketing.share.ppm());
            let (among, share) = if route.scope == scope {
                ("of the cohort", part(of_canary, of_cohort))
            } else if takes_from {
                (
                    "of those whom the cohort leaves",
                    part(of_canary.saturating_sub(of_cohort), WHOLE - of_cohort),
                )
            } else {
                continue;
            };
            let message = format!(
                "the canary of {} has the salt of cohort {}, {}: {share} {among} are in the canary, not {}",
                title(written),
                quote(&cohort.name),
                quote(&bucketing.salt),
                format_share(canary.bucketing.share),
            );
            let at = written.canary.as_ref().map_or(written.at, |canary| {
                canary.bucketing.salt.as_ref().map_or(canary.bucketing.share_at, |salt| salt.at)
            });
            let help =
                "a share counts from the same end under the same salt; give one of the two another `salt`";
            let beside = (entry.name.at, "the cohort");
            whole.document.warn_beside(Code::CorrelatedSalt, at, beside, message, help);
        }
    }
}

/// One share as a part of another, as it is written.
fn part(of: u32, whole: u32) -> String {
    let ppm = (u64::from(of) * u64::from(WHOLE)).checked_div(u64::from(whole)).unwrap_or(0);
    let share = u32::try_from(ppm).ok().and_then(Share::from_ppm).unwrap_or(Share::ALL);
    format_share(share)
}

/// Canaries of one salt, each with the first before it that has the same users.
fn about_canaries(
    whole: &Whole<'_>,
    salt: &str,
    routes: &[RouteId],
    members: &[Members],
    budget: &mut Budget,
) {
    for (at, later) in routes.iter().enumerate() {
        let route = whole.plan.route(*later);
        let mut first = None;
        for earlier in routes.iter().take(at) {
            if budget.step().is_none() {
                return;
            }
            if have_users_in_common(whole.plan.route(*earlier), route, members) {
                first = Some(*earlier);
                break;
            }
        }
        let Some((first, written)) =
            first.and_then(|id| whole.route_entry(id)).zip(whole.route_entry(*later))
        else {
            continue;
        };
        let place = |entry: &crate::route_entry::RouteEntry| {
            let bucketing = entry.canary.as_ref().map(|canary| &canary.bucketing);
            bucketing.map_or(entry.at, |of| of.salt.as_ref().map_or(of.share_at, |salt| salt.at))
        };
        let message = format!(
            "{} and {} (line {}) have one salt, {}: the same users are in both canaries",
            title(written),
            title(first),
            whole.document.line(first.at),
            quote(salt)
        );
        let help = "without `salt` each route has its own, and others try things first; keep it if the same \
                    users are meant";
        let beside = (place(first), "the other one");
        whole.document.warn_beside(Code::CorrelatedSalt, place(written), beside, message, help);
    }
}

/// Whether one user can come to both. Of two routes for the same models and endpoint the more specific one
/// has a user for itself; the users of one tenant are not those of another.
fn have_users_in_common(one: &Route, other: &Route, members: &[Members]) -> bool {
    if (one.models, one.endpoint) == (other.models, other.endpoint) {
        return false;
    }
    let of = |cohort: CohortId| members.get(cohort.index()).and_then(Option::as_ref);
    match (one.scope, other.scope) {
        (Scope::Tenant(a), Scope::Tenant(b)) => a == b,
        (Scope::Tenant(tenant), Scope::Cohort(cohort)) | (Scope::Cohort(cohort), Scope::Tenant(tenant)) => {
            of(cohort).is_none_or(|tenants| tenants.contains(&tenant))
        }
        (Scope::Cohort(a), Scope::Cohort(b)) => match (of(a), of(b)) {
            (Some(a), Some(b)) => !a.is_disjoint(b),
            (Some(_) | None, _) => true,
        },
        (Scope::Everyone, _) | (_, Scope::Everyone) => true,
    }
}

/// Whether some request is for both.
fn overlap(parts: &PlanParts, one: &Route, other: &Route) -> bool {
    let family = |alias: AliasId| parts.aliases.get(alias.index()).and_then(|alias| alias.family);
    let models = match (one.models, other.models) {
        (ModelMatch::Any, _) | (_, ModelMatch::Any) => true,
        (ModelMatch::Alias(a), ModelMatch::Alias(b)) => a == b,
        (ModelMatch::Family(a), ModelMatch::Family(b)) => a == b,
        (ModelMatch::Alias(alias), ModelMatch::Family(named))
        | (ModelMatch::Family(named), ModelMatch::Alias(alias)) => family(alias) == Some(named),
    };
    models && (one.endpoint.is_none() || other.endpoint.is_none() || one.endpoint == other.endpoint)
}
