use super::*;

const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1763700000,"model":"gpt-5.4",
"choices":[{"index":0,"message":{"role":"assistant","content":"{\"error\":\"quoted\"}"},"finish_reason":"stop"}],
"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":3},
"completion_tokens_details":{"reasoning_tokens":4}},"error":null}"#;
const EMBEDDINGS: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[-0.012,1e-5,0]}],
"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
const FAILED: &str = r#"{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_error",
"message":"gone"},"output":[],"usage":null}"#;

fn read(shape: BodyShape, required: &[&str], pieces: &[&[u8]]) -> Whole {
    let required: Vec<String> = required.iter().map(ToString::to_string).collect();
    let mut scanner = BodyScanner::new(shape, &required);
    for piece in pieces {
        scanner.feed(piece);
    }
    scanner.finish()
}

fn whole(shape: BodyShape, required: &[&str], body: &str) -> Whole {
    read(shape, required, &[body.as_bytes()])
}

#[test]
fn a_good_answer_is_well_formed_and_says_what_it_used() {
    let chat = whole(BodyShape::Chat, &["choices", "id", "usage"], CHAT);
    assert!(chat.well_formed && chat.is_object && !chat.missing_required && !chat.response_failed);
    assert!(chat.error.is_none());
    let usage = Usage { input: Some(9), output: Some(12), cached: Some(3), reasoning: Some(4) };
    assert_eq!(chat.usage, Some(usage));
    let embeddings = whole(BodyShape::Embeddings, &["data"], EMBEDDINGS);
    assert!(embeddings.well_formed && !embeddings.missing_required);
    assert_eq!(embeddings.usage, Some(Usage { input: Some(8), ..Usage::default() }));
}

#[test]
fn a_failed_response_says_so() {
    let failed = whole(BodyShape::Responses, &[], FAILED);
    assert!(failed.response_failed);
    assert_eq!(failed.usage, None);
    assert_eq!(failed.error.unwrap().code(), Some("server_error"));
    assert!(!whole(BodyShape::Chat, &[], r#"{"status":"failed"}"#).response_failed);
    assert!(
        !whole(BodyShape::Responses, &[], r#"{"status":"failed2","x":{"status":"failed"}}"#).response_failed
    );
}

#[test]
fn required_fields_are_looked_for_by_their_path_from_the_top() {
    assert!(whole(BodyShape::Chat, &["message"], CHAT).missing_required);
    assert!(whole(BodyShape::Chat, &["choices", "nothing"], CHAT).missing_required);
    assert!(!whole(BodyShape::Chat, &["b"], r#"{"b":null}"#).missing_required);
    assert!(!whole(BodyShape::Chat, &["b"], r#"{"\u0062":1,"b":2}"#).missing_required);
    assert!(whole(BodyShape::Chat, &["b"], r#"[{"b":1}]"#).missing_required);
    for (path, is_there) in [
        ("usage.total_tokens", true),
        ("usage.prompt_tokens_details.cached_tokens", true),
        ("usage.prompt_tokens_details", true),
        ("usage.nothing", false),
        ("prompt_tokens_details.cached_tokens", false),
        ("usage.total_tokens.more", false),
        ("choices.message", false),
        ("id.x", false),
    ] {
        assert_eq!(whole(BodyShape::Chat, &["id", path], CHAT).missing_required, !is_there, "{path}");
    }
    let twice = r#"{"a":{"x":{"c":1}},"a":{"b":{"c":null}}}"#;
    assert!(!whole(BodyShape::Object, &["a.b.c", "a.x.c"], twice).missing_required);
    assert!(whole(BodyShape::Object, &["a.b"], r#"{"a":[{"b":1}],"c":{"a":{"b":1}}}"#).missing_required);
    let names: Vec<String> = (0..70).map(|number| format!("f{number}")).collect();
    let members: Vec<String> = names.iter().take(64).map(|name| format!("\"{name}\":0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(!whole(BodyShape::Chat, &names, &format!("{{{}}}", members.join(","))).missing_required);
    assert!(whole(BodyShape::Chat, &names, &format!("{{{}}}", members[1..].join(","))).missing_required);
}

#[test]
fn what_is_not_a_json_object_is_told() {
    for (body, well_formed, is_object) in [
        ("", false, false),
        ("<html>", false, false),
        ("[]", true, false),
        ("1", true, false),
        ("{", false, true),
    ] {
        let whole = whole(BodyShape::Chat, &[], body);
        assert_eq!((whole.well_formed, whole.is_object), (well_formed, is_object), "{body}");
    }
}

#[test]
fn every_split_gives_the_same() {
    for (shape, body) in
        [(BodyShape::Chat, CHAT), (BodyShape::Embeddings, EMBEDDINGS), (BodyShape::Responses, FAILED)]
    {
        let required = ["usage", "object", "usage.total_tokens"];
        let summary = |whole: &Whole| {
            let error = whole.error.as_ref();
            (
                (
                    whole.well_formed,
                    whole.is_object,
                    whole.missing_required,
                    whole.response_failed,
                    whole.usage,
                ),
                error.map(|error| (error.code().map(str::to_owned), error.message().map(str::to_owned))),
            )
        };
        let expected = summary(&whole(shape, &required, body));
        assert!(expected.0.0);
        for at in 0..=body.len() {
            let (head, tail) = body.as_bytes().split_at(at);
            assert_eq!(summary(&read(shape, &required, &[head, tail])), expected);
            assert_eq!(whole_is_cut(shape, head), at < body.len());
        }
        let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        assert_eq!(summary(&read(shape, &required, &bytes)), expected);
    }
}

fn whole_is_cut(shape: BodyShape, head: &[u8]) -> bool {
    !read(shape, &[], &[head]).well_formed
}

#[test]
fn the_state_is_small() {
    assert!(size_of::<BodyScanner<'_>>() < 1024);
}
