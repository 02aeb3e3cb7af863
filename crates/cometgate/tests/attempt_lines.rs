//! `serve --log-requests=json`: an object for each attempt, with the documented fields and with nothing that anybody
//! said.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Map as Object, Value, json};
use support::fault::{begun, done, finish};
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, tenants};
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
        let mut client = Client::connect(self.program.address).await;
        client.chat(ACME, &body.to_string()).await.status.as_u16()
    }

    /// The next so many lines, which say nothing that they may not.
    async fn lines(&mut self, count: usize) -> Vec<Object<String, Value>> {
        let lines = self.program.lines(count).await;
        for line in &lines {
            for secret in [PRIMARY_KEY, CANARY_KEY, ACME].iter().chain(&SAID) {
                assert!(!line.contains(secret), "{secret} is in {line}");
            }
        }
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
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
    let line = printing.lines(1).await.remove(0);
    let printed: BTreeSet<&str> = line.keys().map(String::as_str).collect();
    let page = include_str!("../../../docs/configuration.md");
    let table = page.split("| field of an attempt |").nth(1).unwrap().split("\n\n").next().unwrap();
    let documented: BTreeSet<&str> = table
        .lines()
        .skip(2)
        .flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(printed, documented);
}
