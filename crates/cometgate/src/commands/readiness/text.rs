//! The readiness record for people, under the names that runbook 1 gives its fields.

use evidence::{Decision, QUESTIONS, Readiness, ReadinessModel, ReadinessState};
use serde_json::{Value, json};

use crate::terminal;

pub(super) fn show(route: &str, found: &Readiness, sequence: u64) {
    terminal::result(&format!("{route}, route map {}", found.route_version));
    let model = |model: &ReadinessModel| match (&model.model_id, &model.provider) {
        (Some(id), Some(provider)) => format!("{id} at {provider}"),
        _ => "none".to_owned(),
    };
    let yes = |is: bool| if is { "Yes" } else { "No" };
    let present = |model: &ReadinessModel| model.present.map_or("not known", yes);
    let decision = match found.decision {
        Decision::Proceed => "Proceed",
        Decision::Pause => "Pause",
        Decision::Escalate => "Escalate",
    };
    let text =
        |text: &Option<evidence::Name>| text.as_ref().map_or("nobody", |text| text.as_str()).to_owned();
    let rows = [
        ("Review date", found.ts.to_string()),
        ("Environment", found.environment.as_ref().map_or("not said", |name| name.as_str()).to_owned()),
        ("Current model ID", model(&found.current)),
        ("Rollback model ID", model(&found.rollback)),
        ("Fallback model ID", model(&found.fallback)),
        ("Models endpoint checked", yes(found.models_endpoint_checked).to_owned()),
        ("Current ID present", present(&found.current).to_owned()),
        ("Rollback ID present", present(&found.rollback).to_owned()),
        ("Canary completed", yes(found.canary_completed).to_owned()),
        ("Evidence location", format!("{}; this is record {sequence}", found.evidence_location)),
        ("Decision", decision.to_owned()),
        ("Approver", text(&found.approver)),
    ];
    rows.iter().for_each(|(name, value)| terminal::result(&format!("  {name:<24} {value}")));
    terminal::result("  checks:");
    for item in &found.checks {
        let last = item.last_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let evidence = item.evidence.map(|number| format!(", record {number}")).unwrap_or_default();
        let note = item.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        let when = if item.max_age_s == 0 { String::new() } else { format!(" ({last}{evidence})") };
        terminal::result(&format!("    {:<10} {}{note}{when}", state(item.state), item.check));
    }
    terminal::result("  rollback decision:");
    let answers = json!(found.rollback_decision);
    for (field, question) in QUESTIONS {
        let answer = answers[field].as_str().unwrap_or("not answered");
        terminal::result(&format!("    {question} {answer}"));
    }
    terminal::result("  next:");
    for (number, next) in (1..).zip(&found.next) {
        terminal::result(&format!("    {number}. {next}"));
    }
}

/// The word that it has in records.
fn state(state: ReadinessState) -> String {
    match json!(state) {
        Value::String(word) => word.replace('_', " "),
        other => other.to_string(),
    }
}
