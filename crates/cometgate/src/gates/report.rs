//! How the gates of a running gateway stand, as JSON: the one source of `cometgate status` and of the admin listener.

use decisions::plan::Watched;
use decisions::{Role, RouteId};
use jiff::Timestamp;
use proxy::Snapshot;
use serde_json::{Value, json};

use crate::gates::keeper::Keeper;
use crate::gates::report_target::{breaker, report_target};

/// All routes that have a canary or a fallback, or the one of this name; `None` where there is no such route.
pub(crate) fn report(snapshot: &Snapshot, keeper: &Keeper, only: Option<&str>) -> Option<Value> {
    let plan = snapshot.plan();
    let meant: Vec<RouteId> = match only {
        Some(name) => vec![plan.route_named(name)?.0],
        None => plan.routes().map(|(id, _)| id).collect(),
    };
    let routes: Vec<Value> =
        meant.into_iter().filter_map(|id| report_route(snapshot, keeper, id, only.is_some())).collect();
    let map = keeper.map();
    Some(json!({
        "at": Timestamp::now().to_string(),
        "route_version": map.route_version,
        "routes_sha256": map.routes_sha256,
        "gates_are_kept": keeper.is_usable(),
        "not_recorded_because": keeper.unrecorded(),
        "routes": routes,
    }))
}

fn report_route(snapshot: &Snapshot, keeper: &Keeper, id: RouteId, is_asked_for: bool) -> Option<Value> {
    let route = snapshot.plan().route(id);
    let targets: Vec<Value> = Watched::ALL
        .into_iter()
        .filter_map(|watched| report_target(snapshot, keeper, id, snapshot.gates().of(id, watched)?))
        .collect();
    if targets.is_empty() && !is_asked_for {
        return None;
    }
    Some(json!({
        "route": route.name,
        "mode": route.mode.as_str(),
        "held_by_map": route.held,
        "primary": snapshot.plan().provider(route.primary).name,
        "primary_in_flight": primary_in_flight(snapshot, id),
        "primary_breaker": breaker(snapshot, keeper, id, Role::Primary),
        "targets": targets,
        "recent": keeper.recent(&route.name),
    }))
}

/// Attempts that are under way there.
fn primary_in_flight(snapshot: &Snapshot, id: RouteId) -> Option<u64> {
    let gate = Watched::ALL.into_iter().find_map(|watched| snapshot.gates().of(id, watched))?;
    Some(gate.prior().counts().under_way())
}
