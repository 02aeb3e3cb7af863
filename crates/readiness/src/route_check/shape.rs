//! What an answer is, without a word of what it says: only whether fields are there, and words of closed lists.

use evidence::Presence;
use serde_json::Value;

/// Every `object` that the two request shapes are documented to answer.
const OBJECTS: [&str; 3] = ["chat.completion", "response", "chat.completion.chunk"];

/// Every end that an answer is documented to have.
const ENDS: [&str; 11] = [
    "stop",
    "length",
    "tool_calls",
    "content_filter",
    "function_call",
    "completed",
    "incomplete",
    "failed",
    "in_progress",
    "queued",
    "cancelled",
];

/// Stands for a word that is on no list: a provider's text goes into no record.
pub const OTHER: &str = "other";
/// Stands for a field that is not there.
pub const NOT_RETURNED: &str = "not_returned";

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// It is a JSON object.
    pub is_object: bool,
    /// It has an `error`.
    pub has_error: bool,
    /// It has an `id` that is text.
    pub id: Presence,
    /// Its `object`.
    pub object: &'static str,
    /// It has a `usage` that is an object.
    pub usage: Presence,
    /// How it ended.
    pub end: &'static str,
}

impl Shape {
    /// Reads a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Shape {
        let read = serde_json::from_slice::<Value>(body).ok();
        let Some(object) = read.as_ref().and_then(Value::as_object) else { return Shape::NOTHING };
        let presence = |is_there: bool| if is_there { Presence::True } else { Presence::False };
        let end = object
            .get("choices")
            .and_then(|choices| choices.get(0)?.get("finish_reason"))
            .or_else(|| object.get("status"));
        Shape {
            is_object: true,
            has_error: object.get("error").is_some_and(|error| !error.is_null()),
            id: presence(object.get("id").and_then(Value::as_str).is_some_and(|id| !id.is_empty())),
            object: word(object.get("object"), &OBJECTS),
            usage: presence(object.get("usage").is_some_and(Value::is_object)),
            end: word(end, &ENDS),
        }
    }

    /// Of no answer, or of one that is no JSON object.
    pub const NOTHING: Shape = Shape {
        is_object: false,
        has_error: false,
        id: Presence::NotReturned,
        object: NOT_RETURNED,
        usage: Presence::NotReturned,
        end: NOT_RETURNED,
    };
}

fn word(value: Option<&Value>, list: &[&'static str]) -> &'static str {
    match value.filter(|value| !value.is_null()) {
        None => NOT_RETURNED,
        Some(value) => list.iter().copied().find(|word| value.as_str() == Some(word)).unwrap_or(OTHER),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_answers_of_both_families_are_read() {
        let chat = br#"{"id":"c","object":"chat.completion","choices":[{"finish_reason":"stop"}],"usage":{"total_tokens":1}}"#;
        let shape = Shape::of(chat);
        assert_eq!(
            (shape.id, shape.object, shape.usage, shape.end),
            (Presence::True, "chat.completion", Presence::True, "stop")
        );
        let shape =
            Shape::of(br#"{"id":"","object":"response","status":"incomplete","usage":null,"error":null}"#);
        assert_eq!(
            (shape.id, shape.object, shape.usage, shape.end, shape.has_error),
            (Presence::False, "response", Presence::False, "incomplete", false)
        );
    }

    #[test]
    fn both_shapes_of_an_error_are_errors_and_a_page_is_nothing() {
        for error in [
            &br#"{"error":{"code":"","message":"m","type":"comet_api_error"}}"#[..],
            br#"{"error":{"message":"m","type":"t","param":"","code":"invalid_request"}}"#,
        ] {
            assert!(Shape::of(error).has_error);
        }
        for nothing in [&b"<html>"[..], b"", b"[]", b"{\"id\":"] {
            assert_eq!(Shape::of(nothing), Shape::NOTHING);
        }
    }

    proptest! {
        #[test]
        fn what_a_provider_writes_never_comes_out(text in "[ -~]{0,40}") {
            let body = serde_json::json!({"id": text, "object": text, "status": text, "usage": text});
            let shape = Shape::of(body.to_string().as_bytes());
            let is_listed = |word: &str| OBJECTS.contains(&word) || ENDS.contains(&word) || [OTHER, NOT_RETURNED].contains(&word);
            prop_assert!(is_listed(shape.object) && is_listed(shape.end));
        }
    }
}
