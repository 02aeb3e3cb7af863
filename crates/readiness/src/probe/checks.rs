//! The eight checks of runbook 3, "Pre-cutover validation", judged by what the probes saw.

use decisions::{ClassSet, ErrorClass};
use evidence::{PreCutoverCheck, ProbeResult};

use crate::probe::question::Question;
use crate::probe::run::Found;
use crate::probe::seen::{Ending, Seen, Shape};

/// How a route tries again, read off the plan that answers traffic.
#[derive(Clone, Debug)]
pub struct RetryFacts {
    /// Its name.
    pub route: String,
    /// After which failures it asks the same target again.
    pub retried: ClassSet,
    /// After which it asks another one.
    pub fallback_on: ClassSet,
    /// What a running gateway has counted, where one answers.
    pub counted: Option<String>,
}

/// Never reached, or reached by way of something that is not the provider.
const NO_WAY: ClassSet = ClassSet::of(&[
    ErrorClass::Dns,
    ErrorClass::Connect,
    ErrorClass::ConnectTimeout,
    ErrorClass::Tls,
    ErrorClass::NoAnswer,
]);

/// What nothing is tried again for, at the same target or another (runbook 3, section 4).
const NEVER_AGAIN: ClassSet =
    ClassSet::of(&[ErrorClass::Auth, ErrorClass::Validation, ErrorClass::ContentPolicy]);

/// Judges all eight. `found` is what concerns one alias at one provider, `routes` are those that lead to it, and `leaks` says
/// whether something was found where it must not be.
#[must_use]
pub fn checks(found: &[&Found], routes: &[RetryFacts], leaks: bool) -> Vec<PreCutoverCheck> {
    vec![
        check("dns_and_egress", "No blocked egress, TLS failure, or proxy rewrite issue.", egress(found)),
        check("auth_success", "2xx response and parseable body.", auth_success(found)),
        check(
            "auth_failure",
            "Clear 401/403-style failure classification; no retry loop.",
            all(found, Question::is_of_keys),
        ),
        check("schema_parse", "Required fields are present or safely handled.", schema(found)),
        check(
            "timeout_behavior",
            "Request does not hang worker capacity.",
            all(found, |question| matches!(question, Question::ShortTimeout | Question::Cancelled)),
        ),
        check("retry_behavior", "Only approved errors retry.", retries(found, routes)),
        check("logging", "No secrets or sensitive payloads in logs.", logging(leaks)),
        check("usage_telemetry", "Drill has a measurable usage boundary.", usage(found)),
    ]
}

type Judged = (Option<bool>, String);

fn check(name: &str, pass_condition: &str, (passed, result): Judged) -> PreCutoverCheck {
    let (check, pass_condition) = (name.into(), pass_condition.into());
    PreCutoverCheck { check, pass_condition, passed, result: result.into() }
}

fn unknown(why: &str) -> Judged {
    (None, why.to_owned())
}

/// What was sent, and what came of it.
fn answers<'f>(found: &[&'f Found]) -> Vec<(&'f Found, &'f Seen)> {
    let was_sent = |seen: &&Seen| seen.ending != Ending::Unsent;
    found.iter().filter_map(|found| Some((*found, found.seen.as_ref().filter(was_sent)?))).collect()
}

/// Probes of some questions, each of which has to work.
fn all(found: &[&Found], which: impl Fn(Question) -> bool) -> Judged {
    let asked: Vec<&&Found> = found.iter().filter(|found| which(found.planned.question)).collect();
    let said = asked.iter().map(|found| format!("{}: {}", found.planned.question.as_str(), found.note));
    let said = said.collect::<Vec<_>>().join("; ");
    if asked.is_empty() {
        return unknown("nothing was asked");
    }
    let is_settled = asked.iter().all(|found| found.result != ProbeResult::NotTried);
    let is_wrong =
        asked.iter().any(|found| !matches!(found.result, ProbeResult::Works | ProbeResult::NotTried));
    (if is_wrong { Some(false) } else { is_settled.then_some(true) }, said)
}

fn egress(found: &[&Found]) -> Judged {
    let seen: Vec<(&Found, &Seen)> = answers(found)
        .into_iter()
        .filter(|(found, _)| found.planned.question != Question::ShortTimeout)
        .collect();
    let is_unreached = |seen: &Seen| seen.class.is_some_and(|class| NO_WAY.contains(class));
    let failed: Vec<&str> = seen
        .iter()
        .filter(|(_, seen)| is_unreached(seen))
        .filter_map(|(_, seen)| seen.class.map(ErrorClass::as_str))
        .collect();
    let reached = seen.iter().filter(|(_, seen)| seen.status.is_some()).count();
    // A page where a model's answer should be comes from a proxy, a wall or a wrong base URL.
    let rewritten = seen.iter().any(|(found, seen)| {
        (found.planned.body.is_some() || found.planned.question == Question::Models)
            && (seen.shape == Shape::Html || seen.status.is_some_and(|status| (300..400).contains(&status)))
    });
    match (reached, failed.first()) {
        (0, None) if seen.is_empty() => unknown("nothing was sent"),
        (0, None) => {
            let class = seen.iter().find_map(|(_, seen)| seen.class).map_or("no class", ErrorClass::as_str);
            unknown(&format!(
                "{} were sent and none was answered ({class}): nobody knows how far they came",
                seen.len()
            ))
        }
        (_, Some(class)) => {
            (Some(false), format!("{} of {} were not answered: {class}", failed.len(), seen.len()))
        }
        _ if rewritten => (
            Some(false),
            "a page or a redirect came where an answer should be: base URL, path or a proxy in between"
                .to_owned(),
        ),
        (reached, None) => (Some(true), format!("{reached} answers, straight from this machine")),
    }
}

