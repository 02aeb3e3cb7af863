//! What the log of the gateway says of a decision.

use decisions::gate::{Action, Decision, Reason, Verdict};
use decisions::rollout::StepVerdict;
use evidence::GateDecision;
use proxy::GateId;

use crate::gates::records::Operator;

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

/// The line that announces a verdict.
pub(super) fn verdict_line(
    id: &GateId,
    decision: &GateDecision,
    verdict: &Verdict,
    operator: Option<&Operator>,
) -> Line {
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
         failures={} check_id={}",
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
        decision.check_id,
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
