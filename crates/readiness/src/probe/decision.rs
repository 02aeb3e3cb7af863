//! What all that was seen of an alias at a provider amounts to: proceed, pause or escalate, and what to do next (runbook 3,
//! "Cutover and rollback decision table").

use decisions::ErrorClass;
use evidence::{Decision, MatrixCell, PreCutoverCheck, ProbeResult};

use crate::probe::checks::key_is_good;
use crate::probe::plan::Target;
use crate::probe::question::Question;
use crate::probe::run::Found;

/// Decides. What was not tried or not settled is a pause.
#[must_use]
pub fn decide(found: &[&Found], checks: &[PreCutoverCheck], matrix: &[MatrixCell], leaks: bool) -> Decision {
    let accepts_any_key = found.iter().any(|found| {
        found.planned.question.is_of_keys()
            && found.seen.as_ref().is_some_and(|seen| seen.status.is_some() && seen.class.is_none())
    });
    let overran = found.iter().any(|found| found.overrun.is_some());
    if leaks || accepts_any_key || overran || is_refused_for_one_model(found) {
        return Decision::Escalate;
    }
    let is_checked = !checks.is_empty() && checks.iter().all(|check| check.passed == Some(true));
    let of_the_set: Vec<&&Found> =
        found.iter().filter(|found| found.planned.question.is_of_the_set()).collect();
    let is_set_good =
        !of_the_set.is_empty() && of_the_set.iter().all(|found| found.result == ProbeResult::Works);
    let is_fit = matrix.iter().all(|cell| !cell.enabled || cell.result == ProbeResult::Works);
    let is_whole = found.iter().all(|found| found.seen.is_some() || !found.planned.question.is_of_the_set());
    if is_checked && is_set_good && is_fit && is_whole { Decision::Proceed } else { Decision::Pause }
}

/// 401 on inference while the list takes the key: the provider's own account fails for a model (contract, 2.6).
fn is_refused_for_one_model(found: &[&Found]) -> bool {
    let is_refused = |found: &&&Found| {
        found.planned.question == Question::SingleTurn
            && found.seen.as_ref().is_some_and(|seen| seen.class == Some(ErrorClass::Auth))
    };
    found.iter().any(|found| is_refused(&found)) && key_is_good(found)
}

/// What to do, the most pressing first.
#[must_use]
pub fn next_steps(
    target: &Target,
    found: &[&Found],
    (checks, matrix): (&[PreCutoverCheck], &[MatrixCell]),
    decision: Decision,
) -> Vec<String> {
    let mut next = Vec::new();
    for check in checks.iter().filter(|check| check.passed == Some(false)) {
        let todo = match check.check.as_str() {
            "dns_and_egress" => {
                "do not cut over: open the way from this machine, correct base URL or path, then probe again"
            }
            "auth_success" if is_refused_for_one_model(found) => {
                "ask the provider's support: the key is good, and refused for this model"
            }
            "auth_success" => "do not cut over: check key, model ID and path, then probe again",
            "auth_failure" => "escalate: whoever is refused has to be told so",
            "schema_parse" => "fix the alias's required_fields or the application's parser in staging first",
            "timeout_behavior" => "look at the connection: a request that was given up has to end",
            "retry_behavior" => {
                "correct retry_policy and fallback_on of the route, or how errors are told apart"
            }
            "logging" => "find the leak before anything else is sent",
            _ => "keep traffic at test level: usage is not reported as it has to be",
        };
        next.push(format!("{}: {todo}", check.check));
    }
    for check in checks.iter().filter(|check| check.passed.is_none()) {
        next.push(format!("{}: not settled ({})", check.check, check.result));
    }
    for found in found.iter().filter(|found| found.planned.question.is_of_the_set()) {
        if found.result != ProbeResult::Works {
            let (family, question) =
                (found.planned.endpoint.map_or("", decisions::Endpoint::as_str), found.planned.question);
            next.push(format!("{family} {}: {}", question.as_str(), found.note));
        }
    }
    for cell in matrix.iter().filter(|cell| cell.enabled && cell.result != ProbeResult::Works) {
        next.push(format!(
            "{} {} is {}: take it out of `enabled_features` there, so that such requests stay at home",
            cell.endpoint_family,
            cell.feature,
            cell.result.as_str()
        ));
    }
    if target.enabled.is_none() {
        next.push("declare `enabled_features`: without it whatever a request uses goes there".to_owned());
    }
    if decision == Decision::Proceed {
        next.push("run `cometgate smoke` through the gateway before any customer's traffic moves".to_owned());
    }
    next
}

#[cfg(test)]
mod tests;
