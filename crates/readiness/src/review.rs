//! Rollback readiness (runbook 1): what the records of all checks say of one route together, what is too old or missing, and
//! what to do next.
//!
//! It looks at records only, and knows no more than they say. Reading order: [`Subject`] (what is reviewed), [`CHECKS`] (what
//! is needed), [`review`] (the judgement).

mod checks;
mod questions;

use std::time::Duration;

use config::CheckAges;
use evidence::{
    Decision, Digest, Moment, Name, Prose, QUESTIONS, Readiness, ReadinessItem, ReadinessModel,
    ReadinessState, RollbackDecision,
};
use serde_json::Value;

pub use questions::{answered, unanswered};

/// A record of a check, as far as a review reads it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its number.
    pub sequence: u64,
    /// When it was recorded.
    pub at: Moment,
    /// What it is about.
    pub kind: String,
    /// Of which route, if of one.
    pub route: Option<String>,
    /// What it says.
    pub body: Value,
}

/// A model at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its name in the map.
    pub provider: String,
    /// Byte for byte.
    pub model_id: String,
}

/// What is reviewed: a route of a map.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name.
    pub route: String,
    /// Names the review.
    pub check_id: String,
    /// Of the map.
    pub environment: Option<String>,
    /// The map.
    pub route_version: String,
    /// Its hash.
    pub config_sha256: Digest,
    /// The version to go back to.
    pub rollback_route_version: Option<String>,
    /// Why there is no going back to it, and what mends that; `None` where it is there and has not expired.
    pub no_way_back: Option<(String, String)>,
    /// What its canary serves, or its fallback where it has no canary: one for each alias of the route.
    pub current: Vec<Model>,
    /// What a rollback leads to.
    pub rollback: Vec<Model>,
    /// What the version to go back to has at the provider of `current`.
    pub rollback_there: Vec<Model>,
    /// What is asked where the primary fails.
    pub fallback: Vec<Model>,
    /// The identities that have to be drilled.
    pub identities: Vec<String>,
    /// Of the text of the version to go back to.
    pub rollback_sha256: Option<Digest>,
    /// Whether a gate acts on what goes away.
    pub is_gated: bool,
    /// Who vouches for the way back until when, in the map.
    pub vouched: Option<(String, Moment)>,
    /// For how long what checks find counts.
    pub ages: CheckAges,
    /// Who answers for the review.
    pub approver: Option<String>,
    /// What was linked to it.
    pub link: Option<String>,
    /// Where the records are.
    pub store: String,
}

/// Everything that is looked at, in the order in which it is to be done.
pub const CHECKS: [&str; 10] = [
    "way_back",
    "models",
    "contract",
    "probe",
    "gate",
    "smoke",
    "smoke_rollback_id",
    "drill",
    "rollforward",
    "rollback_decision",
];

/// How one check stands, and what to do about it.
#[derive(Clone, Debug)]
struct Finding {
    check: &'static str,
    state: ReadinessState,
    at: Option<Moment>,
    max_age: Duration,
    evidence: Option<u64>,
    note: String,
    /// What mends it.
    next: String,
    /// It is not for the one who reviews to decide.
    escalates: bool,
}

impl Finding {
    fn is_in_order(&self) -> bool {
        matches!(self.state, ReadinessState::Fresh | ReadinessState::Overridden | ReadinessState::NotNeeded)
    }
}

