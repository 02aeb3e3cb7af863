//! The endpoints beside chat, responses and embeddings: each is routed by its `model`, answers that are no JSON go on as
//! they are, and Anthropic's clients are served in their own dialect.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::http::Method;
use serde_json::json;
use support::client::request;
use support::{ACME, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply, Step};

const MESSAGES: &str = "/v1/messages";

struct World {
    primary: Provider,
    canary: Provider,
    program: Program,
    _files: Files,
}

/// All of it goes to the canary, whose key travels as the map says.
async fn world(edit: impl Fn(&str) -> String) -> World {
    let primary = Provider::builder("primary").start().await;
    let canary = Provider::builder("canary").allow_anonymous().start().await;
    let text = Map::new(&primary.base_url(), &canary.base_url(), "100%").text();
    let files = Files::new("[limits]\nheartbeat_ms = 200\n", &edit(&text), &tenants());
    let program = Program::serve(&files).await;
    World { primary, canary, program, _files: files }
}

fn with_x_api_key(map: &str) -> String {
    let credential = "credential = { env = \"CANARY_KEY\" }";
    map.replace(credential, &format!("{credential}\ncredential_header = \"x-api-key\""))
}

fn anthropic(key: Option<&str>, bearer: Option<&str>, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post(MESSAGES).header("host", "x").header("anthropic-version", "2023-06-01");
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    if let Some(key) = bearer {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

#[tokio::test]
async fn every_endpoint_is_routed_by_its_model_and_only_the_models_bytes_change() {
    let world = world(str::to_owned).await;
    let mut client = Client::connect(world.program.address).await;
    for path in [
        "/v1/completions",
        "/v1/moderations",
        "/v1/images/generations",
        "/v1/audio/speech",
        "/v1/responses/input_tokens",
        MESSAGES,
        "/v1/messages/count_tokens",
    ] {
        let body = "{ \"model\" :\"summary\", \"input\":[1e400] }";
        let answer = client.send(request(Method::POST, path, ACME, body)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "canary"), "{path}");
        let sent = world.canary.requests().pop().unwrap();
        assert_eq!(
            (sent.path_and_query.as_str(), &sent.body[..]),
            (path, body.replace("summary", "gpt-canary").as_bytes())
        );
    }
    // What compaction answers can be read by the provider that wrote it alone.
    let compact = request(Method::POST, "/v1/responses/compact", ACME, r#"{"model":"summary"}"#);
    assert_eq!(client.send(compact).await.unwrap().header("x-cometgate-role"), "primary");
    // Where the API has a model of its own choice, or that of a stored prompt, none need be named.
    for (path, body) in [
        ("/v1/moderations", r#"{"input":"x"}"#),
        ("/v1/responses", r#"{"input":"x","store":false}"#),
        ("/v1/responses", r#"{"input":"x","model":null}"#),
        ("/v1/responses/input_tokens", "{}"),
    ] {
        let unnamed = client.send(request(Method::POST, path, ACME, body)).await.unwrap();
        assert_eq!(unnamed.header("x-cometgate-role"), "primary", "{path} {body}");
        assert_eq!(world.primary.requests().pop().unwrap().body, body, "{path}");
    }
    let unnamed = client.send(request(Method::POST, "/v1/audio/speech", ACME, "{}")).await.unwrap();
    assert_eq!(unnamed.error().0, "missing_required_parameter");
}

#[tokio::test]
async fn sound_and_images_go_on_as_they_come_and_a_page_in_their_place_does_not() {
    let world =
        world(|map| map.replace("mode = \"canary\"", "mode = \"canary\"\nfallback_provider = \"cometapi\""))
            .await;
    let gate = testkit::Gate::new();
    let steps = vec![Step::chunk(vec![0xff, 0xf3, 0]), Step::Wait(gate.clone()), Step::chunk(vec![1, 2])];
    world.canary.on("POST", "/v1/audio/speech", Reply::steps(200, "audio/mpeg", steps));
    let mut client = Client::connect(world.program.address).await;
    let body = r#"{"model":"summary","input":"hi"}"#;
    let mut answer =
        client.start(request(Method::POST, "/v1/audio/speech", ACME, body)).await.unwrap().into_body();
    assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), [0xff, 0xf3, 0][..]);
    gate.open();
    assert_eq!(answer.collect().await.unwrap().to_bytes(), [1, 2][..]);
    let events = "event: image_generation.partial_image\ndata: {}\n\n";
    let stream = Reply::sse(vec![Step::chunk(events)]);
    world.canary.on("POST", "/v1/images/generations", stream);
    let streamed = r#"{"model":"summary","prompt":"x","stream":true}"#;
    let answer = client.send(request(Method::POST, "/v1/images/generations", ACME, streamed)).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, events.as_bytes()));
    world.canary.on("POST", "/v1/images/generations", Reply::bytes(200, "text/html", "<html>"));
    let answer = client.send(request(Method::POST, "/v1/images/generations", ACME, body)).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "primary"));
}

