//! What Prometheus reads of a running gateway: each way in which a request can go shows in exactly the series that it
//! should, over reloads too, and nothing that a caller sends is ever a label.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::net::SocketAddr;

use hyper::http::Method;
use serde_json::json;
use support::client::request;
use support::metrics::{Series, read};
use support::program::output;
use support::world::Setup;
use support::{ACME, CHAT, Client, FIRST, Files, GLOBEX, LAST, Map, Program, tenants_with};
use testkit::{Reply, Step};

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";
const STREAM: &str = r#"{"model":"summary","messages":[],"stream":true}"#;
const ROUTE: &str = "fallback_provider = \"cometapi\"\nretry_policy = { retries = 1, on = [\"overloaded\"] }";

struct Scraped {
    setup: Setup,
    files: Files,
    program: Program,
    admin: SocketAddr,
    client: Client,
}

impl Scraped {
    async fn start() -> Scraped {
        let setup = Setup::new().await;
        let files = Files::new(ADMIN, &map(&setup, "test.1", "0%"), &tenants_with("requests_per_minute = 1"));
        let (program, admin) = Program::serve_with_probes(&files).await;
        let client = Client::connect(program.address).await;
        Scraped { setup, files, program, admin, client }
    }

    async fn scrape(&self) -> Series {
        let mut client = Client::connect(self.admin).await;
        let answer = client.send(request(Method::GET, "/metrics", "", "")).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        read(std::str::from_utf8(&answer.body).unwrap())
    }

    async fn ask(&mut self, body: &str) -> u16 {
        self.client.chat(ACME, body).await.status.as_u16()
    }

    fn primary_once(&self, reply: Reply) {
        self.setup.primary.once("POST", "/v1/chat/completions", reply);
    }
}

fn map(setup: &Setup, version: &str, share: &str) -> String {
    let urls = (setup.primary.base_url(), setup.canary.base_url());
    Map { version, route: ROUTE, ..Map::new(&urls.0, &urls.1, share) }.text()
}

fn with_usage() -> Reply {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}});
    let choice =
        json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}});
    Reply::json(
        200,
        &json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}),
    )
}

fn failing(status: u16) -> Reply {
    Reply::error(status, "server_error", None, "it broke")
}

const HOME: &str = r#"llm_route="the-canary",provider="openai",target_role="primary""#;
const BACK: &str = r#"llm_route="the-canary",provider="cometapi",target_role="fallback""#;
const AWAY: &str = r#"llm_route="the-canary",provider="cometapi",target_role="canary""#;

