//! Which requests a smoke test makes: one that is in order and one that is not, for each model ID; no more.

use std::time::Duration;

use evidence::{ModelAsked, RequestType};

use crate::gateway::LeaseTerms;
use crate::route_check::family::{happy_body, invalid_body};
use crate::route_check::{Planned, Subject};

/// One of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is sent.
    pub request: RequestType,
    /// For which model ID of the route.
    pub model: ModelAsked,
    /// That ID.
    pub model_id: String,
}

/// The requests of a test, in order; `rollback_id` is the model ID that the version to go back to has.
#[must_use]
pub fn plan(
    subject: &Subject,
    (check_id, by): (&str, &str),
    rollback_id: Option<&str>,
    timeout: Duration,
) -> Vec<(Asked, Planned)> {
    let models = [
        Some((ModelAsked::Current, subject.model_id.as_str())),
        rollback_id.map(|id| (ModelAsked::Rollback, id)),
    ];
    let requests = [RequestType::HappyPath, RequestType::ErrorPath];
    let all = models.into_iter().flatten().flat_map(|model| requests.map(|request| (model, request)));
    all.map(|((model, id), request)| {
        let body = match request {
            RequestType::HappyPath => happy_body(subject.family(), &subject.alias),
            RequestType::ErrorPath => invalid_body(subject.family(), &subject.alias),
        };
        let terms = LeaseTerms {
            route: subject.route.clone(),
            check_id: check_id.to_owned(),
            by: by.to_owned(),
            role: Some(subject.role.as_str().to_owned()),
            model_id: (model == ModelAsked::Rollback).then(|| id.to_owned()),
            // Neither is tried again: a failure is recorded and classed, not made green.
            retries: Some(0),
            ..LeaseTerms::default()
        };
        (Asked { request, model, model_id: id.to_owned() }, Planned { terms, body, timeout })
    })
    .collect()
}
