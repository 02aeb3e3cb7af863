//! Decisions as the records of the store: each number where it belongs, and what is not known left out.
//!
//! A replay makes the same records of what it has reproduced, so every number that a verdict brings is compared.

use decisions::gate::{Action, Decision, Reason, Signal, Verdict};
use decisions::plan::{Check as RolloutCheck, Feature as AliasFeature};
use decisions::rollout::{RolloutRules, StepVerdict};
use evidence::{
    Acts, Check, CheckState, Digest, Entry, Exact, Feature, GateAction, GateDecision, Moment, Name,
    OperatorAction, OperatorVerb, RollbackDecision, Scope, StepDecision,
};
use proxy::GateId;
use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::gates::facts::MapFacts;
use crate::gates::files::gate_name;

/// Who told a gate what to do, and why.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Operator {
    pub(crate) by: String,
    pub(crate) reason: String,
    /// The rollback decision, as far as its questions were answered (runbook 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<RollbackDecision>,
}

/// All that a record says and no verdict knows: when, where and under which map it was decided.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    ts: Moment,
    check_id: Name,
    route_version: Name,
    rollback_route_version: Option<Name>,
    target: Name,
    replica: Name,
    config_sha256: Digest,
    share_ppm: Option<u32>,
    gate: Option<Name>,
    run: Option<Name>,
    event: Option<u64>,
}

/// Where a gate's log has what led to a decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct InLog {
    pub(super) run: u64,
    /// `None` where the log could not take it.
    pub(super) event: Option<u64>,
}

impl Place {
    /// Of a decision that is made now; `share_ppm` is the canary's share in force.
    pub(super) fn now(
        map: &MapFacts,
        id: &GateId,
        log: InLog,
        replica: &str,
        share_ppm: Option<u32>,
    ) -> Place {
        let (ts, gate) = (now(), gate_name(id));
        let run = run_name(log.run);
        let number = log.event.map_or_else(|| format!("at-{}", ts.ms()), |event| event.to_string());
        Place {
            ts,
            check_id: format!("{gate}.{run}.{number}").into(),
            route_version: map.route_version.as_str().into(),
            rollback_route_version: map.rollback_route_version.as_deref().map(Name::from),
            target: target_name(map, id),
            replica: replica.into(),
            config_sha256: map.routes_sha256,
            share_ppm,
            gate: Some(gate.into()),
            run: Some(run.into()),
            event: log.event,
        }
    }

    pub(crate) fn of(decision: &GateDecision) -> Place {
        Place {
            ts: decision.ts,
            check_id: decision.check_id.clone(),
            route_version: decision.route_version.clone(),
            rollback_route_version: decision.rollback_route_version.clone(),
            target: decision.target.clone(),
            replica: decision.replica.clone(),
            config_sha256: decision.config_sha256,
            share_ppm: decision.share_ppm,
            gate: decision.gate.clone(),
            run: decision.run.clone(),
            event: decision.event,
        }
    }

    pub(crate) fn of_step(step: &StepDecision) -> Place {
        Place {
            ts: step.ts,
            check_id: step.check_id.clone(),
            route_version: step.route_version.clone(),
            rollback_route_version: None,
            target: step.target.clone(),
            replica: Name::default(),
            config_sha256: step.config_sha256,
            share_ppm: None,
            gate: step.gate.clone(),
            run: step.run.clone(),
            event: step.event,
        }
    }
}

/// A run of a gate's log, as records name it.
pub(crate) fn run_name(run: u64) -> String {
    format!("{run:016x}")
}

/// A record of something about a route under the map in force.
pub(super) fn entry(map: &MapFacts, route: &str, by: &str, body: impl Into<evidence::Body>) -> Entry {
    Entry {
        at: now(),
        route: Some(route.into()),
        route_version: Some(map.route_version.as_str().into()),
        map_sha256: Some(map.routes_sha256),
        by: by.into(),
        body: body.into(),
    }
}

