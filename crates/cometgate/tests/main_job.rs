//! The main job through the real binary: the right provider, exact bytes, the right credential, a stream as it comes.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::http::Method;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use support::client::request;
use support::world::Setup;
use support::{
    ACME, CANARY_KEY, CHAT, Client, FIRST, Files, GLOBEX, LAST, Map, PRIMARY_KEY, Program, tenants,
    tenants_with,
};
use testkit::{Gate, Provider, Reply, Step};

const BODY: &str = " {\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}],\n\t\"model\" : \"summary\" ,\"x\":1e400,\"n\":1.0}";

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
    program: Program,
}

async fn world(share: &str) -> World {
    world_with(share, "", &tenants()).await
}

async fn world_with(share: &str, top: &str, tenants: &str) -> World {
    let Setup { primary, canary } = Setup::new().await;
    let (primary_url, canary_url) = (primary.base_url(), canary.base_url());
    let map = Map { top, ..Map::new(&primary_url, &canary_url, share) };
    let files = Files::new("", &map.text(), tenants);
    let program = Program::serve(&files).await;
    World { primary, canary, files, program }
}

#[tokio::test]
async fn a_request_reaches_its_side_with_only_the_models_bytes_changed() {
    for (share, id, provider, role) in
        [("0%", "gpt-primary", "openai", "primary"), ("100%", "gpt-canary", "cometapi", "canary")]
    {
        let world = world(share).await;
        for provider in [&world.primary, &world.canary] {
            provider.on("POST", "/v1/chat/completions", Reply::json(200, &json!({})));
        }
        let mut client = Client::connect(world.program.address).await;
        let answer = client.chat(ACME, BODY).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-cometgate-provider"), provider);
        assert_eq!(answer.header("x-cometgate-role"), role);
        assert_eq!(answer.header("x-cometgate-route"), "the-canary");
        assert_eq!(answer.header("x-cometgate-route-version"), "test.1");
        let (used, unused) =
            if role == "canary" { (&world.canary, &world.primary) } else { (&world.primary, &world.canary) };
        assert_eq!(unused.count(), 0);
        let [sent] = &used.requests()[..] else { panic!("one request was sent") };
        assert_eq!(sent.body, BODY.replace("\"summary\"", &format!("\"{id}\"")));
        assert_eq!(sent.path_and_query, "/v1/chat/completions");
        assert_eq!(sent.header("content-length"), Some(sent.body.len().to_string().as_str()));
        assert_eq!(sent.header("host"), Some(used.address().to_string().as_str()));
    }
}

#[tokio::test]
async fn each_provider_sees_its_own_credential_and_none_of_the_callers() {
    let world = world("50%").await;
    let mut client = Client::connect(world.program.address).await;
    for _ in 0..40 {
        let mut request = request(Method::POST, "/v1/chat/completions", ACME, r#"{"model":"summary"}"#);
        for name in [
            "x-api-key",
            "api-key",
            "cookie",
            "openai-organization",
            "x-forwarded-for",
            "proxy-authorization",
        ] {
            request.headers_mut().insert(name, "client-marker".parse().unwrap());
        }
        assert_eq!(client.send(request).await.unwrap().status, 200);
    }
    assert!(world.primary.count() > 0 && world.canary.count() > 0);
    for (provider, own, foreign) in
        [(&world.primary, PRIMARY_KEY, CANARY_KEY), (&world.canary, CANARY_KEY, PRIMARY_KEY)]
    {
        for sent in provider.requests() {
            let headers = format!("{:?}", sent.headers);
            assert_eq!(sent.header("authorization"), Some(format!("Bearer {own}").as_str()));
            for marker in [ACME, foreign, "client-marker"] {
                assert!(!headers.contains(marker), "{marker} reached {}: {headers}", provider.name());
            }
        }
    }
}

#[tokio::test]
async fn the_first_chunk_arrives_before_the_provider_has_sent_the_second() {
    let world = world("0%").await;
    let gate = Gate::new();
    let steps = vec![Step::chunk(FIRST), Step::Wait(gate.clone()), Step::chunk(LAST)];
    world.primary.on("POST", "/v1/chat/completions", Reply::sse(steps));
    let mut client = Client::connect(world.program.address).await;
    let body = r#"{"model":"summary","stream":true}"#;
    let answer = client.start(request(Method::POST, "/v1/chat/completions", ACME, body)).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
    let mut stream = answer.into_body();
    let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, FIRST);
    gate.open();
    assert_eq!(stream.collect().await.unwrap().to_bytes(), LAST);
}

