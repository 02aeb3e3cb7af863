//! The bodies of probes. Their text is made up for the purpose: nothing of a user, a customer or a secret is in it
//! (runbook 3, section 2: "sanitized traffic").

use decisions::Endpoint;
use serde_json::{Value, json};

use crate::probe::plan::Options;

const SYSTEM: &str = "You are a concise support assistant. Do not include secrets.";

/// The word that a follow-up asks for.
pub(super) const CODE_WORD: &str = "heliotrope";

/// A model that nobody serves.
pub(super) const UNKNOWN_MODEL: &str = "cometgate-probe-no-such-model";

fn ticket(options: &Options) -> String {
    let marker = &options.marker;
    format!(
        "Summarize the support ticket {marker}: customer reports delayed webhook delivery after a deploy."
    )
}

/// One turn, with the limit of output that was asked for.
pub(super) fn single_turn(endpoint: Endpoint, model: &str, options: &Options) -> Value {
    turns(endpoint, model, &[("user", &ticket(options))], options.max_tokens)
}

pub(super) fn multi_turn(endpoint: Endpoint, model: &str, options: &Options) -> Value {
    let said = [
        ("user", ticket(options)),
        ("assistant", "Webhooks have been late since the deploy.".to_owned()),
        ("user", "And in three words?".to_owned()),
    ];
    let said: Vec<(&str, &str)> = said.iter().map(|(role, text)| (*role, text.as_str())).collect();
    turns(endpoint, model, &said, options.max_tokens)
}

/// Single letters, as every tokenizer that is known makes one token of each: so the bound, which counts bytes, is close.
pub(super) fn near_ceiling(endpoint: Endpoint, model: &str, options: &Options) -> Value {
    let letters = ('a'..='z').cycle().step_by(7).take(usize::try_from(options.prompt_tokens).unwrap_or(0));
    let filler: String = letters.flat_map(|letter| [' ', letter]).collect();
    let text = format!("{} Ignore these letters:{filler}", ticket(options));
    turns(endpoint, model, &[("user", &text)], options.max_tokens)
}

/// A request without what every request must have.
pub(super) fn invalid(endpoint: Endpoint, model: &str, options: &Options) -> Value {
    let mut body = single_turn(endpoint, model, options);
    if let Some(fields) = body.as_object_mut() {
        fields.remove("messages");
        fields.remove("input");
    }
    body
}

/// A text long enough that nobody has answered it before a short time has passed.
pub(super) fn long_answer(endpoint: Endpoint, model: &str, options: &Options) -> Value {
    let text = format!("{} Then write about it at length.", ticket(options));
    let mut body = turns(endpoint, model, &[("user", &text)], options.max_tokens);
    set(&mut body, "stream", json!(true));
    body
}

/// What relays are known to take out (contract, 2.9).
pub(super) fn stripped_fields(endpoint: Endpoint, model: &str, options: &Options) -> Value {
    let mut body = single_turn(endpoint, model, options);
    set(&mut body, "service_tier", json!("default"));
    set(&mut body, "safety_identifier", json!("cometgate-probe"));
    body
}

pub(super) fn state_begin(model: &str, options: &Options) -> Value {
    let text = format!("The code word is {CODE_WORD}. Answer: noted. ({})", options.marker);
    let mut body = turns(Endpoint::Responses, model, &[("user", &text)], options.max_tokens);
    set(&mut body, "store", json!(true));
    body
}

/// `previous_response_id` is put in when it is known.
pub(super) fn state_follow(model: &str, options: &Options, cache_key: bool) -> Value {
    let text = "What is the code word? Answer with that word only.";
    let mut body = turns(Endpoint::Responses, model, &[("user", text)], options.max_tokens);
    set(&mut body, "previous_response_id", json!(""));
    if cache_key {
        set(&mut body, "prompt_cache_key", json!(format!("cometgate-probe-{}", options.marker)));
    }
    body
}

pub(super) fn sealed_begin(model: &str, options: &Options) -> Value {
    let mut body = single_turn(Endpoint::Responses, model, options);
    set(&mut body, "include", json!(["reasoning.encrypted_content"]));
    set(&mut body, "reasoning", json!({"effort": "low"}));
    body
}

/// The sealed item is put before this input when it is known.
pub(super) fn sealed_replay(model: &str, options: &Options) -> Value {
    let mut body = sealed_begin(model, options);
    set(&mut body, "input", json!([{"role": "user", "content": "And in three words?"}]));
    body
}

fn turns(endpoint: Endpoint, model: &str, said: &[(&str, &str)], max_tokens: u64) -> Value {
    let messages: Vec<Value> =
        said.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
    match endpoint {
        Endpoint::Responses => json!({
            "model": model,
            "instructions": SYSTEM,
            "input": messages,
            "max_output_tokens": max_tokens,
            "store": false,
        }),
        Endpoint::Messages => {
            json!({"model": model, "system": SYSTEM, "messages": messages, "max_tokens": max_tokens})
        }
        _ => {
            let system = json!({"role": "system", "content": SYSTEM});
            let messages: Vec<Value> = std::iter::once(system).chain(messages).collect();
            json!({"model": model, "messages": messages, "max_completion_tokens": max_tokens})
        }
    }
}

/// Puts a field in.
pub(super) fn set(body: &mut Value, name: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
