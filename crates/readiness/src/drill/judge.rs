//! Whether a request of a drill went where it had to, and came back as it should.

use decisions::Role;
use decisions::gate::Outcome;

use crate::drill::cohort::Key;
use crate::drill::steps::Step;
use crate::drill::tally::outcome;
use crate::gateway::SeenAttempt;

/// What has to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It goes to the target, whether or not that answers well.
    There,
    /// It goes to the prior route and nowhere else.
    Home,
    /// It goes to the target, which answers well and reports usage.
    Answered,
    /// It goes to the target, which refuses it for what it is, once.
    Refused,
    /// Each is drawn for itself: either will do.
    Either,
}

/// What the operator's own command says of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acceptance {
    /// It was not asked.
    #[default]
    NotAsked,
    /// It takes it.
    Accepted,
    /// It does not.
    Rejected,
    /// It did not say in time, or could not be run.
    Silent,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub step: Step,
    /// What has to become of it.
    pub expected: Expected,
    /// What it is sticky by.
    pub key: Option<Key>,
    /// The gateway's ID; `None` where no answer came.
    pub request_id: Option<String>,
    /// What the sender got.
    pub status: Option<u16>,
    /// Why the sender got no whole answer.
    pub failure: Option<String>,
    /// The model that the answer names.
    pub model: Option<String>,
    /// What the operator's own command says of the answer.
    pub acceptance: Acceptance,
    /// What became of it.
    pub attempts: Vec<SeenAttempt>,
}

/// What is wrong with a request, in words; `None` if nothing is. How often the target may fail is not judged here: that
/// is for the limits.
#[must_use]
pub fn judge(sent: &Sent, role: Role, route: &str) -> Option<String> {
    let Some(first) = sent.attempts.first() else { return Some(unsent(sent)) };
    if let Some(other) = sent.attempts.iter().find(|attempt| attempt.route.as_deref() != Some(route)) {
        return Some(format!(
            "a request went by the route {}",
            other.route.as_deref().unwrap_or("of no name")
        ));
    }
    let is_there = first.role == role.as_str();
    let whose = || {
        let key = sent.key.as_ref().and_then(|key| Some(format!(" with {} {}", key.field?, key.value)));
        key.unwrap_or_default()
    };
    let wrong = match sent.expected {
        Expected::There | Expected::Answered | Expected::Refused if !is_there => {
            Some(format!("a request{} went to the {} and not to the {}", whose(), first.role, role.as_str()))
        }
        Expected::Home => sent.attempts.iter().find(|attempt| attempt.role != "primary").map(|attempt| {
            let what = if attempt.kind == "first" { "request" } else { attempt.kind.as_str() };
            format!("a {what}{} went to the {} and not to the prior route", whose(), attempt.role)
        }),
        Expected::Answered => badly_answered(sent, first),
        Expected::Refused => badly_refused(sent, first),
        Expected::There | Expected::Either => None,
    };
    wrong.or_else(|| match sent.acceptance {
        Acceptance::Rejected if is_there => Some("an answer of the target was not accepted".to_owned()),
        Acceptance::Silent if is_there => Some("the acceptance command said nothing of an answer".to_owned()),
        _ => None,
    })
}

fn unsent(sent: &Sent) -> String {
    match (sent.status, &sent.failure) {
        (Some(status), _) => format!("the gateway answered {status} itself and asked nobody"),
        (None, Some(failure)) => format!("the gateway gave no answer: {failure}"),
        (None, None) => "nobody was asked".to_owned(),
    }
}

fn badly_answered(sent: &Sent, attempt: &SeenAttempt) -> Option<String> {
    if let Some(class) = &attempt.error_class {
        return Some(format!("the valid request was not answered well: {class}"));
    }
    if let Some(failure) = &sent.failure {
        return Some(format!("the valid request was not answered whole: {failure}"));
    }
    if !sent.status.is_some_and(|status| (200..300).contains(&status)) {
        return Some(format!("the valid request was answered {}", sent.status.unwrap_or_default()));
    }
    // "Stop test if usage reporting is unavailable": a drill has to have a measurable boundary.
    let is_unmetered = attempt.endpoint == "moderations";
    (attempt.input_tokens.is_none() && !is_unmetered)
        .then(|| "its answer reports no usage, so the drill has no measurable boundary".to_owned())
}

fn badly_refused(sent: &Sent, attempt: &SeenAttempt) -> Option<String> {
    let Some(class) = &attempt.error_class else {
        return Some("the invalid request was answered as if it were valid".to_owned());
    };
    if outcome(attempt) != Outcome::NotCounted {
        return Some(format!("the invalid request failed by {class}, which does not say that it is faulty"));
    }
    if sent.attempts.len() > 1 {
        return Some(format!("the invalid request was tried {} times", sent.attempts.len()));
    }
    // The class is of the body; CometAPI says the same with a 500.
    let is_refused = sent.status.is_some_and(|status| status >= 400);
    (!is_refused).then(|| format!("the invalid request was answered {}", sent.status.unwrap_or_default()))
}
