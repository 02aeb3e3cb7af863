use decisions::plan::FeatureSet;
use serde_json::{Value, json};

use super::*;
use crate::request::peek::{peek, peek_with_features};

fn used(endpoint: Endpoint, rest: &Value) -> Vec<&'static str> {
    let mut body = rest.clone();
    body["model"] = json!("m");
    seen(endpoint, &body.to_string())
}

fn seen(endpoint: Endpoint, body: &str) -> Vec<&'static str> {
    let features = peek_with_features(body.as_bytes(), endpoint).unwrap().features;
    features.iter().map(Feature::as_str).collect()
}

#[test]
fn each_feature_of_chat_is_seen() {
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]});
    for (body, expected) in [
        (json!({"stream": true}), "streaming"),
        (json!({"tools": [{"type": "function", "function": {"name": "f"}}]}), "tools"),
        (json!({"functions": [{"name": "f"}]}), "tools"),
        (json!({"response_format": {"type": "json_object"}}), "response_format"),
        (part(json!({"type": "image_url", "image_url": {"url": "data:,"}})), "vision"),
        (part(json!({"type": "input_audio", "input_audio": {"data": ""}})), "audio"),
        (part(json!({"type": "file", "file": {"file_data": ""}})), "files"),
        (json!({"modalities": ["text", "audio"]}), "audio"),
        (json!({"audio": {"voice": "alloy", "format": "wav"}}), "audio"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"top_logprobs": 3}), "logprobs"),
        (json!({"reasoning_effort": "low"}), "reasoning"),
        (json!({"web_search_options": {}}), "web_search"),
    ] {
        assert_eq!(used(Endpoint::Chat, &body), [expected], "{body}");
    }
}

#[test]
fn each_feature_of_responses_and_of_messages_is_seen() {
    let input = |item: Value| json!({"input": [item]});
    let message = |part: Value| input(json!({"role": "user", "content": [part]}));
    for (body, expected) in [
        (json!({"stream": true}), "streaming"),
        (json!({"tools": [{"type": "file_search"}]}), "tools"),
        (json!({"tools": [{"type": "web_search_preview"}]}), "web_search"),
        (json!({"text": {"format": {"type": "json_schema"}, "verbosity": "low"}}), "response_format"),
        (message(json!({"type": "input_image", "image_url": "data:,"})), "vision"),
        (message(json!({"type": "input_audio", "input_audio": {}})), "audio"),
        (message(json!({"type": "input_file", "file_data": ""})), "files"),
        (input(json!({"type": "function_call_output", "output": [{"type": "input_image"}]})), "vision"),
        (input(json!({"type": "computer_call_output", "output": {"type": "computer_screenshot"}})), "vision"),
        (json!({"include": ["message.output_text.logprobs"]}), "logprobs"),
        (json!({"reasoning": {"effort": "low"}}), "reasoning"),
    ] {
        assert_eq!(used(Endpoint::Responses, &body), [expected], "{body}");
    }
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    for (body, expected) in [
        (json!({"tools": [{"name": "f", "input_schema": {}}]}), "tools"),
        (json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), "web_search"),
        (json!({"mcp_servers": [{"type": "url", "name": "x"}]}), "tools"),
        (part(json!({"type": "image", "source": {"type": "base64", "data": ""}})), "vision"),
        (part(json!({"type": "document", "source": {"type": "base64", "data": ""}})), "files"),
        (part(json!({"type": "tool_result", "content": [{"type": "image", "source": {}}]})), "vision"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), "reasoning"),
        (json!({"output_config": {"effort": "low"}}), "reasoning"),
        (json!({"output_config": {"format": {"type": "json_schema"}}}), "response_format"),
    ] {
        assert_eq!(used(Endpoint::Messages, &body), [expected], "{body}");
    }
}

/// What clients send by default, or to say that they want none of it.
#[test]
fn defaults_and_what_is_switched_off_count_for_nothing() {
    for body in [
        json!({}),
        json!({"stream": false, "tools": [], "functions": [], "tool_choice": "none"}),
        json!({"response_format": {"type": "text"}, "logprobs": false, "top_logprobs": 0}),
        json!({"response_format": null, "tools": null, "audio": null, "modalities": ["text"]}),
        json!({"text": {"format": {"type": "text"}}, "reasoning": {}, "include": []}),
        json!({"text": {"verbosity": "low"}, "reasoning": null, "thinking": {"type": "disabled"}}),
        json!({"messages": [{"role": "user", "content": "image_url"}], "metadata": {"tools": "[1]"}}),
        json!({"output_config": {"format": null}}),
    ] {
        for endpoint in [Endpoint::Chat, Endpoint::Responses, Endpoint::Messages] {
            assert_eq!(used(endpoint, &body), [""; 0], "{body}");
        }
    }
}

#[test]
fn the_words_mean_something_else_where_files_and_images_are_made() {
    let body = json!({"response_format": "b64_json", "input": "x", "stream_format": "sse"});
    assert_eq!(used(Endpoint::ImageGenerations, &body), [""; 0]);
    assert_eq!(used(Endpoint::Speech, &body), ["streaming"]);
    assert_eq!(used(Endpoint::ImageGenerations, &json!({"stream": true})), ["streaming"]);
}

#[test]
fn what_occurs_twice_or_cannot_be_understood_counts() {
    let twice = r#"{"model":"m","response_format":{"type":"json_object"},"response_format":{"type":"text"}}"#;
    assert_eq!(seen(Endpoint::Chat, twice), ["response_format"]);
    let within = r#"{"model":"m","text":{"format":{"type":"text"},"format":{"type":"json_schema"}}}"#;
    assert_eq!(seen(Endpoint::Responses, within), ["response_format"]);
    let escaped = r#"{"model":"m","to\u006fls":[{"typ\u0065":"w\u0065b_search"}]}"#;
    assert_eq!(seen(Endpoint::Responses, escaped), ["web_search"]);
}

/// Half of a surrogate pair sends a body on the other way of reading.
#[test]
fn a_body_that_serde_does_not_walk_through_shows_the_same() {
    let body = r#"{"model":"m","stream":true,"x":"\ud800","reasoning_effort":"low","messages":[{"role":"user",
        "content":[{"type":"text","text":"\ud800"},{"type":"image_url"},{"type":"file","file":{}}]}],
        "tools":[{"type":"function","function":{"description":"\ud800"}}]}"#;
    let expected = ["streaming", "tools", "vision", "files", "reasoning"];
    assert_eq!(seen(Endpoint::Chat, body), expected);
}

#[test]
fn nothing_is_looked_for_where_nobody_asks() {
    let body = r#"{"model":"m","stream":true,"tools":[{"type":"function"}],"messages":[{"content":[{"type":"image"}]}]}"#;
    assert_eq!(peek(body.as_bytes(), Endpoint::Chat).unwrap().features, FeatureSet::EMPTY);
}

#[test]
fn a_credential_for_a_server_of_tools_is_seen_in_anthropics_shape_too() {
    let body = r#"{"model":"m","mcp_servers":[{"url":"https://x","authorization_token":"secret"}]}"#;
    assert!(peek(body.as_bytes(), Endpoint::Messages).unwrap().references.has_credential);
    let file = r#"{"model":"m","messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"f1"}}]}]}"#;
    assert_eq!(peek(file.as_bytes(), Endpoint::Messages).unwrap().references.iter().count(), 1);
}
