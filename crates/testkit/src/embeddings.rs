//! `POST /v1/embeddings`, as numbers or, as the SDKs ask for unless told otherwise, as base64.

use serde_json::{Value, json};

use crate::answers::Asked;
use crate::reply::Reply;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Enough to look like a vector, few enough to read.
const DIMENSIONS: u64 = 8;

pub(crate) fn reply(asked: &Asked<'_>) -> Reply {
    let inputs = match asked.body.get("input") {
        // A list of strings or of token lists has an answer each; a string or one token list has one.
        Some(Value::Array(items)) if items.iter().any(|item| item.is_string() || item.is_array()) => {
            items.len()
        }
        Some(Value::Array(_) | Value::String(_)) => 1,
        _ => return Reply::error(400, "invalid_request_error", None, "'input' must be a string or a list"),
    };
    let dimensions =
        asked.body.get("dimensions").and_then(Value::as_u64).unwrap_or(DIMENSIONS).clamp(1, 4096);
    let base64 = asked.body.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data: Vec<Value> = (0..inputs)
        .map(|index| {
            let vector = vector(index, dimensions);
            let embedding = if base64 { json!(encoded(&vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let usage = json!({"prompt_tokens": asked.input_tokens, "total_tokens": asked.input_tokens});
    Reply::json(200, &json!({"object": "list", "model": asked.model, "data": data, "usage": usage}))
}

/// Sixteenths, so that `f32`, decimal text and base64 all say exactly the same.
fn vector(index: usize, dimensions: u64) -> Vec<f32> {
    let first = u16::try_from(index % 16).unwrap_or_default();
    (0..dimensions).map(|place| f32::from((first + (place % 16) as u16) % 16) / 16.0).collect()
}

fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |place: usize| u32::from(group.get(place).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for sextet in 0..4 {
            let letter = ALPHABET.get((bits >> (18 - 6 * sextet) & 63) as usize).copied().unwrap_or(b'A');
            text.push(if sextet <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_little_endian_floats_with_padding() {
        // Checked against python: base64.b64encode(struct.pack('<2f', 0.5, 1.0)).
        assert_eq!(encoded(&[0.5, 1.0]), "AAAAPwAAgD8=");
        assert_eq!(encoded(&[0.5]), "AAAAPw==");
        assert_eq!(encoded(&[0.5, 1.0, 0.0625]), "AAAAPwAAgD8AAIA9");
    }
}
