//! One feature of the API at a time: what a request says to use it, what it may cost beside its bytes, and how an answer shows
//! that it was used.

use decisions::Endpoint;
use decisions::plan::Feature;
use serde_json::{Value, json};

use crate::probe::requests::set;
use crate::probe::seen::Seen;

/// The word in the document that is sent.
const WORD_IN_FILE: &str = "heliotrope";

/// Eight red pixels by eight.
const RED_PIXELS: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElFTkSuQmCC";

/// An application cannot ask for it in this family, so nothing has to be tried.
pub(super) const NO_SUCH_FIELD: &str = "this family has no such field";

/// Anthropic's least number of tokens to think with; less is refused.
const LEAST_THINKING: u64 = 1024;

/// How a feature is used in a family; `Err` says why it cannot be tried there.
pub(super) fn add(body: &mut Value, endpoint: Endpoint, feature: Feature) -> Result<(), &'static str> {
    match feature {
        Feature::Streaming => stream(body, endpoint),
        Feature::Tools => tools(body, endpoint),
        Feature::ResponseFormat => response_format(body, endpoint)?,
        Feature::Vision => say(body, &image(endpoint), "What colour is this picture? Answer with one word."),
        Feature::Files => {
            say(body, &file(endpoint), "Which word stands in this document? Answer with it only.");
        }
        Feature::Audio => audio(body, endpoint)?,
        Feature::Logprobs => logprobs(body, endpoint)?,
        Feature::Reasoning => reasoning(body, endpoint)?,
        Feature::WebSearch => web_search(body, endpoint),
    }
    Ok(())
}

/// Input tokens that its bytes do not bound: pictures, pages and search results are counted in other ways.
pub(super) fn allowance(feature: Feature) -> u64 {
    match feature {
        Feature::Vision => 4_096,
        Feature::Files => 4_096,
        Feature::Audio => 1_024,
        Feature::WebSearch => 16_384,
        Feature::Streaming
        | Feature::Tools
        | Feature::ResponseFormat
        | Feature::Logprobs
        | Feature::Reasoning => 0,
    }
}

/// Whether it is tried where the map says nothing of the alias's features: what costs little and cannot be told from afar.
pub(super) fn is_tried_unasked(feature: Feature) -> bool {
    allowance(feature) == 0
}

/// Whether an answer shows that a feature was used; `None` where it was cut off before it could.
pub(super) fn shows(feature: Feature, seen: &Seen) -> Option<bool> {
    let shown = match feature {
        Feature::Streaming => seen.is_stream(),
        Feature::Tools => seen.has_tool_call,
        Feature::ResponseFormat => seen.text_is_object(),
        Feature::Vision => seen.says("red"),
        Feature::Files => seen.says(WORD_IN_FILE),
        Feature::Audio => seen.has_audio,
        Feature::Logprobs => seen.has_logprobs,
        Feature::Reasoning => seen.has_reasoning,
        Feature::WebSearch => seen.has_search,
    };
    (shown || !seen.is_cut_short()).then_some(shown)
}

pub(super) fn stream(body: &mut Value, endpoint: Endpoint) {
    set(body, "stream", json!(true));
    if endpoint == Endpoint::Chat {
        set(body, "stream_options", json!({"include_usage": true}));
    }
}

fn tools(body: &mut Value, endpoint: Endpoint) {
    let (name, about) = ("note_delay", "Note how late deliveries are.");
    let takes = json!({
        "type": "object",
        "properties": {"minutes": {"type": "integer"}},
        "required": ["minutes"],
        "additionalProperties": false,
    });
    let (tool, choice) = match endpoint {
        Endpoint::Responses => (
            json!({"type": "function", "name": name, "description": about, "parameters": takes}),
            json!({"type": "function", "name": name}),
        ),
        Endpoint::Messages => (
            json!({"name": name, "description": about, "input_schema": takes}),
            json!({"type": "tool", "name": name}),
        ),
        _ => (
            json!({"type": "function", "function": {"name": name, "description": about, "parameters": takes}}),
            json!({"type": "function", "function": {"name": name}}),
        ),
    };
    set(body, "tools", json!([tool]));
    set(body, "tool_choice", choice);
}

/// The tools without the order to use one: beside other fields an answer may be a text as well.
pub(super) fn leave_the_choice(body: &mut Value, endpoint: Endpoint) {
    let free = if endpoint == Endpoint::Messages { json!({"type": "auto"}) } else { json!("auto") };
    if body.get("tools").is_some() && body.get("tool_choice").is_some() {
        set(body, "tool_choice", free);
    }
}

fn response_format(body: &mut Value, endpoint: Endpoint) -> Result<(), &'static str> {
    let schema = json!({
        "type": "object",
        "properties": {"summary": {"type": "string"}},
        "required": ["summary"],
        "additionalProperties": false,
    });
    match endpoint {
        Endpoint::Messages => return Err(NO_SUCH_FIELD),
        Endpoint::Responses => {
            let format = json!({"type": "json_schema", "name": "ticket", "strict": true, "schema": schema});
            set(body, "text", json!({"format": format}));
        }
        _ => {
            let schema = json!({"name": "ticket", "strict": true, "schema": schema});
            set(body, "response_format", json!({"type": "json_schema", "json_schema": schema}));
        }
    }
    Ok(())
}

