//! Names what went wrong from what the provider answered, the body before the status.

use crate::error_class::ErrorClass;

/// What is known of a failed answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs<'a> {
    /// The status of the answer; `None` for an error object inside an event stream.
    pub status: Option<u16>,
    /// `error.code`
    pub code: Option<&'a str>,
    /// `error.type`
    pub kind: Option<&'a str>,
    /// `error.message`
    pub message: Option<&'a str>,
    /// The body, or the event, is an error object.
    pub is_error_object: bool,
}

/// Names what went wrong.
#[must_use]
pub fn classify(signs: &Signs<'_>) -> ErrorClass {
    match signs.status {
        Some(429) => ErrorClass::RateLimit,
        Some(503 | 529) => ErrorClass::Overloaded,
        Some(401 | 403) => ErrorClass::Auth,
        Some(404 | 410) => ErrorClass::NotFound,
        Some(400..=499) => ErrorClass::Validation,
        Some(300..=399) => ErrorClass::Malformed,
        _ => ErrorClass::Server,
    }
}
