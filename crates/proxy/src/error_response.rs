//! The one place that gives an error its status, its code and its words: OpenAI's shape, and what to do.

mod limit;
mod provider;

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::dialect::{self, Dialect};
use crate::error::Error;
use crate::request::peek::PeekError;
use crate::response::GatewayBody;
use provider::provider_face;

/// The name that OpenAI's clients read: whether to try again.
const SHOULD_RETRY: &str = "x-should-retry";

/// The longest wait that a caller is ever asked for: Node's client ignores a longer one and comes back at once.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// At most this much of what a caller sent is shown back.
const MOST_ECHOED: usize = 128;

#[derive(Serialize)]
struct Envelope<'a> {
    error: Face<'a>,
}

/// OpenAI's error object: all four keys, always.
#[derive(Serialize)]
struct Face<'a> {
    message: Cow<'a, str>,
    r#type: &'a str,
    param: Option<&'a str>,
    #[serde(rename = "code")]
    shown_code: &'a str,
    /// For the record: always one of ours, whatever a provider has said.
    #[serde(skip)]
    code: &'static str,
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    should_retry: Option<bool>,
    /// When to come back.
    #[serde(skip)]
    after: Option<Duration>,
}

/// The answer for an error in the shape that the caller's client reads, and its code for the record.
pub(crate) fn respond(error: &Error, dialect: Dialect) -> (Response<GatewayBody>, &'static str) {
    let face = face(error);
    let (status, code, should_retry, after) = (face.status, face.code, face.should_retry, face.after);
    let mut response = match dialect {
        Dialect::OpenAi => json(status, &Envelope { error: face }),
        Dialect::Anthropic => {
            let kind = dialect::anthropic_type(status);
            json(status, &dialect::AnthropicError::new(kind, &face.message))
        }
    };
    if let Some(should_retry) = should_retry {
        let value = HeaderValue::from_static(if should_retry { "true" } else { "false" });
        response.headers_mut().insert(SHOULD_RETRY, value);
    }
    if let Some(after) = after {
        limit::ask_to_wait(response.headers_mut(), after);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let served = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
        response.headers_mut().insert(header::ALLOW, served);
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    (response, code)
}

/// A JSON answer of the gateway's own.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<GatewayBody> {
    // Serialising our own strings and numbers cannot fail.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(GatewayBody::whole(bytes.into()));
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn face(error: &Error) -> Face<'_> {
    match error {
        Error::OutsideV1
        | Error::LacksV1
        | Error::DoubledV1
        | Error::OddPath
        | Error::Method
        | Error::Host
        | Error::PaddedValue
        | Error::Expectation => path_face(error),
        Error::MissingKey
        | Error::TwoKeys
        | Error::UnknownKey
        | Error::ExpiredKey
        | Error::UnprovenKey
        | Error::KeyAndCertificateDiffer
        | Error::OwnKeyMissing { .. }
        | Error::GatewayKeyNotForwarded { .. } => key_face(error),
        Error::NoLease | Error::NotLent(_) => check_face(error),
        Error::OverLimit(over) => limit::face(*over),
        Error::Body(error) => peek_face(error),
        Error::ModelInQuery
        | Error::EncodedBody
        | Error::BodyTooLarge { .. }
        | Error::ModelTooLate { .. }
        | Error::BodyTimeout
        | Error::BodyBroken
        | Error::NoRoom => body_face(error),
        Error::UnknownModel { .. }
        | Error::RestrictedTenant
        | Error::ProviderNotAllowed
        | Error::RouteDisabled { .. } => route_face(error),
        Error::StateNotFound | Error::OthersListed | Error::StateContradicts => state_face(error),
        Error::Unreachable { .. }
        | Error::HeadTimeout { .. }
        | Error::FirstTokenTimeout { .. }
        | Error::TotalTimeout { .. }
        | Error::Interrupted { .. }
        | Error::ProviderMalformed { .. }
        | Error::ProviderAuth { .. }
        | Error::InStream { .. }
        | Error::BreakerOpen { .. }
        | Error::Paused { .. }
        | Error::Full { .. }
        | Error::Internal => provider_face(error),
    }
}

fn invalid<'a>(status: StatusCode, code: &'static str, message: impl Into<Cow<'a, str>>) -> Face<'a> {
    let message = message.into();
    Face {
        message,
        r#type: "invalid_request_error",
        param: None,
        shown_code: code,
        code,
        status,
        should_retry: None,
        after: None,
    }
}

