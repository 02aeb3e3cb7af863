//! A request that uses what its alias does not declare elsewhere is served at home, and by nobody else.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;
use support::world::Setup;
use support::{ACME, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply};

const PLAIN: &str = r#"{"model":"summary"}"#;
const TOOLS: &str = r#"{"model":"summary","tools":[{"type":"function","function":{"name":"f"}}]}"#;
const PATH: &str = "/v1/chat/completions";

struct World {
    primary: Provider,
    canary: Provider,
    program: Program,
    _files: Files,
}

/// The alias declares streaming for the other provider.
async fn world(share: &str, route: &str, mode: &str) -> World {
    let Setup { primary, canary } = Setup::new().await;
    let urls = (primary.base_url(), canary.base_url());
    let map = Map { route, ..Map::new(&urls.0, &urls.1, share) }.text();
    let declared = "[aliases.summary]\nenabled_features = { cometapi = [\"streaming\"] }";
    let map = map.replace("[aliases.summary]", declared).replace("mode = \"canary\"", mode);
    let files = Files::new("", &map, &tenants());
    let program = Program::serve_and_print(&files, "json").await;
    World { primary, canary, program, _files: files }
}

#[tokio::test]
async fn a_canary_request_with_an_undeclared_feature_goes_home_and_says_why() {
    let mut world = world("100%", "", "mode = \"canary\"").await;
    let mut client = Client::connect(world.program.address).await;
    for (body, role) in [
        (PLAIN, "canary"),
        (r#"{"model":"summary","stream":true}"#, "canary"),
        (TOOLS, "primary"),
        (r#"{"model":"summary","reasoning_effort":"low","stream":true}"#, "primary"),
        (r#"{"model":"summary","tools":[],"response_format":{"type":"text"}}"#, "canary"),
    ] {
        let answer = client.chat(ACME, body).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, role), "{body}");
    }
    assert_eq!((world.primary.count(), world.canary.count()), (2, 3));
    let lines = world.program.lines(5).await;
    let reasons: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            serde_json::from_str::<Value>(line).ok()?["route_reason"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(reasons, ["in_share", "in_share", "feature", "feature", "in_share"]);
}

#[tokio::test]
async fn a_fallback_that_does_not_declare_a_feature_is_left_out() {
    let world = world("0%", "fallback_provider = \"cometapi\"", "mode = \"canary\"").await;
    world.primary.on("POST", PATH, Reply::error(503, "server_error", None, "busy"));
    let mut client = Client::connect(world.program.address).await;
    assert_eq!(client.chat(ACME, PLAIN).await.header("x-cometgate-role"), "fallback");
    let answer = client.chat(ACME, TOOLS).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (503, "primary"));
    assert_eq!(world.canary.count(), 1);
}

#[tokio::test]
async fn a_route_moved_to_its_fallback_keeps_at_home_what_would_not_work_there() {
    let world = world("0%", "fallback_provider = \"cometapi\"", "mode = \"fallback\"").await;
    let mut client = Client::connect(world.program.address).await;
    assert_eq!(client.chat(ACME, PLAIN).await.header("x-cometgate-role"), "fallback");
    assert_eq!(client.chat(ACME, TOOLS).await.header("x-cometgate-role"), "primary");
    assert_eq!((world.primary.count(), world.canary.count()), (1, 1));
}

#[tokio::test]
async fn a_form_counts_by_its_fields_and_a_large_one_by_what_may_yet_come() {
    let world = world("100%", "", "mode = \"canary\"").await;
    let mut client = Client::connect(world.program.address).await;
    let field = |name: &str, value: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = |bytes: usize| {
        let head = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n";
        format!("{head}{}\r\n", "s".repeat(bytes))
    };
    let (model, streams) = (field("model", "summary"), field("stream", "true"));
    for (parts, role) in [
        ([file(10), model.clone(), streams], "canary"),
        ([file(10), model.clone(), field("include[]", "logprobs")], "primary"),
        // Whether it asks for logprobs stands behind what is held of it.
        ([model, file(2 << 20), field("prompt", "x")], "primary"),
    ] {
        let body = format!("{}--B--\r\n", parts.concat());
        let request = Request::post("/v1/audio/transcriptions")
            .header("host", "x")
            .header("authorization", format!("Bearer {ACME}"))
            .header("content-type", "multipart/form-data; boundary=B")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = client.send(request).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, role));
    }
}
