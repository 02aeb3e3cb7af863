use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::json;

use super::*;

/// Asks about `a`, `a.b`, `a.b.c` and so on, and about every element of arrays there, and writes down what comes.
#[derive(Default)]
struct Recorder {
    seen: Vec<String>,
}

impl Document for Recorder {
    type Place = u8;
    const NOWHERE: u8 = 0;
    const ROOT: u8 = 1;

    fn member(&mut self, object: u8, key: &[u8]) -> u8 {
        if object < 20 && key == [b'a' + object - 1] { object + 1 } else { 0 }
    }

    fn element(array: u8) -> u8 {
        if array < 20 { array + 100 } else { 0 }
    }

    fn keep(place: u8) -> usize {
        if place == 2 { 4 } else { 512 }
    }

    fn value(&mut self, place: u8, value: Value<'_>) {
        let text = match value {
            Value::Text(text) => format!("text {}", String::from_utf8_lossy(text)),
            Value::Number(text) => format!("number {}", String::from_utf8_lossy(text)),
            other => format!("{other:?}"),
        };
        self.seen.push(format!("{place} {text}"));
    }
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (bool, Vec<String>) {
    let mut recorder = Recorder::default();
    let mut json = Json::new::<Recorder>();
    for piece in pieces {
        json.feed(piece, &mut recorder);
    }
    (json.finish(&mut recorder), recorder.seen)
}

fn is_json(text: &[u8]) -> bool {
    read([text]).0
}

/// What serde_json says of the grammar; it does not look at UTF-8 or surrogates either when nobody asks for a value.
fn oracle(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[test]
fn what_stands_at_the_places_asked_about_is_reported() {
    let text = br#" {"x":{"a":1}, "a" : {"b":{"c":"d\u00e9\n\ud800"},"c":2,"b":-1.5e3}, "a":[null,"long text",true]} "#;
    let (whole, seen) = read([&text[..]]);
    assert!(whole);
    assert_eq!(
        seen,
        [
            "1 Object",
            "2 Object",
            "3 Object",
            "4 text d\u{e9}\n\u{fffd}",
            "3 Closed",
            "3 number -1.5e3",
            "2 Closed",
            "2 Array",
            "102 Null",
            "102 text long text",
            "102 Bool",
            "2 Closed",
            "1 Closed",
        ]
    );
    assert_eq!(read([&br#"{"a":"cut here"}"#[..]]).1, ["1 Object", "2 text cut ", "1 Closed"]);
}

#[test]
fn a_key_is_known_however_it_is_spelled() {
    assert_eq!(read([&br#"{"\u0061":7}"#[..]]).1, ["1 Object", "2 number 7", "1 Closed"]);
}

#[test]
fn every_split_gives_the_same() {
    let text =
        br#"{"a":{"b":["x\"\\\u20ac",-0.5E+10,true,false,null],"c":{}},"\u0061":[[],""],"z":"0123456789"}"#;
    let whole = read([&text[..]]);
    assert!(whole.0);
    for first in 0..=text.len() {
        for second in first..=text.len() {
            assert_eq!(read([&text[..first], &text[first..second], &text[second..]]), whole);
        }
    }
}

#[test]
fn what_is_not_one_json_value_is_told_from_what_is() {
    let texts = [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "{}",
        "[]",
        "{}{}",
        "{} x",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,2]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        r#"{,"a":1}"#,
        r#"{"a":1,"b":[]}"#,
        r#"["a":1]"#,
        r#""abc"#,
        r#""abc""#,
        "\"a\nb\"",
        "\"a\u{1f}b\"",
        "\"a\u{7f}b\"",
        r#""\x""#,
        r#""\u12g4""#,
        r#""\u12""#,
        r#""\ud800""#,
        "0",
        "-0",
        "01",
        "-",
        "1.",
        ".5",
        "1.5",
        "1e",
        "1e+",
        "1e+5",
        "1E5",
        "1.e5",
        "+1",
        "--1",
        "1-",
        "1x",
        "1 ",
        "nul",
        "null",
        "nulll",
        "nuLl",
        "tru",
        "truefalse",
        "True",
        "NaN",
        "[DONE]",
        "\u{feff}{}",
        "\u{a0}1",
        "/**/1",
        "'a'",
        "[[[]]",
        "[[[]]]]",
        "{\"a\":[}]",
    ];
    for text in texts {
        assert_eq!(is_json(text.as_bytes()), oracle(text.as_bytes()), "{text}");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(bytes).0, oracle(text.as_bytes()), "{text}, byte by byte");
    }
}

#[test]
fn bad_utf8_is_let_through() {
    assert!(is_json(b"[\"\xff\xfe\", \"\xc3\"]"));
    assert!(!is_json(b"[\xff]"));
}

#[test]
fn depth_is_exact_to_128_counted_to_10000_and_refused_beyond() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [1, 8, 9, 127, 128, 129, 130, 10_000] {
        assert!(is_json(nested(depth).as_bytes()), "{depth}");
        assert!(!is_json(&nested(depth).as_bytes()[1..]), "{depth}");
        assert!(!is_json(&nested(depth).as_bytes()[..2 * depth - 1]), "{depth}");
    }
    assert!(!is_json(nested(10_001).as_bytes()));
    let objects = format!("{}1{},2]", "[{\"a\":".repeat(64), "}]".repeat(63) + "}");
    assert!(is_json(objects.as_bytes()));
    let wrong = |depth: usize| format!("{}[}}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(!is_json(wrong(127).as_bytes()));
    assert!(is_json(wrong(128).as_bytes()), "a documented leniency");
    let text = format!("{}[\"]]]\\\"]\"]{}", "[".repeat(128), "]".repeat(128));
    assert!(is_json(text.as_bytes()));
}

#[test]
fn a_plain_run_ends_at_the_first_special_byte_wherever_it_stands() {
    for len in [0, 1, 7, 8, 9, 63, 64, 65, 95, 96, 97, 130, 200] {
        assert_eq!(plain_run(&vec![b'x'; len]), len);
        for at in 0..len {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                // Bytes that a sloppy comparison would take for special.
                for other in [b'x', b'#', b'!', b' ', 0x7f, 0x80, 0xff, 0xa2, 0xdc] {
                    let mut text = vec![other; len];
                    text[at] = special;
                    if at + 1 < len {
                        text[at + 1] = b'"' + 1;
                    }
                    assert_eq!(plain_run(&text), at, "{special} among {other}");
                }
            }
        }
    }
}

#[test]
fn a_long_plain_run_ends_there_too() {
    let long = 64 + 2 * (4 << 10);
    for at in [64, 4_159, 4_160, 4_161, 8_000, 8_255, long] {
        for special in [b'"', b'\\', 0x1f] {
            let mut text = vec![b' '; long + 100];
            text[at] = special;
            text[at + 1] = b'"';
            assert_eq!(plain_run(&text), at, "{special}");
        }
    }
}

#[test]
fn hostile_megabytes_are_read_byte_by_byte_in_reasonable_time() {
    for unit in ["[", "{\"a\":", "\"\\\\", "\\", "[\"", "1", "[1,", " ", "{\"a\":\"\\u0061"] {
        let text = unit.repeat((1 << 20) / unit.len());
        assert!(!read(text.as_bytes().chunks(1)).0 || unit == "1", "{unit}");
    }
    assert!(size_of::<Json<u8>>() < 640);
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|leaf| json!(leaf)),
        any::<i64>().prop_map(|leaf| json!(leaf)),
        any::<f64>().prop_map(|leaf| json!(leaf)),
        any::<String>().prop_map(|leaf| json!(leaf)),
        "[a-c\"\\\\\n]{0,80}".prop_map(|leaf| json!(leaf)),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|values| json!(values)),
            prop::collection::btree_map("[a-c]{0,2}|\\PC{0,3}", inner, 0..6)
                .prop_map(|members| json!(members)),
        ]
    })
}

