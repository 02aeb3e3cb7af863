use serde_json::json;

use super::*;
use crate::request::peek::{PeekError, peek};
use decisions::Endpoint;

fn ids(body: &str) -> Vec<String> {
    read(body.as_bytes()).unwrap().iter().map(|(_, id)| id.to_owned()).collect()
}

/// Every place of the Responses API, one reference each.
#[test]
fn a_responses_body_shows_all_that_it_refers_to() {
    let body = json!({
        "model": "m",
        "previous_response_id": "resp_1",
        "conversation": {"id": "conv_1"},
        "prompt": {"id": "pmpt_1", "variables": {"a": {"type": "input_file", "file_id": "file-1"}, "b": "text"}},
        "input": [
            {"type": "item_reference", "id": "msg_1"},
            {"id": "msg_2"},
            {"type": "message", "id": "msg_no", "role": "user", "content": [
                {"type": "input_file", "file_id": "file-2"},
                {"type": "output_text", "text": "file_id", "annotations": [{"file_id": "file-3", "container_id": "cntr_1"}]},
            ]},
            {"type": "reasoning", "id": "rs_no", "encrypted_content": "sealed"},
            {"type": "computer_call_output", "call_id": "call_no", "output": {"file_id": "file-4"},
             "acknowledged_safety_checks": [{"id": "sc_1"}]},
            {"type": "function_call_output", "call_id": "call_no", "output": [{"file_id": "file-5"}]},
            {"type": "code_interpreter_call", "id": "ci_no", "container_id": "cntr_2"},
            {"type": "shell_call", "environment": {"container_id": "cntr_3"}},
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_1"},
            {"type": "tools", "tools": [{"type": "file_search", "vector_store_ids": ["vs_0"]}]},
        ],
        "tools": [
            {"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]},
            {"type": "code_interpreter", "container": "cntr_4"},
            {"type": "code_interpreter", "container": "auto"},
            {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-6"]}},
            {"type": "shell", "environment": {"skills": [{"skill_id": "skill_1"}], "file_ids": ["file-7"]}},
            {"type": "image_generation", "input_image_mask": {"file_id": "file-8"}},
            {"type": "tunnel", "tunnel_id": "tunnel_1"},
        ],
        "metadata": {"file_id": "no"},
    });
    let expected = [
        "resp_1", "conv_1", "pmpt_1", "file-1", "msg_1", "msg_2", "file-2", "file-3", "cntr_1", "sealed",
        "file-4", "sc_1", "file-5", "cntr_2", "cntr_3", "mcpr_1", "vs_0", "vs_1", "vs_2", "cntr_4", "file-6",
        "skill_1", "file-7", "file-8", "tunnel_1",
    ];
    let mut found = ids(&body.to_string());
    found.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
    let text = body.to_string();
    let peeked = peek(text.as_bytes(), Endpoint::Responses).unwrap();
    assert_eq!(peeked.references.iter().count(), expected.len());
    assert!(peeked.references.goes_on && !peeked.references.has_credential);
}

#[test]
fn a_chat_body_and_those_of_other_endpoints_do_too() {
    let chat = json!({"model": "m", "audio": {"voice": {"id": "voice_1"}}, "messages": [
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        {"role": "assistant", "audio": {"id": "audio_1"}, "tool_calls": [{"id": "call_no"}]},
        {"role": "tool", "tool_call_id": "call_no", "content": "file_id"}]});
    let mut found = ids(&chat.to_string());
    found.sort();
    assert_eq!(found, ["audio_1", "file-1", "voice_1"]);
    assert!(peek(chat.to_string().as_bytes(), Endpoint::Chat).unwrap().references.has_audio);
    for (body, expected) in [
        (json!({"voice": "alloy", "input": "text"}), vec![]),
        (json!({"voice": {"id": "voice_1"}}), vec!["voice_1"]),
        (
            json!({"prompt": "a cat", "images": [{"file_id": "f1"}], "mask": {"file_id": "f2"}}),
            vec!["f1", "f2"],
        ),
        (json!({"input_reference": {"file_id": "f1"}, "video": {"id": "v1"}}), vec!["f1", "v1"]),
        (json!({"items": [{"type": "message", "content": [{"file_id": "f1"}]}]}), vec!["f1"]),
        (json!({"model": "ft:gpt:acme::1", "prompt": "x"}), vec!["ft:gpt:acme::1"]),
        (json!({"model": "gpt", "training_file": "f1"}), vec!["f1"]),
        (json!({"input_file_id": "f1", "endpoint": "/v1/responses"}), vec!["f1"]),
        (json!({"training_file": "f1", "validation_file": null}), vec!["f1"]),
        (json!({"file_ids": ["f1", "f2"], "name": "x"}), vec!["f1", "f2"]),
        (
            json!({"assistant_id": "a1", "thread": {"messages": [{"attachments": [{"file_id": "f1"}]}]}}),
            vec!["a1", "f1"],
        ),
        (json!({"tool_resources": {"file_search": {"vector_store_ids": ["vs1"]}}}), vec!["vs1"]),
    ] {
        assert_eq!(ids(&body.to_string()), expected, "{body}");
    }
}

#[test]
fn a_third_partys_credential_is_seen_wherever_tools_may_stand() {
    let has = |tool: &serde_json::Value| {
        let tools = json!([{"type": "function", "name": "x"}, tool]);
        let bodies = [
            json!({"model": "m", "tools": tools}),
            json!({"model": "m", "input": [{"type": "x", "tools": tools}]}),
        ];
        bodies.map(|body| {
            peek(body.to_string().as_bytes(), Endpoint::Responses).unwrap().references.has_credential
        })
    };
    assert_eq!(has(&json!({"type": "mcp", "authorization": "token"})), [true; 2]);
    assert_eq!(has(&json!({"type": "mcp", "headers": {"x-api-key": "token"}})), [true; 2]);
    assert_eq!(has(&json!({"type": "mcp", "headers": {"x": 1}})), [true; 2]);
    for none in [json!({"type": "mcp"}), json!({"type": "mcp", "headers": {}, "authorization": null})] {
        assert_eq!(has(&none), [false; 2], "{none}");
    }
    let escaped = r#"{"model":"m","tools":[{"type":"mcp","auth\u006frization":"to\u006ben"}]}"#;
    assert!(peek(escaped.as_bytes(), Endpoint::Responses).unwrap().references.has_credential);
}

#[test]
fn what_stands_twice_counts_twice_and_a_second_way_on_is_refused() {
    let twice = r#"{"model":"m","input":[{"type":"item_reference","id":"a","id":"b"}],"tools":[],"input":[{"id":"c"}]}"#;
    assert_eq!(ids(twice), ["a", "b", "c"]);
    for second in ["previous_response_id", "conversation"] {
        let body = format!(r#"{{"model":"m","{second}":"a","{second}":null}}"#);
        let refused = peek(body.as_bytes(), Endpoint::Responses).unwrap_err();
        assert_eq!(refused, PeekError::Duplicate(second));
    }
}

#[test]
fn too_many_are_not_told_apart_and_nesting_ends() {
    let items: Vec<String> = (0..300).map(|id| format!(r#"{{"id":"i{id}"}}"#)).collect();
    let body = format!(r#"{{"input":[{}]}}"#, items.join(","));
    let references = read(body.as_bytes()).unwrap();
    assert_eq!(references.iter().count(), MOST + 1);
    assert_eq!(references.iter().last(), Some((ReferenceKind::Id, "")));
    let skipped = format!(r#"{{"x":{}{},"file_id":"f"}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ids(&skipped), ["f"]);
}

#[test]
fn what_only_its_home_has_keeps_it_there() {
    let bound = |body: &str| {
        let peeked = peek(body.as_bytes(), Endpoint::Responses).unwrap();
        peeked.references.iter().map(|(kind, id)| (kind, id.to_owned())).collect::<Vec<_>>()
    };
    let home = vec![(ReferenceKind::Sealed, String::new())];
    assert_eq!(bound(r#"{"model":"m","background":true}"#), home);
    assert_eq!(bound(r#"{"model":"m","tools":[{"type":"mcp","connector_id":"connector_x"}]}"#), home);
    assert_eq!(bound(r#"{"model":"m","background":false}"#), []);
}

/// Half of a surrogate pair, a number without bounds, deep nesting: read otherwise, to the same end.
#[test]
fn what_serde_will_not_walk_through_is_read_all_the_same() {
    let odd = [
        r#"{"type":"message","content":"cut \ud83d"}"#.to_owned(),
        r#"{"type":"message","role":1e999}"#.to_owned(),
        format!(
            r#"{{"type":"x","tools":{}{}}}"#,
            r#"[{"tools":"#.repeat(100),
            "1".to_owned() + &"}]".repeat(100)
        ),
    ];
    let plain = r#"{"type":"message","content":"plain"}"#.to_owned();
    let body = |odd: &str| {
        format!(
            r#"{{"model":"m","input":[{odd},{{"id":"i1"}},{{"type":"item_reference","id":"i2"}},{{"type":"reasoning","id":"no",
            "encrypted_content":"sealed"}},{{"type":"message","content":[{{"file_id":"f1"}}]}}],"conversation":{{"id":"c1"}},
            "tools":[{{"container":"auto"}},{{"container":{{"file_ids":["f2"]}}}},{{"headers":{{"k":"v"}}}}]}}"#
        )
    };
    let expected = body(&plain);
    let expected = peek(expected.as_bytes(), Endpoint::Responses).unwrap().references;
    assert!(expected.has_credential && expected.goes_on && expected.iter().count() == 6);
    for odd in odd {
        let body = body(&odd);
        for found in
            [peek(body.as_bytes(), Endpoint::Responses).unwrap().references, read(body.as_bytes()).unwrap()]
        {
            assert!(found.iter().eq(expected.iter()), "{odd}");
            assert!(found.has_credential && found.goes_on);
        }
    }
    assert!(read(b"{\"input\":[}").is_err());
}
