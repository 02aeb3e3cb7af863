//! `POST /v1/responses`: whole or as typed events.
//!
//! Each event names its type twice (`event:` and `data.type`) and carries a `sequence_number`; the stream ends with
//! exactly one terminal event and no `[DONE]`. Response objects are complete, because the SDKs' types say so.

use serde_json::{Map, Value, json};

use crate::answers::{Asked, CREATED, Persona};
use crate::reply::{Reply, Step};

pub(crate) fn reply(persona: &Persona, asked: &Asked<'_>) -> Reply {
    if asked.streams() {
        return Reply::sse(stream(persona, asked));
    }
    let pieces = persona.pieces();
    let item = message(&item_id(persona, asked), "completed", &[text_part(&pieces.concat())]);
    let usage = usage(asked, pieces.len() as u64);
    Reply::json(200, &response(persona, asked, "completed", &[item], &usage))
}

fn item_id(persona: &Persona, asked: &Asked<'_>) -> String {
    format!("msg_{}_{}", persona.name, asked.number)
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

fn usage(asked: &Asked<'_>, output_tokens: u64) -> Value {
    json!({
        "input_tokens": asked.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked.input_tokens + output_tokens,
    })
}

/// A Response object. What the request set is echoed, the rest has OpenAI's defaults.
fn response(persona: &Persona, asked: &Asked<'_>, status: &str, output: &[Value], usage: &Value) -> Value {
    let mut response = json!({
        "id": format!("resp_{}_{}", persona.name, asked.number),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": false,
        "completed_at": if status == "completed" { json!(CREATED + 1) } else { Value::Null },
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "max_tool_calls": null,
        "metadata": {},
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "prompt_cache_key": null,
        "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null,
        "service_tier": "default",
        "store": true,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": null,
    });
    if let Some(fields) = response.as_object_mut() {
        echo_settings(fields, asked.body);
    }
    response
}

fn echo_settings(fields: &mut Map<String, Value>, body: &Value) {
    for name in [
        "instructions",
        "max_output_tokens",
        "metadata",
        "previous_response_id",
        "prompt_cache_key",
        "store",
        "user",
    ] {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
}

/// Numbers the events as they are added.
struct Events {
    steps: Vec<Step>,
    next: u64,
}

impl Events {
    fn event(&mut self, kind: &str, mut data: Value) -> Step {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("type".to_owned(), json!(kind));
            fields.insert("sequence_number".to_owned(), json!(self.next));
        }
        self.next += 1;
        Step::chunk(format!("event: {kind}\ndata: {data}\n\n"))
    }

    fn add(&mut self, kind: &str, data: Value) {
        let event = self.event(kind, data);
        self.steps.push(event);
    }
}

fn stream(persona: &Persona, asked: &Asked<'_>) -> Vec<Step> {
    let mut events = Events { steps: Vec::new(), next: 0 };
    let item_id = item_id(persona, asked);
    let pieces = persona.pieces();
    let text = pieces.concat();

    let begun = response(persona, asked, "in_progress", &[], &Value::Null);
    events.add("response.created", json!({"response": begun}));
    events.add("response.in_progress", json!({"response": begun}));
    let item = message(&item_id, "in_progress", &[]);
    events.add("response.output_item.added", json!({"output_index": 0, "item": item}));
    let place = || json!({"item_id": item_id, "output_index": 0, "content_index": 0});
    events.add("response.content_part.added", with(place(), "part", text_part("")));
    for piece in &pieces {
        let delta = with(with(place(), "delta", json!(piece)), "logprobs", json!([]));
        let event = events.event("response.output_text.delta", delta);
        persona.push_paced(&mut events.steps, event);
    }
    let done = with(with(place(), "text", json!(text)), "logprobs", json!([]));
    events.add("response.output_text.done", done);
    events.add("response.content_part.done", with(place(), "part", text_part(&text)));
    let item = message(&item_id, "completed", &[text_part(&text)]);
    events.add("response.output_item.done", json!({"output_index": 0, "item": item}));
    let usage = usage(asked, pieces.len() as u64);
    let completed = response(persona, asked, "completed", &[item], &usage);
    events.add("response.completed", json!({"response": completed}));
    events.steps
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}
