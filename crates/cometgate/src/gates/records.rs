//! What is written down of a decision, and the line of the log that tells it.

use decisions::gate::{Action, Decision, Reason, Verdict};
use decisions::rollout::StepVerdict;
use jiff::Timestamp;
use proxy::GateId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who told a gate what to do, and why.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Operator {
    pub(crate) by: String,
    pub(crate) reason: String,
    /// The questions of a rollback decision that were answered (runbook 1).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) answers: BTreeMap<String, String>,
}

/// The map that a decision was made under.
#[derive(Clone, Debug, Default)]
pub(crate) struct MapVersion {
    pub(crate) route_version: String,
    pub(crate) routes_sha256: String,
}

/// How loudly something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loudness {
    Info,
    Warning,
    Error,
}

/// A line of the log.
#[derive(Debug)]
pub(super) struct Line {
    loudness: Loudness,
    text: String,
}

impl Line {
    pub(super) fn tell(&self) {
        match self.loudness {
            Loudness::Info => tracing::info!("{}", self.text),
            Loudness::Warning => tracing::warn!("{}", self.text),
            Loudness::Error => tracing::error!("{}", self.text),
        }
    }
}

fn base(kind: &str, id: &GateId, sequence: u64, map: &MapVersion) -> Value {
    json!({
        "format": 1,
        "kind": kind,
        "at": Timestamp::now().to_string(),
        "route": id.route,
        "target": id.watched.as_str(),
        "identity": id.identity.to_string(),
        "sequence": sequence,
        "route_version": map.route_version,
        "routes_sha256": map.routes_sha256,
    })
}

/// A verdict with every number that it was made of.
pub(super) fn verdict_entry(
    id: &GateId,
    sequence: u64,
    verdict: &Verdict,
    operator: Option<&Operator>,
    map: &MapVersion,
) -> Value {
    let mut entry = base("verdict", id, sequence, map);
    let numbers = json!({
        "event": verdict.event,
        "at_ms": verdict.at_ms,
        "decision": verdict.decision.as_str(),
        "action": action_name(verdict.action),
        "acts": verdict.acts,
        "page": verdict.page,
        "why": verdict.reason.as_str(),
        "signal": verdict.signal.map(|signal| signal.as_str()),
        "e_value": verdict.e_value,
        "alpha": verdict.alpha,
        "theta": verdict.theta,
        "n": verdict.n,
        "failures": verdict.failures,
        "control_n": verdict.control_n,
        "control_failures": verdict.control_failures,
        "relative_e_value": verdict.relative_e_value,
        "share": verdict.share,
        "tenant_hash": verdict.tenant.map(|tenant| format!("{tenant:016x}")),
    });
    merge(&mut entry, numbers);
    if let Some(operator) = operator {
        merge(&mut entry, json!(operator));
    }
    entry
}

/// A step up.
pub(super) fn step_entry(
    id: &GateId,
    sequence: u64,
    step: &StepVerdict,
    operator: Option<&Operator>,
    map: &MapVersion,
) -> Value {
    let mut entry = base("step", id, sequence, map);
    let missing: Vec<_> = step.missing.iter().map(|requirement| requirement.as_str()).collect();
    let numbers = json!({
        "at_ms": step.at_ms,
        "decision": Decision::Promote.as_str(),
        "from_ppm": step.from_ppm,
        "to_ppm": step.to_ppm,
        "acts": step.acts,
        "by_hand": step.by_hand,
        "missing": missing,
        "e_value": step.e_value,
        "alpha": step.alpha,
        "theta": step.theta,
        "n": step.n,
        "failures": step.failures,
    });
    merge(&mut entry, numbers);
    if let Some(operator) = operator {
        merge(&mut entry, json!(operator));
    }
    entry
}

/// What an operator asked for, and whether it changed anything.
pub(super) fn operator_entry(
    id: &GateId,
    sequence: u64,
    action: &str,
    operator: &Operator,
    changed: bool,
    map: &MapVersion,
) -> Value {
    let mut entry = base("operator", id, sequence, map);
    merge(&mut entry, json!({ "action": action, "changed": changed }));
    merge(&mut entry, json!(operator));
    entry
}

/// A latch that was found in memory and not on disk, whose verdict is in the journal or was lost with it.
pub(super) fn found_entry(id: &GateId, map: &MapVersion) -> Value {
    let mut entry = base("verdict", id, 0, map);
    merge(&mut entry, json!({ "action": "latch", "acts": true, "why": "latched_before" }));
    entry
}

fn merge(entry: &mut Value, more: Value) {
    if let (Value::Object(entry), Value::Object(more)) = (entry, more) {
        entry.extend(more);
    }
}

/// The line that announces a verdict.
pub(super) fn verdict_line(id: &GateId, verdict: &Verdict, operator: Option<&Operator>) -> Line {
    let what = match (verdict.action, verdict.decision, verdict.reason) {
        (Action::Latch, ..) => "is rolled back for good",
        (Action::Suspend, ..) => "is suspended while its primary is looked at",
        (Action::Restore, _, Reason::ByHand) => "is in traffic again, its holds are ended",
        (Action::Restore, ..) => "is in traffic again",
        (Action::None, Decision::Escalate, _) => "needs a person to decide",
        (Action::None, _, Reason::ByHand) => "is held no longer",
        (Action::None, ..) => "is held at its share",
    };
    let loudness = match (verdict.action, verdict.decision) {
        (Action::Latch, _) if verdict.acts => Loudness::Error,
        (Action::Latch | Action::Suspend, _) | (_, Decision::Escalate) => Loudness::Warning,
        _ if verdict.page => Loudness::Warning,
        _ => Loudness::Info,
    };
    let observed = if verdict.acts { "" } else { " (observed only: nothing is changed)" };
    let mut text = format!(
        "{} of {} {what}{observed}: route={} target={} reason={} signal={} e_value={} alpha={} theta={} n={} \
         failures={}",
        id.watched.as_str(),
        id.route,
        id.route,
        id.watched.as_str(),
        verdict.reason.as_str(),
        verdict.signal.map_or("none", |signal| signal.as_str()),
        verdict.e_value,
        verdict.alpha,
        verdict.theta,
        verdict.n,
        verdict.failures,
    );
    if let Some(operator) = operator {
        text.push_str(&format!(" by={:?} because={:?}", operator.by, operator.reason));
    }
    if verdict.action == Action::Latch && verdict.acts {
        text.push_str("\n  help: only a raised `generation` in the map reopens it");
    }
    Line { loudness, text }
}

/// The line that announces a step.
pub(super) fn step_line(id: &GateId, step: &StepVerdict, operator: Option<&Operator>) -> Line {
    let percent = |ppm: u32| f64::from(ppm) / 10_000.0;
    let would = if step.acts { "climbs" } else { "would climb (observed only)" };
    let mut text = format!(
        "canary of {} {would} from {}% to {}%: e_value={} alpha={} theta={} n={} failures={}",
        id.route,
        percent(step.from_ppm),
        percent(step.to_ppm),
        step.e_value,
        step.alpha,
        step.theta,
        step.n,
        step.failures
    );
    if let Some(operator) = operator {
        text.push_str(&format!(" by={:?} because={:?}", operator.by, operator.reason));
    }
    Line { loudness: Loudness::Info, text }
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::None => "none",
        Action::Suspend => "suspend",
        Action::Restore => "restore",
        Action::Latch => "latch",
    }
}
