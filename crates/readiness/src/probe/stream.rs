//! An event stream of a probe, read whole: probes are short, so nothing has to be told before its end.
//!
//! The request path reads streams as they pass, a byte at a time; here all bytes are there, and more is asked of them:
//! comments, chunks with usage, objects outside of any event.

use serde_json::Value;

/// The events of a stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The data of each, as JSON.
    pub(super) data: Vec<Value>,
    /// Comments, which keep a connection alive.
    pub(super) comments: u64,
    /// `[DONE]` came.
    pub(super) done: bool,
    /// An object that stands outside of any event: relays write an error so when they have begun a stream already.
    pub(super) stray: Option<String>,
    /// Data that is no JSON.
    pub(super) unreadable: bool,
}

/// Reads lines and fields as WHATWG HTML 9.2.6 has them.
pub(super) fn events(bytes: &[u8]) -> Events {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Events::default();
    // An event without the blank line at its end is dropped there; here it is still looked at, since an error may be in it.
    for block in text.trim_start_matches('\u{feff}').split("\n\n") {
        let mut data: Vec<&str> = Vec::new();
        for line in block.split('\n') {
            if let Some(value) = line.strip_prefix("data:") {
                data.push(value.strip_prefix(' ').unwrap_or(value));
            } else if line.starts_with(':') {
                events.comments += 1;
            } else if line.trim_start().starts_with('{') && events.stray.is_none() {
                events.stray = Some(line.to_owned());
            }
        }
        take(&mut events, &data.join("\n"));
    }
    events
}

fn take(events: &mut Events, data: &str) {
    match data.trim() {
        "" => {}
        "[DONE]" => events.done = true,
        data => match serde_json::from_str(data) {
            Ok(value) => events.data.push(value),
            Err(_) => events.unreadable = true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_events_and_what_stands_outside_are_told_apart() {
        let read = events(
            b": PING\r\n\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n: PING\ndata:{\"b\":2}\n\ndata: [DONE]\n\n",
        );
        assert_eq!(read.data, [serde_json::json!({"a": 1}), serde_json::json!({"b": 2})]);
        assert!(read.comments == 2 && read.done && read.stray.is_none() && !read.unreadable);
        let failed = events(b": PING\n\n{\"error\":{\"message\":\"m\"}}");
        assert!(failed.stray.is_some_and(|text| text.starts_with("{\"error\"")) && !failed.done);
        assert!(events(b"data: {\"cut").unreadable);
    }
}
