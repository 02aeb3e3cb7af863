//! A chat as applications and providers write it, for whatever reads one.

/// A request of about this many bytes: messages of 500 characters, as prompts with history have. `model` stands first or
/// last.
#[must_use]
pub fn request(size: usize, model_first: bool) -> String {
    let message = format!(r#"{{"role":"user","content":"{}\n\"quoted\""}}"#, "prompt text ".repeat(42));
    let count = size / message.len();
    let messages = vec![message; count.max(1)].join(",");
    if model_first {
        format!(r#"{{"model":"support-summary-v3","stream":true,"messages":[{messages}]}}"#)
    } else {
        format!(r#"{{"messages":[{messages}],"stream":true,"model":"support-summary-v3"}}"#)
    }
}

/// An event of about 200 bytes, as most of a stream's are.
#[must_use]
pub fn event(index: usize) -> String {
    format!(
        concat!(
            r#"data: {{"id":"chatcmpl-9x{:04}","object":"chat.completion.chunk","created":1763700000,"#,
            r#""model":"gpt-5.4-mini","choices":[{{"index":0,"delta":{{"content":" token"}},"#,
            r#""logprobs":null,"finish_reason":null}}],"usage":null}}"#,
            "\n\n"
        ),
        index
    )
}

/// The last two events of a stream.
pub const LAST_EVENTS: &str = concat!(
    r#"data: {"id":"chatcmpl-9x","object":"chat.completion.chunk","created":1763700000,"model":"gpt-5.4-mini","#,
    r#""choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
    "\n\ndata: [DONE]\n\n"
);