#[tokio::test]
async fn a_key_of_anthropics_clients_is_one_identity_and_the_providers_goes_where_the_map_says() {
    let world = world(with_x_api_key).await;
    let mut client = Client::connect(world.program.address).await;
    let body = r#"{"model":"summary","max_tokens":5,"messages":[]}"#;
    for (key, bearer) in [(Some(ACME), None), (None, Some(ACME)), (Some(ACME), Some(ACME))] {
        let mut request = anthropic(key, bearer, body);
        request.headers_mut().insert("anthropic-beta", "tools-1".parse().unwrap());
        assert_eq!(client.send(request).await.unwrap().status, 200);
        let sent = world.canary.requests().pop().unwrap();
        assert_eq!(sent.header("x-api-key"), Some(support::CANARY_KEY));
        assert_eq!(sent.header("authorization"), None);
        assert_eq!(
            (sent.header("anthropic-version"), sent.header("anthropic-beta")),
            (Some("2023-06-01"), Some("tools-1"))
        );
    }
    for (key, bearer, status, kind) in [
        (None, None, 401, "authentication_error"),
        (Some("cgk-wrong"), None, 401, "authentication_error"),
        (Some(ACME), Some("cgk-globex"), 400, "invalid_request_error"),
    ] {
        let answer = client.send(anthropic(key, bearer, body)).await.unwrap();
        let said = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &said["type"], &said["error"]["type"]),
            (status, &json!("error"), &json!(kind))
        );
        assert!(said["error"]["message"].is_string() && said["error"].as_object().unwrap().len() == 2);
    }
    let unknown = client.send(anthropic(Some(ACME), None, "[]")).await.unwrap().json();
    assert_eq!(unknown["error"]["type"], "invalid_request_error");
    // Elsewhere that header is nobody's key.
    let mut chat = request(Method::POST, "/v1/chat/completions", ACME, r#"{"model":"summary"}"#);
    chat.headers_mut().remove("authorization");
    chat.headers_mut().insert("x-api-key", ACME.parse().unwrap());
    assert_eq!(client.send(chat).await.unwrap().error().0, "missing_api_key");
}

#[tokio::test]
async fn the_callers_own_key_travels_in_the_header_that_its_provider_reads() {
    let provider = Provider::builder("primary").allow_anonymous().start().await;
    let url = provider.base_url();
    let map = Map {
        primary_credential: "\"client\"\ncredential_header = \"x-api-key\"",
        top: "default_tenant = \"acme\"",
        ..Map::new(&url, &url, "0%")
    };
    let files = Files::new("", &map.text(), &tenants());
    let program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    for (key, bearer) in [(Some("sk-ant-own"), None), (None, Some("sk-ant-own"))] {
        assert_eq!(client.send(anthropic(key, bearer, r#"{"model":"summary"}"#)).await.unwrap().status, 200);
        let sent = provider.requests().pop().unwrap();
        assert_eq!((sent.header("x-api-key"), sent.header("authorization")), (Some("sk-ant-own"), None));
    }
}

#[tokio::test]
async fn a_message_streams_and_one_that_breaks_off_ends_in_anthropics_error() {
    let world = world(with_x_api_key).await;
    let begun = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let body = r#"{"model":"summary","stream":true,"max_tokens":5,"messages":[]}"#;
    let mut client = Client::connect(world.program.address).await;
    world.canary.on("POST", MESSAGES, Reply::sse(vec![Step::chunk(begun), Step::chunk(stop)]));
    let whole = client.send(anthropic(Some(ACME), None, body)).await.unwrap();
    assert_eq!(whole.body, format!("{begun}{stop}"));
    world.canary.on("POST", MESSAGES, Reply::sse(vec![Step::chunk(begun), Step::Abort]));
    let cut = client.send(anthropic(Some(ACME), None, body)).await.unwrap();
    let text = std::str::from_utf8(&cut.body).unwrap();
    let last = text.strip_prefix(begun).unwrap().strip_prefix("event: error\ndata: ").unwrap();
    let said: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!((&said["type"], &said["error"]["type"]), (&json!("error"), &json!("api_error")));
    // An error before any content: tried at home, which answers.
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    world.canary.on(
        "POST",
        MESSAGES,
        Reply::sse(vec![Step::Pause(Duration::from_millis(500)), Step::chunk(error)]),
    );
    world.primary.on("POST", MESSAGES, Reply::sse(vec![Step::chunk(begun), Step::chunk(stop)]));
    let mended = client.send(anthropic(Some(ACME), None, body)).await.unwrap();
    let text = std::str::from_utf8(&mended.body).unwrap();
    assert!(text.starts_with(": ping\n") && text.ends_with(stop) && !text.contains("event: error"), "{text}");
}
