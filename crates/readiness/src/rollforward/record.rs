//! What a rollforward check takes down: a record for each attempt, with the fields of runbook 5's template.

use evidence::{Digest, Moment, Name, RequestType, RollforwardCheck};

use crate::rollforward::judge::{Found, Judged, assertions, result, shape_seen};
use crate::route_check::Subject;

/// What both records of a check have in common.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// In the runbook's own form.
    pub check_id: &'a str,
    /// Who makes it.
    pub by: &'a str,
    /// The ticket or review.
    pub review_link: &'a str,
    /// Of the map.
    pub map_sha256: Digest,
}

/// The records, in the order of the attempts; each with when it was sent, and what else is to be noted.
#[must_use]
pub fn records(
    subject: &Subject,
    about: &About<'_>,
    found: &[(Moment, Found, String)],
    judged: &Judged,
) -> Vec<RollforwardCheck> {
    found.iter().map(|(at, found, more)| record(subject, about, (*at, found, more), judged)).collect()
}

fn record(
    subject: &Subject,
    about: &About<'_>,
    (at, found, more): (Moment, &Found, &str),
    judged: &Judged,
) -> RollforwardCheck {
    let Found { request, facts } = found;
    let name = |text: &Option<String>| text.as_deref().map(Name::from);
    let or_not_seen = |text: &Option<String>| Name::from(text.as_deref().unwrap_or("not_seen"));
    let what = match request {
        RequestType::HappyPath => "a minimal request",
        RequestType::ErrorPath => "the same with a credential that is nobody's",
    };
    RollforwardCheck {
        ts: at,
        check_id: about.check_id.into(),
        route_label: or_not_seen(&facts.route),
        request_family: or_not_seen(&facts.endpoint),
        http_status_class: facts.status_class(),
        response_shape_seen: shape_seen(subject, found),
        fallback_decision: judged.rollforward,
        retry_count: facts.retries(),
        operator_result: result(subject, found),
        review_link: about.review_link.into(),
        operator: about.by.into(),
        environment: subject.environment.as_deref().unwrap_or("not_said").into(),
        request_type: *request,
        http_status: facts.status,
        intended_upstream: subject.target().into(),
        selected_upstream: name(&facts.target),
        model_id: name(&facts.model_id),
        response_id_present: facts.shape.id,
        completion_marker: facts.shape.end.into(),
        usage_field_present: facts.shape.usage,
        error_class: name(&facts.error_class),
        request_id: name(&facts.request_id),
        decisions_logged: facts.decisions.iter().map(|decision| decision.as_str().into()).collect(),
        assertions: assertions(subject, found),
        holds: judged.holds.iter().map(|hold| hold.as_str().into()).collect(),
        decision: judged.decision,
        next: judged.next.as_str().into(),
        notes: facts.note(what, more),
        config_sha256: about.map_sha256,
    }
}
