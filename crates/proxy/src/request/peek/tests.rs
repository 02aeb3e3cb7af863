use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::request::splice::splice;

fn read(body: &str) -> Result<Peeked<'_>, PeekError> {
    peek(body.as_bytes(), Endpoint::Chat)
}

#[test]
fn the_routed_fields_are_read_wherever_they_stand() {
    let peeked = read(r#" { "a":[{"model":"no"}], "user":"u\n1", "stream" : true,"model":"gpt" } "#).unwrap();
    assert_eq!(peeked.model, "gpt");
    assert!(peeked.stream);
    assert_eq!(peeked.sticky_keys().user, Some("u\n1"));
    assert_eq!(peeked.sticky_keys().prompt_cache_key, None);
}

#[test]
fn fields_of_an_unexpected_type_are_left_to_the_provider() {
    let peeked = read(r#"{"model":"m","user":7,"stream":"true","prompt_cache_key":null}"#).unwrap();
    assert_eq!(peeked.sticky_keys().user, None);
    assert!(!peeked.stream);
}

#[test]
fn a_second_model_is_refused_however_it_is_spelled() {
    for second in [r#""model""#, r#""mod\u0065l""#, r#""\u006dodel""#] {
        let body = format!(r#"{{"model":"a",{second}:"b"}}"#);
        assert_eq!(read(&body).unwrap_err(), PeekError::Duplicate("model"), "{second}");
    }
    assert_eq!(read(r#"{"model":"a","user":"x","user":"y"}"#).unwrap_err(), PeekError::Duplicate("user"));
    assert!(read(r#"{"model":"a","temperature":1,"temperature":2}"#).is_ok());
}

#[test]
fn an_escaped_spelling_of_the_key_counts_as_the_key() {
    let peeked = read(r#"{"mod\u0065l":"gpt\u002d5"}"#).unwrap();
    assert_eq!(peeked.model, "gpt-5");
    assert_eq!(peeked.model_at, 14..26);
}

#[test]
fn what_is_not_an_object_with_a_model_is_refused() {
    for body in [r#"["model"]"#, r#""model""#, "1", "true", "null", "  [1]"] {
        assert_eq!(read(body).unwrap_err(), PeekError::NotAnObject, "{body}");
    }
    assert_eq!(read("{}").unwrap_err(), PeekError::NoModel);
    assert_eq!(read(r#"{"x":{"model":"a"}}"#).unwrap_err(), PeekError::NoModel);
    for body in [r#"{"model":1}"#, r#"{"model":""}"#, r#"{"model":null}"#, r#"{"model":["a"]}"#] {
        assert_eq!(read(body).unwrap_err(), PeekError::ModelNotText, "{body}");
    }
}

#[test]
fn where_a_model_may_be_left_out_it_may_also_be_null_and_nothing_else() {
    let read = |body: &'static str| peek(body.as_bytes(), Endpoint::Responses);
    for body in [r#"{"prompt":{"id":"pmpt_1"}}"#, r#"{"model": null}"#] {
        let peeked = read(body).unwrap();
        assert_eq!((&*peeked.model, peeked.model_at), ("", 0..0), "{body}");
    }
    for body in [r#"{"model":""}"#, r#"{"model":"null" , "model":null}"#, r#"{"model":false}"#] {
        assert!(read(body).is_err(), "{body}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    assert_eq!(read("").unwrap_err(), PeekError::Empty);
    assert_eq!(read(" \n").unwrap_err(), PeekError::Empty);
    assert_eq!(read("{\"model\":\"a\",\n oops}").unwrap_err(), PeekError::Syntax { line: 2, column: 2 });
    for body in
        [r#"{"model":"a"} x"#, r#"{"model":"a"}{}"#, r#"{"model":"a""#, "model=a", r#"{"model":"a","n":NaN}"#]
    {
        assert!(matches!(read(body).unwrap_err(), PeekError::Syntax { .. }), "{body}");
    }
    let invalid = peek(b"{\"model\":\"a\",\"x\":\"\xff\"}", Endpoint::Chat);
    assert_eq!(invalid.unwrap_err(), PeekError::NotUtf8);
}

#[test]
fn deep_nesting_does_not_grow_the_stack() {
    let body = format!(r#"{{"x":{}{},"model":"a"}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(read(&body).unwrap().model, "a");
}

#[test]
fn responses_are_stateful_unless_they_say_otherwise() {
    let stateful = |body: &str, endpoint| peek(body.as_bytes(), endpoint).unwrap().stateful;
    assert!(stateful(r#"{"model":"a"}"#, Endpoint::Responses));
    assert!(stateful(r#"{"model":"a","store":null}"#, Endpoint::Responses));
    assert!(!stateful(r#"{"model":"a","store":false}"#, Endpoint::Responses));
    assert!(stateful(r#"{"model":"a","store":false,"previous_response_id":"r"}"#, Endpoint::Responses));
    assert!(!stateful(r#"{"model":"a","store":false,"previous_response_id":null}"#, Endpoint::Responses));
    assert!(!stateful(r#"{"model":"a"}"#, Endpoint::Chat));
    assert!(stateful(r#"{"model":"a","store":true}"#, Endpoint::Chat));
}

/// Any JSON object with one `model`, written with arbitrary white space.
fn bodies() -> impl Strategy<Value = (Vec<(String, Value)>, String, usize, u8)> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!({"model": "nested"})),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"\\\\]{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let fields = prop::collection::vec(("x[a-z]{0,6}", value), 0..6);
    (fields, "\\PC{1,20}", any::<usize>(), 0_u8..4)
}

fn write(fields: &[(String, Value)], model: &str, at: usize, style: u8) -> String {
    let space = ["", " ", "\n\t", "\r\n  "][usize::from(style)];
    let at = at % (fields.len() + 1);
    let mut members: Vec<String> =
        fields.iter().map(|(key, value)| format!("{space}{:?}{space}:{space}{value}", key)).collect();
    let model = serde_json::to_string(model).unwrap();
    members.insert(at, format!("{space}\"model\"{space}:{space}{model}{space}"));
    format!("{space}{{{}}}{space}", members.join(","))
}

/// The long count runs where `COMETGATE_FULL` is set; a tenth of it otherwise.
fn cases() -> u32 {
    if std::env::var_os("COMETGATE_FULL").is_some() { 100_000 } else { 10_000 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn only_the_models_bytes_change((fields, model, at, style) in bodies(), id in "\\PC{1,24}") {
        let text = write(&fields, &model, at, style);
        let body = bytes::Bytes::from(text.clone());
        let peeked = peek(&body, Endpoint::Chat).unwrap();
        prop_assert_eq!(&peeked.model, &model);
        let place = peeked.model_at.clone();
        let sent = splice(&body, place.clone(), &id).concat();
        prop_assert_eq!(&sent[..place.start], &body[..place.start]);
        let tail = body.len() - place.end;
        prop_assert_eq!(&sent[sent.len() - tail..], &body[place.end..]);
        // An independent parser sees the same document, but for the model.
        let mut before: Value = serde_json::from_str(&text).unwrap();
        let after: Value = serde_json::from_slice(&sent).unwrap();
        before["model"] = Value::from(id);
        prop_assert_eq!(before, after);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(peek(&bytes, Endpoint::Responses));
    }
}
