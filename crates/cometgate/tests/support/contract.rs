//! A scripted CometAPI that answers as its contract says.

use serde_json::{Value, json};
use testkit::{Provider, RecordedRequest, Reply};

/// Answers chats and responses; a missing `messages` is a 500 with `invalid_request`, a missing `input` a 400.
pub(crate) fn answer_as_cometapi(provider: &Provider) {
    provider.on_call("POST", "/v1/chat/completions", |request: &RecordedRequest| {
        if is_without(request, "messages") {
            return Reply::json(
                500,
                &json!({"error": {"code": "invalid_request", "message": "messages is required (request id: 1)", "type": "comet_api_error"}}),
            );
        }
        Reply::standard()
    });
    provider.on_call("POST", "/v1/responses", |request: &RecordedRequest| {
        if is_without(request, "input") {
            return Reply::error(400, "invalid_request_error", None, "input is required");
        }
        Reply::standard()
    });
}

/// Whether this request is the invalid one of a check.
pub(crate) fn is_without(request: &RecordedRequest, field: &str) -> bool {
    request.json().is_some_and(|body| body.get(field).is_none())
}

/// Answers the happy path so, and the invalid request as the contract says.
pub(crate) fn answer_happy(provider: &Provider, reply: Reply) {
    answer_as_cometapi(provider);
    provider.on_call("POST", "/v1/chat/completions", move |request: &RecordedRequest| {
        if is_without(request, "messages") {
            Reply::error(400, "invalid_request_error", None, "messages is required")
        } else {
            reply.clone()
        }
    });
}

/// The bodies that a provider got.
pub(crate) fn bodies(provider: &Provider) -> Vec<Value> {
    provider.requests().iter().map(|request| request.json().unwrap()).collect()
}
