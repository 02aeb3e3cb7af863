//! The provider against a plain HTTP client: shapes of standard answers, scripts, and the counters of cancellation.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use testkit::{Gate, Provider, Reply, Step};

async fn post(provider: &Provider, path: &str, body: Value) -> Response<Incoming> {
    send(provider, path, body).await.unwrap()
}

async fn send(
    provider: &Provider,
    path: &str,
    body: Value,
) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
    let client =
        Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http::<Full<Bytes>>();
    let request = Request::post(format!("{}{path}", provider.base_url()))
        .header("authorization", "Bearer sk-test")
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .unwrap();
    client.request(request).await
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn value(response: Response<Incoming>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

fn chat(stream: bool) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream})
}

fn data_lines(stream: &str) -> Vec<&str> {
    stream.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
}

#[tokio::test]
async fn a_chat_answer_names_the_provider_and_keeps_the_model() {
    let provider = Provider::builder("alpha").start().await;
    let response = post(&provider, "/chat/completions", chat(false)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-request-id"], "req_alpha_1");
    let answer = value(response).await;
    assert_eq!(answer["model"], "m");
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().starts_with("Hello from alpha"));
    let recorded = &provider.requests()[0];
    assert_eq!(
        (recorded.path(), recorded.header("authorization")),
        ("/v1/chat/completions", Some("Bearer sk-test"))
    );
    assert_eq!(recorded.json().unwrap(), chat(false));
}

#[tokio::test]
async fn a_chat_stream_is_role_content_finish_usage_done() {
    let provider = Provider::builder("alpha").chunks(5).start().await;
    let mut body = chat(true);
    body["stream_options"] = json!({"include_usage": true});
    let response = post(&provider, "/chat/completions", body).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let stream = text(response).await;
    let lines = data_lines(&stream);
    assert_eq!(lines.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        lines[..lines.len() - 1].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(chunks.len(), 1 + 5 + 1 + 1);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let content: String =
        chunks[1..6].iter().map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap()).collect();
    assert_eq!(content, "Hello from alpha: this is");
    assert!(
        chunks[..7]
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk["object"] == "chat.completion.chunk")
    );
    assert_eq!(chunks[6]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[7]["choices"], json!([]));
    assert_eq!(chunks[7]["usage"]["completion_tokens"], 5);
}

#[tokio::test]
async fn a_responses_stream_has_one_terminal_event_and_counts_from_zero() {
    let provider = Provider::builder("alpha").chunks(3).start().await;
    let body = json!({"model": "m", "input": "hi", "stream": true});
    let stream = text(post(&provider, "/responses", body).await).await;
    let kinds: Vec<&str> = stream.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(kinds, expected);
    let events: Vec<Value> =
        data_lines(&stream).into_iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (number, (event, kind)) in events.iter().zip(expected).enumerate() {
        assert_eq!((&event["sequence_number"], &event["type"]), (&json!(number), &json!(kind)));
    }
    assert_eq!(events[10]["response"]["output"][0]["content"][0]["text"], "Hello from alpha:");
    assert_eq!(events[10]["response"]["id"], events[0]["response"]["id"]);
}

#[tokio::test]
async fn embeddings_come_as_numbers_or_base64() {
    let provider = Provider::builder("alpha").start().await;
    let numbers =
        value(post(&provider, "/embeddings", json!({"model": "e", "input": ["a", "b"]})).await).await;
    assert_eq!(numbers["data"][1]["index"], 1);
    assert_eq!(numbers["data"][0]["embedding"].as_array().unwrap().len(), 8);
    let body = json!({"model": "e", "input": "a", "encoding_format": "base64", "dimensions": 2});
    let base64 = value(post(&provider, "/embeddings", body).await).await;
    assert_eq!(base64["data"][0]["embedding"], "AAAAAAAAgD0=");
}

