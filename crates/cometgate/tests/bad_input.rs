//! Every kind of bad input has its own clear, OpenAI-shaped error, and reaches no provider.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use hyper::http::Method;
use support::client::request;
use support::{ACME, Client, Files, Map, Program, tenants};
use testkit::Provider;

#[tokio::test]
async fn each_bad_request_gets_its_own_error_and_no_provider_sees_it() {
    let provider = Provider::builder("primary").start().await;
    let url = provider.base_url();
    let files = Files::new(
        "[limits]\nmax_body_bytes = 4096\n",
        &Map::new(&url, &url.replace("/v1", ""), "50%").text(),
        &tenants(),
    );
    let program = Program::serve(&files).await;
    let chat = "/v1/chat/completions";
    let over = format!(r#"{{"model":"summary","x":"{}"}}"#, "x".repeat(5000));
    let cases: &[(&str, &str, u16, &str, &str)] = &[
        (chat, "hello", 400, "invalid_json", "line 1, column 1"),
        (chat, "", 400, "invalid_json", "empty"),
        (chat, r#"{"model":"summary""#, 400, "invalid_json", "line 1"),
        (chat, r#"["model"]"#, 400, "invalid_json", "JSON object"),
        (chat, r#"{"model":"a","model":"b"}"#, 400, "duplicate_key", "`model` more than once"),
        (chat, r#"{"model":"a","mod\u0065l":"b"}"#, 400, "duplicate_key", "escaped"),
        (chat, "{}", 400, "missing_required_parameter", "`model`"),
        (chat, r#"{"model":7}"#, 400, "invalid_type", "non-empty string"),
        (chat, &over, 413, "request_too_large", "4096 bytes"),
        ("/v1/chat/completions?model=x", r#"{"model":"summary"}"#, 400, "model_in_query", "query string"),
        ("/v1/responses?mod%65l=x", r#"{"model":"summary"}"#, 400, "model_in_query", "query string"),
        ("/chat/completions", r#"{"model":"summary"}"#, 404, "unknown_path", "/v1"),
        ("/", "{}", 404, "unknown_path", "below /v1"),
        ("/v1/v1/chat/completions", "{}", 404, "unknown_path", "/v1 twice"),
        ("/v1/files/../../admin", "{}", 400, "odd_path", "dot segment"),
        ("/v1/chat/completions/", "{}", 400, "odd_path", "slash at its end"),
    ];
    for (path, body, status, code, words) in cases {
        let mut client = Client::connect(program.address).await;
        let answer = client.send(request(Method::POST, path, ACME, body)).await.unwrap();
        let (found, message) = answer.error();
        assert_eq!((answer.status.as_u16(), found.as_str()), (*status, *code), "{path} {body:.80}");
        assert!(message.contains(words), "{message:?} lacks {words:?}");
        let keys: Vec<String> = answer.json()["error"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["code", "message", "param", "type"]);
        assert_eq!(answer.header("x-request-id"), answer.header("x-cometgate-request-id"));
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn keys_that_are_missing_doubled_or_unknown_are_refused_before_the_body_is_read() {
    let provider = Provider::builder("primary").start().await;
    let url = provider.base_url();
    let files = Files::new("", &Map::new(&url, &url.replace("/v1", ""), "50%").text(), &tenants());
    let program = Program::serve(&files).await;
    let build = |keys: &[&str]| {
        let mut request = request(Method::POST, "/v1/chat/completions", "x", r#"{"model":"summary"}"#);
        request.headers_mut().remove("authorization");
        for key in keys {
            request.headers_mut().append("authorization", key.parse().unwrap());
        }
        request
    };
    let good = format!("Bearer {ACME}");
    for (keys, status, code) in [
        (vec![], 401, "missing_api_key"),
        (vec!["Basic abc"], 401, "missing_api_key"),
        (vec!["Bearer "], 401, "missing_api_key"),
        (vec!["Bearer cgk-acm"], 401, "invalid_api_key"),
        (vec!["Bearer CGK-ACME"], 401, "invalid_api_key"),
        (vec![good.as_str(), "Bearer other"], 400, "two_credentials"),
    ] {
        let mut client = Client::connect(program.address).await;
        let answer = client.send(build(&keys)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (status, code), "{keys:?}");
    }
    let mut client = Client::connect(program.address).await;
    let mut compressed = request(Method::POST, "/v1/chat/completions", ACME, "x");
    compressed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    let answer = client.send(compressed).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (415, "unsupported_content_encoding"));
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_or_is_silent_is_named_in_the_error() {
    let silent = Provider::builder("canary")
        .on("POST", "/v1/chat/completions", testkit::Reply::hang_before_head())
        .start()
        .await;
    // Bound and dropped: nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{closed}/v1");
    let silent_url = silent.base_url();
    let map = |share| {
        Map {
            route: "fallback_on = []",
            sticky_by: "timeout_ms = 100",
            ..Map::new(&closed, &silent_url, share)
        }
        .text()
    };
    for (share, status, code, words) in [
        ("0%", 502, "provider_unreachable", "Provider `openai`"),
        ("100%", 504, "provider_timeout", "within 100 ms"),
    ] {
        let files = Files::new("", &map(share), &tenants());
        let program = Program::serve(&files).await;
        let mut client = Client::connect(program.address).await;
        let answer = client.chat(ACME, r#"{"model":"summary"}"#).await;
        let (found, message) = answer.error();
        assert_eq!((answer.status.as_u16(), found.as_str()), (status, code));
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn a_disabled_route_says_so() {
    let provider = Provider::builder("primary").start().await;
    let url = provider.base_url();
    let text = Map::new(&url, &url.replace("/v1", ""), "50%")
        .text()
        .replace("mode = \"canary\"", "mode = \"disabled\"");
    let files = Files::new("", &text, &tenants());
    let program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    let answer = client.chat(ACME, r#"{"model":"summary"}"#).await;
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (503, "route_disabled"));
    assert_eq!(answer.header("x-should-retry"), "false");
    assert_eq!(provider.count(), 0);
}