fn auth_success(found: &[&Found]) -> Judged {
    let asked: Vec<(&Found, &Seen)> = answers(found)
        .into_iter()
        .filter(|(found, _)| found.planned.question == Question::SingleTurn)
        .collect();
    let good = asked.iter().filter(|(_, seen)| seen.class.is_none()).count();
    match asked.iter().find(|(_, seen)| seen.class.is_some()) {
        _ if asked.is_empty() => unknown("nothing was sent"),
        Some((_, seen)) if seen.class == Some(ErrorClass::Auth) => {
            let scope = if key_is_good(found) {
                ": the list of models takes the same key, so this is about the model and not about the key"
            } else {
                ""
            };
            (Some(false), format!("the credential is refused on inference{scope}"))
        }
        Some((found, _)) => (Some(false), found.note.clone()),
        None => (Some(true), format!("{good} of {} families answered a sanitised request", asked.len())),
    }
}

/// The list of models took the key.
pub(super) fn key_is_good(found: &[&Found]) -> bool {
    found.iter().any(|found| found.planned.question == Question::Models && found.result == ProbeResult::Works)
}

fn schema(found: &[&Found]) -> Judged {
    let good = |(found, seen): &(&Found, &Seen)| {
        found.planned.body.is_some()
            && !found.planned.question.is_to_be_refused()
            && !matches!(found.planned.question, Question::ShortTimeout | Question::Cancelled)
            && seen.status.is_some_and(|status| (200..300).contains(&status))
            && found.result != ProbeResult::Ignored
    };
    let read: Vec<(&Found, &Seen)> = answers(found).into_iter().filter(good).collect();
    let is_bad = |class: ErrorClass| matches!(class, ErrorClass::Malformed | ErrorClass::Truncated);
    let bad = read.iter().find(|(_, seen)| seen.class.is_some_and(is_bad));
    match bad {
        Some((found, _)) => (Some(false), format!("{}: {}", found.planned.question.as_str(), found.note)),
        None if read.is_empty() => unknown("no answer that could be read"),
        None => (Some(true), format!("{} answers read, every required field there", read.len())),
    }
}

/// By the table of classes and the route's own rules: nothing is provoked in traffic.
fn retries(found: &[&Found], routes: &[RetryFacts]) -> Judged {
    let wrongly = |route: &&RetryFacts| {
        route.retried.iter().any(|class| !ErrorClass::RETRYABLE.contains(class))
            || NEVER_AGAIN.iter().any(|class| route.fallback_on.contains(class))
    };
    if let Some(route) = routes.iter().find(wrongly) {
        return (Some(false), format!("route {} tries again what must not be", route.route));
    }
    let told_apart = |question: Question| matches!(question, Question::InvalidRequest | Question::InvalidKey);
    let (is_told, said) = all(found, told_apart);
    if routes.is_empty() {
        return unknown("no route leads there, so nothing is tried again");
    }
    let rules = routes.iter().map(|route| {
        let counted = route.counted.as_deref().unwrap_or("no gateway was asked");
        format!("route {} retries after {}; {counted}", route.route, names(route.retried))
    });
    match is_told {
        Some(true) => (Some(true), format!("{}. Told apart: {said}", rules.collect::<Vec<_>>().join(". "))),
        verdict => (verdict, format!("what may not be retried is not told apart: {said}")),
    }
}

fn names(classes: ClassSet) -> String {
    let names: Vec<&str> = classes.iter().map(ErrorClass::as_str).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn logging(leaks: bool) -> Judged {
    let said = if leaks {
        "a prompt, an answer or a key stands in what this run says"
    } else {
        "no prompt, answer or key in this run's records and output; a gateway's log was not looked at"
    };
    (Some(!leaks), said.to_owned())
}

fn usage(found: &[&Found]) -> Judged {
    let good: Vec<(&Found, &Seen)> = answers(found)
        .into_iter()
        .filter(|(found, seen)| {
            let question = found.planned.question;
            found.planned.body.is_some()
                && seen.class.is_none()
                && !matches!(question, Question::StreamWithoutUsage | Question::Cancelled)
        })
        .collect();
    let reported = good.iter().filter(|(_, seen)| seen.usage.is_some()).count();
    if let Some(overrun) = found.iter().find_map(|found| found.overrun) {
        let (planned, reported) = (overrun.planned, overrun.reported);
        return (
            Some(false),
            format!("{reported} tokens were reported where {planned} were the most there could be"),
        );
    }
    match good.first() {
        None => unknown("no good answer to look at"),
        Some(_) if reported == good.len() => {
            (Some(true), format!("all {reported} good answers say what they used"))
        }
        Some(_) => (Some(false), format!("{reported} of {} good answers say what they used", good.len())),
    }
}
