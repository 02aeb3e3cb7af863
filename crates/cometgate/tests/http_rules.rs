//! What HTTP asks of whoever stands between two parties, beyond the corpus: answers with two ends, interim answers, methods
//! without a body, old versions, browsers.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use support::wire::{WireProvider, exchange, ok};
use support::{ACME, FIRST, Files, LAST, Map, Program, tenants};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BODY: &str = r#"{"model":"summary"}"#;

async fn serve(settings: &str) -> (WireProvider, Program, Files) {
    let provider = WireProvider::start().await;
    let map = Map::new(&provider.url(), "http://127.0.0.1:9/v1", "0%").text();
    let files = Files::new(settings, &map, &tenants());
    let program = Program::serve(&files).await;
    (provider, program, files)
}

fn raw(line: &str, lines: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{line}\r\nhost: x\r\nauthorization: Bearer {ACME}\r\n{length}{lines}\r\n{body}")
}

fn chat(lines: &str) -> String {
    raw("POST /v1/chat/completions HTTP/1.1", lines, BODY)
}

#[tokio::test]
async fn an_answer_with_two_ends_or_interim_ones_without_end_is_a_502() {
    let (provider, program, _files) = serve("").await;
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    let interim = |count: usize| {
        format!(
            "{}{}",
            "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count),
            String::from_utf8(ok("{}")).unwrap()
        )
    };
    for (answer, status) in [
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 12\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"), 502),
        (format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 12\r\n\r\n{chunks}"), 502),
        (format!("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n{chunks}"), 502),
        (
            format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
            ),
            502,
        ),
        (format!("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"), 502),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}".to_owned(), 502),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\n{}".to_owned(), 502),
        (interim(101), 502),
        (interim(100), 200),
        (interim(1), 200),
        (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n{chunks}"), 200),
    ] {
        provider.answers(answer.clone());
        let heard = exchange(program.address, chat("").as_bytes()).await;
        assert_eq!(heard.statuses(), [status], "{answer:.200}");
        provider.answers(ok("{\"next\":1}"));
        let next = exchange(program.address, chat("").as_bytes()).await;
        assert!(next.text().ends_with("{\"next\":1}"), "after {answer:.200}: {}", next.text());
    }
}

#[tokio::test]
async fn the_gateway_meets_an_expectation_itself_and_never_passes_it_on() {
    let (provider, program, _files) = serve("").await;
    for path in ["/v1/chat/completions", "/v1/files"] {
        let whole = raw(&format!("POST {path} HTTP/1.1"), "expect: 100-continue\r\n", BODY);
        let (head, body) = whole.split_at(whole.len() - BODY.len());
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = vec![0; 25];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(said, b"HTTP/1.1 100 Continue\r\n\r\n", "{path}");
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut status = vec![0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(status, b"HTTP/1.1 200", "{path}");
        assert!(!provider.arrived().concat().contains("expect"), "{path}");
    }
}

#[tokio::test]
async fn old_versions_get_no_chunks_and_head_gets_no_body() {
    let (provider, program, _files) = serve("").await;
    provider.answers(format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{FIRST}{LAST}\r\n0\r\n\r\n", FIRST.len() + LAST.len()));
    let body = r#"{"model":"summary","stream":true}"#;
    let heard =
        exchange(program.address, raw("POST /v1/chat/completions HTTP/1.0", "", body).as_bytes()).await;
    let text = heard.text();
    assert!(text.starts_with("HTTP/1.0 200 ") && !text.contains("transfer-encoding"), "{text}");
    assert!(heard.closed && text.ends_with(&format!("\r\n\r\n{FIRST}{LAST}")), "{text}");
    for path in ["/v1/models", "/v1/models/summary"] {
        let get =
            exchange(program.address, raw(&format!("GET {path} HTTP/1.1"), "", "").as_bytes()).await.text();
        let head =
            exchange(program.address, raw(&format!("HEAD {path} HTTP/1.1"), "", "").as_bytes()).await.text();
        let length = get.split_once("\r\n\r\n").unwrap().1.len();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {length}\r\n")), "{head}");
    }
    provider.arrived();
    // A compressed body of a path that is not read goes on as it is.
    let packed = "\u{1}\u{2}\u{7f}packed";
    provider.answers(ok("{}"));
    let upload = raw("POST /v1/files HTTP/1.1", "content-encoding: gzip\r\n", packed);
    assert_eq!(exchange(program.address, upload.as_bytes()).await.statuses(), [200]);
    let [sent] = &provider.arrived()[..] else { panic!("one request was sent") };
    assert!(sent.contains("content-encoding: gzip\r\n") && sent.ends_with(packed), "{sent}");
    assert_eq!(
        exchange(program.address, chat("content-encoding: gzip\r\n").as_bytes()).await.statuses(),
        [415]
    );
}

#[tokio::test]
async fn pages_may_call_where_their_origin_is_listed_and_nowhere_else() {
    let asks = |origin: &str| {
        format!(
            "OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization, content-type\r\n\r\n"
        )
    };
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\naccess-control-allow-origin: *\r\ncontent-length: 2\r\n\r\n{}";
    let (own, other) = ("https://app.example", "https://other.example");
    let (provider, program, _files) = serve("[cors]\norigins = [\"https://app.example\"]\n").await;
    provider.answers(answer);
    let allowed = exchange(program.address, asks(own).as_bytes()).await.text();
    for line in [
        "HTTP/1.1 204 ",
        "access-control-allow-origin: https://app.example\r\n",
        "access-control-allow-headers: authorization, content-type\r\n",
        "access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE\r\n",
        "vary: Origin\r\n",
    ] {
        assert!(allowed.contains(line), "{line} is not in {allowed}");
    }
    assert_eq!(exchange(program.address, asks(other).as_bytes()).await.statuses(), [405]);
    let called = exchange(program.address, chat(&format!("origin: {own}\r\n")).as_bytes()).await.text();
    assert!(
        called.contains("access-control-allow-origin: https://app.example\r\n")
            && !called.contains(": *\r\nx"),
        "{called}"
    );
    let refused =
        exchange(program.address, chat(&format!("origin: {own}\r\n")).replace(ACME, "cgk-wrong").as_bytes())
            .await
            .text();
    assert!(
        refused.contains("HTTP/1.1 401 ") && refused.contains("access-control-allow-origin"),
        "{refused}"
    );
    let (provider, closed, _files) = serve("").await;
    provider.answers(answer);
    for text in [chat(&format!("origin: {own}\r\n")), asks(own)] {
        let said = exchange(closed.address, text.as_bytes()).await.text();
        assert!(!said.contains("access-control-"), "{said}");
    }
}
