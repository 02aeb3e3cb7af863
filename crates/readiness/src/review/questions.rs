//! The seven questions of the written rollback decision: what records can answer answers itself, the rest a person says.

use std::time::Duration;

use evidence::{Moment, QUESTIONS, ReadinessState, RollbackDecision};

use super::checks::presence;
use super::{Finding, Known, Subject};

/// The answers as they stand: the last that a person gave, else what the records say.
#[must_use]
pub fn answered(subject: &Subject, records: &[Known], now: Moment) -> RollbackDecision {
    let said = |field: &str| {
        let of_route = records.iter().filter(|record| {
            record.kind == "rollback_note" && record.route.as_deref() == Some(subject.route.as_str())
        });
        of_route.into_iter().find_map(|record| record.body["rollback_decision"][field].as_str())
    };
    let name = |field: &str, known: Option<String>| {
        said(field).map(str::to_owned).or(known).map(|text| text.as_str().into())
    };
    let prose = |field: &str, known: Option<String>| {
        said(field).map(str::to_owned).or(known).map(|text| text.as_str().into())
    };
    let models = |models: &[super::Model]| {
        let mut words: Vec<String> =
            models.iter().map(|model| format!("{} at {}", model.model_id, model.provider)).collect();
        words.dedup();
        (!words.is_empty()).then(|| words.join(", "))
    };
    RollbackDecision {
        rolling_back_from: name("rolling_back_from", models(&subject.current)),
        rolling_back_to: name("rolling_back_to", models(&subject.rollback)),
        mapping_approved_by: name("mapping_approved_by", approved_by(subject, records, now)),
        rollback_id_last_confirmed: prose("rollback_id_last_confirmed", last_confirmed(subject, records)),
        canary_request: prose("canary_request", canary_request(subject, records)),
        watched_metric: prose("watched_metric", None),
        may_revert: name("may_revert", None),
    }
}

/// The questions without an answer: field and question.
pub fn unanswered(answers: &RollbackDecision) -> impl Iterator<Item = (&'static str, &'static str)> {
    let given = [
        answers.rolling_back_from.is_some(),
        answers.rolling_back_to.is_some(),
        answers.mapping_approved_by.is_some(),
        answers.rollback_id_last_confirmed.is_some(),
        answers.canary_request.is_some(),
        answers.watched_metric.is_some(),
        answers.may_revert.is_some(),
    ];
    QUESTIONS.into_iter().zip(given).filter(|(_, is_given)| !is_given).map(|(question, _)| question)
}

pub(super) fn finding(subject: &Subject, answers: &RollbackDecision, records: &[Known]) -> Finding {
    let open: Vec<&str> = unanswered(answers).map(|(field, _)| field).collect();
    let newest = records.iter().find(|record| {
        record.kind == "rollback_note" && record.route.as_deref() == Some(subject.route.as_str())
    });
    let (state, note) = if open.is_empty() {
        (ReadinessState::Fresh, "all seven questions are answered".to_owned())
    } else {
        (ReadinessState::Missing, format!("not answered: {}", open.join(", ")))
    };
    let fields: Vec<String> = open.iter().map(|field| format!("--answer {field}=…")).collect();
    Finding {
        check: "rollback_decision",
        state,
        at: newest.map(|record| record.at),
        max_age: Duration::ZERO,
        evidence: newest.map(|record| record.sequence),
        note,
        next: format!("`cometgate readiness {} --by WHO {}`", subject.route, fields.join(" ")),
        escalates: false,
    }
}

/// Who drilled it approved each of its steps; else who vouches for it in the map.
fn approved_by(subject: &Subject, records: &[Known], now: Moment) -> Option<String> {
    let rollback = subject.rollback_sha256?.to_string();
    let drill = records.iter().find(|record| {
        record.kind == "drill"
            && record.route.as_deref() == Some(subject.route.as_str())
            && record.body["outcome"] == "passed"
            && record.body["rollback_config_sha256"] == *rollback
    });
    let drilled = drill.and_then(|record| {
        Some(format!("{} (drill, record {})", record.body["by"].as_str()?, record.sequence))
    });
    let vouched = subject.vouched.as_ref().filter(|(_, until)| *until > now);
    drilled.or_else(|| vouched.map(|(by, until)| format!("{by} (vouched for until {until})")))
}

fn last_confirmed(subject: &Subject, records: &[Known]) -> Option<String> {
    let all: Option<Vec<_>> = subject.rollback.iter().map(|model| presence(records, model)).collect();
    let all = all.filter(|all| all.iter().all(|(present, ..)| *present == Some(true)))?;
    let (at, sequence) = all.into_iter().map(|(_, sequence, at)| (at, sequence)).min()?;
    Some(format!("{at}, record {sequence}"))
}

/// A request through the application's own path: of the smoke test, else the first of the drill's at the target.
fn canary_request(subject: &Subject, records: &[Known]) -> Option<String> {
    records.iter().filter(|record| record.route.as_deref() == Some(subject.route.as_str())).find_map(
        |record| {
            let body = &record.body;
            let request = match record.kind.as_str() {
                "smoke_check" if body["request_type"] == "happy_path" && body["decision"] == "proceed" => {
                    body["request_id"].as_str()
                }
                "drill" if body["outcome"] == "passed" => {
                    let mut attempts = body["attempts"].as_array()?.iter();
                    let is_there = |attempt: &&serde_json::Value| {
                        attempt["role"] != "primary" && attempt["error_class"].is_null()
                    };
                    attempts.find(is_there)?["request_id"].as_str()
                }
                _ => None,
            }?;
            Some(format!("request {request}, record {}", record.sequence))
        },
    )
}