#[tokio::test]
async fn each_way_of_a_request_shows_in_its_series() {
    let mut world = Scraped::start().await;
    world.primary_once(with_usage());
    assert_eq!(world.ask(CHAT).await, 200);
    world.primary_once(Reply::sse(vec![Step::chunk(FIRST), Step::chunk(FIRST), Step::chunk(LAST)]));
    assert_eq!(world.ask(STREAM).await, 200);
    // Tried again, then well.
    world.primary_once(failing(503));
    world.primary_once(with_usage());
    assert_eq!(world.ask(CHAT).await, 200);
    // At the fallback.
    world.primary_once(failing(500));
    assert_eq!(world.ask(CHAT).await, 200);
    // The provider's own refusal, which nobody mends.
    world.primary_once(Reply::error(400, "invalid_request_error", None, "no"));
    assert_eq!(world.ask(CHAT).await, 400);
    // The gateway's own.
    let planted = r#"{"model":"a-model-that-a-caller-made-up","user":"somebody"}"#;
    assert_eq!(world.ask(planted).await, 200);
    assert_eq!(world.client.chat("cgk-nobody", CHAT).await.status, 401);
    assert_eq!(world.client.chat(GLOBEX, CHAT).await.status, 200);
    assert_eq!(world.client.chat(GLOBEX, CHAT).await.status, 429);

    let series = world.scrape().await;
    let of = |name: &str, labels: String| series.of(&format!("cometgate_{name}{{{labels}}}"));
    assert_eq!(of("requests_total", format!("{HOME},outcome=\"ok\"")), Some(3.0));
    assert_eq!(of("requests_total", format!("{HOME},outcome=\"provider_error\"")), Some(1.0));
    assert_eq!(of("requests_total", format!("{BACK},outcome=\"ok\"")), Some(1.0));
    assert_eq!(of("requests_total", "outcome=\"refused\"".to_owned()), Some(1.0));
    assert_eq!(of("requests_total", "outcome=\"shed\"".to_owned()), Some(1.0));
    assert_eq!(of("request_attempts_total", format!("{HOME},attempts=\"1\"")), Some(3.0));
    assert_eq!(of("request_attempts_total", format!("{HOME},attempts=\"2\"")), Some(1.0));
    assert_eq!(of("request_attempts_total", format!("{BACK},attempts=\"2\"")), Some(1.0));
    let attempts = series.named("cometgate_attempts_total");
    let attempt = |labels: String| attempts.get(format!("{{{labels}}}").as_str()).copied();
    assert_eq!(attempt(format!("{HOME},attempt_kind=\"first\",outcome=\"ok\"")), Some(2.0));
    assert_eq!(attempt(format!("{HOME},attempt_kind=\"retry\",outcome=\"ok\"")), Some(1.0));
    let failed =
        |class: &str| format!("{HOME},attempt_kind=\"first\",outcome=\"failed\",error_class=\"{class}\"");
    assert_eq!(attempt(failed("overloaded")), Some(1.0));
    assert_eq!(attempt(failed("server")), Some(1.0));
    assert_eq!(attempt(failed("validation")), Some(1.0));
    assert_eq!(attempt(format!("{BACK},attempt_kind=\"fallback\",outcome=\"ok\"")), Some(1.0));
    assert_eq!(
        of("route_decisions_total", "llm_route=\"the-canary\",route_reason=\"outside_share\"".to_owned()),
        Some(5.0)
    );
    assert_eq!(of("given_up_total", "llm_route=\"the-canary\",reason=\"not_named\"".to_owned()), Some(1.0));
    for (kind, count) in [("input", 14.0), ("output", 10.0), ("cached", 6.0), ("reasoning", 4.0)] {
        let labels = format!("{HOME},token_type=\"{kind}\",usage_source=\"reported\"");
        assert_eq!(of("tokens_total", labels), Some(count), "{kind}");
    }
    assert_eq!(
        of("tokens_total", format!("{HOME},token_type=\"output\",usage_source=\"estimated\"")),
        Some(2.0)
    );
    for name in ["time_to_first_token_seconds_count", "time_between_tokens_seconds_count"] {
        assert_eq!(of(name, HOME.to_owned()), Some(1.0), "{name}");
    }
    assert_eq!(of("attempt_duration_seconds_count", HOME.to_owned()), Some(6.0));
    assert_eq!(of("request_duration_seconds_count", HOME.to_owned()), Some(4.0));
    assert_eq!(of("target_in_flight", HOME.to_owned()), Some(0.0));
    assert_eq!(of("breaker_open", HOME.to_owned()), Some(0.0));
    // Seven requests had a body that was read and a target: five of the route, and two without one.
    assert_eq!(series.of("cometgate_gateway_overhead_seconds_count"), Some(7.0));
    assert_eq!(of("requests_by_version_total", "llm_route_version=\"test.1\"".to_owned()), Some(9.0));
    assert_eq!(of("requests_in_flight", "llm_route_version=\"test.1\"".to_owned()), Some(0.0));
    assert_eq!(series.of("cometgate_tenant_requests_total{tenant=\"acme\",outcome=\"ok\"}"), Some(5.0));
    // Of tenants the names of the tenants file, and where they are the label.
    let text = format!("{series:?}").replace("tenant=\\\"acme", "").replace("tenant=\\\"globex", "");
    for planted in ["made-up", "somebody", "acme", "globex", "nobody"] {
        assert!(!text.contains(planted), "{planted}");
    }
}

