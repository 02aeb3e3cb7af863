//! What became of a check is told to the running gateway, whose rollouts may wait for it.

use std::path::Path;

use anyhow::anyhow;
use decisions::plan::{Check, Watched};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::checks::Checked;
use crate::clock::now;
use crate::control_client::ask;
use crate::exit::{Exit, Failure};
use crate::gates::acting::{Acting, Refusal};
use crate::terminal;

/// A check has run.
#[derive(Debug, Deserialize)]
pub(crate) struct Heard {
    check: String,
    /// Of all routes if none is named.
    route: Option<String>,
    /// `None` where it gave no result, which is no pass.
    passed: Option<bool>,
    /// Of its record in the store of evidence.
    sequence: u64,
}

impl Acting {
    /// Counts it, and tells the rollouts that it concerns.
    pub(crate) fn heard(&self, heard: &Heard) -> Result<Value, Refusal> {
        let check = Check::ALL.into_iter().find(|check| check.as_str() == heard.check);
        let check = check.ok_or_else(|| Refusal {
            status: StatusCode::BAD_REQUEST,
            why: format!("no check is called {:?}", heard.check),
        })?;
        let snapshot = self.handle.current();
        let plan = snapshot.plan();
        let is_meant = |name: &str| heard.route.as_deref().is_none_or(|only| only == name);
        if !plan.routes().any(|(_, route)| is_meant(&route.name)) {
            let why =
                format!("the map in force has no route {:?}", heard.route.as_deref().unwrap_or_default());
            return Err(Refusal { status: StatusCode::NOT_FOUND, why });
        }
        self.check_results.count(check, heard.passed, now());
        let climbs =
            plan.routes().filter(|(_, route)| is_meant(&route.name) && route.gates.rollout.is_some());
        let mut told = Vec::new();
        for (id, route) in climbs {
            let Some(gate) = snapshot.gates().of(id, Watched::Canary) else { continue };
            let at = u32::try_from(check.index()).unwrap_or(u32::MAX);
            gate.checked(self.clock.now_ms(), at, heard.passed == Some(true));
            told.push(route.name.as_str());
        }
        tracing::info!(
            check = check.as_str(),
            route = heard.route.as_deref().unwrap_or("*"),
            passed = heard.passed.map_or("no result", |passed| if passed { "yes" } else { "no" }),
            sequence = heard.sequence,
            "a check has run"
        );
        Ok(json!({ "check": check.as_str(), "passed": heard.passed, "told": told }))
    }
}

/// Tells the gateway of the same state directory, if one runs, that a check was made. `sequence` is that of its record.
pub(crate) fn tell(
    checked: &Checked,
    check: Check,
    route: Option<&str>,
    passed: Option<bool>,
    sequence: u64,
) {
    if let Err(failure) = try_tell(&checked.settings.state_dir, check, route, passed, sequence) {
        match failure.exit {
            Exit::Unreachable => terminal::say("No gateway runs on this state directory, so none was told."),
            _ => terminal::say(&format!("The running gateway was not told: {failure}")),
        }
    }
}

fn try_tell(
    state_dir: &Path,
    check: Check,
    route: Option<&str>,
    passed: Option<bool>,
    sequence: u64,
) -> Result<(), Failure> {
    let said = json!({ "check": check.as_str(), "route": route, "passed": passed, "sequence": sequence });
    let answer = ask(state_dir, Method::POST, "/checks/result", &said)?;
    let told = answer["told"].as_array().ok_or_else(|| Failure::internal(anyhow!("it gives no answer")))?;
    let names: Vec<&str> = told.iter().filter_map(Value::as_str).collect();
    if !names.is_empty() {
        terminal::say(&format!("The rollout of {} has heard of it.", names.join(", ")));
    }
    Ok(())
}
