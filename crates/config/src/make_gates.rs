//! What is written of gates and steps as the rules that the gateway runs by, route for route.

use decisions::bucket::Share;
use decisions::gate::Tenants;
use decisions::plan::{Alias, CohortMembers, FeatureSet, Gates, ModelMatch, Scope};
use decisions::rollout::{RolloutRules, RolloutSettings};

use crate::gates_entry::{GatesEntry, fraction};
use crate::map_file::MapFile;
use crate::resolve::{Resolved, RouteRefs};
use crate::route_entry::{CanaryEntry, RouteEntry};
use crate::steps_entry::usual;

/// What holds of gates on a route: its own fields, the map's, the defaults.
pub(crate) fn gates_entry(map: &MapFile, entry: &RouteEntry) -> GatesEntry {
    let of_map = map.gates.unwrap_or_default();
    entry.gates.map_or(of_map, |own| own.or(of_map))
}

/// The gates of a route's targets.
pub(crate) fn make_gates(map: &MapFile, resolved: &Resolved, entry: &RouteEntry, refs: &RouteRefs) -> Gates {
    let written = gates_entry(map, entry);
    let tenants = if named_tenants(resolved, refs) == Some(1) { Tenants::Single } else { Tenants::Several };
    let canary = entry.canary.as_ref();
    Gates {
        canary: canary.and_then(|_| written.of_canary(tenants)),
        fallback: refs.fallback.and_then(|_| written.of_fallback()),
        rollout: canary.and_then(|canary| rollout(resolved, entry, refs, canary, written)),
    }
}

fn rollout(
    resolved: &Resolved,
    entry: &RouteEntry,
    refs: &RouteRefs,
    canary: &CanaryEntry,
    gates: GatesEntry,
) -> Option<RolloutRules> {
    let (needs, usual) = (&canary.steps, usual());
    let steps: Vec<u32> = steps_in_force(canary)?.into_iter().map(Share::ppm).collect();
    let limit = needs.failures.or(gates.hard_failure_ppm().and_then(Share::from_ppm));
    let settings = RolloutSettings {
        mode: gates.mode()?,
        dwell_ms: needs.dwell_ms.value,
        timeout_ms: u64::try_from(entry.attempts.timeout.as_millis()).unwrap_or(u64::MAX),
        features: features(resolved, refs).bits(),
        times_each_feature: needs.times_each_feature,
        tenants: needs.tenants.map_or_else(|| usual_tenants(resolved, refs), |tenants| tenants.value),
        checks: needs.checks,
        limit: limit.map_or(usual.limit, fraction),
        false_promotions: needs.false_promotions.map_or(usual.false_promotions, fraction),
    };
    RolloutRules::new(settings, &steps).ok()
}

/// The steps up to the `share` that is written beside them, which ends them; nothing where there are none, or the share is
/// nothing.
pub(crate) fn steps_in_force(canary: &CanaryEntry) -> Option<Vec<Share>> {
    let steps = &canary.steps.steps.as_ref()?.value;
    let most = canary.bucketing.share.or(steps.last().copied())?;
    let mut in_force: Vec<Share> = steps.iter().copied().filter(|step| *step < most).collect();
    // A share beyond the last step adds none.
    in_force.extend(steps.iter().copied().find(|step| *step >= most).map(|_| most));
    Some(in_force).filter(|steps| steps.iter().all(|step| *step > Share::NONE))
}

/// What the canary begins with.
pub(crate) fn first_share(canary: &CanaryEntry) -> Option<Share> {
    if canary.steps.steps.is_none() {
        return canary.bucketing.share;
    }
    let first = steps_in_force(canary).and_then(|steps| steps.first().copied());
    Some(first.unwrap_or(Share::NONE))
}

/// What the users of a route's aliases may ask of the canary.
fn features(resolved: &Resolved, refs: &RouteRefs) -> FeatureSet {
    let all = (0..).zip(&resolved.aliases);
    let is_meant = |(id, alias): &(u32, &Alias)| match refs.models {
        Some(ModelMatch::Alias(named)) => named.0 == *id,
        Some(ModelMatch::Family(family)) => alias.family == Some(family),
        Some(ModelMatch::Any) => true,
        None => false,
    };
    let at_canary = |alias: &Alias| refs.canary.and_then(|canary| alias.enabled_features.at(canary));
    let features = all.filter(is_meant).filter_map(|(_, alias)| at_canary(alias));
    features.fold(FeatureSet::default(), FeatureSet::union)
}

/// How many tenants a route names; `None` where it is for whoever comes.
fn named_tenants(resolved: &Resolved, refs: &RouteRefs) -> Option<usize> {
    match refs.scope? {
        Scope::Tenant(_) => Some(1),
        Scope::Cohort(id) => match &resolved.cohorts.get(id.index())?.members {
            CohortMembers::Tenants(tenants) => Some(tenants.len()),
            CohortMembers::Buckets(_) => None,
        },
        Scope::Everyone => None,
    }
}

/// How many tenants can come to a route at all.
fn possible_tenants(resolved: &Resolved, refs: &RouteRefs) -> usize {
    named_tenants(resolved, refs).unwrap_or(resolved.tenants.len())
}

/// Three, or all that there are.
fn usual_tenants(resolved: &Resolved, refs: &RouteRefs) -> u32 {
    let possible = u32::try_from(possible_tenants(resolved, refs)).unwrap_or(u32::MAX);
    usual().tenants.min(possible).max(1)
}
