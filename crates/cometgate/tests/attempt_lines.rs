//! `serve --log-requests=json`: an object for each attempt and one for its request, with the documented fields and with nothing
//! that anybody said.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::BTreeSet;

use hyper::http::{Method, Request};
use serde_json::{Map as Object, Value, json};
use support::client::request;
use support::fault::{begun, done, finish};
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use telemetry::line_names::FIELDS;
use telemetry::span_names::On;
use testkit::{Provider, Reply, Step};

/// What callers and providers say, none of which may be in any line.
const SAID: [&str; 4] = ["prompt-marker", "completion-marker", "error-marker", "user-marker"];

struct Printing {
    primary: Provider,
    fallback: Provider,
    program: Program,
    _files: Files,
}

impl Printing {
    async fn new(route: &str) -> Printing {
        let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
        let fallback = Provider::builder("fallback").require_key(CANARY_KEY).start().await;
        let urls = (primary.base_url(), fallback.base_url());
        let map = Map { route, ..Map::new(&urls.0, &urls.1, "0%") };
        let files = Files::new("", &map.text(), &tenants());
        let program = Program::serve_and_print(&files, "json").await;
        Printing { primary, fallback, program, _files: files }
    }

    async fn ask(&self, is_streamed: bool) -> u16 {
        let messages = json!([{"role": "user", "content": SAID[0]}]);
        let body = json!({"model": "summary", "messages": messages, "user": SAID[3], "stream": is_streamed});
        self.send(request(Method::POST, "/v1/chat/completions", ACME, &body.to_string())).await
    }

    async fn send(&self, request: Request<http_body_util::Full<bytes::Bytes>>) -> u16 {
        let mut client = Client::connect(self.program.address).await;
        client.send(request).await.unwrap().status.as_u16()
    }

    /// The next so many lines of attempts.
    async fn lines(&mut self, count: usize) -> Vec<Object<String, Value>> {
        objects(&self.program.lines(count).await)
    }

    /// Those of requests.
    async fn request_lines(&mut self, count: usize) -> Vec<Object<String, Value>> {
        objects(&self.program.request_lines(count).await)
    }
}

/// What lines say, which is nothing that they may not.
fn objects(lines: &[String]) -> Vec<Object<String, Value>> {
    for line in lines {
        for secret in [PRIMARY_KEY, CANARY_KEY, ACME].iter().chain(&SAID) {
            assert!(!line.contains(secret), "{secret} is in {line}");
        }
    }
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A whole answer with tokens.
fn answer() -> Reply {
    Reply::json(
        200,
        &json!({
            "id": "c", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SAID[1]}}],
            "usage": {
                "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        }),
    )
}

fn broken() -> Reply {
    Reply::error(500, "server_error", Some("odd"), SAID[2]).header("x-request-id", "req_of_the_provider")
}

/// These fields have these values.
fn check(line: &Object<String, Value>, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(line.get(name), Some(value), "{name} in {line:?}");
    }
}

#[tokio::test]
async fn a_request_that_went_on_to_the_fallback_has_two_lines() {
    let mut printing = Printing::new("fallback_provider = \"cometapi\"\nprimary_timeout_ms = 5000").await;
    printing.primary.on("POST", "/v1/chat/completions", broken());
    printing.fallback.on("POST", "/v1/chat/completions", answer());
    assert_eq!(printing.ask(false).await, 200);
    let lines = printing.lines(2).await;
    check(
        &lines[0],
        &json!({
            "request_family": "chat", "tenant_or_cohort": "acme", "llm_route": "the-canary",
            "llm_route_version": "test.1", "app_model_alias": "summary", "route_reason": "outside_share",
            "attempt": 1, "attempt_kind": "first", "provider": "openai", "provider_model": "gpt-primary",
            "target_role": "primary", "provider_request_id": "req_of_the_provider", "http_status": 500,
            "error_class": "server", "decision": "fallback", "retry_count": 0, "callers_retry_count": 0,
            "fallback_attempted": false, "fallback_reason": null, "timeout_ms": 5000, "first_token_ms": null,
            "input_token_count": null, "output_token_count": null, "usage_source": "unread",
            "possibly_billed": true, "rollback_candidate": "openai",
        }),
    );
    check(
        &lines[1],
        &json!({
            "attempt": 2, "attempt_kind": "fallback", "provider": "cometapi", "provider_model": "gpt-canary",
            "target_role": "fallback", "http_status": 200, "error_class": null, "decision": "done",
            "retry_count": 1, "fallback_attempted": true, "fallback_reason": "server",
            "input_token_count": 11, "output_token_count": 7, "cached_token_count": 3,
            "reasoning_token_count": 2, "usage_source": "reported", "possibly_billed": false,
        }),
    );
    assert_eq!(lines[0]["request_id"], lines[1]["request_id"]);
    assert!(lines.iter().all(|line| line["latency_ms"].as_f64() >= line["head_ms"].as_f64()));
    let whole = printing.request_lines(1).await.remove(0);
    check(
        &whole,
        &json!({
            "event": "request", "request_id": lines[0]["request_id"], "trace_id": null, "request_family": "chat",
            "tenant_or_cohort": "acme", "llm_route": "the-canary", "llm_route_version": "test.1",
            "app_model_alias": "summary", "route_reason": "outside_share", "outcome": "ok", "code": null,
            "attempts": 2, "provider": "cometapi", "provider_model": "gpt-canary", "target_role": "fallback",
            "provider_request_id": "req_fallback_1", "http_status": 200, "error_class": "server", "decision": "done",
            "retry_count": 1, "callers_retry_count": 0, "fallback_attempted": true, "fallback_reason": "server",
            "stream": false, "first_token_ms": null, "input_token_count": 11, "output_token_count": 7,
            "cached_token_count": 3, "reasoning_token_count": 2, "usage_source": "reported", "cost": null,
            "rollback_candidate": "openai",
        }),
    );
    let number = |name: &str| whole[name].as_f64().unwrap();
    let of_attempts: f64 = lines.iter().map(|line| line["latency_ms"].as_f64().unwrap()).sum();
    assert!(number("latency_ms") >= of_attempts && number("latency_ms") >= number("head_ms"));
    assert!(number("overhead_ms") > 0.0 && number("overhead_ms") < number("latency_ms"));
}

