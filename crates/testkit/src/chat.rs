//! `POST /v1/chat/completions`: whole or as chunks.
//!
//! Order of a stream: role, content, finish, usage if asked for, `[DONE]`. With `include_usage` every chunk carries
//! `usage`, null but for the last, as OpenAI documents it.

use serde_json::{Value, json};

use crate::answers::{Asked, CREATED, Persona};
use crate::reply::{Reply, Step};

pub(crate) fn reply(persona: &Persona, asked: &Asked<'_>) -> Reply {
    if asked.streams() { Reply::sse(stream(persona, asked)) } else { whole(persona, asked) }
}

fn id(persona: &Persona, asked: &Asked<'_>) -> String {
    format!("chatcmpl-{}-{}", persona.name, asked.number)
}

fn usage(asked: &Asked<'_>, completion_tokens: u64) -> Value {
    json!({
        "prompt_tokens": asked.input_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": asked.input_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn whole(persona: &Persona, asked: &Asked<'_>) -> Reply {
    let pieces = persona.pieces();
    Reply::json(
        200,
        &json!({
            "id": id(persona, asked),
            "object": "chat.completion",
            "created": CREATED,
            "model": asked.model,
            "choices": [{
                "index": 0,
                "message": {
                    "role": "assistant", "content": pieces.concat(), "refusal": null, "annotations": [],
                },
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": usage(asked, pieces.len() as u64),
            "service_tier": "default",
            "system_fingerprint": "fp_testkit",
        }),
    )
}

fn stream(persona: &Persona, asked: &Asked<'_>) -> Vec<Step> {
    let with_usage =
        asked.body.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true);
    let id = id(persona, asked);
    let event = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_testkit",
            "choices": choices,
        });
        if with_usage && let Some(fields) = chunk.as_object_mut() {
            fields.insert("usage".to_owned(), usage);
        }
        Step::chunk(format!("data: {chunk}\n\n"))
    };
    let choice = |delta: Value, finish_reason: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);

    let pieces = persona.pieces();
    let role = json!({"role": "assistant", "content": "", "refusal": null});
    let mut steps = vec![event(choice(role, Value::Null), Value::Null)];
    for piece in &pieces {
        persona.push_paced(&mut steps, event(choice(json!({"content": piece}), Value::Null), Value::Null));
    }
    steps.push(event(choice(json!({}), json!("stop")), Value::Null));
    if with_usage {
        steps.push(event(json!([]), usage(asked, pieces.len() as u64)));
    }
    steps.push(Step::chunk("data: [DONE]\n\n"));
    steps
}
