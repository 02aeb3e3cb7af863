//! A primary with a fallback behind the real binary, and what providers do when something is wrong with them.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Provider, Reply, Step};

use super::client::{Answer, Client, request};
use super::program::Program;
use super::{ACME, CANARY_KEY, Files, Map, PRIMARY_KEY, tenants};

/// A gateway before a primary and its fallback.
pub(crate) struct World {
    pub(crate) primary: Provider,
    pub(crate) fallback: Provider,
    pub(crate) program: Program,
    pub(crate) files: Files,
}

impl World {
    /// The route has a fallback, and these lines.
    pub(crate) async fn new(route: &str) -> World {
        World::with("", &format!("fallback_provider = \"cometapi\"\n{route}")).await
    }

    /// With these settings, and a route of these lines alone.
    pub(crate) async fn with(settings: &str, route: &str) -> World {
        let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
        let fallback = Provider::builder("fallback").require_key(CANARY_KEY).start().await;
        let urls = (primary.base_url(), fallback.base_url());
        let map = Map { route, ..Map::new(&urls.0, &urls.1, "0%") };
        let files = Files::new(settings, &map.text(), &tenants());
        let program = Program::serve(&files).await;
        World { primary, fallback, program, files }
    }

    /// From now on the primary answers chat so.
    pub(crate) fn primary(&self, reply: Reply) {
        self.primary.on("POST", "/v1/chat/completions", reply);
    }

    pub(crate) fn fallback(&self, reply: Reply) {
        self.fallback.on("POST", "/v1/chat/completions", reply);
    }

    pub(crate) async fn chat(&self) -> Answer {
        self.ask(r#"{"model":"summary","messages":[]}"#).await
    }

    pub(crate) async fn stream(&self) -> Answer {
        self.ask(r#"{"model":"summary","messages":[],"stream":true}"#).await
    }

    pub(crate) async fn ask(&self, body: &str) -> Answer {
        Client::connect(self.program.address).await.chat(ACME, body).await
    }

    pub(crate) async fn responses(&self, stream: bool) -> Answer {
        let body = format!(r#"{{"model":"summary","input":"hi","store":false,"stream":{stream}}}"#);
        let asked = request(hyper::Method::POST, "/v1/responses", ACME, &body);
        Client::connect(self.program.address).await.send(asked).await.unwrap()
    }

    /// How many attempts each provider has seen.
    pub(crate) fn seen(&self) -> (u64, u64) {
        (self.primary.count(), self.fallback.count())
    }
}

/// A chat chunk.
pub(crate) fn chunk(delta: &Value, finish: Option<&str>) -> Step {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
    Step::chunk(format!("data: {chunk}\n\n"))
}

pub(crate) fn role() -> Step {
    chunk(&json!({"role": "assistant", "content": ""}), None)
}

pub(crate) fn words(count: usize) -> impl Iterator<Item = Step> {
    (0..count).map(|at| chunk(&json!({"content": format!("w{at} ")}), None))
}

/// Role and words, and then whatever comes.
pub(crate) fn begun(count: usize, then: impl IntoIterator<Item = Step>) -> Reply {
    Reply::sse(std::iter::once(role()).chain(words(count)).chain(then).collect())
}

pub(crate) fn done() -> Step {
    Step::chunk("data: [DONE]\n\n")
}

pub(crate) fn finish() -> Step {
    chunk(&json!({}), Some("stop"))
}

/// What a chat stream said: its content, its last event, and whether it claims to be complete.
pub(crate) struct Said {
    pub(crate) content: String,
    pub(crate) error: Option<Value>,
    pub(crate) is_done: bool,
}

pub(crate) fn said(answer: &Answer) -> Said {
    let text = std::str::from_utf8(&answer.body).unwrap();
    let mut said = Said { content: String::new(), error: None, is_done: false };
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data == "[DONE]" {
            said.is_done = true;
            continue;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else { continue };
        if let Some(content) = event.pointer("/choices/0/delta/content").and_then(Value::as_str) {
            said.content.push_str(content);
        }
        if let Some(error) = event.get("error") {
            said.error = Some(error.clone());
        }
    }
    said
}

/// Longer than any limit that a test sets, shorter than its patience.
pub(crate) const LONG: Duration = Duration::from_secs(50);
