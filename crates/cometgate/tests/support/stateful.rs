//! A provider that keeps what it makes, as OpenAI does: a response that goes on from an unknown one is refused.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::{Provider, RecordedRequest, Reply, Step};

/// Starts one. Of its answers to new turns every `fails_every`th is a 500, or a stream that fails before its first
/// content.
pub(crate) async fn provider(name: &'static str, key: &str, fails_every: usize) -> Provider {
    let memory = Arc::new(Memory { name, fails_every, asked: Mutex::default(), made: Mutex::default() });
    let files = Arc::clone(&memory);
    Provider::builder(name)
        .require_key(key)
        .on_call("POST", "/v1/responses", move |request| memory.respond(request))
        .on_call("POST", "/v1/files", move |_| {
            Reply::json(200, &json!({"id": files.make("file"), "object": "file"}))
        })
        .start()
        .await
}

struct Memory {
    name: &'static str,
    fails_every: usize,
    asked: Mutex<usize>,
    made: Mutex<HashSet<String>>,
}

impl Memory {
    fn make(&self, kind: &str) -> String {
        let id = format!("{kind}_{}_{:016x}", self.name, fastrand::u64(..));
        self.made.lock().unwrap().insert(id.clone());
        id
    }

    /// Whether it is the turn of a failure.
    fn fails(&self) -> bool {
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        self.fails_every != 0 && asked.is_multiple_of(self.fails_every)
    }

    fn respond(&self, request: &RecordedRequest) -> Reply {
        let body = request.json().unwrap();
        let event = |kind: &str, data: Value| {
            let mut data = data;
            data["type"] = json!(kind);
            Step::chunk(format!("event: {kind}\ndata: {data}\n\n"))
        };
        if self.fails() {
            if body["stream"] != json!(true) {
                return Reply::error(500, "server_error", None, "try again");
            }
            let error = json!({"code": "server_error", "message": "try again"});
            let failed = json!({"id": "resp_failed", "status": "failed", "error": error, "output": []});
            return Reply::sse(vec![event("response.failed", json!({"response": failed}))]);
        }
        if let Some(previous) = body["previous_response_id"].as_str()
            && !self.made.lock().unwrap().contains(previous)
        {
            let message = format!("Previous response with id '{previous}' not found.");
            return Reply::error(400, "invalid_request_error", Some("previous_response_not_found"), &message);
        }
        let (id, item) = (self.make("resp"), self.make("msg"));
        let response = |status: &str, output: Value| {
            json!({"id": id, "object": "response", "status": status, "error": null, "output": output,
                   "usage": {"input_tokens": 1, "output_tokens": 1}})
        };
        let output =
            json!([{"type": "message", "id": item, "content": [{"type": "output_text", "text": "x"}]}]);
        if body["stream"] != json!(true) {
            return Reply::json(200, &response("completed", output));
        }
        Reply::sse(vec![
            event("response.created", json!({"response": response("in_progress", json!([]))})),
            event("response.output_text.delta", json!({"item_id": item, "delta": "x"})),
            event("response.completed", json!({"response": response("completed", output)})),
        ])
    }
}
