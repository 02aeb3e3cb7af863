//! Peers that mean harm: requests that two parsers would split differently, answers that never end or never were
//! HTTP, callers that open and wait. Nothing desynchronises, nothing leaks, everybody else is served.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use hyper::http::Method;
use serde_json::json;
use support::client::request;
use support::wire::{WireProvider, exchange, listen, ok};
use support::{ACME, Client, Files, Map, PRIMARY_KEY, Program, scaled, tenants};
use testkit::{Gate, Provider, Reply, Step};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

const BODY: &str = r#"{"model":"summary"}"#;
const PATH: &str = "/v1/chat/completions";

async fn serve(url: &str, settings: &str) -> (Program, Files) {
    let files = Files::new(settings, &Map::new(url, "http://127.0.0.1:9/v1", "0%").text(), &tenants());
    (Program::serve(&files).await, files)
}

/// A request as bytes; `extra` are whole header lines.
fn raw(method: &str, path: &str, extra: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ACME}\r\n{extra}\r\n{body}")
}

fn length(body: &str) -> String {
    format!("content-length: {}\r\n", body.len())
}

#[tokio::test]
async fn a_request_that_parsers_could_split_in_two_reaches_a_provider_as_one_or_not_at_all() {
    let provider = WireProvider::start().await;
    let (program, _files) = serve(&provider.url(), "").await;
    let smuggled = raw("GET", "/v1/smuggled", "", "");
    let chunked = format!("13\r\n{BODY}\r\n0\r\n\r\n");
    let bad = [
        (
            "both lengths",
            format!("{}transfer-encoding: chunked\r\n", length(BODY)),
            format!("0\r\n\r\n{smuggled}"),
        ),
        ("two lengths", format!("{}content-length: 3\r\n", length(BODY)), BODY.to_owned()),
        ("a list of lengths", "content-length: 19, 19\r\n".to_owned(), BODY.to_owned()),
        ("a signed length", "content-length: +19\r\n".to_owned(), BODY.to_owned()),
        ("an unknown coding", "transfer-encoding: xchunked\r\n".to_owned(), chunked.clone()),
        ("a space before the colon", "transfer-encoding : chunked\r\n".to_owned(), chunked.clone()),
        ("a folded header", format!("x-a: b\r\n c\r\n{}", length(BODY)), BODY.to_owned()),
        ("a NUL in a header", format!("x-a: b\0c\r\n{}", length(BODY)), BODY.to_owned()),
        ("a huge chunk", "transfer-encoding: chunked\r\n".to_owned(), "fffffffffffffffff\r\n".to_owned()),
    ];
    for (name, extra, body) in bad {
        let heard = exchange(program.address, raw("POST", PATH, &extra, &body).as_bytes()).await;
        assert_eq!(heard.statuses().first(), Some(&400), "{name}: {}", heard.text());
        assert_eq!(heard.statuses().len(), 1, "{name}: a second answer");
        assert!(heard.closed, "{name}: the connection stays open");
        assert_eq!(provider.arrived(), Vec::<String>::new(), "{name}");
    }
    // Legal, if unusual: it is one request, framed anew.
    for extra in [
        "transfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\nexpect: 100-continue\r\nte: trailers\r\n",
    ] {
        let body = chunked.replace("13\r\n", "13;ext=\"a\"\r\n");
        let heard = exchange(program.address, raw("POST", PATH, extra, &body).as_bytes()).await;
        assert_eq!(heard.statuses().last(), Some(&200), "{}", heard.text());
        let arrived = provider.arrived();
        assert_eq!(arrived.len(), 1);
        assert!(arrived[0].ends_with(r#"{"model":"gpt-primary"}"#), "{}", arrived[0]);
        assert!(!arrived[0].contains("expect") && !arrived[0].contains("\r\nte:"), "{}", arrived[0]);
    }
}

#[tokio::test]
async fn an_early_refusal_never_takes_a_body_for_the_next_request() {
    let provider = WireProvider::start().await;
    let (program, _files) = serve(&provider.url(), "[limits]\nmax_body_bytes = 1024\n").await;
    let smuggled = raw("GET", "/v1/smuggled", "", "");
    let body = format!("{}{smuggled}", "x".repeat(200_000));
    let too_large = raw("POST", PATH, &length(&body), &body);
    let heard = exchange(program.address, too_large.as_bytes()).await;
    assert_eq!(heard.statuses(), [413]);
    let wrong_key = raw("POST", PATH, &length(&smuggled), &smuggled).replace(ACME, "cgk-wrong");
    let heard = exchange(program.address, wrong_key.as_bytes()).await;
    assert_eq!(heard.statuses(), [401]);
    assert_eq!(provider.arrived(), Vec::<String>::new());
    // Three in one write are answered in their order.
    provider.answers(ok("{\"n\":1}"));
    let three =
        [raw("POST", PATH, &length(BODY), BODY), raw("GET", "/v1/models", "", ""), raw("GET", "/", "", "")];
    assert_eq!(exchange(program.address, three.concat().as_bytes()).await.statuses(), [200, 200, 404]);
}

#[tokio::test]
async fn callers_that_open_and_wait_are_gone_in_time_and_large_heads_are_refused() {
    let provider = WireProvider::start().await;
    let (program, _files) =
        serve(&provider.url(), "[limits]\nheader_timeout_ms = 300\nbody_timeout_ms = 300\n").await;
    let announced = raw("POST", PATH, "content-length: 100\r\n", "{");
    for (name, sent) in [
        ("says nothing", ""),
        ("half of HTTP/2's preface", "PRI * HTTP/2"),
        ("half of a head", "POST /v1/chat/comp"),
        ("half of a body", announced.as_str()),
    ] {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let began = Instant::now();
        let heard = listen(&mut stream, Duration::from_secs(5)).await;
        assert!(heard.closed && began.elapsed() < Duration::from_secs(2), "{name}: {:?}", began.elapsed());
    }
    let many: String = (0..200).map(|number| format!("x-{number}: a\r\n")).collect();
    for extra in [many, format!("x-a: {}\r\n", "a".repeat(300_000))] {
        let heard = exchange(program.address, raw("POST", PATH, &extra, "").as_bytes()).await;
        assert_eq!(heard.statuses(), [431]);
    }
    assert_eq!(provider.arrived(), Vec::<String>::new());
}

#[tokio::test]
async fn a_providers_broken_answer_is_an_error_or_a_cut_and_never_the_next_callers() {
    let provider = WireProvider::start().await;
    let (program, _files) = serve(&provider.url(), "").await;
    let extra = [ok("{\"n\":1}"), ok("EVIL")].concat();
    let interim =
        ["HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(50).into_bytes(), ok("{\"n\":1}")].concat();
    let flood: String = (0..2_000).map(|number| format!("x-{number}: {}\r\n", "y".repeat(100))).collect();
    let head = "HTTP/1.1 200 OK\r\n";
    for (name, answer, statuses) in [
        ("more than one answer", extra, vec![200]),
        ("many interim answers", interim, vec![200]),
        ("no answer", Vec::new(), vec![502]),
        ("another protocol", b"SSH-2.0-x\r\n\r\n".to_vec(), vec![502]),
        (
            "an unasked switch",
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhello".to_vec(),
            vec![502],
        ),
        (
            "two lengths",
            format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!").into(),
            vec![502],
        ),
        ("a flood of headers", format!("{head}{flood}\r\n").into(), vec![502]),
    ] {
        provider.answers(answer);
        let heard = exchange(program.address, raw("POST", PATH, &length(BODY), BODY).as_bytes()).await;
        assert_eq!(heard.statuses(), statuses, "{name}: {}", heard.text());
        assert!(!heard.text().contains("EVIL"), "{name}");
        provider.answers(ok("{\"next\":1}"));
        let next = exchange(program.address, raw("POST", PATH, &length(BODY), BODY).as_bytes()).await;
        assert!(next.text().ends_with("{\"next\":1}"), "after {name}: {}", next.text());
    }
    // Trailers and what only one connection is about stay behind.
    provider.answers(format!("{head}transfer-encoding: chunked\r\nconnection: x-own\r\nx-own: 1\r\nx-cometgate-provider: liar\r\n\r\n9\r\n{{\"hi\": 1}}\r\n0\r\nauthorization: leak\r\n\r\n"));
    let heard = exchange(program.address, raw("POST", PATH, &length(BODY), BODY).as_bytes()).await.text();
    assert!(heard.contains("x-cometgate-provider: openai") && heard.contains("hi"), "{heard}");
    assert!(!heard.contains("leak") && !heard.contains("x-own") && !heard.contains("liar"), "{heard}");
}

#[tokio::test]
async fn room_for_bodies_is_shared_refused_when_full_and_given_back() {
    let gate = Gate::new();
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    provider.on("POST", PATH, Reply::json(200, &serde_json::json!({})).gated(&gate));
    let settings = "[limits]\nmax_body_bytes = 100000\nmax_buffered_bytes = 250000\n";
    let (program, _files) = serve(&provider.base_url(), settings).await;
    let body = format!(r#"{{"model":"summary","x":"{}"}}"#, "x".repeat(80_000));
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let (address, body) = (program.address, body.clone());
        waiting.push(tokio::spawn(async move { Client::connect(address).await.chat(ACME, &body).await }));
    }
    provider.wait_requests(3).await;
    let refused = Client::connect(program.address).await.chat(ACME, &body).await;
    assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (503, "gateway_overloaded"));
    assert_eq!(refused.header("x-should-retry"), "true");
    gate.open();
    for one in waiting {
        assert_eq!(one.await.unwrap().status, 200);
    }
    assert_eq!(Client::connect(program.address).await.chat(ACME, &body).await.status, 200);
}

#[tokio::test]
async fn no_caller_ever_gets_anothers_answer_however_many_leave_in_the_middle() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    provider.on_call("POST", PATH, |request| {
        let nonce = json!({"nonce": request.json().unwrap()["nonce"]}).to_string();
        let half = nonce.len() / 2;
        Reply::steps(
            200,
            "application/json",
            vec![
                Step::chunk(nonce[..half].to_owned()),
                Step::Pause(Duration::from_micros(200)),
                Step::chunk(nonce[half..].to_owned()),
            ],
        )
    });
    let (program, _files) = serve(&provider.base_url(), "").await;
    let lanes = (0..16_u64).map(|lane| {
        let address = program.address;
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            for number in 0..scaled(2_000) as u64 {
                let nonce = lane * 1_000_000 + number;
                let body = format!(r#"{{"model":"summary","nonce":{nonce}}}"#);
                if number % 7 == lane % 7 {
                    // Leaves at a moment that differs each time.
                    let sent = client.start(request(Method::POST, PATH, ACME, &body));
                    drop(tokio::time::timeout(Duration::from_micros(number * 37 % 1_500), sent).await);
                    client.leave();
                    client = Client::connect(address).await;
                    continue;
                }
                let answer = client.chat(ACME, &body).await;
                assert_eq!(answer.json()["nonce"], nonce);
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
}

#[tokio::test]
async fn cancelled_requests_leave_no_file_descriptor_behind() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    provider.on("POST", PATH, Reply::hang_before_head());
    let (program, _files) = serve(&provider.base_url(), "").await;
    let open = || std::fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap().count();
    // What starts beside the serving thread has to be there before anything is counted.
    let mut before = open();
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        match open() {
            now if now == before => break,
            now => before = now,
        }
    }
    let rounds = scaled(1_000) as u64;
    for round in 1..=rounds {
        let mut client = Client::connect(program.address).await;
        let sent = client.start(request(Method::POST, PATH, ACME, BODY));
        tokio::select! {
            _ = sent => panic!("there is no answer"),
            () = provider.wait_requests(round) => {}
        }
        client.leave();
    }
    provider.wait_aborted(rounds).await;
    let began = Instant::now();
    while open() > before + 4 {
        assert!(began.elapsed() < Duration::from_secs(5), "{} descriptors before, {} after", before, open());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
