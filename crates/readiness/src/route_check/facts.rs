//! What one request has shown: its answer beside what the gateway's decision log has of it.

use decisions::ErrorClass;
use evidence::{Prose, StatusClass};

use crate::gateway::SeenAttempt;
use crate::route_check::family::endpoint;
use crate::route_check::making::Made;
use crate::route_check::shape::Shape;
use crate::route_check::subject::{Subject, target};

/// What one request has shown of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The provider's status; the gateway's own where no provider was asked.
    pub status: Option<u16>,
    /// The form of the answer that came back.
    pub shape: Shape,
    /// As what the gateway classed the last attempt; `None` for a success.
    pub error_class: Option<String>,
    /// What the caller was answered is a success.
    pub is_accepted: bool,
    /// The gateway found the answer not to be what the endpoint answers.
    pub is_malformed: bool,
    /// Attempts that the log has.
    pub logged: u32,
    /// What was decided after each.
    pub decisions: Vec<String>,
    /// All attempts in the log are of this one request, which the answer names too.
    pub is_one_request: bool,
    /// The route that the log names for all of them.
    pub route: Option<String>,
    /// The endpoint that the log names for all of them.
    pub endpoint: Option<String>,
    /// Role and provider that the log names for all of them.
    pub target: Option<String>,
    /// The model ID that the log names for all of them.
    pub model_id: Option<String>,
    /// The map in force was the one that was read.
    pub is_same_map: bool,
    /// The gateway's own id of the request.
    pub request_id: Option<String>,
}

impl Facts {
    /// Reads them from a request that was made.
    #[must_use]
    pub fn of(subject: &Subject, made: &Made) -> Facts {
        let (reply, attempts) = (&made.reply, &made.attempts);
        let last = attempts.last();
        let answered = reply.status.map(|status| status.as_u16());
        let request_id = reply.header("x-cometgate-request-id").map(str::to_owned);
        let is_of_it = |attempt: &SeenAttempt| Some(&attempt.request_id) == request_id.as_ref();
        let all_versions = attempts.iter().map(|attempt| &attempt.route_version);
        Facts {
            status: last.map_or(answered, |attempt| attempt.status),
            shape: if reply.failure.is_none() { Shape::of(&reply.body) } else { Shape::NOTHING },
            error_class: last.and_then(|attempt| attempt.error_class.clone()),
            is_accepted: reply.failure.is_none()
                && reply.status.is_some_and(|status| status.is_success())
                && last.is_some_and(|attempt| attempt.error_class.is_none()),
            is_malformed: attempts.iter().any(|attempt| attempt.malformed),
            logged: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
            decisions: attempts.iter().map(|attempt| attempt.decision.clone()).collect(),
            is_one_request: !attempts.is_empty() && attempts.iter().all(is_of_it),
            route: common(attempts, |attempt| attempt.route.clone()),
            endpoint: common(attempts, |attempt| Some(attempt.endpoint.clone())),
            target: common(attempts, |attempt| Some(target(&attempt.role, &attempt.provider))),
            model_id: common(attempts, |attempt| attempt.model_id.clone()),
            is_same_map: made.map_sha256.as_ref() == Some(&subject.map_sha256)
                && all_versions.chain([&made.route_version]).all(|version| *version == subject.route_version),
            request_id,
        }
    }

    /// Of a request that was not made.
    #[must_use]
    pub fn none() -> Facts {
        Facts {
            status: None,
            shape: Shape::NOTHING,
            error_class: None,
            is_accepted: false,
            is_malformed: false,
            logged: 0,
            decisions: Vec::new(),
            is_one_request: false,
            route: None,
            endpoint: None,
            target: None,
            model_id: None,
            is_same_map: true,
            request_id: None,
        }
    }

    /// The class of the status.
    #[must_use]
    pub fn status_class(&self) -> StatusClass {
        StatusClass::of(self.status)
    }

    /// Attempts after the first; `None` where nothing is logged.
    #[must_use]
    pub fn retries(&self) -> Option<u32> {
        self.logged.checked_sub(1)
    }

    /// The log names the route that was lent, and no other.
    #[must_use]
    pub fn is_of_route(&self, subject: &Subject) -> bool {
        self.route.as_deref() == Some(&subject.route)
    }

    /// The log names the endpoint that was called, and no other.
    #[must_use]
    pub fn is_of_family(&self, subject: &Subject) -> bool {
        self.endpoint.as_deref() == Some(endpoint(subject.family()).as_str())
    }

    /// The log names the target that was meant, and no other.
    #[must_use]
    pub fn is_at_target(&self, subject: &Subject) -> bool {
        self.target.as_deref() == Some(&subject.target())
    }

    /// The answer is a good one, in the form that its endpoint documents.
    #[must_use]
    pub fn has_expected_shape(&self, subject: &Subject) -> bool {
        let expected = match subject.family() {
            evidence::EndpointFamily::ChatCompletions => "chat.completion",
            evidence::EndpointFamily::Responses => "response",
        };
        self.is_accepted
            && self.shape.is_object
            && !self.shape.has_error
            && self.shape.id == evidence::Presence::True
            && self.shape.object == expected
    }

    /// The gateway classed the failure as this.
    #[must_use]
    pub fn is_classed(&self, class: ErrorClass) -> bool {
        self.error_class.as_deref() == Some(class.as_str())
    }

    /// The provider was not reached at all.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        [ErrorClass::Dns, ErrorClass::Connect, ErrorClass::ConnectTimeout, ErrorClass::Tls]
            .into_iter()
            .any(|class| self.is_classed(class))
    }

    /// Only a person can mend it: a key that is refused, an account without credit.
    #[must_use]
    pub fn is_for_a_person(&self) -> bool {
        self.is_classed(ErrorClass::Auth) || self.is_classed(ErrorClass::Quota)
    }

    /// What was asked and what happened, in words of ours; with more, where there is more to note.
    #[must_use]
    pub fn note(&self, asked: &str, more: &str) -> Prose {
        let said = self.said();
        if more.is_empty() {
            format!("{asked}: {said}").into()
        } else {
            format!("{asked}: {said}; {more}").into()
        }
    }

    fn said(&self) -> String {
        let status = self.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
        let class = self.error_class.as_ref().map_or_else(
            || if self.is_accepted { ", accepted".to_owned() } else { String::new() },
            |class| format!(", classed as {class}"),
        );
        let attempts = match self.logged {
            0 => "no attempt is in the decision log".to_owned(),
            1 => "one attempt".to_owned(),
            more => format!("{more} attempts"),
        };
        format!("{status}{class}; {attempts}")
    }
}

/// What all attempts say alike.
fn common(attempts: &[SeenAttempt], of: impl Fn(&SeenAttempt) -> Option<String>) -> Option<String> {
    let first = of(attempts.first()?)?;
    attempts.iter().all(|attempt| of(attempt).as_ref() == Some(&first)).then_some(first)
}
