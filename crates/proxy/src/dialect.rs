//! Which API's clients a path is made for, as far as the gateway's own answers differ: Anthropic's clients read errors of
//! another shape.

use http::StatusCode;
use serde::Serialize;

/// The shape of the gateway's own errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    /// By the path of a request, before anything else of it is known.
    pub(crate) fn of(path: &str) -> Dialect {
        match path.strip_prefix("/v1/messages") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Dialect::Anthropic,
            _ => Dialect::OpenAi,
        }
    }
}

/// `{"type":"error","error":{"type","message"}}`
#[derive(Serialize)]
pub(crate) struct AnthropicError<'a> {
    r#type: &'static str,
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    r#type: &'a str,
    message: &'a str,
}

impl<'a> AnthropicError<'a> {
    pub(crate) fn new(kind: &'a str, message: &'a str) -> AnthropicError<'a> {
        AnthropicError { r#type: "error", error: Inner { r#type: kind, message } }
    }
}

/// An error as text, for an event of a stream.
pub(crate) fn anthropic_error(kind: &str, message: &str) -> serde_json::Result<String> {
    // OpenAI's word for a fault of the server.
    let kind = if kind == "server_error" { "api_error" } else { kind };
    serde_json::to_string(&AnthropicError::new(kind, message))
}

/// The type that Anthropic's clients expect with a status.
pub(crate) fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_and_what_is_below_speak_anthropics_dialect() {
        for path in ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"] {
            assert_eq!(Dialect::of(path), Dialect::Anthropic, "{path}");
        }
        for path in ["/v1/message", "/v1/messagesx", "/messages", "/v1/chat/completions", ""] {
            assert_eq!(Dialect::of(path), Dialect::OpenAi, "{path}");
        }
    }
}