fn cut<'a>(text: &'a [u8], at: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = at.iter().map(|index| index.index(text.len() + 1)).collect();
    at.push(text.len());
    at.sort_unstable();
    let mut from = 0;
    at.iter().map(|to| &text[std::mem::replace(&mut from, *to)..*to]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn json_is_never_refused(value in value(), pretty: bool, at in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let whole = read([&text[..]]);
        prop_assert!(whole.0);
        prop_assert_eq!(read(cut(&text, &at)), whole);
    }

    #[test]
    fn mutated_json_gets_the_verdict_of_serde(
        value in value(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, prop::sample::select(b"{}[]\",:\\ 0-1.eEtn\nx\x01\xff/u".to_vec())), 1..4),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut text = serde_json::to_vec(&value).unwrap();
        for (index, change, byte) in changes {
            let index = index.index(text.len() + 1);
            match change {
                0 if index < text.len() => text[index] = byte,
                1 if index < text.len() => { text.remove(index); }
                _ => text.insert(index, byte),
            }
        }
        prop_assert_eq!(is_json(&text), oracle(&text), "{}", String::from_utf8_lossy(&text));
        prop_assert_eq!(read(cut(&text, &at)), read([&text[..]]));
    }

    #[test]
    fn random_tokens_get_the_verdict_of_serde(
        tokens in prop::collection::vec(prop::sample::select(vec!["{", "}", "[", "]", "\"a\"", ":", ",", "1", "-", "0", ".5", "e1", "null", "tru", "e", " "]), 0..14),
    ) {
        let text = tokens.concat();
        prop_assert_eq!(is_json(text.as_bytes()), oracle(text.as_bytes()), "{}", text);
    }

    #[test]
    fn random_bytes_get_the_verdict_of_serde(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(is_json(&bytes), oracle(&bytes));
    }
}