#[tokio::test]
async fn other_keys_are_refused_in_openai_shape_and_other_paths_are_echoed() {
    let strict = Provider::builder("alpha").require_key("sk-other").start().await;
    let refused = post(&strict, "/chat/completions", chat(false)).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(value(refused).await["error"]["code"], "invalid_api_key");

    let provider = Provider::builder("beta").start().await;
    let echo = value(post(&provider, "/audio/speech?x=1", json!({})).await).await;
    assert_eq!((&echo["path"], &echo["provider"]), (&json!("/v1/audio/speech?x=1"), &json!("beta")));
}

#[tokio::test]
async fn replies_for_one_time_come_before_lasting_ones() {
    let provider = Provider::builder("alpha")
        .on("POST", "/v1/chat/completions", Reply::error(503, "server_error", None, "down"))
        .once("*", "*", Reply::new(429).header("retry-after", "2"))
        .start()
        .await;
    let first = post(&provider, "/chat/completions", chat(false)).await;
    assert_eq!((first.status().as_u16(), &first.headers()["retry-after"]), (429, &"2".parse().unwrap()));
    assert_eq!(post(&provider, "/chat/completions", chat(false)).await.status(), 503);
    provider.on_call("POST", "*", |request| Reply::json(200, &json!({"path": request.path()})));
    let called = value(post(&provider, "/chat/completions", chat(false)).await).await;
    assert_eq!(called["path"], "/v1/chat/completions");
    provider.clear_script();
    provider.clear();
    assert_eq!(post(&provider, "/chat/completions", chat(false)).await.status(), 200);
    assert_eq!((provider.count(), provider.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_first_chunk_arrives_before_the_second_is_sent() {
    let gate = Gate::new();
    let steps = vec![Step::chunk("data: 1\n\n"), Step::Wait(gate.clone()), Step::chunk("data: 2\n\n")];
    let provider = Provider::builder("alpha").on("*", "*", Reply::sse(steps)).start().await;
    let mut body = post(&provider, "/chat/completions", chat(true)).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!((first, provider.open_streams()), (Bytes::from("data: 1\n\n"), 1));
    gate.open();
    assert_eq!(body.collect().await.unwrap().to_bytes(), Bytes::from("data: 2\n\n"));
    provider.wait_open_streams(0).await;
    assert_eq!(provider.aborted(), 0);
}

#[tokio::test]
async fn an_abort_flushes_what_came_before_and_is_no_cancellation() {
    let provider = Provider::builder("alpha")
        .on("*", "*", Reply::sse(vec![Step::chunk("data: 1\n\n"), Step::Abort]))
        .start()
        .await;
    let mut body = post(&provider, "/chat/completions", chat(true)).await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), Bytes::from("data: 1\n\n"));
    assert!(body.frame().await.unwrap().is_err());
    provider.once("*", "*", Reply::abort_before_head());
    assert!(send(&provider, "/chat/completions", chat(false)).await.is_err());
    assert_eq!((provider.count(), provider.aborted()), (2, 0));
}

#[tokio::test]
async fn a_caller_that_leaves_counts_as_aborted_before_the_head_and_after() {
    let provider = Provider::builder("alpha").pace(Duration::from_secs(3600)).start().await;
    let response = post(&provider, "/chat/completions", chat(true)).await;
    assert_eq!(provider.open_streams(), 1);
    drop(response);
    tokio::time::timeout(Duration::from_secs(5), provider.wait_aborted(1)).await.unwrap();

    provider.once("*", "*", Reply::hang_before_head());
    let pending = send(&provider, "/chat/completions", chat(false));
    tokio::select! {
        _ = pending => panic!("the provider answered"),
        () = provider.wait_requests(2) => {}
    }
    tokio::time::timeout(Duration::from_secs(5), provider.wait_aborted(2)).await.unwrap();
}

#[tokio::test]
async fn a_dropped_provider_closes_its_port_and_its_streams() {
    let provider =
        Provider::builder("alpha").on("*", "*", Reply::sse(vec![Step::chunk("x"), Step::Hang])).start().await;
    let address = provider.address();
    let mut body = post(&provider, "/chat/completions", chat(true)).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(provider);
    assert!(body.frame().await.unwrap().is_err());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
