//! What a provider answers: well, or in one of the ways in which providers fail, and always with what it was sent.

use serde_json::json;
use testkit::{RecordedRequest, Reply, Step};

use crate::world::{COMPLETION, PROMPT};

/// Which prompt it is.
pub(crate) fn number_of(body: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    text.split_once(PROMPT.prefix)?.1.split_once('_')?.0.parse().ok()
}

/// Well, or in one of the ways in which providers fail; it does not depend on the attempt alone, so that retries differ.
pub(crate) fn answer(arrived: &RecordedRequest, number: usize) -> Reply {
    let key = arrived.header("authorization").unwrap_or_default();
    let text = format!("{}{number}_", COMPLETION.prefix);
    let is_streamed = arrived.json().is_some_and(|body| body["stream"] == true);
    let event = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{{delta}}}}}]}}\n\n");
    let first = event(&format!("\"content\":\"{text}\""));
    let shown =
        |reply: Reply| reply.header("x-goog-api-key", key).header("x-note", &format!("you sent {key}!"));
    let error = |status: u16| {
        let message = format!("Incorrect API key provided: {key}");
        let error =
            json!({"error": {"message": message, "type": "server_error", "param": null, "code": null}});
        shown(Reply::json(status, &error))
    };
    // Of any length: what the gateway reads of a message is cut somewhere, be it in the middle of a key.
    let error_event = || {
        let before = "x".repeat(fastrand::usize(..640));
        let message = format!("For {}{number}_ {before} an incorrect API key was sent: {key}", PROMPT.prefix);
        let error = json!({"error": {"message": message, "type": key, "param": null, "code": key}});
        Step::chunk(format!("data: {error}\n\n"))
    };
    match fastrand::u8(..30) {
        0 => error(500),
        1 => error(401),
        2 => error(429).header("retry-after-ms", "1"),
        3 => error(400),
        4 => Reply::abort_before_head(),
        5 => Reply::new(302).header("location", &format!("http://127.0.0.1:9/{key}")),
        6 if is_streamed => Reply::sse(vec![Step::chunk(first), Step::Abort]),
        8 if is_streamed => Reply::sse(vec![error_event()]),
        9 if is_streamed => Reply::sse(vec![Step::chunk(first), error_event()]),
        7 => shown(Reply::bytes(200, "text/html", format!("<p>{key}</p>"))),
        _ if is_streamed => {
            let last = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
            shown(Reply::sse(vec![Step::chunk(first), Step::chunk(last)]))
        }
        _ => shown(Reply::json(
            200,
            &json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}),
        )),
    }
}