/// Judges a route by what is on record, the newest record first. What is not there is never a pass.
#[must_use]
pub fn review(subject: &Subject, records: &[Known], now: Moment) -> Readiness {
    let answers = answered(subject, records, now);
    let mut findings = checks::findings(subject, records, now);
    findings.push(questions::finding(subject, &answers, records));
    for finding in findings.iter_mut().filter(|finding| !finding.is_in_order()) {
        if let Some((sequence, by, until)) = overridden(subject, records, finding.check, now) {
            finding.note = format!("{}; {by} goes on without it until {until}", finding.note);
            (finding.state, finding.evidence) = (ReadinessState::Overridden, Some(sequence));
        }
    }
    let open: Vec<&Finding> = findings.iter().filter(|finding| !finding.is_in_order()).collect();
    let decision = match open[..] {
        [] => Decision::Proceed,
        _ if open.iter().any(|finding| finding.escalates) => Decision::Escalate,
        _ => Decision::Pause,
    };
    let reason = match open[..] {
        [] => "everything that a rollback needs was checked, and not too long ago".to_owned(),
        _ => open.iter().map(|open| format!("{}: {}", open.check, open.note)).collect::<Vec<_>>().join("; "),
    };
    let is_fresh = |name: &str| {
        findings.iter().any(|finding| finding.check == name && finding.state == ReadinessState::Fresh)
    };
    let used: Vec<String> =
        findings.iter().filter_map(|finding| finding.evidence).map(|number| number.to_string()).collect();
    let link = subject.link.as_ref().map(|link| format!("; {link}")).unwrap_or_default();
    Readiness {
        ts: now,
        check_id: subject.check_id.as_str().into(),
        environment: subject.environment.as_deref().map(Name::from),
        route_version: subject.route_version.as_str().into(),
        config_sha256: subject.config_sha256,
        rollback_route_version: subject.rollback_route_version.as_deref().map(Name::from),
        current: listed(&subject.current, records),
        rollback: listed(&subject.rollback, records),
        fallback: listed(&subject.fallback, records),
        models_endpoint_checked: is_fresh("models"),
        canary_completed: is_fresh("smoke"),
        evidence_location: format!("{}, records {}{link}", subject.store, used.join(", ")).as_str().into(),
        checks: findings.iter().map(item).collect(),
        rollback_decision: answers,
        decision,
        reason: reason.as_str().into(),
        next: next(subject, &open),
        approver: subject.approver.as_deref().map(Name::from),
    }
}

/// They are present if each of them is.
fn listed(models: &[Model], records: &[Known]) -> ReadinessModel {
    let joined = |text: fn(&Model) -> &str| {
        let mut words: Vec<&str> = models.iter().map(text).collect();
        words.dedup();
        (!words.is_empty()).then(|| words.join(", ").as_str().into())
    };
    let present =
        models.iter().map(|model| checks::presence(records, model).and_then(|(present, ..)| present));
    ReadinessModel {
        model_id: joined(|model| &model.model_id),
        provider: joined(|model| &model.provider),
        // One that is known to be absent says more than one that nobody knows of.
        present: present
            .reduce(|one, other| match (one, other) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                (None, _) | (_, None) => None,
            })
            .flatten(),
    }
}

fn next(subject: &Subject, open: &[&Finding]) -> Vec<Prose> {
    let mut steps: Vec<Prose> = open.iter().map(|finding| finding.next.as_str().into()).collect();
    if steps.is_empty() {
        steps.push("take the next step; this holds until the first of the checks is too old".into());
    } else {
        steps.push(
            format!("then once more: `cometgate readiness {} --by WHO`", subject.route).as_str().into(),
        );
    }
    steps
}

fn item(finding: &Finding) -> ReadinessItem {
    ReadinessItem {
        check: finding.check.into(),
        state: finding.state,
        last_at: finding.at,
        max_age_s: finding.max_age.as_secs(),
        evidence: finding.evidence,
        note: Some(finding.note.as_str().into()),
    }
}

/// The newest override of a check that still holds: of this route, or of all routes of this very map, as `models check`
/// records one.
fn overridden(
    subject: &Subject,
    records: &[Known],
    check: &str,
    now: Moment,
) -> Option<(u64, String, String)> {
    records.iter().find_map(|record| {
        let body = &record.body;
        let is_of_it = match record.route.as_deref() {
            Some(route) => route == subject.route,
            None => body["config_sha256"] == subject.config_sha256.to_string(),
        };
        let is_it = record.kind == "override" && body["what"] == check && is_of_it;
        let until: Moment = serde_json::from_value(body["until"].clone()).ok().filter(|_| is_it)?;
        let by = body["by"].as_str().unwrap_or("somebody").to_owned();
        (until > now).then(|| (record.sequence, by, until.to_string()))
    })
}

/// A field of the rollback decision by its name; `None` where no question has it.
#[must_use]
pub fn answer(field: &str, value: &str) -> Option<RollbackDecision> {
    let mut said = RollbackDecision::default();
    let (name, prose) = (Some(Name::from(value)), Some(Prose::from(value)));
    match QUESTIONS.iter().position(|(known, _)| *known == field)? {
        0 => said.rolling_back_from = name,
        1 => said.rolling_back_to = name,
        2 => said.mapping_approved_by = name,
        3 => said.rollback_id_last_confirmed = prose,
        4 => said.canary_request = prose,
        5 => said.watched_metric = prose,
        _ => said.may_revert = name,
    }
    Some(said)
}

#[cfg(test)]
mod tests;
