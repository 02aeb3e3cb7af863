//! How one target stands: what it gets, how sure its gate is, what would trip it, and what holds it.

use decisions::attempts::breaker::State;
use decisions::bucket::Share;
use decisions::gate::words::{Sureness, standing};
use decisions::gate::{self, GateRules, Rate};
use decisions::plan::{Mirror, Mode, ModelMatch, Plan, Route, Watched, target_of};
use decisions::{Barred, ProviderId, Role, RouteId};
use proxy::{GateState, RouteGate, Snapshot};
use serde_json::{Value, json};

use crate::gates::files::gate_name;
use crate::gates::keeper::{Keeper, lock};

/// `None` where the route has no such target, which no gate that it has is of.
pub(super) fn report_target(
    snapshot: &Snapshot,
    keeper: &Keeper,
    id: RouteId,
    gate: &RouteGate,
) -> Option<Value> {
    let plan = snapshot.plan();
    let route = plan.route(id);
    let watched = gate.id().watched;
    let (provider, generation) = target_of(route, watched)?;
    let state = gate.state();
    let (phase, why) = phase(route, watched, &state, provider, snapshot, id);
    let is_canary = watched == Watched::Canary;
    let configured = route.canary.as_ref().filter(|_| is_canary).map(|canary| canary.bucketing.share.ppm());
    let in_force = snapshot.gates().standing(id).share_of(route);
    Some(json!({
        "target": watched.as_str(),
        "provider": plan.provider(provider).name,
        "model_id": model_id(plan, route, provider),
        "generation": generation,
        "identity": gate.id().identity.to_string(),
        "phase": phase,
        "phase_why": why,
        "configured_share_ppm": configured,
        "share_ppm": is_canary.then(|| in_force.ppm()),
        "observed": observed(keeper, gate, is_canary),
        "in_flight": gate.tally().counts().under_way(),
        "breaker": breaker(snapshot, keeper, id, if is_canary { Role::Canary } else { Role::Fallback }),
        "mode": state.judged.rules.map_or("off", |rules| match rules.settings().mode {
            gate::Mode::Act => "act",
            gate::Mode::Observe => "observe",
        }),
        "holds": state.judged.gate.holds().iter().map(|cause| cause.as_str()).collect::<Vec<_>>(),
        "signals": state.judged.rules.map(|rules| signals(&state, &rules)).unwrap_or_default(),
        "copies": route.mirror.filter(|_| is_canary).map(|mirror| copies(gate, &mirror)),
        "step": step(&state),
        "proof": (phase == "latched").then(|| proof(keeper, gate)),
        "latch": (phase == "latched").then(|| keeper.latch(gate.id())),
        "sequence": state.sequence,
    }))
}

/// How the proof of its rollback stands, or stood when a gateway last ran here.
fn proof(keeper: &Keeper, gate: &RouteGate) -> Option<Value> {
    keeper.watcher.proof(gate.id()).or_else(|| lock(&keeper.recent).proof(&gate_name(gate.id())))
}

/// What came to it in about the last minute: the share of requests that began there, and of how many.
fn observed(keeper: &Keeper, gate: &RouteGate, is_canary: bool) -> Option<Value> {
    let seen = keeper.watcher.last_minute(gate)?;
    let all = seen.there + seen.home;
    let share = seen.there.saturating_mul(1_000_000).checked_div(all).filter(|_| is_canary);
    Some(json!({ "requests": seen.there, "of": all, "share_ppm": share, "within_ms": seen.at_ms }))
}

/// Whether a target's breaker lets attempts through, in a word.
pub(super) fn breaker(snapshot: &Snapshot, keeper: &Keeper, id: RouteId, role: Role) -> &'static str {
    match snapshot.breaker(id, role, keeper.watcher.now_ms()) {
        State::Closed => "closed",
        State::Open { .. } => "open",
        State::HalfOpen => "half_open",
    }
}

/// What the provider calls the model, where the route is for one alias.
pub(super) fn model_id<'p>(plan: &'p Plan, route: &Route, provider: ProviderId) -> Option<&'p str> {
    let ModelMatch::Alias(alias) = route.models else { return None };
    plan.alias(alias).model_ids.get(provider.index())?.as_deref()
}

/// Whether it may have traffic, and if not, why.
fn phase(
    route: &Route,
    watched: Watched,
    state: &GateState,
    provider: ProviderId,
    snapshot: &Snapshot,
    id: RouteId,
) -> (&'static str, Option<&'static str>) {
    match state.barred().max(snapshot.gates().standing(id).bars(route, provider)) {
        Some(Barred::Latched) => {
            ("latched", Some("rolled back for good; only a raised `generation` reopens it"))
        }
        Some(Barred::Suspended) => ("suspended", Some("out of traffic while its primary is looked at")),
        Some(Barred::Unusable) if state.is_damaged => {
            ("off", Some("what was kept of its gate cannot be read; the gateway's log says which file"))
        }
        Some(Barred::Unusable) => {
            ("off", Some("its gate cannot be kept: the state directory cannot be written"))
        }
        None if route.held => ("off", Some("the map is held: its way back is not proven")),
        None if watched == Watched::Canary && route.mode != Mode::Canary => {
            ("off", Some("the route's mode sends it nothing"))
        }
        None if watched == Watched::Canary && has_no_share(route) => ("off", Some("its share is nothing")),
        None => ("serving", None),
    }
}

fn has_no_share(route: &Route) -> bool {
    route.canary.as_ref().is_none_or(|canary| canary.bucketing.share == Share::NONE)
}

fn signals(state: &GateState, rules: &GateRules) -> Vec<Value> {
    Rate::ALL
        .into_iter()
        .filter(|rate| rules.judges(*rate))
        .map(|rate| {
            let known = standing(&state.judged.gate, rules, rate);
            json!({
                "signal": known.signal.as_str(),
                "how_sure": known.sureness.as_str(),
                "is_quiet": known.sureness == Sureness::NoSign,
                "one_in": known.one_in,
                "trips_at": known.trips_at,
                "limit": rules.limit(rate),
                "failures_to_trip": known.failures_to_trip,
                "attempts": known.n,
                "failures": known.failures,
            })
        })
        .collect()
}

/// What became of copies of requests since the gateway was started.
fn copies(gate: &RouteGate, mirror: &Mirror) -> Value {
    let counts = gate.copies();
    json!({
        "share_ppm": mirror.share.ppm(),
        "under_way": counts.under_way,
        "good": counts.good,
        "failed": counts.failed,
        "other": counts.other,
    })
}

fn step(state: &GateState) -> Option<Value> {
    let rules = state.judged.rollout_rules.as_ref()?;
    let rollout = &state.judged.rollout;
    let missing = rollout.missing(rules, &state.judged.gate);
    Some(json!({
        "at": rollout.step() + 1,
        "of": rules.steps().len(),
        "shares_ppm": rules.steps(),
        "missing": missing.iter().map(|requirement| requirement.as_str()).collect::<Vec<_>>(),
        "good_attempts_to_go": rollout.good_to_go(rules),
    }))
}