/// Where the gateway itself answers, and where a request goes on as it came, there is no attempt to tell of.
#[tokio::test]
async fn a_request_without_an_attempt_has_a_line_too() {
    let mut printing = Printing::new("").await;
    let of_a_caller = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut unknown = request(Method::POST, "/v1/chat/completions", "cgk-nobody", SAID[0]);
    let parent = format!("00-{of_a_caller}-00f067aa0ba902b7-01");
    unknown.headers_mut().insert("traceparent", parent.parse().unwrap());
    assert_eq!(printing.send(unknown).await, 401);
    let passed_on = request(Method::POST, "/v1/of-tomorrow?user-marker", ACME, SAID[0]);
    assert_eq!(printing.send(passed_on).await, 200);
    let lines = printing.request_lines(2).await;
    check(
        &lines[0],
        &json!({
            "trace_id": of_a_caller, "tenant_or_cohort": null, "outcome": "refused", "code": "invalid_api_key",
            "attempts": 0, "provider": null, "http_status": 401, "decision": null, "stream": null,
            "request_bytes": SAID[0].len(), "usage_source": "unread", "overhead_ms": null,
        }),
    );
    assert!(lines[0]["answer_bytes"].as_u64() > Some(0));
    check(
        &lines[1],
        &json!({
            "trace_id": null, "request_family": "other", "tenant_or_cohort": "acme", "outcome": "ok", "code": null,
            "attempts": 1, "provider": "openai", "target_role": "primary", "http_status": 200,
            "request_bytes": SAID[0].len(),
        }),
    );
}

#[tokio::test]
async fn a_stream_says_how_long_it_was_and_what_came_of_one_that_broke_off() {
    let mut printing = Printing::new("").await;
    let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"completion-marker\"}}]}\n\n";
    printing.primary.once("POST", "/v1/chat/completions", Reply::sse(vec![Step::chunk(chunk), Step::Abort]));
    assert_eq!(printing.ask(true).await, 200);
    printing.primary.once("POST", "/v1/chat/completions", begun(3, [finish(), done()]));
    assert_eq!(printing.ask(true).await, 200);
    let lines = printing.request_lines(2).await;
    check(
        &lines[0],
        &json!({
            "stream": true, "outcome": "cut", "http_status": 200, "error_class": "reset", "decision": "committed",
            "answer_bytes": chunk.len(), "output_token_count": 1, "usage_source": "estimated",
        }),
    );
    check(
        &lines[1],
        &json!({"outcome": "ok", "output_token_count": 3, "usage_source": "estimated", "decision": "done"}),
    );
    let times = ["overhead_ms", "head_ms", "latency_ms"].map(|name| lines[1][name].as_f64().unwrap());
    let first = lines[1]["first_token_ms"].as_f64().unwrap();
    assert!(times.is_sorted() && first > 0.0 && first <= times[2], "{:?}", lines[1]);
}

#[tokio::test]
async fn tokens_are_reported_or_estimated_or_unread() {
    let mut printing = Printing::new("primary_timeout_ms = 300").await;
    let on = |reply| printing.primary.once("POST", "/v1/chat/completions", reply);
    on(answer());
    on(begun(3, [finish(), done()]));
    on(begun(2, [Step::Abort]));
    on(Reply::hang_before_head());
    for (is_streamed, status) in [(false, 200), (true, 200), (true, 200), (false, 504)] {
        assert_eq!(printing.ask(is_streamed).await, status);
    }
    let lines = printing.lines(4).await;
    let of = |at: usize| {
        let line = &lines[at];
        (line["usage_source"].as_str().unwrap(), line["output_token_count"].as_u64(), &line["error_class"])
    };
    assert_eq!(of(0), ("reported", Some(7), &Value::Null));
    assert_eq!(of(1), ("estimated", Some(3), &Value::Null));
    assert_eq!((of(2).0, of(2).1), ("estimated", Some(2)));
    check(&lines[2], &json!({"error_class": "reset", "decision": "committed", "http_status": 200}));
    assert_eq!(of(3), ("unread", None, &json!("head_timeout")));
    assert!(lines[1]["first_token_ms"].is_number());
}

#[tokio::test]
async fn every_field_is_documented_and_no_other() {
    let mut printing = Printing::new("").await;
    assert_eq!(printing.ask(false).await, 200);
    let of_attempt = printing.lines(1).await.remove(0);
    let of_request = printing.request_lines(1).await.remove(0);
    for (line, own) in [(of_attempt, On::Attempt), (of_request, On::Request)] {
        let printed: BTreeSet<&str> = line.keys().map(String::as_str).collect();
        let is_meant = |on: On| on == own || on == On::Both;
        let documented = FIELDS.iter().filter(|field| is_meant(field.on)).map(|field| field.name).collect();
        assert_eq!(printed, documented);
    }
}
