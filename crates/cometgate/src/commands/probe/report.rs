//! What a run says: tables for people, one object for programs.

use evidence::{MatrixCell, Probe};
use readiness::probe::Found;
use serde_json::{Value, json};

use crate::commands::probe::{Probed, Report};
use crate::terminal;

/// A line while it runs, for whoever watches.
pub(super) fn progress(found: &Found) {
    let family = found.planned.endpoint.map_or("models", decisions::Endpoint::as_str);
    let (question, result) = (found.planned.question.as_str(), found.result.as_str());
    terminal::say(&format!("  {family:<9} {question:<28} {result}"));
}

/// Everything that a run would say anywhere, to be searched for what it must not say.
pub(super) fn all_that_is_said(report: &Report) -> String {
    format!("{}\n{}", lines(report).join("\n"), to_json(report))
}

pub(super) fn to_json(report: &Report) -> Value {
    let results = report
        .results
        .iter()
        .map(|result| json!({"summary": result.summary, "route": result.route, "probes": result.probes}));
    json!({
        "check_id": report.check_id,
        "decision": report.decision().as_str(),
        "planned_requests": report.planned_requests,
        "planned_tokens": report.planned_tokens,
        "budget_tokens": report.budget,
        "used_tokens": report.used,
        "results": results.collect::<Vec<_>>(),
        "worksheet": report.items,
    })
}

pub(super) fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for result in &report.results {
        of_target(&mut lines, result);
    }
    let items = report.items.len();
    lines.push(format!(
        "{}: {} ({} of {} tokens used, {} of the worksheets filled in)",
        report.check_id,
        report.decision().as_str(),
        report.used,
        report.budget,
        terminal::count(items, "item")
    ));
    lines
}

fn of_target(lines: &mut Vec<String>, result: &Probed) {
    let summary = &result.summary;
    lines.push(format!("{} as {} at {}", summary.model_alias, summary.provider_model_id, summary.provider));
    lines.push(format!("  {}", summary.network_path));
    lines.push(
        "  probe                        family     status  class         latency  tokens  result".to_owned(),
    );
    lines.extend(result.probes.iter().filter(|probe| !is_of_matrix(probe, &summary.matrix)).map(probe_line));
    lines.push("  check              passed  by".to_owned());
    for check in &summary.checks {
        let passed = match check.passed {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "unknown",
        };
        lines.push(format!("  {:<18} {passed:<7} {}", check.check.as_str(), check.result));
    }
    lines.push("  feature              family     declared  result     class         note".to_owned());
    for cell in &summary.matrix {
        let class = cell.error_class.as_ref().map_or("-", |class| class.as_str());
        lines.push(format!(
            "  {:<20} {:<10} {:<9} {:<10} {class:<13} {}",
            cell.feature.as_str(),
            cell.endpoint_family.as_str(),
            if cell.enabled { "yes" } else { "-" },
            cell.result.as_str(),
            cell.note
        ));
    }
    lines.push(format!("  decision: {}", summary.decision.as_str()));
    lines.extend(summary.next.iter().map(|step| format!("  next: {step}")));
    lines.push(String::new());
}

/// Shown in the matrix already.
fn is_of_matrix(probe: &Probe, matrix: &[MatrixCell]) -> bool {
    matrix.iter().any(|cell| cell.feature == probe.probe && cell.endpoint_family == probe.endpoint_family)
}

fn probe_line(probe: &Probe) -> String {
    let status = probe.http_status.map_or("-".to_owned(), |status| status.to_string());
    let class = probe.error_class.as_ref().map_or("-", |class| class.as_str());
    let tokens = match (probe.input_token_count, probe.output_token_count) {
        (Some(input), Some(output)) => format!("{}", input.saturating_add(output)),
        _ => "-".to_owned(),
    };
    format!(
        "  {:<28} {:<10} {status:<7} {class:<13} {:>5} ms  {tokens:>6}  {}: {}",
        probe.probe.as_str(),
        probe.endpoint_family.as_str(),
        probe.latency_ms,
        probe.result.as_str(),
        probe.note
    )
}
