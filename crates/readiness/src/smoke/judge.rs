//! What the requests of a smoke test have shown. What is missing is a hold, never a pass.

use decisions::ErrorClass;
use evidence::{Assertion, Decision, FallbackDecision, RequestType, RetryDecision};

use crate::route_check::{Facts, Subject};
use crate::smoke::plan::Asked;

/// Why a test is no pass; the failure modes of runbook 4, and what its steps ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// Nobody has said that the documented page was read on that day.
    DocumentationNotReviewed,
    /// The map does not say which environment it is of.
    EnvironmentUnknown,
    /// The target is not paid by a key of the gateway's own that goes out as a bearer token.
    NoBearerFromSecret,
    /// The gateway decides by another map than the one that was read.
    MapDiffers,
    /// The version to go back to does not say which model ID it is.
    RollbackIdUnknown,
    /// A request was not made, or the decision log does not have it.
    NotLogged,
    /// Another route, target or endpoint was followed than was meant.
    OtherTarget,
    /// Another model ID was asked for than was meant.
    OtherModel,
    /// The happy path failed.
    HappyPathFailed,
    /// Its answer is not in the documented form.
    ShapeUnexpected,
    /// The invalid request was answered as a good one.
    ErrorPathAccepted,
    /// The invalid request failed, and not clearly as a client's error.
    ErrorPathUnclassed,
    /// Something was tried again.
    Retried,
}

impl Hold {
    /// All of them.
    pub const ALL: [Hold; 13] = [
        Hold::DocumentationNotReviewed,
        Hold::EnvironmentUnknown,
        Hold::NoBearerFromSecret,
        Hold::MapDiffers,
        Hold::RollbackIdUnknown,
        Hold::NotLogged,
        Hold::OtherTarget,
        Hold::OtherModel,
        Hold::HappyPathFailed,
        Hold::ShapeUnexpected,
        Hold::ErrorPathAccepted,
        Hold::ErrorPathUnclassed,
        Hold::Retried,
    ];

    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::DocumentationNotReviewed => "documentation_not_reviewed",
            Hold::EnvironmentUnknown => "environment_unknown",
            Hold::NoBearerFromSecret => "no_bearer_from_secret",
            Hold::MapDiffers => "map_differs",
            Hold::RollbackIdUnknown => "rollback_id_unknown",
            Hold::NotLogged => "not_logged",
            Hold::OtherTarget => "other_target",
            Hold::OtherModel => "other_model",
            Hold::HappyPathFailed => "happy_path_failed",
            Hold::ShapeUnexpected => "shape_unexpected",
            Hold::ErrorPathAccepted => "error_path_accepted",
            Hold::ErrorPathUnclassed => "error_path_unclassed",
            Hold::Retried => "retried",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next(self) -> &'static str {
        match self {
            Hold::DocumentationNotReviewed => {
                "open the page that documents the endpoint, then run it again with --docs-reviewed"
            }
            Hold::EnvironmentUnknown => "give the route map an `environment`",
            Hold::NoBearerFromSecret => {
                "name a `credential` of the gateway's own for the provider, sent as a bearer"
            }
            Hold::MapDiffers => "wait until the map is live, or look why it was refused; then run it again",
            Hold::RollbackIdUnknown => {
                "name a `rollback_route_version` that is kept and serves this alias there"
            }
            Hold::NotLogged => "look into the gateway's log; without a decision on record nothing is shown",
            Hold::OtherTarget => "look where `cometgate routes explain` says that it goes",
            Hold::OtherModel => "compare `provider_model_id` of the alias with what was asked for",
            Hold::HappyPathFailed => "keep the route as it is, and follow the failure's class",
            Hold::ShapeUnexpected => "compare the answer with the fields that your applications read",
            Hold::ErrorPathAccepted => "ask the provider why it accepts a request without a required field",
            Hold::ErrorPathUnclassed => "stop at that: change nothing to turn the check green",
            Hold::Retried => "find out who retries; this check never does",
        }
    }
}

/// What was found out before any request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// The operator has read the documented page.
    pub docs_reviewed: bool,
    /// The test is for the rollback's model ID too, and nobody knows it.
    pub rollback_id_unknown: bool,
}

/// One request and what it has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub asked: Asked,
    /// What.
    pub facts: Facts,
}

/// The test as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Runbook 1's decision.
    pub decision: Decision,
    /// Runbook 4's.
    pub fallback: FallbackDecision,
    /// Why it is no pass.
    pub holds: Vec<Hold>,
    /// The provider could not be reached.
    pub is_unreachable: bool,
    /// What to do next.
    pub next: String,
}

