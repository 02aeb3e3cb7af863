//! What a smoke test takes down: a record for each attempt, with the fields of runbook 4's template.

use evidence::{Digest, ModelAsked, Moment, Name, Prose, RequestType, SmokeCheck};

use crate::route_check::Subject;
use crate::route_check::family::{TOKEN_LIMIT, documentation, left_out};
use crate::smoke::judge::{Before, Found, Judged, assertions, retry_decision};

/// What all records of a test have in common.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// Names the test.
    pub check_id: &'a str,
    /// Who makes it.
    pub by: &'a str,
    /// Tickets, as said.
    pub links: &'a [String],
    /// Of the map.
    pub map_sha256: Digest,
    /// What was found out before.
    pub before: Before,
}

/// The records, in the order of the requests; each with when it was sent, and what else is to be noted.
#[must_use]
pub fn records(
    subject: &Subject,
    about: &About<'_>,
    found: &[(Moment, Found, String)],
    judged: &Judged,
) -> Vec<SmokeCheck> {
    found.iter().map(|(at, found, more)| record(subject, about, (*at, found, more), judged)).collect()
}

fn record(
    subject: &Subject,
    about: &About<'_>,
    (at, found, more): (Moment, &Found, &str),
    judged: &Judged,
) -> SmokeCheck {
    let Found { asked, facts } = found;
    let family = subject.family();
    let is_error_path = asked.request == RequestType::ErrorPath;
    let links = [documentation(family)].into_iter().chain(about.links.iter().map(String::as_str));
    let what = match (asked.request, asked.model) {
        (RequestType::HappyPath, ModelAsked::Current) => "a minimal request".to_owned(),
        (RequestType::HappyPath, ModelAsked::Rollback) => {
            "a minimal request with the rollback's model ID".to_owned()
        }
        (RequestType::ErrorPath, _) => format!("a request without `{}`", left_out(family)),
    };
    SmokeCheck {
        ts: at,
        check_id: about.check_id.into(),
        review_date: at.to_string().chars().take(10).collect::<String>().into(),
        operator: about.by.into(),
        environment: subject.environment.as_deref().unwrap_or("not_said").into(),
        endpoint_family: family,
        model_reference: asked.model_id.as_str().into(),
        request_type: asked.request,
        status_class: facts.status_class(),
        response_id_present: facts.shape.id,
        response_object_type: facts.shape.object.into(),
        usage_field_present: facts.shape.usage,
        retry_decision: retry_decision(facts, judged),
        fallback_decision: judged.fallback,
        evidence_links: links.map(Prose::from).collect(),
        notes: facts.note(&what, more),
        endpoint_family_because: subject.choice.because.as_str().into(),
        model_alias: subject.alias.as_str().into(),
        model_asked: asked.model,
        left_out: is_error_path.then(|| left_out(family).into()),
        token_limit: TOKEN_LIMIT,
        http_status: facts.status,
        finish_state: facts.shape.end.into(),
        route: subject.route.as_str().into(),
        target: subject.target().into(),
        selected_model_id: facts.model_id.as_deref().map(Name::from),
        expected_model_selected: facts.model_id.as_ref() == Some(&asked.model_id),
        response_accepted: facts.is_accepted && !is_error_path,
        error_class: facts.error_class.as_deref().map(Name::from),
        request_id: facts.request_id.as_deref().map(Name::from),
        decisions_logged: facts.logged,
        assertions: assertions(subject, about.before, found),
        holds: judged.holds.iter().map(|hold| hold.as_str().into()).collect(),
        decision: judged.decision,
        next: judged.next.as_str().into(),
        config_sha256: about.map_sha256,
    }
}
