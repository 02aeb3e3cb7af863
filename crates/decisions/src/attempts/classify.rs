//! Names what went wrong from what a provider answered, the body before the status.
//!
//! The body first, because aggregators answer 500 for a faulty request and 503 for an unknown model, and because one
//! 429 wants patience and another wants money. Only codes that are known count; everything else is left to the status.

use crate::error_class::ErrorClass;

/// What is known of a failed answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs<'a> {
    /// The status of the answer; `None` for an error object inside an event stream.
    pub status: Option<u16>,
    /// `error.code`; a number as its digits.
    pub code: Option<&'a str>,
    /// `error.type`
    pub kind: Option<&'a str>,
    /// `error.message`
    pub message: Option<&'a str>,
    /// The body, or the event, is an error object.
    pub is_error_object: bool,
}

/// Names what went wrong.
///
/// - A redirect is a misconfigured target, whatever its body says.
/// - 401 and 403 are about the credential unless the body says that credit or content is at fault.
/// - 408, 502, 504, 520 to 524 and the like are the server's: the provider answered, so it is no timeout of ours.
/// - 409 is the request's: SDKs retry it as a lock that timed out, but nothing in it says whether the first try had an
///   effect. A code that says otherwise counts.
/// - An answer that should have been an error and is none is malformed.
#[must_use]
pub fn classify(signs: &Signs<'_>) -> ErrorClass {
    let by_status = name_status(signs);
    let is_refused = matches!(signs.status, Some(401 | 403));
    match name_body(signs) {
        Some(_) if by_status == ErrorClass::Malformed => ErrorClass::Malformed,
        Some(class @ (ErrorClass::Quota | ErrorClass::ContentPolicy)) => class,
        Some(class) if !is_refused => class,
        _ => by_status,
    }
}

fn name_status(signs: &Signs<'_>) -> ErrorClass {
    match signs.status {
        None | Some(200..=299) if !signs.is_error_object => ErrorClass::Malformed,
        None | Some(200..=299) => signs.code.and_then(status_as_code).unwrap_or(ErrorClass::Server),
        Some(status) => name_failed_status(status),
    }
}

fn name_failed_status(status: u16) -> ErrorClass {
    match status {
        401 | 403 => ErrorClass::Auth,
        402 => ErrorClass::Quota,
        404 | 410 => ErrorClass::NotFound,
        408 => ErrorClass::Server,
        429 => ErrorClass::RateLimit,
        400..=499 => ErrorClass::Validation,
        503 | 529 => ErrorClass::Overloaded,
        500..=599 => ErrorClass::Server,
        _ => ErrorClass::Malformed,
    }
}

/// Some providers put the status they would have answered into the code of an error inside a good answer.
fn status_as_code(code: &str) -> Option<ErrorClass> {
    let status = code.parse().ok().filter(|status| (400..600).contains(status))?;
    Some(name_failed_status(status))
}

fn name_body(signs: &Signs<'_>) -> Option<ErrorClass> {
    let known = |word: Option<&str>| word.and_then(name_code);
    let named = known(signs.code).or_else(|| known(signs.kind)).or_else(|| name_vague_kind(signs));
    match named {
        None | Some(ErrorClass::Validation) if says_more_than_status(signs.status) => {
            signs.message.and_then(name_message).or(named)
        }
        _ => named,
    }
}

/// `invalid_request_error` is the type of refused keys, unknown models and faulty requests alike: it says something
/// only where the status does not.
fn name_vague_kind(signs: &Signs<'_>) -> Option<ErrorClass> {
    let is_vague = signs.kind.is_some_and(|kind| kind.eq_ignore_ascii_case("invalid_request_error"));
    let status_is_silent = matches!(signs.status, None | Some(200..=299 | 500..=599));
    (is_vague && status_is_silent).then_some(ErrorClass::Validation)
}

/// Whether a message may say what the status does not.
fn says_more_than_status(status: Option<u16>) -> bool {
    !matches!(status, Some(401..=404 | 408 | 429))
}

fn name_code(code: &str) -> Option<ErrorClass> {
    let is_known = |(known, _): &&(&str, ErrorClass)| known.eq_ignore_ascii_case(code);
    CODES.iter().find(is_known).map(|(_, class)| *class)
}

fn name_message(message: &str) -> Option<ErrorClass> {
    let is_said = |(words, _): &&(&str, ErrorClass)| contains_ignoring_case(message, words);
    MESSAGES.iter().find(is_said).map(|(_, class)| *class)
}

fn contains_ignoring_case(text: &str, words: &str) -> bool {
    text.as_bytes().windows(words.len()).any(|window| window.eq_ignore_ascii_case(words.as_bytes()))
}

