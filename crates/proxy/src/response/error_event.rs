//! The last event of a stream that could not be completed: an error that the endpoint's own clients raise, and no
//! `[DONE]`, which would make the answer look complete.

use bytes::Bytes;
use decisions::ErrorClass;
use serde::Serialize;
use serde_json::Value;

use crate::dialect;
use crate::scan::{ErrorSigns, Shape};
use crate::secrets::Secrets;

/// The code of an answer that failed after its beginning was handed on.
pub(crate) const INTERRUPTED: &str = "upstream_stream_interrupted";

#[derive(Serialize)]
struct Chat<'a> {
    error: Fields<'a>,
}

/// The flat fields of the Responses API's own event, and an `error` object beside them: OpenAI's Python client raises on
/// that alone.
#[derive(Serialize)]
struct Responses<'a> {
    r#type: &'static str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<u64>,
    error: Fields<'a>,
}

#[derive(Clone, Serialize)]
struct Fields<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

/// A provider's words for an error within a stream, as a caller may see them.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) code: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) message: Option<String>,
}

impl Told {
    /// With the credentials in them covered.
    pub(crate) fn covered(signs: &ErrorSigns, secrets: &Secrets) -> Told {
        let covered = |text: Option<&str>| text.map(|text| secrets.cover_text(text));
        Told { code: covered(signs.code()), kind: covered(signs.kind()), message: covered(signs.message()) }
    }
}

/// A provider's stream that failed after its first content.
pub(crate) fn interrupted(
    shape: Shape,
    class: ErrorClass,
    told: Option<Told>,
    sequence_number: Option<u64>,
) -> Bytes {
    let message = match class {
        ErrorClass::Truncated => "The provider's answer ended before it was complete.",
        ErrorClass::IdleTimeout => "The provider fell silent in the middle of its answer.",
        ErrorClass::TotalTimeout => "The answer took longer than the route allows.",
        ErrorClass::Reset => "The connection to the provider broke in the middle of its answer.",
        _ => "The provider reported an error in the middle of its answer.",
    };
    let Told { code, kind, message: said } = told.unwrap_or_default();
    let fields = Fields {
        message: said.as_deref().unwrap_or(message),
        r#type: kind.as_deref().unwrap_or("server_error"),
        param: None,
        code: code.as_deref().unwrap_or(INTERRUPTED),
    };
    event(shape, &fields, sequence_number)
}

/// An answer that is an error, for a caller whose stream has begun with heartbeats.
pub(crate) fn instead_of(shape: Shape, body: &[u8]) -> Bytes {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = told.get("error").unwrap_or(&told);
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let fields = Fields {
        message: text("message").unwrap_or("The provider answered with an error."),
        r#type: text("type").unwrap_or("server_error"),
        param: text("param"),
        code: text("code").unwrap_or(INTERRUPTED),
    };
    event(shape, &fields, None)
}

fn event(shape: Shape, fields: &Fields<'_>, sequence_number: Option<u64>) -> Bytes {
    // Serialising our own strings and numbers cannot fail.
    let (name, json) = match shape {
        Shape::Chat => ("", serde_json::to_string(&Chat { error: fields.clone() })),
        Shape::Messages => ("event: error\n", dialect::anthropic_error(fields.r#type, fields.message)),
        Shape::Responses => {
            let flat = Responses {
                r#type: "error",
                code: fields.code,
                message: fields.message,
                param: fields.param,
                sequence_number: sequence_number.map(|last| last.saturating_add(1)),
                error: fields.clone(),
            };
            ("event: error\n", serde_json::to_string(&flat))
        }
    };
    Bytes::from(format!("{name}data: {}\n\n", json.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_gets_its_own_shape_in_one_line() {
        let chat = interrupted(Shape::Chat, ErrorClass::Truncated, None, None);
        assert_eq!(
            chat,
            "data: {\"error\":{\"message\":\"The provider's answer ended before it was complete.\",\"type\":\
             \"server_error\",\"param\":null,\"code\":\"upstream_stream_interrupted\"}}\n\n"
        );
        let responses = interrupted(Shape::Responses, ErrorClass::Reset, None, Some(7));
        let text = std::str::from_utf8(&responses).unwrap();
        let json: Value =
            serde_json::from_str(text.lines().nth(1).unwrap().strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(text.lines().next(), Some("event: error"));
        assert_eq!((json["type"].as_str(), json["sequence_number"].as_u64()), (Some("error"), Some(8)));
        assert_eq!(json["error"]["code"], INTERRUPTED);
    }

    #[test]
    fn a_message_of_several_lines_stays_one_event() {
        let body = br#"{"error":{"message":"a\n\ndata: [DONE]","type":"t","code":"c","param":null}}"#;
        let event = instead_of(Shape::Chat, body);
        assert_eq!(event.windows(2).filter(|pair| pair == b"\n\n").count(), 1);
    }
}