#[tokio::test]
async fn response_bytes_and_headers_arrive_as_they_were_sent() {
    let world = world("0%").await;
    let body: Vec<u8> = (0..=255_u8).cycle().take(200_000).collect();
    let reply = Reply::bytes(418, "application/octet-stream", body.clone())
        .header("x-request-id", "req_provider")
        .header("x-ratelimit-remaining-requests", "7")
        .header("retry-after", "3")
        .header("set-cookie", "a=b")
        .header("openai-organization", "org-theirs");
    world.primary.on("POST", "/v1/embeddings", reply);
    let mut client = Client::connect(world.program.address).await;
    let request = request(Method::POST, "/v1/embeddings", ACME, r#"{"model":"summary","input":"x"}"#);
    let answer = client.send(request).await.unwrap();
    assert_eq!(answer.status, 418);
    assert_eq!(answer.body, body);
    assert_eq!(answer.header("x-request-id"), "req_provider");
    // They describe the account of the gateway.
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "");
    assert_eq!(answer.header("retry-after"), "3");
    assert_eq!(answer.header("content-length"), "200000");
    assert!(
        !answer.headers.contains_key("set-cookie") && !answer.headers.contains_key("openai-organization")
    );
}

#[tokio::test]
async fn models_lists_what_the_tenant_may_use_and_nothing_more() {
    let world = world_with("0%", "", &tenants_with("allowed_aliases = [\"other\"]")).await;
    let mut client = Client::connect(world.program.address).await;
    for (key, expected) in [(ACME, vec!["summary", "other"]), (GLOBEX, vec!["other"])] {
        let answer = client.send(request(Method::GET, "/v1/models", key, "")).await.unwrap().json();
        let ids: Vec<&str> =
            answer["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected);
        assert_eq!(answer["object"], "list");
    }
    let one = client.send(request(Method::GET, "/v1/models/other", GLOBEX, "")).await.unwrap();
    assert_eq!(one.json()["id"], "other");
    let hidden = client.chat(GLOBEX, r#"{"model":"summary"}"#).await;
    let unknown = client.chat(GLOBEX, r#"{"model":"gpt-primary"}"#).await;
    assert_eq!((hidden.status.as_u16(), hidden.error().0), (404, "model_not_found".to_owned()));
    assert_eq!((unknown.status.as_u16(), unknown.error().0), (404, "model_not_found".to_owned()));
    let other_path = client.send(request(Method::POST, "/v1/fine_tuning/jobs", GLOBEX, "{}")).await.unwrap();
    assert_eq!((other_path.status.as_u16(), other_path.error().0), (403, "path_not_allowed".to_owned()));
    assert_eq!(world.primary.count() + world.canary.count(), 0);
}

#[tokio::test]
async fn any_other_path_goes_to_the_primary_unchanged() {
    let world = world_with("100%", "shared_state = true", &tenants()).await;
    let mut client = Client::connect(world.program.address).await;
    let big = "x".repeat(1_000_000);
    for (method, path, body) in [
        (Method::GET, "/v1/files?limit=2&after=a%20b", ""),
        (Method::POST, "/v1/fine_tuning/jobs", r#"{"model":"summary","model":"twice"}"#),
        (Method::DELETE, "/v1/models/ft:abc", ""),
        (Method::POST, "/v1/files", big.as_str()),
        (Method::GET, "/v1/models/not-an-alias", ""),
    ] {
        let answer = client.send(request(method.clone(), path, ACME, body)).await.unwrap();
        assert_eq!(answer.header("x-cometgate-provider"), "openai", "{path}");
        let sent = world.primary.requests().pop().unwrap();
        assert_eq!((sent.method.clone(), sent.path_and_query.as_str()), (method, path));
        assert_eq!(sent.body, body);
    }
    assert_eq!(world.canary.count(), 0);
}

#[tokio::test]
async fn a_model_without_alias_goes_to_the_primary_untouched_or_is_refused_as_the_map_says() {
    let body = r#"{"model":"gpt-unlisted","messages":[]}"#;
    let world = world("100%").await;
    let mut client = Client::connect(world.program.address).await;
    assert_eq!(client.chat(ACME, body).await.status, 200);
    assert_eq!(world.primary.requests()[0].body, body);

    let world = world_with("100%", "unlisted_models = \"refuse\"", &tenants()).await;
    let mut client = Client::connect(world.program.address).await;
    let answer = client.chat(ACME, body).await;
    assert_eq!(answer.error().0, "model_not_found");
    assert!(answer.error().1.contains("gpt-unlisted"));
    assert_eq!(world.primary.count() + world.canary.count(), 0);
}

#[tokio::test]
async fn responses_that_are_stored_stay_home_unless_the_route_says_otherwise() {
    let plain = r#"{"model":"summary","input":"hi"}"#;
    let unstored = r#"{"model":"summary","input":"hi","store":false}"#;
    let follow_up = r#"{"model":"summary","input":"hi","store":false,"previous_response_id":"resp_1"}"#;
    let world = world_with("100%", "shared_state = true", &tenants()).await;
    let mut client = Client::connect(world.program.address).await;
    for (body, role) in [(plain, "primary"), (unstored, "canary"), (follow_up, "primary")] {
        let answer = client.send(request(Method::POST, "/v1/responses", ACME, body)).await.unwrap();
        assert_eq!(answer.header("x-cometgate-role"), role, "{body}");
    }
    let text = Map {
        route: "stateful = \"canary\"",
        ..Map::new(&world.primary.base_url(), &world.canary.base_url(), "100%")
    }
    .text();
    let moved = Files::new("", &text, &tenants());
    let program = Program::serve(&moved).await;
    let mut client = Client::connect(program.address).await;
    let answer = client.send(request(Method::POST, "/v1/responses", ACME, plain)).await.unwrap();
    assert_eq!(answer.header("x-cometgate-role"), "canary");
}

#[tokio::test]
async fn http2_without_tls_is_served_as_well() {
    let world = world("0%").await;
    let stream = tokio::net::TcpStream::connect(world.program.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..3 {
        let request = Request::post(format!("http://{}/v1/chat/completions", world.program.address))
            .header("authorization", format!("Bearer {ACME}"))
            .body(Full::new(Bytes::from(r#"{"model":"summary","stream":true,"messages":[]}"#)))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.ends_with(b"data: [DONE]\n\n"));
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_stale_one_costs_the_caller_nothing() {
    let world = world("0%").await;
    let mut client = Client::connect(world.program.address).await;
    for _ in 0..20 {
        assert_eq!(client.chat(ACME, r#"{"model":"summary"}"#).await.status, 200);
    }
    // The provider goes, with its connections, and comes back at the same address.
    let port = world.primary.address().port();
    let World { primary, program, files, canary } = world;
    drop(primary);
    let down = client.chat(ACME, r#"{"model":"summary"}"#).await;
    assert_eq!((down.status.as_u16(), down.error().0), (502, "provider_unreachable".to_owned()));
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).port(port).start().await;
    for _ in 0..20 {
        assert_eq!(client.chat(ACME, r#"{"model":"summary"}"#).await.status, 200);
    }
    assert_eq!(primary.count(), 20);
    drop((program, files, canary));
}

#[tokio::test]
async fn a_cut_answer_is_cut_for_the_caller_too() {
    let world = world("0%").await;
    let cut = vec![Step::chunk(FIRST), Step::Abort];
    world.primary.on("POST", "/v1/chat/completions", Reply::sse(cut));
    let mut client = Client::connect(world.program.address).await;
    let body = r#"{"model":"summary","stream":true}"#;
    let answer = client.start(request(Method::POST, "/v1/chat/completions", ACME, body)).await.unwrap();
    let whole = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&whole).unwrap();
    assert!(text.starts_with(FIRST) && text.contains("upstream_stream_interrupted"), "{text}");
    assert!(!text.contains("[DONE]"), "a cut stream must not look complete");
    // The next caller's answer does not come from the broken connection.
    world.primary.on("POST", "/v1/chat/completions", Reply::json(200, &json!({"ok": true})));
    let mut client = Client::connect(world.program.address).await;
    assert_eq!(client.chat(ACME, r#"{"model":"summary"}"#).await.json(), json!({"ok": true}));
}

#[tokio::test]
async fn answers_say_how_long_it_took_where_the_settings_say_so() {
    let Setup { primary, canary } = Setup::new().await;
    let map = Map::new(&primary.base_url(), &canary.base_url(), "0%").text();
    primary.on("POST", "/v1/chat/completions", Reply::standard().delayed(Duration::from_millis(60)));
    for (settings, is_said) in [("server_timing = true", true), ("", false)] {
        let files = Files::new(settings, &map, &tenants());
        let program = Program::serve(&files).await;
        let answer = Client::connect(program.address).await.chat(ACME, CHAT).await;
        let said = answer.headers.get("server-timing").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(said.is_some(), is_said);
        let Some(said) = said else { continue };
        let millis: Vec<f64> =
            said.split(", ").map(|part| part.split_once(";dur=").unwrap().1.parse().unwrap()).collect();
        assert!(said.starts_with("gateway;dur=") && said.contains(", provider;dur="), "{said}");
        assert!(millis[1] >= 60.0 && millis[0] < millis[1], "{said}");
    }
}