/// Codes and types of OpenAI, CometAPI and the relays it is kin to, Anthropic and Azure. Vague ones (`server_error`,
/// `api_error`, `comet_api_error`) are left out: the status says more.
const CODES: [(&str, ErrorClass); 58] = [
    ("context_length_exceeded", ErrorClass::ContextLength),
    ("context_window_exceeded", ErrorClass::ContextLength),
    ("model_context_window_exceeded", ErrorClass::ContextLength),
    ("content_filter", ErrorClass::ContentPolicy),
    ("content_policy_violation", ErrorClass::ContentPolicy),
    ("image_content_policy_violation", ErrorClass::ContentPolicy),
    ("invalid_prompt", ErrorClass::ContentPolicy),
    ("moderation_blocked", ErrorClass::ContentPolicy),
    ("bio_policy", ErrorClass::ContentPolicy),
    ("cyber_policy", ErrorClass::ContentPolicy),
    ("prompt_blocked", ErrorClass::ContentPolicy),
    ("sensitive_words_detected", ErrorClass::ContentPolicy),
    ("data_inspection_failed", ErrorClass::ContentPolicy),
    ("responsibleaipolicyviolation", ErrorClass::ContentPolicy),
    ("insufficient_quota", ErrorClass::Quota),
    ("credit_balance_exhausted", ErrorClass::Quota),
    ("organization_spend_limit_exceeded", ErrorClass::Quota),
    ("project_spend_limit_exceeded", ErrorClass::Quota),
    ("organization_usage_limit_exceeded", ErrorClass::Quota),
    ("billing_hard_limit_reached", ErrorClass::Quota),
    ("billing_not_active", ErrorClass::Quota),
    ("billing_error", ErrorClass::Quota),
    ("insufficient_user_quota", ErrorClass::Quota),
    ("pre_consume_token_quota_failed", ErrorClass::Quota),
    ("rate_limit_exceeded", ErrorClass::RateLimit),
    ("rate_limit_error", ErrorClass::RateLimit),
    ("too_many_requests", ErrorClass::RateLimit),
    ("slow_down", ErrorClass::RateLimit),
    ("server_is_overloaded", ErrorClass::Overloaded),
    ("overloaded_error", ErrorClass::Overloaded),
    ("engine_overloaded", ErrorClass::Overloaded),
    ("service_unavailable_error", ErrorClass::Overloaded),
    ("invalid_api_key", ErrorClass::Auth),
    ("authentication_error", ErrorClass::Auth),
    ("permission_error", ErrorClass::Auth),
    ("account_deactivated", ErrorClass::Auth),
    ("unsupported_country_region_territory", ErrorClass::Auth),
    ("model_not_found", ErrorClass::NotFound),
    ("deploymentnotfound", ErrorClass::NotFound),
    ("not_found_error", ErrorClass::NotFound),
    ("invalid_request", ErrorClass::Validation),
    ("convert_request_failed", ErrorClass::Validation),
    ("invalid_value", ErrorClass::Validation),
    ("invalid_type", ErrorClass::Validation),
    ("unknown_parameter", ErrorClass::Validation),
    ("unsupported_parameter", ErrorClass::Validation),
    ("unsupported_value", ErrorClass::Validation),
    ("missing_required_parameter", ErrorClass::Validation),
    ("previous_response_not_found", ErrorClass::Validation),
    ("invalid_encrypted_content", ErrorClass::Validation),
    ("data_residency_mismatch", ErrorClass::Validation),
    ("invalid_image", ErrorClass::Validation),
    ("invalid_image_format", ErrorClass::Validation),
    ("invalid_image_url", ErrorClass::Validation),
    ("invalid_base64_image", ErrorClass::Validation),
    ("image_too_large", ErrorClass::Validation),
    ("image_parse_error", ErrorClass::Validation),
    ("vector_store_timeout", ErrorClass::Server),
];

