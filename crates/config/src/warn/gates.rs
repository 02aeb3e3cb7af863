//! Gates and steps that change nothing: nothing to watch, no step to take, a wait that is shorter than another one.

use decisions::TenantId;
use decisions::bucket::Share;
use decisions::plan::{CohortMembers, Scope};

use crate::check::title;
use crate::code::Code;
use crate::route_entry::{CanaryEntry, RouteEntry};
use crate::share::format_share;
use crate::warn::Whole;

pub(super) fn warn(whole: &Whole<'_>) {
    for (at, entry) in whole.map.routes.iter().enumerate() {
        about_nothing_to_watch(whole, entry);
        about_generations(whole, entry);
        about_mirror(whole, at, entry);
        let Some(canary) = &entry.canary else { continue };
        if canary.steps.steps.is_none() {
            about_no_steps(whole, entry, canary);
        } else {
            about_dwell(whole, entry, canary);
            about_one_step(whole, entry, canary);
            about_tenants(whole, at, canary);
        }
    }
}

fn about_nothing_to_watch(whole: &Whole<'_>, entry: &RouteEntry) {
    let Some(gates) = entry.gates.filter(|_| entry.canary.is_none() && entry.fallback.is_none()) else {
        return;
    };
    let message = format!("these gates watch nothing: {} has one target", title(entry));
    let help = "it needs a `[routes.canary]` or a `fallback_provider`";
    whole.document.warn(Code::NothingToGate, gates.at, message, help);
}

fn about_generations(whole: &Whole<'_>, entry: &RouteEntry) {
    let Some(at) = entry.fallback_generation.at else { return };
    let of_canary = entry.canary.as_ref().and_then(|canary| canary.provider.as_ref());
    let (why, help) = match (&entry.fallback, of_canary) {
        (None, _) => ("has no fallback", "it needs a `fallback_provider`"),
        (Some(fallback), Some(canary)) if fallback.text == canary.text => {
            ("falls back to its canary's provider", "raise the canary's `generation`: it counts for both")
        }
        (Some(_), _) => return,
    };
    let message = format!("this `fallback_generation` never counts: {} {why}", title(entry));
    whole.document.warn(Code::GenerationNeverCounts, at, message, help);
}

/// Whoever a route is for is known where it names tenants; of all others somebody may have agreed.
fn about_mirror(whole: &Whole<'_>, at: usize, entry: &RouteEntry) {
    let parts = whole.plan.parts();
    let (Some(mirror), Some(route)) = (entry.mirror, parts.routes.get(at)) else { return };
    let allows = |id: &TenantId| whole.plan.tenant(*id).allow_mirror;
    let nobody = match route.scope {
        Scope::Tenant(id) => !allows(&id),
        Scope::Cohort(id) => match &whole.plan.cohort(id).members {
            CohortMembers::Tenants(tenants) => !tenants.iter().any(allows),
            CohortMembers::Buckets(_) => !parts.tenants.iter().any(|tenant| tenant.allow_mirror),
        },
        Scope::Everyone => !parts.tenants.iter().any(|tenant| tenant.allow_mirror),
    };
    if nobody {
        let message = format!("nothing is copied: no tenant of {} has agreed to it", title(entry));
        let help = "`allow_mirror = true` says so, in `tenants.toml`";
        whole.document.warn(Code::NothingMirrored, mirror.at, message, help);
    }
}

fn about_no_steps(whole: &Whole<'_>, entry: &RouteEntry, canary: &CanaryEntry) {
    let given = [("dwell_ms", canary.steps.dwell_ms.at), ("step_needs", canary.steps.needs_at)];
    for (field, at) in given.into_iter().filter_map(|(field, at)| Some((field, at?))) {
        let message = format!("`{field}` changes nothing: the canary of {} has no `steps`", title(entry));
        let help = "add them, as in steps = [\"1%\", \"5%\", \"25%\", \"100%\"], or take the field out";
        whole.document.warn(Code::NoSteps, at, message, help);
    }
}

fn about_dwell(whole: &Whole<'_>, entry: &RouteEntry, canary: &CanaryEntry) {
    let dwell = canary.steps.dwell_ms;
    let twice = entry.attempts.timeout.as_millis() * 2;
    let Some(at) = dwell.at.filter(|_| u128::from(dwell.value) < twice) else { return };
    let message = format!(
        "this `dwell_ms` never counts: the canary stays at a share for {twice} ms, which is twice the route's `timeout_ms`"
    );
    whole.document.warn(Code::DwellNeverCounts, at, message, "raise it, or lower the route's `timeout_ms`");
}

/// A share of nothing is how a canary is switched off, and needs no word.
fn about_one_step(whole: &Whole<'_>, entry: &RouteEntry, canary: &CanaryEntry) {
    let Some(steps) = &canary.steps.steps else { return };
    let Some(first) = steps.value.first() else { return };
    let share = canary.bucketing.share.filter(|share| *share <= *first);
    let (at, message) = match (share, steps.at) {
        (Some(Share::NONE), _) => return,
        (Some(share), _) => {
            let share = format_share(share);
            let message = format!(
                "the canary of {} never climbs: its `share` keeps it at {share}, its first step",
                title(entry)
            );
            (canary.bucketing.share_at, message)
        }
        (None, Some(at)) if steps.value.len() == 1 => {
            (at, format!("the canary of {} never climbs: it has one step", title(entry)))
        }
        (None, _) => return,
    };
    let help = "beside `steps`, `share` is the most that the canary may climb to; leave it out to climb to the last step";
    let help = if share.is_some() { help } else { "add the next ones, or write it as `share`" };
    whole.document.warn(Code::StepNeverTaken, at, message, help);
}

fn about_tenants(whole: &Whole<'_>, at: usize, canary: &CanaryEntry) {
    let parts = whole.plan.parts();
    let Some((needed, route)) = canary.steps.tenants.zip(parts.routes.get(at)) else { return };
    let members = |id: decisions::CohortId| parts.cohorts.get(id.index()).map(|cohort| &cohort.members);
    let possible = match route.scope {
        Scope::Tenant(_) => 1,
        Scope::Cohort(id) => match members(id) {
            Some(CohortMembers::Tenants(tenants)) => tenants.len(),
            Some(CohortMembers::Buckets(_)) | None => parts.tenants.len(),
        },
        Scope::Everyone => parts.tenants.len(),
    };
    if let Some(at) = needed.at.filter(|_| needed.value as usize > possible) {
        let message = format!(
            "no step is ever taken: each needs {} tenants, and the route is for {possible}",
            needed.value
        );
        let help = "lower `tenants`; without it a step needs three, or all that there are";
        whole.document.warn(Code::StepNeverTaken, at, message, help);
    }
}
