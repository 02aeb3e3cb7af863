//! What the two attempts have shown, by runbook 5's "When should rollforward be held?".

use decisions::ErrorClass;
use evidence::{Assertion, Decision, OperatorResult, RequestType, RollforwardDecision, ShapeSeen};

use crate::route_check::{Facts, Subject};

/// Why rolling forward is held: the runbook's five reasons first, then what its steps and failure modes ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// "the route label is ambiguous"
    RouteLabelAmbiguous,
    /// "the response cannot be parsed"
    ResponseUnparseable,
    /// "the error path retries without a bound"
    RetriesUnbounded,
    /// "the request family is unclear"
    RequestFamilyUnclear,
    /// "the operator cannot reconstruct the fallback decision from logs"
    DecisionNotLogged,
    /// The intended upstream was not selected.
    OtherUpstream,
    /// The request that is in order failed.
    HappyPathFailed,
    /// The credential of nobody was accepted, or its refusal is not on record as one.
    ErrorPathNotCaptured,
    /// A status or another field is missing.
    FieldMissing,
    /// The gateway decides by another map than the one that was read.
    MapDiffers,
}

impl Hold {
    /// All of them.
    pub const ALL: [Hold; 10] = [
        Hold::RouteLabelAmbiguous,
        Hold::ResponseUnparseable,
        Hold::RetriesUnbounded,
        Hold::RequestFamilyUnclear,
        Hold::DecisionNotLogged,
        Hold::OtherUpstream,
        Hold::HappyPathFailed,
        Hold::ErrorPathNotCaptured,
        Hold::FieldMissing,
        Hold::MapDiffers,
    ];

    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::RouteLabelAmbiguous => "route_label_ambiguous",
            Hold::ResponseUnparseable => "response_unparseable",
            Hold::RetriesUnbounded => "retries_unbounded",
            Hold::RequestFamilyUnclear => "request_family_unclear",
            Hold::DecisionNotLogged => "decision_not_logged",
            Hold::OtherUpstream => "other_upstream",
            Hold::HappyPathFailed => "happy_path_failed",
            Hold::ErrorPathNotCaptured => "error_path_not_captured",
            Hold::FieldMissing => "field_missing",
            Hold::MapDiffers => "map_differs",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next(self) -> &'static str {
        match self {
            Hold::RouteLabelAmbiguous => "find out which route the attempts followed",
            Hold::ResponseUnparseable => {
                "look at the provider's base URL and paths: its answer is not what the endpoint answers"
            }
            Hold::RetriesUnbounded => "bound the retries (`retry_policy`) before anything moves",
            Hold::RequestFamilyUnclear => {
                "find out which endpoint the attempts called; a pass of one says nothing of the other"
            }
            Hold::DecisionNotLogged => {
                "look into the gateway's log; without a decision on record nothing is shown"
            }
            Hold::OtherUpstream => "look where `cometgate routes explain` says that it goes",
            Hold::HappyPathFailed => "keep traffic where it is, and follow the failure's class",
            Hold::ErrorPathNotCaptured => {
                "find out who answers a key of nobody: the refusal has to be on record as one"
            }
            Hold::FieldMissing => "link the missing evidence in the same ticket, and run it again",
            Hold::MapDiffers => "wait until the map is live, or look why it was refused; then run it again",
        }
    }
}

/// One attempt and what it has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub request: RequestType,
    /// What.
    pub facts: Facts,
}

/// The check as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Runbook 1's decision.
    pub decision: Decision,
    /// Runbook 5's.
    pub rollforward: RollforwardDecision,
    /// Why it is held.
    pub holds: Vec<Hold>,
    /// The provider could not be reached.
    pub is_unreachable: bool,
    /// What to do next.
    pub next: String,
}