/// What is said where there is no code, or one for every fault of a request.
const MESSAGES: [(&str, ErrorClass); 5] = [
    ("maximum context length", ErrorClass::ContextLength),
    ("context window", ErrorClass::ContextLength),
    ("prompt is too long", ErrorClass::ContextLength),
    ("content management policy", ErrorClass::ContentPolicy),
    ("rejected as a result of our safety system", ErrorClass::ContentPolicy),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A body's code, type and message; empty ones are as they come, which must be as good as none.
    fn class(status: u16, code: &str, kind: &str, message: &str) -> ErrorClass {
        let status = (status != 0).then_some(status);
        let (code, kind, message) = (Some(code), Some(kind), Some(message));
        classify(&Signs { status, code, kind, message, is_error_object: true })
    }

    #[test]
    fn the_body_counts_before_the_status() {
        use ErrorClass::{
            Auth, ContentPolicy, ContextLength, NotFound, Overloaded, Quota, RateLimit, Server, Validation,
        };
        let invalid = "invalid_request_error";
        let table = [
            (500, "invalid_request", "comet_api_error", "field messages is required", Validation),
            (503, "model_not_found", "comet_api_error", "no available channel for model", NotFound),
            (400, "", "", "model name is required", Validation),
            (400, "context_length_exceeded", invalid, "", ContextLength),
            (400, "", invalid, "This model's Maximum Context Length is 8192 tokens", ContextLength),
            (500, "invalid_request", "", "exceeds the context window", ContextLength),
            (0, "context_length_exceeded", "", "", ContextLength),
            (400, "content_filter", "", "", ContentPolicy),
            (400, "Content_Policy_Violation", "", "", ContentPolicy),
            (200, "invalid_prompt", "", "", ContentPolicy),
            (403, "content_policy_violation", "", "", ContentPolicy),
            (400, "", "", "Your request was rejected as a result of our safety system.", ContentPolicy),
            (429, "insufficient_quota", "insufficient_quota", "", Quota),
            (429, "a_new_code", "insufficient_quota", "", Quota),
            (429, "project_spend_limit_exceeded", "", "", Quota),
            (403, "insufficient_user_quota", "comet_api_error", "用户额度不足", Quota),
            (403, "pre_consume_token_quota_failed", "", "", Quota),
            (402, "", "", "", Quota),
            (429, "rate_limit_exceeded", "tokens", "the context window", RateLimit),
            (429, "slow_down", "rate_limit_error", "", RateLimit),
            (503, "slow_down", "", "", RateLimit),
            (429, "", "", "", RateLimit),
            (0, "rate_limit_exceeded", "", "", RateLimit),
            (503, "server_is_overloaded", "service_unavailable_error", "", Overloaded),
            (529, "", "overloaded_error", "", Overloaded),
            (0, "", "overloaded_error", "", Overloaded),
            (503, "", "server_error", "", Overloaded),
            (401, "invalid_api_key", invalid, "", Auth),
            (401, "invalid_request", "", "", Auth),
            (403, "model_not_found", invalid, "", Auth),
            (0, "invalid_api_key", "", "", Auth),
            (404, "model_not_found", invalid, "", NotFound),
            (404, "", invalid, "", NotFound),
            (410, "", "", "", NotFound),
            (400, "previous_response_not_found", invalid, "", Validation),
            (500, "", invalid, "", Validation),
            (409, "", "", "", Validation),
            (409, "rate_limit_exceeded", "", "", RateLimit),
            (413, "", "", "", Validation),
            (422, "", "", "", Validation),
            (408, "", invalid, "", Server),
            (500, "server_error", "server_error", "", Server),
            (502, "", "", "", Server),
            (504, "", "", "", Server),
            (524, "", "", "", Server),
            (0, "server_error", "", "", Server),
            (200, "", "", "", Server),
            (200, "502", "", "", Server),
            (0, "429", "", "", RateLimit),
            (0, "200", "", "", Server),
        ];
        for (status, code, kind, message, expected) in table {
            assert_eq!(
                class(status, code, kind, message),
                expected,
                "{status} {code:?} {kind:?} {message:?}"
            );
        }
    }

    #[test]
    fn a_redirect_and_a_good_answer_without_content_are_malformed() {
        assert_eq!(class(301, "rate_limit_exceeded", "", ""), ErrorClass::Malformed);
        for status in [None, Some(101), Some(200), Some(204), Some(302), Some(600), Some(0)] {
            let signs = Signs { status, ..Signs::default() };
            assert_eq!(classify(&signs), ErrorClass::Malformed, "{status:?}");
        }
    }

    #[test]
    fn a_failure_without_an_error_object_goes_by_its_status() {
        for (status, expected) in [
            (403, ErrorClass::Auth),
            (404, ErrorClass::NotFound),
            (415, ErrorClass::Validation),
            (429, ErrorClass::RateLimit),
            (500, ErrorClass::Server),
            (503, ErrorClass::Overloaded),
        ] {
            assert_eq!(classify(&Signs { status: Some(status), ..Signs::default() }), expected, "{status}");
        }
    }

    #[test]
    fn no_code_stands_twice() {
        for (at, (code, _)) in CODES.iter().enumerate() {
            assert!(!CODES[..at].iter().any(|(other, _)| other.eq_ignore_ascii_case(code)), "{code}");
        }
    }
}