fn path_face(error: &Error) -> Face<'_> {
    match error {
        Error::LacksV1 => invalid(
            StatusCode::NOT_FOUND,
            "unknown_path",
            "This path needs /v1 before it: end the base URL of your client with /v1.",
        ),
        Error::DoubledV1 => invalid(
            StatusCode::NOT_FOUND,
            "unknown_path",
            "This path has /v1 twice: end the base URL of your client with /v1, just once.",
        ),
        Error::OddPath => invalid(
            StatusCode::BAD_REQUEST,
            "odd_path",
            "The path has an empty or dot segment, or an endpoint spelled with percent-encoding; write it plainly, \
             without a slash at its end.",
        ),
        Error::Method => {
            invalid(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This method is not served.")
        }
        Error::Host => invalid(
            StatusCode::BAD_REQUEST,
            "bad_host",
            "The request must have exactly one valid Host header, which says the same as :authority in HTTP/2.",
        ),
        Error::PaddedValue => invalid(
            StatusCode::BAD_REQUEST,
            "bad_header",
            "No header value may begin or end with white space in HTTP/2.",
        ),
        Error::Expectation => invalid(
            StatusCode::EXPECTATION_FAILED,
            "expectation_failed",
            "The only expectation that is met is `Expect: 100-continue`.",
        ),
        _ => invalid(
            StatusCode::NOT_FOUND,
            "unknown_path",
            "This gateway serves the OpenAI API below /v1 only, for example POST /v1/chat/completions.",
        ),
    }
}

fn key_face(error: &Error) -> Face<'_> {
    match error {
        Error::TwoKeys => invalid(
            StatusCode::BAD_REQUEST,
            "two_credentials",
            "The request has more than one credential; send exactly one.",
        ),
        Error::GatewayKeyNotForwarded { provider } => invalid(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            format!(
                "Provider `{provider}` takes the caller's own key, and this is a key of the gateway, which it does \
                 not know. Send your key for `{provider}`, or have the operator set a credential for it."
            ),
        ),
        Error::ExpiredKey => invalid(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "This API key has expired. Send a newer key of this gateway; its operator makes one with `cometgate tenants \
             rotate NAME`.",
        ),
        Error::KeyAndCertificateDiffer => invalid(
            StatusCode::UNAUTHORIZED,
            "key_and_certificate_differ",
            "The API key is one tenant's and the certificate of the connection another's; send a key of the \
             certificate's tenant, or none.",
        ),
        Error::OwnKeyMissing { provider } => invalid(
            StatusCode::UNAUTHORIZED,
            "missing_api_key",
            format!(
                "Provider `{provider}` takes the caller's own key, and the request has none: a certificate says who \
                 is calling and pays for nothing. Have the operator set a credential for it."
            ),
        ),
        Error::UnprovenKey => invalid(
            StatusCode::UNAUTHORIZED,
            "unproven_api_key",
            "The gateway pays for the provider of this route, and the primary has not accepted your key within the last \
             ten minutes. Send a key of this gateway; its operator makes one with `cometgate tenants add NAME`.",
        ),
        Error::UnknownKey => invalid(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "Incorrect API key provided. Send a key of this gateway; its operator makes one with `cometgate tenants \
             add NAME`.",
        ),
        _ => invalid(
            StatusCode::UNAUTHORIZED,
            "missing_api_key",
            "You didn't provide an API key. Send it in an Authorization header: `Authorization: Bearer YOUR_KEY`.",
        ),
    }
}

fn check_face(error: &Error) -> Face<'_> {
    match error {
        Error::NotLent(why) => invalid(
            StatusCode::FORBIDDEN,
            "not_leased",
            format!("This request is none that its check has leased: {why}."),
        ),
        _ => invalid(
            StatusCode::FORBIDDEN,
            "no_check_lease",
            "This key is for the gateway's own checks, and `x-cometgate-check` names no lease that holds. `cometgate \
             smoke` and the other checks take one; applications need a key of their own (`cometgate tenants add NAME`).",
        ),
    }
}

fn body_face(error: &Error) -> Face<'_> {
    match error {
        Error::ModelInQuery => Face {
            param: Some("model"),
            ..invalid(
                StatusCode::BAD_REQUEST,
                "model_in_query",
                "`model` stands in the query string, where it would contradict the body; send it in the JSON body only.",
            )
        },
        Error::EncodedBody => invalid(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "The request body is compressed; send it without Content-Encoding.",
        ),
        Error::BodyTooLarge { limit } => invalid(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_too_large",
            format!(
                "The request body is over this gateway's limit of {limit} bytes (`limits.max_body_bytes`)."
            ),
        ),
        Error::ModelTooLate { limit } => Face {
            param: Some("model"),
            ..invalid(
                StatusCode::PAYLOAD_TOO_LARGE,
                "model_too_late",
                format!(
                    "The form has no `model` in its first {limit} bytes (`limits.max_body_bytes`); send `model` before \
                     the file."
                ),
            )
        },
        Error::NoRoom => Face {
            r#type: "server_error",
            should_retry: Some(true),
            ..invalid(
                StatusCode::SERVICE_UNAVAILABLE,
                "gateway_overloaded",
                "The gateway holds as many request bodies as it may; try again shortly.",
            )
        },
        Error::BodyBroken => invalid(
            StatusCode::BAD_REQUEST,
            "broken_body",
            "The request body broke off, or its chunks are not well-formed.",
        ),
        _ => invalid(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The request body did not arrive whole in time.",
        ),
    }
}

