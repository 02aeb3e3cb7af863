//! The faces of what providers do: no answer, no usable one, or none asked for because they are passed over.

use decisions::ErrorClass;
use http::StatusCode;

use crate::error::Error;
use crate::error_response::Face;

pub(super) fn provider_face(error: &Error) -> Face<'_> {
    let (bad, late) = (StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT);
    match error {
        Error::Unreachable { provider, source } => {
            failed(bad, "provider_unreachable", format!("Provider `{provider}` gave no answer: {source}."))
        }
        Error::HeadTimeout { provider, timeout_ms } => failed(
            late,
            "provider_timeout",
            format!("Provider `{provider}` did not begin to answer within {timeout_ms} ms."),
        ),
        Error::FirstTokenTimeout { provider, timeout_ms } => failed(
            late,
            "provider_timeout",
            format!("Provider `{provider}` sent no content within {timeout_ms} ms."),
        ),
        Error::TotalTimeout { provider } => failed(
            late,
            "deadline_exceeded",
            format!("The time for this request ran out while provider `{provider}` was asked."),
        ),
        Error::Interrupted { provider, class } => failed(
            bad,
            "provider_interrupted",
            format!(
                "Provider `{provider}` broke off its answer ({}); nothing of it was passed on.",
                class.as_str()
            ),
        ),
        Error::ProviderMalformed { provider, what } => {
            failed(bad, "provider_malformed", format!("Provider `{provider}` gave no usable answer: {what}."))
        }
        Error::ProviderAuth { provider } => Face {
            should_retry: Some(false),
            ..failed(
                bad,
                "provider_auth",
                format!(
                    "Provider `{provider}` refuses the credential of this gateway. Your own key is in order; tell the \
                     operator."
                ),
            )
        },
        Error::InStream { class, code, kind, message, .. } => Face {
            shown_code: code.as_deref().unwrap_or_else(|| class.as_str()),
            r#type: kind.as_deref().unwrap_or("server_error"),
            ..failed(
                status_of(*class),
                "provider_error",
                message
                    .clone()
                    .unwrap_or_else(|| "The provider reported an error before any content.".to_owned()),
            )
        },
        _ => passed_over_face(error),
    }
}

/// Nothing was sent.
fn passed_over_face(error: &Error) -> Face<'_> {
    match error {
        Error::BreakerOpen { provider } => Face {
            should_retry: Some(false),
            ..failed(
                StatusCode::SERVICE_UNAVAILABLE,
                "provider_unavailable",
                format!(
                    "Provider `{provider}` has failed repeatedly and is passed over for a while; nothing was sent."
                ),
            )
        },
        Error::Paused { provider } => Face {
            r#type: "rate_limit_error",
            ..failed(
                StatusCode::TOO_MANY_REQUESTS,
                "provider_paused",
                format!(
                    "Provider `{provider}` has asked this gateway for a pause, which is not over; nothing was sent. Try \
                     again after Retry-After."
                ),
            )
        },
        Error::Full { provider } => Face {
            should_retry: Some(false),
            ..failed(
                StatusCode::SERVICE_UNAVAILABLE,
                "provider_full",
                format!("Provider `{provider}` has as many requests as it takes; nothing was sent."),
            )
        },
        _ => failed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "gateway_error",
            "The gateway failed to handle this request.".to_owned(),
        ),
    }
}

fn failed(status: StatusCode, code: &'static str, message: String) -> Face<'static> {
    let message = message.into();
    let r#type = "server_error";
    Face { message, r#type, param: None, shown_code: code, code, status, should_retry: None, after: None }
}

/// The status that an error within a stream would have had as an answer.
fn status_of(class: ErrorClass) -> StatusCode {
    match class {
        ErrorClass::RateLimit | ErrorClass::Quota => StatusCode::TOO_MANY_REQUESTS,
        ErrorClass::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        ErrorClass::ContextLength | ErrorClass::ContentPolicy | ErrorClass::Validation => {
            StatusCode::BAD_REQUEST
        }
        ErrorClass::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_GATEWAY,
    }
}
