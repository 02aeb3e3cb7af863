use super::*;
use crate::scan::json::Json;

fn read(text: &str) -> Answer {
    let mut answer = Answer::default();
    let mut json = Json::new::<Answer>();
    json.feed(text.as_bytes(), &mut answer);
    assert!(json.finish(&mut answer), "{text}");
    answer
}

#[test]
fn a_delta_has_content_when_any_of_its_content_fields_is_not_empty() {
    for (delta, content) in [
        (r#"{}"#, false),
        (r#"{"role":"assistant"}"#, false),
        (r#"{"role":"assistant","content":""}"#, false),
        (r#"{"content":null,"refusal":null,"tool_calls":null}"#, false),
        (r#"{"content":[],"tool_calls":[],"audio":{},"function_call":{}}"#, false),
        (r#"{"content":" "}"#, true),
        (r#"{"content":"\n"}"#, true),
        (r#"{"content":"\u0000"}"#, true),
        (r#"{"content":[{"type":"text","text":"x"}]}"#, true),
        (r#"{"content":"","refusal":"no"}"#, true),
        (r#"{"reasoning":"hm"}"#, true),
        (r#"{"content":null,"reasoning_content":"hm"}"#, true),
        (r#"{"tool_calls":[{"index":0,"function":{"arguments":""}}]}"#, true),
        (r#"{"function_call":{"arguments":""}}"#, true),
        (r#"{"audio":{"data":"AA"}}"#, true),
        (r#"{"content":"","thinking":"a name not known here"}"#, true),
    ] {
        assert_eq!(
            read(&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#)).facts.content,
            content,
            "{delta}"
        );
    }
    assert!(!read(r#"{"delta":{"content":"x"},"choices":{"delta":{"content":"x"}}}"#).facts.content);
}

#[test]
fn both_families_of_usage_names_are_read() {
    let chat = r#"{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,
        "prompt_tokens_details":{"audio_tokens":9,"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":5}}}"#;
    let responses = r#"{"type":"response.completed","response":{"usage":{"output_tokens":2,"input_tokens":1,
        "output_tokens_details":{"reasoning_tokens":5},"input_tokens_details":{"cached_tokens":4}}}}"#;
    let usage = Usage { input: Some(1), output: Some(2), cached: Some(4), reasoning: Some(5) };
    assert_eq!(read(chat).facts.usage, usage);
    assert_eq!(read(responses).facts.usage, usage);
}

#[test]
fn only_whole_numbers_count() {
    for (number, count) in [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("1000000000000000000000000", None),
        ("-1", None),
        ("1.0", None),
        ("1e3", None),
        ("null", None),
        ("\"1\"", None),
    ] {
        let answer = read(&format!(r#"{{"usage":{{"prompt_tokens":{number}}}}}"#));
        assert_eq!(answer.facts.usage.input, count, "{number}");
    }
    assert_eq!(read(r#"{"usage":null}"#).facts.usage.if_any(), None);
}

#[test]
fn an_error_is_an_object_or_a_text() {
    for (error, is_error) in [
        ("null", false),
        ("false", false),
        ("0", false),
        ("\"\"", false),
        ("[]", false),
        ("\"overloaded\"", true),
        ("{}", true),
        (r#"{"message":"m"}"#, true),
    ] {
        assert_eq!(read(&format!(r#"{{"error":{error}}}"#)).facts.error, is_error, "{error}");
    }
    let signs =
        read(r#"{"error":{"message":"Slow down","type":"requests","param":null,"code":429}}"#).signs.unwrap();
    assert_eq!(
        (signs.code(), signs.kind(), signs.message()),
        (Some("429"), Some("requests"), Some("Slow down"))
    );
    assert_eq!(read(r#"{"error":"overloaded"}"#).signs.unwrap().message(), Some("overloaded"));
}

#[test]
fn error_texts_are_cut_between_characters_and_bad_utf8_is_left_out() {
    let mut signs = ErrorSigns::default();
    signs.keep_message(("a".to_owned() + &"é".repeat(400)).as_bytes());
    assert_eq!(signs.message().unwrap().len(), 511);
    signs.keep_message(b"a\xffb\xc3");
    assert_eq!(signs.message(), Some("ab"));
    signs.keep_code("x".repeat(100).as_bytes());
    assert_eq!(signs.code().unwrap().len(), 64);
    assert!(!format!("{signs:?}").contains("xx"));
    signs.clear();
    assert_eq!((signs.code(), signs.kind(), signs.message()), (None, None, None));
}

#[test]
fn places_are_not_mistaken_for_one_another_at_other_depths() {
    let answer = read(
        r#"{"data":{"error":{"code":"x"}},"choices":[{"usage":{"prompt_tokens":1},"error":"x","type":"error"}],
           "response":{"choices":[{"delta":{"content":"x"}}],"status":"failed","type":"error","error":null}}"#,
    );
    assert!(!answer.facts.error && !answer.facts.content && !answer.facts.failed);
    assert_eq!(answer.facts.usage, Usage::default());
    assert_eq!(answer.facts.event_type, EventType::Absent);
    assert!(answer.signs.is_none());
}