fn audio(body: &mut Value, endpoint: Endpoint) -> Result<(), &'static str> {
    if endpoint != Endpoint::Chat {
        return Err(NO_SUCH_FIELD);
    }
    set(body, "modalities", json!(["text", "audio"]));
    set(body, "audio", json!({"voice": "alloy", "format": "wav"}));
    Ok(())
}

fn logprobs(body: &mut Value, endpoint: Endpoint) -> Result<(), &'static str> {
    match endpoint {
        Endpoint::Messages => return Err(NO_SUCH_FIELD),
        Endpoint::Responses => include(body, "message.output_text.logprobs"),
        _ => set(body, "logprobs", json!(true)),
    }
    Ok(())
}

fn include(body: &mut Value, what: &str) {
    let mut listed = body.get("include").and_then(Value::as_array).cloned().unwrap_or_default();
    listed.push(json!(what));
    set(body, "include", json!(listed));
}

fn reasoning(body: &mut Value, endpoint: Endpoint) -> Result<(), &'static str> {
    match endpoint {
        Endpoint::Responses => set(body, "reasoning", json!({"effort": "low"})),
        Endpoint::Messages => {
            let most = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
            if most <= LEAST_THINKING {
                return Err("thinking takes more than 1,024 tokens: give --max-tokens 1100 or more");
            }
            set(body, "thinking", json!({"type": "enabled", "budget_tokens": LEAST_THINKING}));
        }
        _ => set(body, "reasoning_effort", json!("low")),
    }
    Ok(())
}

fn web_search(body: &mut Value, endpoint: Endpoint) {
    let tool = match endpoint {
        Endpoint::Responses => json!({"type": "web_search_preview"}),
        Endpoint::Messages => json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 1}),
        _ => return set(body, "web_search_options", json!({"search_context_size": "low"})),
    };
    let mut tools = body.get("tools").and_then(Value::as_array).cloned().unwrap_or_default();
    tools.push(tool);
    set(body, "tools", json!(tools));
}

fn image(endpoint: Endpoint) -> Value {
    let url = format!("data:image/png;base64,{RED_PIXELS}");
    match endpoint {
        Endpoint::Responses => json!({"type": "input_image", "image_url": url, "detail": "low"}),
        Endpoint::Messages => {
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RED_PIXELS}})
        }
        _ => json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}}),
    }
}

fn file(endpoint: Endpoint) -> Value {
    let data = base64(document().as_bytes());
    let (name, url) = ("probe.pdf", format!("data:application/pdf;base64,{data}"));
    match endpoint {
        Endpoint::Responses => json!({"type": "input_file", "filename": name, "file_data": url}),
        Endpoint::Messages => {
            json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}})
        }
        _ => json!({"type": "file", "file": {"filename": name, "file_data": url}}),
    }
}

/// Puts a part and a question about it behind what is said already.
fn say(body: &mut Value, part: &Value, text: &str) {
    let (field, kind) =
        if body.get("input").is_some() { ("input", "input_text") } else { ("messages", "text") };
    let mut said = body.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    said.push(json!({"role": "user", "content": [{"type": kind, "text": text}, part]}));
    set(body, field, json!(said));
}

/// The smallest document of one page with one word on it (ISO 32000-1, 7.5).
fn document() -> String {
    let page = format!("BT /F1 24 Tf 20 40 Td ({WORD_IN_FILE}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{page}\nendstream", page.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut text = "%PDF-1.4\n".to_owned();
    let mut table = "0000000000 65535 f \n".to_owned();
    for (at, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", text.len()));
        text.push_str(&format!("{} 0 obj\n{object}\nendobj\n", at + 1));
    }
    let (start, count) = (text.len(), objects.len() + 1);
    text.push_str(&format!(
        "xref\n0 {count}\n{table}trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    text
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() { '=' } else { digit.into() });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn the_document_says_where_its_objects_are() {
        let text = document();
        let start: usize =
            text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        assert!(text[start..].starts_with("xref\n0 6\n"));
        for (number, line) in text[start..].lines().skip(3).take(5).enumerate() {
            let at: usize = line[..10].parse().unwrap();
            assert!(text[at..].starts_with(&format!("{} 0 obj", number + 1)), "{line}");
        }
    }

    #[test]
    fn every_feature_is_in_the_request_or_said_to_be_missing() {
        for endpoint in [Endpoint::Chat, Endpoint::Responses, Endpoint::Messages] {
            for feature in Feature::ALL {
                let bare =
                    json!({"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "x"}]});
                let mut body = bare.clone();
                let is_added = add(&mut body, endpoint, feature).is_ok();
                assert_eq!(is_added, body != bare, "{endpoint:?} {feature:?}");
                assert!(is_added || endpoint != Endpoint::Chat, "{feature:?}");
            }
        }
    }
}
