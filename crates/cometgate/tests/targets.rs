//! What the map says of a provider, a target and a tenant is what happens: paths, headers, time limits, approval, bounds.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use hyper::Method;
use support::client::request;
use support::world::Setup;
use support::{ACME, Client, Files, GLOBEX, Map, PRIMARY_KEY, Program, tenants, tenants_with};
use testkit::{Provider, Reply};
use tokio::time::Instant;

const CHAT: &str = r#"{"model":"summary"}"#;

#[tokio::test]
async fn a_provider_is_asked_at_its_own_paths_with_its_own_headers() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    primary.on("POST", "/v1/llm/talk", Reply::json(200, &serde_json::json!({"at": "its own path"})));
    let (url, canary) = (primary.base_url(), "http://127.0.0.1:9/v1");
    let credential = "{ env = \"PRIMARY_KEY\" }\npaths = { chat = \"/llm/talk\" }\n\
                      headers = { OpenAI-Organization = \"org-1\", X-Team = \"a b\" }";
    let top = "shared_state = true";
    let map = Map { primary_credential: credential, top, ..Map::new(&url, canary, "0%") };
    let files = Files::new("", &map.text(), &tenants());
    let program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    let asked = request(Method::POST, "/v1/chat/completions?trace=1", ACME, CHAT);
    assert_eq!(client.send(asked).await.unwrap().json()["at"], "its own path");
    assert_eq!(client.chat(ACME, CHAT).await.json()["at"], "its own path");
    // What is not routed by model keeps the path that was asked for.
    client.send(request(Method::GET, "/v1/files", ACME, "")).await.unwrap();
    let seen = primary.requests();
    let paths: Vec<String> = seen.iter().map(|request| request.path_and_query.clone()).collect();
    assert_eq!(paths, ["/v1/llm/talk?trace=1", "/v1/llm/talk", "/v1/files"]);
    for request in &seen {
        assert_eq!(request.headers["openai-organization"], "org-1");
        assert_eq!(request.headers["x-team"], "a b");
    }
}

#[tokio::test]
async fn headers_that_name_the_caller_go_to_the_provider_that_the_map_says_and_to_no_other() {
    let Setup { primary, canary } = Setup::new().await;
    let urls = (primary.base_url(), canary.base_url());
    let names =
        ["openai-organization", "openai-project", "cookie", "x-stainless-os", "baggage", "x-forwarded-for"];
    let credential = "{ env = \"PRIMARY_KEY\" }\nforward_headers = [\"openai-organization\", \"openai-project\", \
                      \"cookie\", \"x-stainless-*\", \"baggage\", \"x-forwarded-for\"]";
    for (share, gets, provider) in [("0%", true, &primary), ("100%", false, &canary)] {
        let map = Map { primary_credential: credential, ..Map::new(&urls.0, &urls.1, share) };
        let files = Files::new("", &map.text(), &tenants());
        let program = Program::serve(&files).await;
        let mut asked = request(Method::POST, "/v1/chat/completions", ACME, CHAT);
        for name in names {
            asked.headers_mut().insert(name, "from-the-caller".parse().unwrap());
        }
        assert_eq!(Client::connect(program.address).await.send(asked).await.unwrap().status, 200);
        let seen = provider.requests().pop().unwrap();
        for name in names {
            let expected = if name == "x-forwarded-for" { "127.0.0.1" } else { "from-the-caller" };
            assert_eq!(seen.header(name), gets.then_some(expected), "{name} at {share}");
        }
        assert!(!format!("{:?}", seen.headers).contains(ACME));
    }
}

#[tokio::test]
async fn a_canary_has_a_time_limit_of_its_own() {
    let Setup { primary, canary } = Setup::new().await;
    canary.on("POST", "/v1/chat/completions", Reply::hang_before_head());
    let urls = (primary.base_url(), canary.base_url());
    let map = Map {
        sticky_by: "timeout_ms = 100",
        route: "timeout_ms = 3600000\nfallback_on = []",
        ..Map::new(&urls.0, &urls.1, "100%")
    };
    let files = Files::new("", &map.text(), &tenants());
    let program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    let began = Instant::now();
    let answer = client.chat(ACME, CHAT).await;
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (504, "provider_timeout"));
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_tenant_never_reaches_a_provider_that_it_is_not_allowed() {
    let Setup { primary, canary } = Setup::new().await;
    let urls = (primary.base_url(), canary.base_url());
    let map = Map { who: "*", ..Map::new(&urls.0, &urls.1, "100%") };
    let files = Files::new("", &map.text(), &tenants_with("allowed_providers = [\"openai\"]"));
    let program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(client.chat(ACME, CHAT).await.header("x-cometgate-provider"), "cometapi");
    assert_eq!(client.chat(GLOBEX, CHAT).await.header("x-cometgate-provider"), "openai");

    let files = Files::new("", &map.text(), &tenants_with("allowed_providers = [\"cometapi\"]"));
    let program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    let before = primary.count();
    for path in ["/v1/chat/completions", "/v1/files"] {
        let answer = client.send(request(Method::POST, path, GLOBEX, CHAT)).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.error().0.as_str()),
            (403, "provider_not_allowed"),
            "{path}"
        );
    }
    assert_eq!(primary.count(), before);
}

#[tokio::test]
async fn a_model_that_is_blocked_or_not_approved_is_not_passed_on() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let url = primary.base_url();
    for (rule, status) in [
        ("blocked_models = [\"gpt-old\"]", 404),
        ("approved_models = [\"gpt-primary\", \"gpt-other\"]", 404),
        ("approved_models = [\"gpt-primary\", \"gpt-other\", \"gpt-old\"]", 200),
    ] {
        let credential = format!("{{ env = \"PRIMARY_KEY\" }}\n{rule}");
        let map = Map { primary_credential: &credential, ..Map::new(&url, "http://127.0.0.1:9/v1", "0%") };
        let files = Files::new("", &map.text(), &tenants());
        let program = Program::serve(&files).await;
        let mut client = Client::connect(program.address).await;
        assert_eq!(client.chat(ACME, r#"{"model":"gpt-old"}"#).await.status, status, "{rule}");
        assert_eq!(client.chat(ACME, CHAT).await.status, 200, "{rule}");
    }
}

#[tokio::test]
async fn a_family_and_an_endpoint_narrow_a_route() {
    let Setup { primary, canary } = Setup::new().await;
    let urls = (primary.base_url(), canary.base_url());
    let text = Map::new(&urls.0, &urls.1, "100%")
        .text()
        .replace("[aliases.summary]\n", "[aliases.summary]\nfamily = \"texts\"\n")
        .replace("model_alias = \"summary\"", "model_family = \"texts\"\nendpoint = \"embeddings\"");
    let files = Files::new("", &text, &tenants());
    let program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(client.chat(ACME, CHAT).await.header("x-cometgate-provider"), "openai");
    let body = r#"{"model":"summary","input":"hi"}"#;
    let answer = client.send(request(Method::POST, "/v1/embeddings", ACME, body)).await.unwrap();
    assert_eq!(answer.header("x-cometgate-provider"), "cometapi");
    let body = r#"{"model":"other","input":"hi"}"#;
    let answer = client.send(request(Method::POST, "/v1/embeddings", ACME, body)).await.unwrap();
    assert_eq!(answer.header("x-cometgate-provider"), "openai");
}
