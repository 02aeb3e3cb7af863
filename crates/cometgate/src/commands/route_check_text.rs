//! What `smoke` and `rollforward` have in common: how long they wait, what they print, how they end.

use std::time::Duration;

use anyhow::anyhow;
use evidence::Decision;
use readiness::route_check::Subject;
use serde_json::Value;

use crate::checks::Checked;
use crate::cli::Format;
use crate::exit::Failure;
use crate::terminal;

/// Beyond what the route allows, so that it is the gateway that gives up.
const BEYOND_THE_ROUTE: Duration = Duration::from_secs(5);

/// Where no route says.
const USUAL: Duration = Duration::from_secs(600);

/// Fields that are said once for all attempts.
const OF_ALL: [&str; 4] = ["holds", "next", "decision", "endpoint_family_because"];

/// How long an answer is waited for.
pub(super) fn time_for(checked: &Checked, subject: &Subject) -> Duration {
    let route = checked.loaded.plan.route_named(&subject.route);
    route.map_or(USUAL, |(_, route)| route.timeout) + BEYOND_THE_ROUTE
}

/// Prints what was found.
pub(super) fn print(said: &Value, format: Format) {
    match format {
        Format::Json => terminal::result(&said.to_string()),
        Format::Text => lines(said).iter().for_each(|line| terminal::result(line)),
    }
}

/// How the command ends.
pub(super) fn ended(
    check: &str,
    decision: Decision,
    is_unreachable: bool,
    provider: &str,
) -> Result<(), Failure> {
    match decision {
        Decision::Proceed => Ok(()),
        _ if is_unreachable => {
            Err(Failure::unreachable(anyhow!("{check}: {provider} could not be reached; change no route")))
        }
        Decision::Pause => Err(Failure::not_allowed(anyhow!("{check}: pause, change no route"))),
        Decision::Escalate => Err(Failure::not_allowed(anyhow!("{check}: escalate, change no route"))),
    }
}

fn lines(said: &Value) -> Vec<String> {
    let text = |name: &str| plain(&said[name]);
    let mut lines = vec![
        format!("{} of {}, its {}", text("check"), text("route"), text("target")),
        format!("{}: {}", text("endpoint_family"), text("endpoint_family_because")),
    ];
    for record in said["records"].as_array().into_iter().flatten() {
        lines.push(String::new());
        let fields = record.as_object().into_iter().flatten();
        for (name, value) in fields.filter(|(name, _)| !OF_ALL.contains(&name.as_str())) {
            if name == "assertions" {
                lines.extend(value.as_array().into_iter().flatten().map(assertion));
            } else {
                lines.push(format!("  {name:<26} {}", plain(value)));
            }
        }
    }
    lines.push(String::new());
    lines.push(format!("decision: {} (fallback: {})", text("decision"), text("fallback_decision")));
    let holds = text("holds");
    if !holds.is_empty() {
        lines.push(format!("held by: {holds}"));
    }
    lines.push(format!("next: {}", text("next")));
    lines.push(format!("recorded up to {}: `cometgate evidence show {0}`", said["sequence"]));
    lines
}

fn assertion(said: &Value) -> String {
    let holds = if said["holds"] == Value::Bool(true) { "holds" } else { "does not hold" };
    format!("  asserted: {} {holds}", plain(&said["assertion"]))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
