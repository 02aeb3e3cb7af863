//! The requests that load is made of, prepared once as bytes.
//!
//! What the provider shall answer stands in the prompt, because gateways pass few headers on and replace the model.

use std::net::SocketAddr;

use serde_json::json;

/// Starts the provider's instruction in a prompt.
pub(crate) const MARKER: &str = "load:";

/// The alias that the generated route map routes.
pub(crate) const MODEL: &str = "gpt-load";

/// What the provider shall answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// 1 KB of JSON.
    Small,
    /// 64 KB of JSON.
    Large,
    /// 1 KB of JSON, to a request of so many bytes in whose body `model` comes last.
    Upload { bytes: usize },
    /// Chunks this far apart; no pause at all if 0, each still written on its own.
    Stream { chunks: u64, pause_ms: u64 },
}

impl Ask {
    fn marker(self) -> String {
        match self {
            Ask::Small | Ask::Upload { .. } => format!("{MARKER}small;"),
            Ask::Large => format!("{MARKER}large;"),
            Ask::Stream { chunks, pause_ms } => format!("{MARKER}stream:{chunks}:{pause_ms};"),
        }
    }

    /// Reads a marker back; anything unknown is a small answer.
    pub(crate) fn parse(after_marker: &[u8]) -> Ask {
        let end = after_marker.iter().position(|byte| *byte == b';').unwrap_or_default();
        let text = std::str::from_utf8(after_marker.get(..end).unwrap_or_default()).unwrap_or_default();
        let mut words = text.split(':');
        let word = words.next();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        match word {
            Some("large") => Ask::Large,
            Some("stream") => Ask::Stream { chunks: number(), pause_ms: number() },
            _ => Ask::Small,
        }
    }

    pub(crate) fn streams(self) -> bool {
        matches!(self, Ask::Stream { .. })
    }
}

/// A chat completion as the SDKs send it: about 600 bytes of JSON, 400 of them prompt.
pub(crate) fn prepare(address: SocketAddr, key: &str, model: &str, ask: Ask) -> Vec<u8> {
    prepare_for(&address.to_string(), "/v1/chat/completions", key, model, ask)
}

/// The same with host and path given.
pub(crate) fn prepare_for(host: &str, path: &str, key: &str, model: &str, ask: Ask) -> Vec<u8> {
    let body = body(model, ask);
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\naccept: application/json\r\nuser-agent: load-tests\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The JSON of a request.
pub(crate) fn body(model: &str, ask: Ask) -> String {
    match ask {
        // Written by hand: `model` shall be where a gateway finds it last, and serde_json sorts fields.
        Ask::Upload { bytes } => format!(
            r#"{{"messages":[{{"role":"user","content":"{}"}}],"max_completion_tokens":256,"model":"{model}"}}"#,
            prompt(ask, bytes)
        ),
        Ask::Small | Ask::Large | Ask::Stream { .. } => {
            let mut body = json!({
                "model": model,
                "messages": [
                    {"role": "system", "content": "You are a helpful assistant that answers briefly and in plain words."},
                    {"role": "user", "content": prompt(ask, 400)},
                ],
                "max_completion_tokens": 256,
                "temperature": 0.2,
            });
            if ask.streams()
                && let Some(fields) = body.as_object_mut()
            {
                fields.insert("stream".to_owned(), json!(true));
            }
            body.to_string()
        }
    }
}

fn prompt(ask: Ask, bytes: usize) -> String {
    let mut prompt = ask.marker();
    while prompt.len() < bytes {
        prompt.push_str(" summarise the following conversation for the next agent");
    }
    prompt.truncate(bytes);
    prompt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_ends_with_its_model() {
        let body = body(MODEL, Ask::Upload { bytes: 1 << 20 });
        assert!((1 << 20..(1 << 20) + 200).contains(&body.len()));
        assert!(body.ends_with(r#""model":"gpt-load"}"#));
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
    }

    #[test]
    fn the_provider_reads_back_what_was_asked() {
        for ask in [Ask::Small, Ask::Large, Ask::Stream { chunks: 200, pause_ms: 20 }] {
            let request = prepare("127.0.0.1:1".parse().unwrap(), "k", MODEL, ask);
            let place = memchr::memmem::find(&request, MARKER.as_bytes()).unwrap();
            assert_eq!(Ask::parse(&request[place + MARKER.len()..]), ask);
        }
    }
}
