//! Replaces the value of `model` in a body; every other byte stays as it was sent.

use std::ops::Range;

use bytes::Bytes;

/// The three pieces of the outgoing body: before the value, the new value as a JSON string, after it. Slices of the
/// same buffer: nothing of the body is copied.
#[must_use]
pub fn splice(body: &Bytes, model_at: Range<usize>, model_id: &str) -> [Bytes; 3] {
    let value = quote(model_id);
    if body.get(model_at.clone()) == Some(&value[..]) {
        return [body.clone(), Bytes::new(), Bytes::new()];
    }
    [body.slice(..model_at.start), value, body.slice(model_at.end..)]
}

/// What asks a chat stream how many tokens it took; stands behind the value of `model`.
const ASK_USAGE: &[u8] = br#","stream_options":{"include_usage":true}"#;

/// The same, with the question how many tokens a stream takes. For a body that has no `stream_options`; without a model ID the
/// model stays as it was sent.
#[must_use]
pub(crate) fn splice_asking(body: &Bytes, model_at: Range<usize>, model_id: Option<&str>) -> [Bytes; 3] {
    let Range { start, end } = model_at;
    match model_id {
        None => [body.slice(..end), Bytes::from_static(ASK_USAGE), body.slice(end..)],
        Some(model_id) => {
            let value = [&quote(model_id), ASK_USAGE].concat();
            [body.slice(..start), value.into(), body.slice(end..)]
        }
    }
}

/// The same for a form, where the value stands as it is.
#[must_use]
pub(crate) fn splice_text(body: &Bytes, model_at: Range<usize>, model_id: &str) -> [Bytes; 3] {
    let value = Bytes::copy_from_slice(model_id.as_bytes());
    [body.slice(..model_at.start), value, body.slice(model_at.end..)]
}

/// A text as a JSON string.
fn quote(text: &str) -> Bytes {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        let mut quoted = Vec::with_capacity(text.len() + 2);
        quoted.push(b'"');
        quoted.extend_from_slice(text.as_bytes());
        quoted.push(b'"');
        return quoted.into();
    }
    // A string always serialises.
    serde_json::to_vec(text).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(parts: &[Bytes; 3]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn only_the_value_changes() {
        let body = Bytes::from_static(br#"{"model" : "a" , "x":1}"#);
        assert_eq!(joined(&splice(&body, 11..14, "bb")), br#"{"model" : "bb" , "x":1}"#);
    }

    #[test]
    fn an_equal_value_leaves_the_body_in_one_piece() {
        let body = Bytes::from_static(br#"{"model":"a"}"#);
        let parts = splice(&body, 9..12, "a");
        assert_eq!(parts[0], body);
        assert!(parts[1].is_empty() && parts[2].is_empty());
    }

    #[test]
    fn the_question_for_tokens_stands_behind_the_model() {
        let body = Bytes::from_static(br#"{"model" : "a" ,"stream":true}"#);
        let asked = |model: &str| {
            format!(r#"{{"model" : "{model}","stream_options":{{"include_usage":true}} ,"stream":true}}"#)
        };
        for (model_id, model) in [(None, "a"), (Some("a"), "a"), (Some("bb"), "bb")] {
            assert_eq!(joined(&splice_asking(&body, 11..14, model_id)), asked(model).as_bytes());
        }
    }

    #[test]
    fn a_model_id_with_quotes_stays_one_json_string() {
        let body = Bytes::from_static(br#"{"model":"a"}"#);
        assert_eq!(joined(&splice(&body, 9..12, "a\"\\\u{1}")), br#"{"model":"a\"\\\u0001"}"#);
    }
}