fn peek_face(error: &PeekError) -> Face<'_> {
    let bad = |code, message: Cow<'static, str>| invalid(StatusCode::BAD_REQUEST, code, message);
    match error {
        PeekError::NotUtf8 => bad("invalid_json", "The body is not JSON: it is not valid UTF-8.".into()),
        PeekError::Empty => bad(
            "invalid_json",
            "The body is empty; send a JSON object, with `model` as one of its fields.".into(),
        ),
        PeekError::Syntax { line, column } => {
            let message = format!("The body is not valid JSON: see line {line}, column {column}.");
            bad("invalid_json", message.into())
        }
        PeekError::NotAnObject => {
            bad("invalid_json", "The body must be a JSON object, with `model` as one of its fields.".into())
        }
        PeekError::Duplicate(field) => Face {
            param: Some(field),
            ..bad(
                "duplicate_key",
                format!(
                    "The body has `{field}` more than once (also counting escaped spellings); send it once."
                )
                .into(),
            )
        },
        PeekError::Form(what) => {
            bad("invalid_form", format!("The multipart form cannot be read: {what}.").into())
        }
        PeekError::NoModel => Face {
            param: Some("model"),
            ..bad("missing_required_parameter", "You must provide a `model` parameter.".into())
        },
        PeekError::ModelNotText => {
            Face { param: Some("model"), ..bad("invalid_type", "`model` must be a non-empty string.".into()) }
        }
    }
}

fn route_face(error: &Error) -> Face<'_> {
    match error {
        Error::UnknownModel { model } => Face {
            param: Some("model"),
            ..invalid(
                StatusCode::NOT_FOUND,
                "model_not_found",
                format!(
                    "The model `{}` does not exist or you do not have access to it. GET /v1/models lists the ones \
                     that you may use.",
                    echo(model)
                ),
            )
        },
        Error::RouteDisabled { route } => Face {
            r#type: "server_error",
            should_retry: Some(false),
            ..invalid(
                StatusCode::SERVICE_UNAVAILABLE,
                "route_disabled",
                format!("The operator of this gateway has disabled the route `{route}`."),
            )
        },
        Error::ProviderNotAllowed => invalid(
            StatusCode::FORBIDDEN,
            "provider_not_allowed",
            "Your tenant may not use the provider that this request would go to. Ask the operator of this gateway.",
        ),
        _ => invalid(
            StatusCode::FORBIDDEN,
            "path_not_allowed",
            "Your key is limited to certain models, and the gateway does not read the model of this path. It may use \
             the paths that are routed by model, such as POST /v1/chat/completions, and GET /v1/models.",
        ),
    }
}

fn state_face(error: &Error) -> Face<'static> {
    match error {
        Error::OthersListed => invalid(
            StatusCode::FORBIDDEN,
            "list_not_allowed",
            "Several tenants share the credential of this provider, so a list would show what others have. The operator \
             of this gateway may allow it with `shared_state = true`.",
        ),
        Error::StateContradicts => invalid(
            StatusCode::BAD_REQUEST,
            "state_at_two_providers",
            "The request needs two providers at once: it refers to things that live at different ones, or it carries a \
             third party's credential, which goes to the primary only, and refers to something that lives elsewhere. \
             Leave one of them out, or begin anew.",
        ),
        // The same words for what never was and for what is another's.
        _ => invalid(
            StatusCode::NOT_FOUND,
            "not_found",
            "The request refers to something that does not exist: a response, conversation, file or other object with \
             this ID was not found.",
        ),
    }
}

/// A caller's text, shortened and with control characters escaped.
fn echo(text: &str) -> String {
    let shown: String = text.chars().flat_map(char::escape_debug).take(MOST_ECHOED).collect();
    if text.chars().flat_map(char::escape_debug).nth(MOST_ECHOED).is_some() { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_is_shown_short_and_escaped() {
        assert_eq!(echo("gpt\n\u{1b}[31m"), "gpt\\n\\u{1b}[31m");
        assert_eq!(echo(&"m".repeat(500)).chars().count(), MOST_ECHOED + 1);
    }

    #[test]
    fn every_error_body_has_openais_four_keys() {
        let error = Error::UnknownModel { model: "nope".into() };
        let text = serde_json::to_value(Envelope { error: face(&error) }).unwrap();
        let keys: Vec<&String> = text["error"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["code", "message", "param", "type"]);
    }
}
