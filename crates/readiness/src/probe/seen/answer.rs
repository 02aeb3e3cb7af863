//! The fields of an answer, whole or in events, of each family.

use decisions::Endpoint;
use serde_json::Value;
use upstream::ErrorBody;

use super::{Echo, Seen};

/// What an answer says that it used, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the request, what was cached included.
    pub input: u64,
    /// Of the answer, reasoning included.
    pub output: u64,
    /// Both together, or more if the answer says so.
    pub total: u64,
}

/// Words that say what an answer is.
const OBJECTS: [&str; 7] =
    ["chat.completion", "chat.completion.chunk", "response", "message", "list", "model", "error"];

/// Words that say why an answer ended.
const FINISHES: [&str; 17] = [
    "stop",
    "length",
    "tool_calls",
    "function_call",
    "content_filter",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
    "in_progress",
    "queued",
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
];

/// Events that end a stream of responses.
const TERMINAL: [&str; 4] = ["response.completed", "response.failed", "response.incomplete", "error"];

/// Without these an answer cannot be read.
pub(super) fn critical(endpoint: Endpoint) -> &'static [&'static str] {
    match endpoint {
        Endpoint::Responses => &["output", "status"],
        Endpoint::Messages => &["content"],
        _ => &["choices"],
    }
}

fn known(words: &[&'static str], value: Option<&Value>) -> Option<&'static str> {
    let said = value.filter(|value| !value.is_null())?;
    let word = said.as_str().and_then(|said| words.iter().find(|word| **word == said));
    Some(word.copied().unwrap_or("other"))
}

fn elements(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_full(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Array(elements)) => !elements.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}

impl Seen {
    /// Of a whole answer; a family of `None` is a list of models, or one of them.
    pub(super) fn take_answer(&mut self, endpoint: Option<Endpoint>, model: &str, answer: &Value) {
        self.take_head(model, answer);
        match endpoint {
            None => self.take_models(answer),
            Some(Endpoint::Responses) => self.take_response(answer),
            Some(Endpoint::Messages) => self.take_message(answer),
            Some(_) => {
                elements(answer.get("choices")).iter().for_each(|choice| self.take_choice(choice, "message"));
            }
        }
    }

    fn take_head(&mut self, model: &str, answer: &Value) {
        self.has_id |= is_full(answer.get("id"));
        self.id = answer.get("id").and_then(Value::as_str).map(str::to_owned).or(self.id.take());
        let kind = answer.get("object").or_else(|| answer.get("type"));
        self.object = known(&OBJECTS, kind).or(self.object);
        self.echo = match answer.get("model").and_then(Value::as_str) {
            None => self.echo,
            Some(said) if said == model => Echo::Same,
            Some(said) if !model.is_empty() && said.starts_with(&format!("{model}-")) => Echo::Snapshot,
            Some(_) => Echo::Other,
        };
        for (at, name) in ["service_tier", "safety_identifier"].into_iter().enumerate() {
            self.echoes_fields[at] |= is_full(answer.get(name));
        }
        self.take_usage(answer.get("usage"));
    }

    fn take_usage(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage.filter(|usage| usage.is_object()) else { return };
        let number = |names: &[&str]| names.iter().find_map(|name| usage.get(*name)?.as_u64());
        let sum = |names: &[&str]| {
            names.iter().filter_map(|name| usage.get(*name)?.as_u64()).fold(0, u64::saturating_add)
        };
        // Anthropic counts what is cached apart from the rest.
        let cached = sum(&["cache_creation_input_tokens", "cache_read_input_tokens"]);
        let input = number(&["prompt_tokens", "input_tokens"]).map(|input| input.saturating_add(cached));
        let output = number(&["completion_tokens", "output_tokens"]);
        if input.is_none() && output.is_none() {
            return;
        }
        // In a stream the one may come before the other.
        let before = self.usage.unwrap_or_default();
        let (input, output) = (input.unwrap_or(before.input), output.unwrap_or(before.output));
        let both = input.saturating_add(output);
        let total = both.max(number(&["total_tokens"]).unwrap_or(0));
        self.usage = Some(Usage { input, output, total });
        let details = ["completion_tokens_details", "output_tokens_details"];
        let reasoned = details.iter().find_map(|name| usage.get(*name)?.get("reasoning_tokens")?.as_u64());
        self.has_reasoning |= reasoned.is_some_and(|tokens| tokens > 0);
    }

    fn take_models(&mut self, answer: &Value) {
        let Some(data) = answer.get("data").and_then(Value::as_array) else { return };
        let ids = data.iter().filter_map(|model| model.get("id")?.as_str());
        self.listed = ids.map(str::to_owned).collect();
        self.models = Some(self.listed.len() as u64);
    }

    /// A choice of a completion, or of a chunk of one.
    fn take_choice(&mut self, choice: &Value, part: &str) {
        self.finish = known(&FINISHES, choice.get("finish_reason")).or(self.finish);
        self.has_logprobs |= is_full(choice.get("logprobs"));
        let Some(message) = choice.get(part) else { return };
        self.has_tool_call |= is_full(message.get("tool_calls")) || is_full(message.get("function_call"));
        self.has_audio |= is_full(message.get("audio"));
        self.has_search |= is_full(message.get("annotations"));
        self.has_reasoning |= is_full(message.get("reasoning_content")) || is_full(message.get("reasoning"));
        self.take_text(message.get("content"));
    }

    fn take_text(&mut self, text: Option<&Value>) {
        self.text.push_str(text.and_then(Value::as_str).unwrap_or_default());
    }

    fn take_response(&mut self, answer: &Value) {
        self.finish = known(&FINISHES, answer.get("status")).or(self.finish);
        for item in elements(answer.get("output")) {
            match item.get("type").and_then(Value::as_str) {
                Some("function_call") => self.has_tool_call = true,
                Some("web_search_call") => self.has_search = true,
                Some("reasoning") => {
                    self.has_reasoning = true;
                    if is_full(item.get("encrypted_content")) {
                        self.sealed = Some(item.clone());
                    }
                }
                _ => {}
            }
            for part in elements(item.get("content")) {
                self.has_logprobs |= is_full(part.get("logprobs"));
                self.has_search |= is_full(part.get("annotations"));
                self.take_text(part.get("text"));
            }
        }
    }

    fn take_message(&mut self, answer: &Value) {
        self.finish = known(&FINISHES, answer.get("stop_reason")).or(self.finish);
        elements(answer.get("content")).iter().for_each(|block| self.take_block(block));
    }

    fn take_block(&mut self, block: &Value) {
        match block.get("type").and_then(Value::as_str) {
            Some("tool_use") => self.has_tool_call = true,
            Some("thinking" | "redacted_thinking") => self.has_reasoning = true,
            Some("server_tool_use" | "web_search_tool_result") => self.has_search = true,
            _ => self.take_text(block.get("text")),
        }
    }

    /// Of a stream; the first error in it.
    pub(super) fn take_events(
        &mut self,
        endpoint: Endpoint,
        model: &str,
        events: &[Value],
    ) -> Option<ErrorBody> {
        let mut ends = 0;
        let mut failed = None;
        for event in events {
            let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
            let response = event.get("response");
            let error =
                [Some(event), response].into_iter().flatten().find(|place| is_full(place.get("error")));
            // A responses stream has its error flat, a relay's chunk has it within.
            if failed.is_none() && (error.is_some() || kind == "error" || kind == "response.failed") {
                failed = Some(ErrorBody::read(error.unwrap_or(event).to_string().as_bytes()));
            }
            ends += u32::from(match endpoint {
                Endpoint::Responses => TERMINAL.contains(&kind),
                Endpoint::Messages => kind == "message_stop",
                _ => false,
            });
            match endpoint {
                Endpoint::Responses => self.take_response_event(model, kind, event),
                Endpoint::Messages => self.take_message_event(model, kind, event),
                _ => {
                    self.take_head(model, event);
                    elements(event.get("choices"))
                        .iter()
                        .for_each(|choice| self.take_choice(choice, "delta"));
                }
            }
        }
        self.is_complete = match endpoint {
            Endpoint::Responses | Endpoint::Messages => ends == 1,
            _ => self.finish.is_some() && self.done,
        };
        failed
    }

    fn take_response_event(&mut self, model: &str, kind: &str, event: &Value) {
        if kind == "response.output_text.delta" {
            self.take_text(event.get("delta"));
            self.has_logprobs |= is_full(event.get("logprobs"));
        }
        let Some(response) = event.get("response") else { return };
        self.take_head(model, response);
        if TERMINAL.contains(&kind) {
            // Its output has the text of the deltas once more.
            self.text.clear();
            self.take_response(response);
        }
    }

    fn take_message_event(&mut self, model: &str, kind: &str, event: &Value) {
        match kind {
            "message_start" => {
                let message = event.get("message").unwrap_or(event);
                self.take_head(model, message);
            }
            "content_block_start" => self.take_block(event.get("content_block").unwrap_or(event)),
            "content_block_delta" => self.take_text(event.get("delta").and_then(|delta| delta.get("text"))),
            "message_delta" => {
                self.take_usage(event.get("usage"));
                let reason = event.get("delta").and_then(|delta| delta.get("stop_reason"));
                self.finish = known(&FINISHES, reason).or(self.finish);
            }
            _ => {}
        }
    }
}