/// Judges a check.
#[must_use]
pub fn judge(subject: &Subject, found: &[Found]) -> Judged {
    let mut holds: Vec<Hold> = found.iter().flat_map(|found| holds_of(subject, found)).collect();
    let has = |request| found.iter().filter(|found| found.request == request).count() == 1;
    if !has(RequestType::HappyPath) || !has(RequestType::ErrorPath) {
        holds.push(Hold::DecisionNotLogged);
    }
    if subject.environment.is_none() {
        holds.push(Hold::FieldMissing);
    }
    holds.sort_unstable();
    holds.dedup();
    let happy = || found.iter().filter(|found| found.request == RequestType::HappyPath);
    let is_for_a_person = happy().any(|found| found.facts.is_for_a_person());
    let decision = match (holds.is_empty(), is_for_a_person) {
        (true, _) => Decision::Proceed,
        (false, true) => Decision::Escalate,
        (false, false) => Decision::Pause,
    };
    let rollforward = match decision {
        Decision::Proceed if subject.is_serving => RollforwardDecision::Stay,
        Decision::Proceed => RollforwardDecision::Promote,
        Decision::Pause | Decision::Escalate => RollforwardDecision::Hold,
    };
    let steps: Vec<&str> = holds.iter().map(|hold| hold.next()).collect();
    let next = match decision {
        Decision::Proceed => format!(
            "the {} of {} answers as it should; raise its share by a step, and let its gates decide about more",
            subject.role.as_str(),
            subject.route
        ),
        Decision::Pause => format!("hold the rollforward; {}", steps.join("; ")),
        Decision::Escalate => {
            format!(
                "hold the rollforward; ask who owns the account of {}: its key or its credit is refused",
                subject.provider
            )
        }
    };
    let is_unreachable = happy().any(|found| found.facts.is_unreachable());
    Judged { decision, rollforward, holds, is_unreachable, next }
}

/// Why one attempt has not shown what it had to.
#[must_use]
pub(super) fn holds_of(subject: &Subject, Found { request, facts }: &Found) -> Vec<Hold> {
    if !facts.is_one_request {
        return vec![Hold::DecisionNotLogged];
    }
    let mut said = vec![
        (!facts.is_of_route(subject), Hold::RouteLabelAmbiguous),
        (!facts.is_of_family(subject), Hold::RequestFamilyUnclear),
        (!facts.is_at_target(subject), Hold::OtherUpstream),
        (!facts.is_same_map, Hold::MapDiffers),
        (!is_bounded(subject, *request, facts), Hold::RetriesUnbounded),
        (facts.decisions.iter().any(String::is_empty), Hold::DecisionNotLogged),
        (facts.model_id.is_none(), Hold::FieldMissing),
    ];
    match request {
        RequestType::HappyPath => said.extend([
            (!facts.is_accepted, Hold::HappyPathFailed),
            (
                facts.is_malformed || facts.is_accepted && !facts.has_expected_shape(subject),
                Hold::ResponseUnparseable,
            ),
        ]),
        RequestType::ErrorPath => said.extend([
            (!facts.is_classed(ErrorClass::Auth), Hold::ErrorPathNotCaptured),
            (facts.is_malformed, Hold::ResponseUnparseable),
            (facts.status.is_none(), Hold::FieldMissing),
        ]),
    }
    said.into_iter().filter_map(|(is_so, hold)| is_so.then_some(hold)).collect()
}

/// A refused credential is never tried again; anything else at most as often as the route says.
fn is_bounded(subject: &Subject, request: RequestType, facts: &Facts) -> bool {
    let allowed = match request {
        RequestType::HappyPath => u32::from(subject.retries),
        RequestType::ErrorPath => 0,
    };
    facts.retries().is_some_and(|retries| retries <= allowed)
}

/// Whether an answer had the form that it should have.
#[must_use]
pub(super) fn shape_seen(subject: &Subject, Found { request, facts }: &Found) -> ShapeSeen {
    let is_expected = match request {
        RequestType::HappyPath => facts.has_expected_shape(subject),
        RequestType::ErrorPath => {
            facts.is_classed(ErrorClass::Auth) && !facts.is_malformed && facts.shape.has_error
        }
    };
    if is_expected { ShapeSeen::Expected } else { ShapeSeen::Unexpected }
}

/// Whether an attempt has shown what it had to.
#[must_use]
pub(super) fn result(subject: &Subject, found: &Found) -> OperatorResult {
    if holds_of(subject, found).is_empty() { OperatorResult::Pass } else { OperatorResult::Fail }
}

/// Runbook 5's minimum assertions, of one attempt.
#[must_use]
pub(super) fn assertions(subject: &Subject, found: &Found) -> Vec<Assertion> {
    let facts = &found.facts;
    let one_each = facts.is_one_request && facts.decisions.len() == facts.logged as usize;
    let said = [
        ("response_is_parseable", shape_seen(subject, found) == ShapeSeen::Expected),
        ("route_label_is_correct", facts.is_of_route(subject)),
        ("intended_upstream_was_selected", facts.is_at_target(subject)),
        ("decision_logged_once_per_attempt", one_each),
        ("retries_are_bounded", is_bounded(subject, found.request, facts)),
    ];
    said.map(|(assertion, holds)| Assertion { assertion: assertion.into(), holds }).into()
}
