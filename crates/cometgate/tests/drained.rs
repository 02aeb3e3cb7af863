//! `on_disconnect = "drain"`: an answer whose caller has left is read to its end, for its tokens, and nothing is tried
//! any more.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::http::Method;
use serde_json::{Value, json};
use support::client::request;
use support::fault::{begun, done, finish};
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Gate, Provider, Reply, Step};

const WHOLE: &str = r#"{"model":"summary"}"#;
const STREAM: &str = r#"{"model":"summary","stream":true}"#;

struct Draining {
    primary: Provider,
    fallback: Provider,
    program: Program,
    _files: Files,
}

impl Draining {
    async fn new(route: &str) -> Draining {
        let primary = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
        let fallback = Provider::builder("fallback").require_key(CANARY_KEY).record(false).start().await;
        let urls = (primary.base_url(), fallback.base_url());
        let route = format!("on_disconnect = \"drain\"\n{route}");
        let map = Map { route: &route, ..Map::new(&urls.0, &urls.1, "0%") };
        let files = Files::new("", &map.text(), &tenants());
        let program = Program::serve_and_print(&files, "json").await;
        Draining { primary, fallback, program, _files: files }
    }

    /// Asks, and leaves once the provider has the whole request.
    async fn ask_and_leave(&self, body: &'static str) {
        let mut client = Client::connect(self.program.address).await;
        let mut asked = tokio::spawn(async move { client.chat(ACME, body).await });
        tokio::select! {
            answer = &mut asked => unreachable!("answered with {answer:?}"),
            () = self.primary.wait_requests(1) => asked.abort(),
        }
        assert!(asked.await.unwrap_err().is_cancelled());
    }

    async fn line(&mut self) -> Value {
        serde_json::from_str(&self.program.lines(1).await[0]).unwrap()
    }

    /// What was asked is over, and the next attempt is that of another request.
    async fn ends(mut self) {
        self.primary.clear_script();
        let attempts = self.primary.count();
        let mut client = Client::connect(self.program.address).await;
        assert_eq!(client.chat(ACME, WHOLE).await.status, 200);
        assert_eq!(self.line().await["attempt"], 1);
        assert_eq!((self.primary.count(), self.fallback.count()), (attempts + 1, 0));
        assert_eq!(self.primary.aborted(), 0);
    }
}

fn usage() -> Step {
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 70, "total_tokens": 81});
    Step::chunk(format!("data: {}\n\n", json!({"id": "c", "choices": [], "usage": usage})))
}

fn check(line: &Value) {
    assert_eq!(
        (&line["usage_source"], &line["output_token_count"]),
        (&json!("reported"), &json!(70)),
        "{line}"
    );
    assert_eq!((&line["decision"], &line["attempt"]), (&json!("done"), &json!(1)), "{line}");
}

#[tokio::test]
async fn a_stream_whose_caller_left_in_its_middle_is_read_to_its_usage() {
    let mut draining = Draining::new("fallback_provider = \"cometapi\"").await;
    let gate = Gate::new();
    let reply = begun(1, [Step::Wait(gate.clone()), finish(), usage(), done()]);
    draining.primary.on("POST", "/v1/chat/completions", reply);
    let mut client = Client::connect(draining.program.address).await;
    let sent = request(Method::POST, "/v1/chat/completions", ACME, STREAM);
    let mut body = client.start(sent).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    client.leave();
    gate.open();
    check(&draining.line().await);
    draining.ends().await;
}

#[tokio::test]
async fn an_answer_whose_caller_left_before_its_head_is_read_to_its_usage() {
    for body in [WHOLE, STREAM] {
        let mut draining = Draining::new("fallback_provider = \"cometapi\"").await;
        let gate = Gate::new();
        let reply = if body == STREAM {
            begun(1, [finish(), usage(), done()])
        } else {
            let usage = json!({"prompt_tokens": 11, "completion_tokens": 70});
            Reply::json(200, &json!({"id": "c", "choices": [], "usage": usage}))
        };
        draining.primary.on("POST", "/v1/chat/completions", reply.gated(&gate));
        draining.ask_and_leave(body).await;
        gate.open();
        check(&draining.line().await);
        draining.ends().await;
    }
}

/// It failed after its caller had left: there is nobody to try again for.
#[tokio::test]
async fn what_failed_after_its_caller_left_is_not_tried_again() {
    let route = "fallback_provider = \"cometapi\"\nretry_policy = { retries = 2, on = [\"server\"] }";
    let mut draining = Draining::new(route).await;
    let gate = Gate::new();
    let reply = Reply::error(500, "server_error", None, "it broke").gated(&gate);
    draining.primary.on("POST", "/v1/chat/completions", reply);
    draining.ask_and_leave(WHOLE).await;
    gate.open();
    assert_eq!(draining.line().await["error_class"], "server");
    draining.ends().await;
}

/// A retry that waits has nothing to read to its end.
#[tokio::test]
async fn a_pause_before_a_retry_ends_when_its_caller_leaves() {
    let mut draining = Draining::new("retry_policy = { retries = 1, on = [\"rate_limit\"] }").await;
    let limited = Reply::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down");
    draining.primary.on("POST", "/v1/chat/completions", limited.header("retry-after", "30"));
    let mut client = Client::connect(draining.program.address).await;
    let asked = tokio::spawn(async move { client.chat(ACME, WHOLE).await });
    assert_eq!(draining.line().await["decision"], "retry");
    asked.abort();
    draining.program.terminate();
    let ended = tokio::time::timeout(Duration::from_secs(10), draining.program.ended());
    assert_eq!(ended.await.unwrap(), 0);
    assert_eq!(draining.primary.count(), 1);
}