/// A verdict with every number that it was made of.
pub(crate) fn gate_decision(place: Place, verdict: &Verdict) -> GateDecision {
    let clock_ms = i64::try_from(verdict.at_ms).unwrap_or(i64::MAX);
    GateDecision {
        ts: place.ts,
        check_id: place.check_id,
        route_version: place.route_version,
        rollback_route_version: place.rollback_route_version,
        target: place.target,
        signal: verdict.signal.map(Signal::as_str).map(Name::from),
        verdict: word_of(verdict.decision),
        e_value: Exact(verdict.e_value),
        relative_e_value: Some(Exact(verdict.relative_e_value)),
        alpha: Exact(verdict.alpha),
        theta: Exact(verdict.theta),
        n: verdict.n,
        failures: verdict.failures,
        control_n: verdict.control_n,
        control_failures: verdict.control_failures,
        window_start: Moment::from_ms(place.ts.ms().saturating_sub(clock_ms)),
        scope: Scope::Local,
        replica: place.replica,
        config_sha256: place.config_sha256,
        reason: verdict.reason.as_str().into(),
        action: match verdict.action {
            Action::None => GateAction::None,
            Action::Suspend => GateAction::Suspend,
            Action::Restore => GateAction::Restore,
            Action::Latch => GateAction::Latch,
        },
        mode: mode(verdict.acts),
        share_ppm: place.share_ppm,
        measured_share: Exact(verdict.share),
        tenant_hash: verdict.tenant.map(|tenant| format!("{tenant:016x}").into()),
        page: verdict.page,
        clock_ms: verdict.at_ms,
        told: verdict.event,
        gate: place.gate,
        run: place.run,
        event: place.event,
    }
}

/// A step up, and what it was asked for under these rules.
pub(crate) fn step_decision(place: Place, rules: &RolloutRules, step: &StepVerdict) -> StepDecision {
    let asked = rules.settings();
    let missing: Vec<&str> = step.missing.iter().map(|requirement| requirement.as_str()).collect();
    let is_asked = |bits: u32, at: usize| bits >> at & 1 == 1;
    let feature = |(at, feature): (usize, &AliasFeature)| Feature {
        feature: feature.as_str().into(),
        passed: step.features.get(at).copied().unwrap_or(0).into(),
        required: asked.times_each_feature.into(),
    };
    let features = AliasFeature::ALL.iter().enumerate();
    let check = |check: RolloutCheck| Check {
        check: check.as_str().into(),
        state: if step.checks & check.bit() == 0 { CheckState::Missing } else { CheckState::Passed },
        sequence: None,
    };
    StepDecision {
        ts: place.ts,
        check_id: place.check_id,
        route_version: place.route_version,
        target: place.target,
        verdict: word_of(Decision::Promote),
        from_step: step.from_step,
        to_step: step.from_step.saturating_add(1),
        from_share_ppm: step.from_ppm,
        to_share_ppm: step.to_ppm,
        e_value: Exact(step.e_value),
        alpha: Exact(step.alpha),
        theta: Exact(step.theta),
        n: step.n,
        failures: step.failures,
        dwell_ms: step.stood_ms,
        required_dwell_ms: rules.dwell_ms(),
        tenants: step.tenants,
        required_tenants: asked.tenants,
        features: features.filter(|(at, _)| is_asked(asked.features.into(), *at)).map(feature).collect(),
        checks: RolloutCheck::ALL
            .into_iter()
            .filter(|check| asked.checks & check.bit() != 0)
            .map(check)
            .collect(),
        config_sha256: place.config_sha256,
        reason: if step.by_hand { Reason::ByHand.as_str() } else { "nothing_missing" }.into(),
        missing: missing.into_iter().map(Name::from).collect(),
        mode: mode(step.acts),
        clock_ms: step.at_ms,
        gate: place.gate,
        run: place.run,
        event: place.event,
    }
}

/// What an operator asked for, and whether it changed anything.
pub(super) struct Done {
    pub(super) action: OperatorVerb,
    pub(super) changed: bool,
    pub(super) from_share_ppm: Option<u32>,
    pub(super) to_share_ppm: Option<u32>,
}

pub(super) fn operator_action(
    map: &MapFacts,
    id: &GateId,
    done: &Done,
    operator: &Operator,
) -> OperatorAction {
    let ts = now();
    OperatorAction {
        ts,
        check_id: format!("{}.by-hand.{}", gate_name(id), ts.ms()).into(),
        action: done.action,
        by: operator.by.as_str().into(),
        reason: operator.reason.as_str().into(),
        route_version: map.route_version.as_str().into(),
        rollback_route_version: map.rollback_route_version.as_deref().map(Name::from),
        target: target_name(map, id),
        generation: map.target(id).map(|target| target.generation.into()),
        changed: done.changed,
        from_share_ppm: done.from_share_ppm,
        to_share_ppm: done.to_share_ppm,
        config_sha256: map.routes_sha256,
        rollback_decision: operator.note.clone(),
    }
}

fn target_name(map: &MapFacts, id: &GateId) -> Name {
    map.target(id).map_or_else(|| id.watched.as_str().into(), |target| target.name.as_str().into())
}

fn word_of(decision: Decision) -> evidence::Verdict {
    match decision {
        Decision::Promote => evidence::Verdict::Promote,
        Decision::Hold => evidence::Verdict::Hold,
        Decision::Escalate => evidence::Verdict::Escalate,
        Decision::RollBack => evidence::Verdict::Rollback,
    }
}

fn mode(acts: bool) -> Acts {
    if acts { Acts::Act } else { Acts::Observe }
}
