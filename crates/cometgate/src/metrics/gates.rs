//! How the gates stand and what share canaries have, for routes that are used; and wherever a target is kept out.

use decisions::gate::Rate;
use decisions::gate::words::standing;
use decisions::plan::{Plan, Route, Watched, target_of};
use decisions::{Barred, RouteId};
use proxy::{GateState, RouteGate, Snapshot};
use telemetry::{Page, names};

pub(super) fn write(page: &mut Page, snapshot: &Snapshot) {
    let plan = snapshot.plan();
    for (id, route) in plan.routes() {
        let is_used = snapshot.is_used(id);
        if route.held {
            page.write(&names::ROUTE_HELD, &[&route.name], 1);
        }
        for watched in Watched::ALL {
            if let Some(gate) = snapshot.gates().of(id, watched) {
                write_gate(page, plan, route, gate, is_used);
            }
        }
        if is_used {
            write_shares(page, snapshot, id, route);
        }
    }
}

fn write_gate(page: &mut Page, plan: &Plan, route: &Route, gate: &RouteGate, is_used: bool) {
    let watched = gate.id().watched;
    let Some((provider, _)) = target_of(route, watched) else { return };
    let (name, provider) = (route.name.as_str(), plan.provider(provider).name.as_str());
    let role = watched.as_str();
    let barred = gate.shown().0;
    if is_used || barred.is_some() {
        let state = barred.map_or("serving", Barred::as_str);
        page.write(&names::GATE_STATE, &[name, provider, role, state], 1);
    }
    if !is_used {
        return;
    }
    let state = gate.state();
    for cause in state.judged.gate.holds().iter() {
        page.write(&names::GATE_HELD, &[name, provider, role, cause.as_str()], 1);
    }
    write_evidence(page, &state, [name, provider, role]);
    if let Some(rules) = state.judged.rollout_rules {
        page.write(&names::CANARY_STEP, &[name, provider], state.judged.rollout.step() + 1);
        page.write(&names::CANARY_STEPS, &[name, provider], rules.steps().len());
    }
}

fn write_evidence(page: &mut Page, state: &GateState, [route, provider, role]: [&str; 3]) {
    let Some(rules) = state.judged.rules else { return };
    for rate in Rate::ALL.into_iter().filter(|rate| rules.judges(*rate)) {
        let known = standing(&state.judged.gate, &rules, rate);
        if known.n == 0 {
            continue;
        }
        let of = [route, provider, role, known.signal.as_str()];
        page.write(&names::GATE_EVIDENCE, &of, known.one_in);
        page.write(&names::GATE_TRIPS_AT, &of, known.trips_at);
        page.write(&names::GATE_ATTEMPTS, &of, known.n);
        page.write(&names::GATE_FAILURES, &of, known.failures);
    }
}

fn write_shares(page: &mut Page, snapshot: &Snapshot, id: RouteId, route: &Route) {
    let Some(canary) = &route.canary else { return };
    let provider = snapshot.plan().provider(canary.provider).name.as_str();
    let ratio = |ppm: u32| f64::from(ppm) / 1e6;
    let in_force = snapshot.gates().standing(id).share_of(route);
    page.write(&names::SHARE_CONFIGURED, &[&route.name, provider], ratio(canary.bucketing.share.ppm()));
    page.write(&names::SHARE_IN_FORCE, &[&route.name, provider], ratio(in_force.ppm()));
}