#[tokio::test]
async fn counts_go_on_over_a_reload_and_the_canary_and_its_latch_are_shown() {
    let mut world = Scraped::start().await;
    assert_eq!(world.ask(CHAT).await, 200);
    world.files.write("routes.toml", &map(&world.setup, "test.2", "100%"));
    world.program.logged("route map test.2 is live").await;
    assert_eq!(world.ask(CHAT).await, 200);
    world.files.write("routes.toml", "this is no map");
    world.program.logged("a change was refused").await;
    let series = world.scrape().await;
    let of = |name: &str, labels: &str| series.of(&format!("cometgate_{name}{{{labels}}}"));
    assert_eq!(of("requests_total", &format!("{HOME},outcome=\"ok\"")), Some(1.0));
    assert_eq!(of("requests_total", &format!("{AWAY},outcome=\"ok\"")), Some(1.0));
    let canary = r#"llm_route="the-canary",provider="cometapi""#;
    assert_eq!(of("canary_share_configured_ratio", canary), Some(1.0));
    assert_eq!(of("canary_share_in_force_ratio", canary), Some(1.0));
    assert_eq!(of("gate_state", &format!("{AWAY},state=\"serving\"")), Some(1.0));
    assert_eq!(of("route_map_info", "llm_route_version=\"test.2\""), Some(1.0));
    assert_eq!(of("requests_by_version_total", "llm_route_version=\"test.2\""), Some(1.0));
    assert_eq!(of("requests_by_version_total", "llm_route_version=\"test.1\""), None, "none is under way");
    assert_eq!(of("reloads_total", "outcome=\"live\""), Some(1.0));
    assert_eq!(of("reloads_total", "outcome=\"refused\""), Some(1.0));
    assert_eq!(series.of("cometgate_files_differ"), Some(1.0));
    assert_eq!(series.of("cometgate_gates_kept"), Some(1.0));
    assert_eq!(series.of("cometgate_evidence_recorded"), Some(1.0));
    // Also what has never happened, so that the first time is seen.
    assert_eq!(of("evidence_records_total", "kind=\"gate_decision\",outcome=\"lost\""), Some(0.0));
    assert_eq!(series.of("cometgate_evidence_write_failures_total"), Some(0.0));

    let settings = world.files.path().join("cometgate.toml");
    let settings = settings.to_str().unwrap();
    let (code, _, said) = output(&[
        "rollback",
        "the-canary",
        "--by",
        "kim",
        "--reason",
        "INC-42",
        "--yes",
        "--config",
        settings,
    ])
    .await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(world.ask(CHAT).await, 200);
    let series = world.scrape().await;
    let of = |name: &str, labels: &str| series.of(&format!("cometgate_{name}{{{labels}}}"));
    assert_eq!(of("gate_state", &format!("{AWAY},state=\"latched\"")), Some(1.0));
    assert_eq!(of("gate_state", &format!("{AWAY},state=\"serving\"")), None);
    assert_eq!(of("canary_share_in_force_ratio", canary), Some(0.0));
    assert_eq!(of("requests_total", &format!("{HOME},outcome=\"ok\"")), Some(2.0));
    assert_eq!(of("route_decisions_total", "llm_route=\"the-canary\",route_reason=\"latched\""), Some(1.0));
    assert!(of("evidence_records_total", "kind=\"operator_action\",outcome=\"recorded\"") > Some(0.0));
    assert!(!format!("{series:?}").contains("INC-42"));
}

/// What was never used is not there: the page of a map with thousands of routes is as small as what it serves.
#[tokio::test]
async fn only_what_was_used_is_shown() {
    let world = Scraped::start().await;
    let series = world.scrape().await;
    for name in [
        "requests_total",
        "attempts_total",
        "gate_state",
        "target_in_flight",
        "canary_share_configured_ratio",
    ] {
        assert_eq!(series.named(&format!("cometgate_{name}")), [].into(), "{name}");
    }
    assert_eq!(series.of("cometgate_build_info{version=\"0.1.0\"}"), Some(1.0));
}
