//! A provider that behaves as the contract says CometAPI does: two shapes of errors, 500 for a bad request, 503 for a model
//! that is not there, comments in streams. What a test wants otherwise it says.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Provider, RecordedRequest, Reply, Step};

use super::CANARY_KEY;

/// What stands in every answer; nothing that a probe says or records may have it.
pub(crate) const COMPLETION: &str = "COMPLMRK the webhooks are late since the deploy";

/// Its ID of the model that the maps of the tests name.
pub(crate) const MODEL: &str = "gpt-canary";

/// What a test changes: a reply of its own, or none.
pub(crate) type Change = dyn Fn(&RecordedRequest, &Value) -> Option<Reply> + Send + Sync;

/// Starts one.
pub(crate) async fn comet(
    change: impl Fn(&RecordedRequest, &Value) -> Option<Reply> + Send + Sync + 'static,
) -> Provider {
    let change: Arc<Change> = Arc::new(change);
    let answer = move |request: &RecordedRequest| {
        let body = request.json().unwrap_or(Value::Null);
        change(request, &body).unwrap_or_else(|| standard(request, &body))
    };
    Provider::builder("canary").on_call("*", "*", answer).start().await
}

/// Rejected before it was routed: no `param`, and the code may be empty.
pub(crate) fn early(status: u16, code: &str, message: &str) -> Reply {
    let message = format!("{message} (request id: 20261121190000000000000aBcDeFgH)");
    Reply::json(status, &json!({"error": {"code": code, "message": message, "type": "comet_api_error"}}))
}

/// Failed while it was relayed.
pub(crate) fn late(status: u16, code: &str, message: &str) -> Reply {
    let message = format!("{message} (request id: 20261121190000000000000aBcDeFgH)");
    let error = json!({"message": message, "type": "comet_api_error", "param": "", "code": code});
    Reply::json(status, &json!({"error": error}))
}

pub(crate) fn is_bad_key(request: &RecordedRequest) -> bool {
    request.header("authorization") != Some(&format!("Bearer {CANARY_KEY}"))
}

fn standard(request: &RecordedRequest, body: &Value) -> Reply {
    if is_bad_key(request) {
        return early(401, "", "Invalid token");
    }
    match (request.method.as_str(), request.path()) {
        ("GET", "/v1/models") => Reply::json(
            200,
            &json!({"success": true, "object": "list", "data": [
                {"id": MODEL, "object": "model", "created": 1626777600, "owned_by": "custom",
                 "supported_endpoint_types": ["openai"]},
                {"id": "gpt-other", "object": "model", "created": 1626777600, "owned_by": "custom"},
            ]}),
        ),
        // A model by its name: 200 with an error inside (contract, 2.4).
        ("GET", path) if path.starts_with("/v1/models/") => late(200, "model_not_found", "no such model"),
        ("POST", "/v1/chat/completions" | "/v1/responses") => inference(request, body),
        _ => Reply::bytes(404, "text/html", "<!doctype html><title>CometAPI</title>"),
    }
}

fn inference(request: &RecordedRequest, body: &Value) -> Reply {
    let is_chat = request.path().ends_with("/chat/completions");
    let Some(model) = body["model"].as_str() else { return early(400, "", "model name is required") };
    let is_asked_for = if is_chat { body["messages"].is_array() } else { body.get("input").is_some() };
    if !is_asked_for {
        return late(500, "invalid_request", "field messages is required");
    }
    if model != MODEL && model != "gpt-other" {
        return early(
            503,
            "model_not_found",
            "No available channel for model under group default (distributor)",
        );
    }
    match (is_chat, body["stream"] == json!(true)) {
        (true, false) => Reply::json(200, &chat(body)),
        (true, true) => chat_stream(body, usage_chunk(body)),
        (false, false) => Reply::json(200, &response(body)),
        (false, true) => Reply::sse(response_events(body)),
    }
}

fn text(body: &Value) -> &'static str {
    let wants_object = body.get("response_format").is_some() || body.pointer("/text/format").is_some();
    if wants_object { "{\"summary\":\"COMPLMRK\"}" } else { COMPLETION }
}

pub(crate) fn chat(body: &Value) -> Value {
    let wants_tool = body["tool_choice"].is_object();
    let call =
        json!([{"id": "call_1", "type": "function", "function": {"name": "note_delay", "arguments": "{}"}}]);
    let message = if wants_tool {
        json!({"role": "assistant", "content": null, "tool_calls": call})
    } else {
        json!({"role": "assistant", "content": text(body)})
    };
    let logprobs =
        if body["logprobs"] == json!(true) { json!({"content": [{"token": "x"}]}) } else { Value::Null };
    let reasoning = u64::from(body.get("reasoning_effort").is_some()) * 7;
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_763_683_200, "model": format!("{MODEL}-2026-03-17"),
        "choices": [{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42,
                  "completion_tokens_details": {"reasoning_tokens": reasoning}, "latency_checkpoint": {}},
    })
}

/// Steps of a chat stream with content, each as a chunk.
pub(crate) fn chat_pieces() -> Vec<Step> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let chunk =
            json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL, "choices": choice});
        Step::chunk(format!("data: {chunk}\n\n"))
    };
    vec![
        Step::chunk(": PING\n\n"),
        chunk(json!({"role": "assistant", "content": COMPLETION}), Value::Null),
        chunk(json!({}), json!("stop")),
    ]
}

pub(crate) fn done() -> Step {
    Step::chunk("data: [DONE]\n\n")
}

fn usage_chunk(body: &Value) -> Option<Step> {
    let usage = json!({"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42});
    let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL, "choices": [], "usage": usage});
    let is_asked = body.pointer("/stream_options/include_usage") == Some(&json!(true));
    is_asked.then(|| Step::chunk(format!("data: {chunk}\n\n")))
}

/// A stream that may be left; the part that asks for length goes on for ever, until it is.
fn chat_stream(body: &Value, usage: Option<Step>) -> Reply {
    if body.to_string().contains("write about it at length") {
        let begun = chat_pieces().into_iter().take(2).chain([Step::Hang]);
        // Before the head for those that give up early: nothing comes until then.
        return Reply::sse(begun.collect());
    }
    Reply::sse(chat_pieces().into_iter().chain(usage).chain([done()]).collect())
}

fn response(body: &Value) -> Value {
    let wants_tool = body["tool_choice"].is_object();
    let mut output = vec![];
    if body.get("reasoning").is_some() {
        output.push(
            json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAsealed"}),
        );
    }
    if wants_tool {
        output.push(
            json!({"type": "function_call", "name": "note_delay", "arguments": "{}", "call_id": "call_1"}),
        );
    } else {
        let logprobs = if body.get("include").is_some() { json!([{"token": "x"}]) } else { json!([]) };
        let part =
            json!({"type": "output_text", "text": text(body), "annotations": [], "logprobs": logprobs});
        output.push(json!({"type": "message", "role": "assistant", "content": [part]}));
    }
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "error": null, "model": MODEL, "output": output,
        "usage": {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42},
    })
}

fn response_events(body: &Value) -> Vec<Step> {
    let event = |kind: &str, mut data: Value| {
        data["type"] = json!(kind);
        Step::chunk(format!("event: {kind}\ndata: {data}\n\n"))
    };
    let mut steps = vec![
        event(
            "response.created",
            json!({"response": {"id": "resp_1", "object": "response", "model": MODEL}}),
        ),
        event("response.output_text.delta", json!({"delta": COMPLETION})),
    ];
    if body.to_string().contains("write about it at length") {
        steps.push(Step::Hang);
    }
    steps.push(event("response.completed", json!({"response": response(body)})));
    steps
}
