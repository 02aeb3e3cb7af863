//! Shares of tenants that no tenant falls into.
//!
//! Where the tenant's name is the key, a tenant is in or out as a whole and everybody's position is known: of
//! ten tenants at 5 %, most often none is in, and the canary that seems to run does not.

use decisions::TenantId;
use decisions::bucket::{Share, position};
use decisions::plan::{Bucketing, CohortMembers, Mode, PlanParts, Scope, StickyBy};

use crate::check::title;
use crate::code::Code;
use crate::names::quote;
use crate::share::format_share;
use crate::warn::{Budget, Whole};

pub(super) fn warn(whole: &Whole<'_>) {
    let parts = whole.plan.parts();
    let mut budget = Budget::new();
    for (cohort, entry) in parts.cohorts.iter().zip(&whole.map.cohorts) {
        let CohortMembers::Buckets(bucketing) = &cohort.members else { continue };
        let Some(entry) = &entry.bucketing else { continue };
        let subject = format!("cohort {}", quote(&cohort.name));
        let lowest = lowest_position(parts, Scope::Everyone, bucketing, &mut budget);
        report(whole, &subject, entry.share_at, bucketing, lowest);
    }
    for (route, entry) in parts.routes.iter().zip(&whole.map.routes) {
        let (Some(canary), Some(written)) = (&route.canary, &entry.canary) else { continue };
        if route.mode == Mode::Canary {
            let lowest = lowest_position(parts, route.scope, &canary.bucketing, &mut budget);
            let subject = format!("the canary of {}", title(entry));
            report(whole, &subject, written.bucketing.share_at, &canary.bucketing, lowest);
        }
    }
}

/// How many tenants there are, and the position of the first of them; nothing where somebody is in, or where
/// nobody is to be.
fn lowest_position(
    parts: &PlanParts,
    scope: Scope,
    bucketing: &Bucketing,
    budget: &mut Budget,
) -> Option<(usize, u32)> {
    let is_split = bucketing.share > Share::NONE && bucketing.share < Share::ALL;
    if !is_split || bucketing.sticky_by.first() != Some(&StickyBy::Tenant) {
        return None;
    }
    let of_cohort = match scope {
        Scope::Tenant(id) => Some(vec![id]),
        Scope::Cohort(id) => match &parts.cohorts.get(id.index())?.members {
            CohortMembers::Tenants(tenants) => Some(tenants.clone()),
            CohortMembers::Buckets(_) => None,
        },
        Scope::Everyone => None,
    };
    let tenants =
        of_cohort.unwrap_or_else(|| (0..).map(TenantId).zip(&parts.tenants).map(|(id, _)| id).collect());
    let mut lowest = None;
    for id in &tenants {
        budget.step()?;
        let at = position(&bucketing.salt, parts.tenants.get(id.index())?.name.as_bytes());
        if at < bucketing.share.ppm() {
            return None;
        }
        lowest = lowest.into_iter().chain([at]).min();
    }
    lowest.map(|lowest| (tenants.len(), lowest))
}

fn report(whole: &Whole<'_>, subject: &str, at: usize, bucketing: &Bucketing, lowest: Option<(usize, u32)>) {
    let Some((tenants, first)) = lowest.and_then(|(count, at)| Some((count, Share::from_ppm(at + 1)?)))
    else {
        return;
    };
    let (share, first) = (format_share(bucketing.share), format_share(first));
    let who = if tenants == 1 {
        "the only tenant is not".to_owned()
    } else {
        format!("none of {tenants} tenants is")
    };
    let message = format!("{subject} is for {share}, and {who} in: the first would be at {first}");
    let help = "`sticky_by` begins with `tenant`, so a tenant is in or out as a whole; a list without it \
                splits the users of each";
    whole.document.warn(Code::NobodyInShare, at, message, help);
}
