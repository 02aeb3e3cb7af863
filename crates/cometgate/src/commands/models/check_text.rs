//! What a check found, for people. Of the provider's list it shows an ID only where that is nearly one of the map's: whoever has
//! to find a typo needs to see it.

use evidence::{Name, Prose};
use readiness::catalog::{Presence, State};

use crate::catalog::Compared;
use crate::catalog::round::Round;
use crate::checks::Checked;

/// IDs in one line.
const SHOWN: usize = 3;

pub(super) fn lines(checked: &Checked, compared: &[Compared], round: &Round) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", round.provider, outcome(round))];
    lines.push(format!("  asked    {}, with {}", round.record.endpoint, round.record.credential_source));
    if let Some(count) = round.record.identifier_count {
        let duplicates = round.record.duplicate_count.unwrap_or(0);
        let hash = round.record.identifiers_sha256.map(|hash| hash.to_string()).unwrap_or_default();
        lines.push(format!("  listed   {count} IDs, {duplicates} duplicates, sha256 {hash}"));
    }
    if let Some(summary) = &round.record.diff_summary {
        lines.push(format!("  since the reviewed list: {summary}"));
    }
    lines.extend(round.alignment.models.iter().map(model_line));
    if !round.alignment.approved_not_listed.is_empty() {
        lines.push(format!("  approved and not listed: {}", some(&round.alignment.approved_not_listed)));
    }
    if round.record.approved_not_listed_changed == Some(true) {
        lines.push("  which approved IDs are not listed has changed since the last check".to_owned());
    }
    for item in &round.judgement.items {
        let action = match item.state {
            State::Pass | State::NotNeeded => String::new(),
            State::Fail | State::Unknown => format!(": {}", item.failure_action),
        };
        lines.push(format!("  {:<10} {}{action}", item.state.as_str(), item.check));
    }
    for (other, differences) in compared.iter().zip(&round.differences) {
        lines.extend(parity_lines(checked, other, differences, &round.provider));
    }
    for drift in &round.drifts {
        lines.push(format!("  drift    {}: {}", drift.as_str(), drift.advice()));
    }
    for (number, step) in round.triage.iter().flatten().enumerate() {
        lines.push(format!("  triage {}: {}: {}", number + 1, step.step, Prose::from(step.found.as_str())));
    }
    for tried in &round.negative {
        let status = tried.status.map_or_else(String::new, |status| format!(" ({status})"));
        let verdict = if tried.is_as_expected() { "as expected" } else { "NOT as expected" };
        let (case, expected, came) =
            (tried.case.as_str(), tried.case.expected().as_str(), tried.came.as_str());
        lines.push(format!("  negative {case}: expected {expected}, came {came}{status}: {verdict}"));
    }
    lines.push(format!("  {}", round.decision().as_str()));
    lines.extend(round.judgement.next.iter().map(|next| format!("    {next}")));
    lines
}

fn outcome(round: &Round) -> String {
    let found = &round.seen.outcome;
    let detail = if found.detail.is_empty() { String::new() } else { format!(", {}", found.detail) };
    let status = found.status.map_or_else(String::new, |status| format!(", status {status}"));
    format!("{}{detail}{status}, {} ms", found.class.as_str(), round.record.duration_ms)
}

fn model_line(model: &Presence) -> String {
    let listed = match model.is_listed {
        Some(true) => "listed",
        Some(false) => "MISSING",
        None => "unknown",
    };
    let mut line =
        format!("  {listed:<8} {:<9} {}", model.of.used_as.as_str(), Name::from(model.of.model_id.as_str()));
    if !model.of.routes.is_empty() {
        line.push_str(&format!(" (routes {})", some(&model.of.routes)));
    }
    if model.is_approved == Some(false) {
        line.push_str("; not approved");
    }
    if model.is_blocked {
        line.push_str("; BLOCKED");
    }
    if !model.case_near.is_empty() {
        line.push_str(&format!("; only the case differs: {}", some(&model.case_near)));
    }
    if !model.look_alikes.is_empty() {
        line.push_str(&format!("; looks like {}", some(&model.look_alikes)));
    }
    line
}

fn parity_lines(
    checked: &Checked,
    other: &Compared,
    differences: &[readiness::catalog::Difference],
    provider: &str,
) -> Vec<String> {
    let id = |id: &Option<String>| {
        id.as_deref().map_or_else(|| "none".to_owned(), |id| Name::from(id).to_string())
    };
    let path = other.config.display();
    let mut lines: Vec<String> = differences
        .iter()
        .map(|differs| {
            format!(
                "  differs  {} at {}: {} here, {} in {path}",
                Name::from(differs.alias.as_str()),
                differs.provider,
                id(&differs.here),
                id(&differs.there)
            )
        })
        .collect();
    lines.extend(
        other.surroundings(checked, provider).into_iter().map(|what| format!("  beside   {what} ({path})")),
    );
    lines
}

/// The first few, fit for a terminal.
fn some(ids: &[String]) -> String {
    let shown: Vec<String> = ids.iter().take(SHOWN).map(|id| Name::from(id.as_str()).to_string()).collect();
    let more = match ids.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