/// Judges a test.
#[must_use]
pub fn judge(subject: &Subject, before: Before, found: &[Found]) -> Judged {
    let mut holds: Vec<Hold> = holds_before(subject, before);
    holds.extend(found.iter().flat_map(|found| holds_of(subject, found)));
    if found.is_empty() {
        holds.push(Hold::NotLogged);
    }
    holds.sort_unstable();
    holds.dedup();
    let happy = || found.iter().filter(|found| found.asked.request == RequestType::HappyPath);
    let is_for_a_person = happy().any(|found| found.facts.is_for_a_person());
    let has_failed = holds.contains(&Hold::HappyPathFailed);
    let decision = match (holds.is_empty(), is_for_a_person) {
        (true, _) => Decision::Proceed,
        (false, true) => Decision::Escalate,
        (false, false) => Decision::Pause,
    };
    let is_home = subject.role == decisions::Role::Primary;
    let fallback = match decision {
        Decision::Escalate => FallbackDecision::Escalate,
        Decision::Proceed if !is_home => FallbackDecision::RouteCanary,
        Decision::Pause if has_failed && subject.is_serving && !is_home => FallbackDecision::RollBack,
        Decision::Proceed | Decision::Pause => FallbackDecision::KeepPrimary,
    };
    Judged {
        decision,
        fallback,
        is_unreachable: happy().any(|found| found.facts.is_unreachable()),
        next: next(subject, decision, &holds),
        holds,
    }
}

fn next(subject: &Subject, decision: Decision, holds: &[Hold]) -> String {
    let steps: Vec<&str> = holds.iter().map(|hold| hold.next()).collect();
    match decision {
        Decision::Proceed => format!(
            "link this record to the ticket; one test shows one moment, so let the gates of {} decide about its traffic",
            subject.route
        ),
        Decision::Pause => format!("change no route; {}", steps.join("; ")),
        Decision::Escalate => {
            format!(
                "ask who owns the account of {}: its key or its credit is refused; change no route",
                subject.provider
            )
        }
    }
}

fn holds_before(subject: &Subject, before: Before) -> Vec<Hold> {
    let said = [
        (!before.docs_reviewed, Hold::DocumentationNotReviewed),
        (subject.environment.is_none(), Hold::EnvironmentUnknown),
        (!subject.is_bearer_from_secret, Hold::NoBearerFromSecret),
        (before.rollback_id_unknown, Hold::RollbackIdUnknown),
    ];
    said.into_iter().filter_map(|(is_so, hold)| is_so.then_some(hold)).collect()
}

fn holds_of(subject: &Subject, Found { asked, facts }: &Found) -> Vec<Hold> {
    if !facts.is_one_request {
        return vec![Hold::NotLogged];
    }
    let is_there = facts.is_of_route(subject) && facts.is_at_target(subject) && facts.is_of_family(subject);
    let mut said = vec![
        (!facts.is_same_map, Hold::MapDiffers),
        (!is_there, Hold::OtherTarget),
        (facts.model_id.as_ref() != Some(&asked.model_id), Hold::OtherModel),
        (facts.logged > 1, Hold::Retried),
    ];
    match asked.request {
        RequestType::HappyPath => said.extend([
            (!facts.is_accepted, Hold::HappyPathFailed),
            (facts.is_accepted && !facts.has_expected_shape(subject), Hold::ShapeUnexpected),
            (facts.is_malformed, Hold::ShapeUnexpected),
        ]),
        RequestType::ErrorPath => said.extend([
            (facts.is_accepted, Hold::ErrorPathAccepted),
            (!facts.is_accepted && !is_client_error(facts), Hold::ErrorPathUnclassed),
        ]),
    }
    said.into_iter().filter_map(|(is_so, hold)| is_so.then_some(hold)).collect()
}

/// Whatever its status: CometAPI answers 500 to a request without `messages`, and says in the body what it is.
fn is_client_error(facts: &Facts) -> bool {
    facts.is_classed(ErrorClass::Validation)
}

/// Whether anything was tried again.
#[must_use]
pub(super) fn retry_decision(facts: &Facts, judged: &Judged) -> RetryDecision {
    match facts.logged {
        2 => RetryDecision::SingleRetry,
        0 | 1 if judged.decision == Decision::Escalate => RetryDecision::Escalate,
        0 | 1 => RetryDecision::NoRetry,
        _ => RetryDecision::Escalate,
    }
}

/// Runbook 4's minimum assertions, of one request.
#[must_use]
pub(super) fn assertions(subject: &Subject, before: Before, found: &Found) -> Vec<Assertion> {
    let facts = &found.facts;
    let is_readable =
        facts.shape.is_object && !facts.is_malformed || facts.error_class.is_some() && facts.logged > 0;
    let can_be_repeated = facts.is_one_request
        && facts.is_of_route(subject)
        && facts.model_id.is_some()
        && subject.environment.is_some();
    let said = [
        ("documented_page_reachable_on_review_date", before.docs_reviewed),
        ("bearer_token_from_safe_secret_source", subject.is_bearer_from_secret),
        ("parseable_json_or_clearly_classified_error", is_readable),
        ("decision_log_says_which_path", facts.is_one_request),
        ("enough_context_to_repeat", can_be_repeated),
    ];
    said.map(|(assertion, holds)| Assertion { assertion: assertion.into(), holds }).into()
}
