//! How things end: the gateway drains, and a caller that leaves takes its request along.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::http::Method;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::client::request;
use support::{ACME, Client, FIRST, Files, LAST, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Gate, Provider, Reply, Step};
use tokio::time::Instant;

const STREAM: &str = r#"{"model":"summary","stream":true}"#;

/// A stream that has begun and waits for the test.
async fn world(settings: &str, reply: Reply) -> (Provider, Program, Files) {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    provider.on("POST", "/v1/chat/completions", reply);
    let url = provider.base_url();
    let files = Files::new(settings, &Map::new(&url, "http://127.0.0.1:9/v1", "0%").text(), &tenants());
    let program = Program::serve(&files).await;
    (provider, program, files)
}

async fn open(program: &Program) -> (Client, Incoming) {
    let mut client = Client::connect(program.address).await;
    let answer = client.start(request(Method::POST, "/v1/chat/completions", ACME, STREAM)).await.unwrap();
    let mut stream = answer.into_body();
    assert_eq!(stream.frame().await.unwrap().unwrap().into_data().unwrap(), FIRST);
    (client, stream)
}

fn gated(gate: &Gate) -> Reply {
    Reply::sse(vec![Step::chunk(FIRST), Step::Wait(gate.clone()), Step::chunk(LAST)])
}

#[tokio::test]
async fn sigterm_lets_200_streams_finish_and_ends_within_a_second_of_the_last() {
    let gate = Gate::new();
    let (_provider, mut program, _files) = world("", gated(&gate)).await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(open(&program).await);
    }
    // One that is connected and says nothing must not hold the end up.
    let _idle = tokio::net::TcpStream::connect(program.address).await.unwrap();
    program.terminate();
    program.logged("200 requests under way").await;
    // Draining is under way: new callers are turned away, old ones served.
    while tokio::net::TcpStream::connect(program.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gate.open();
    for (client, stream) in streams {
        assert_eq!(stream.collect().await.unwrap().to_bytes(), LAST);
        drop(client);
    }
    let last = Instant::now();
    assert_eq!(program.ended().await, 0);
    assert!(last.elapsed() < Duration::from_secs(1), "ended {:?} after the last stream", last.elapsed());
}

#[tokio::test]
async fn at_the_deadline_what_is_left_is_cut_and_the_exit_is_still_clean() {
    let gate = Gate::new();
    let (_provider, mut program, _files) = world("[limits]\ndrain_timeout_ms = 300\n", gated(&gate)).await;
    let (_client, stream) = open(&program).await;
    let told = Instant::now();
    program.terminate();
    assert!(stream.collect().await.is_err(), "a cut stream must not look complete");
    assert!(told.elapsed() >= Duration::from_millis(300), "cut before the deadline");
    program.logged("1 requests were cut").await;
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let gate = Gate::new();
    let (_provider, mut program, _files) = world("", gated(&gate)).await;
    let (_client, _stream) = open(&program).await;
    program.terminate();
    program.logged("under way").await;
    program.signal("INT");
    program.logged("ended at once").await;
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_its_upstream_within_100_ms_in_every_phase() {
    let gate = Gate::new();
    let before_head = Reply::hang_before_head();
    let after_head = Reply::sse(vec![Step::chunk(FIRST), Step::Wait(gate.clone())]);
    // More than any buffer on the way holds: the provider is stopped by a caller that does not read.
    let stalled = Reply::sse(
        std::iter::once(Step::chunk(FIRST))
            .chain((0..256).map(|_| Step::chunk(vec![b'x'; 1 << 16])))
            .collect(),
    );
    for (phase, reply) in
        [("before the head", before_head), ("between chunks", after_head), ("while stalled", stalled)]
    {
        let (provider, program, _files) = world("", reply).await;
        for round in 1..=20 {
            let mut client = Client::connect(program.address).await;
            let sent = request(Method::POST, "/v1/chat/completions", ACME, STREAM);
            let mut body = None;
            if phase == "before the head" {
                let waiting = client.start(sent);
                tokio::select! {
                    _ = waiting => panic!("there is no head"),
                    () = provider.wait_requests(round) => {}
                }
            } else {
                let mut stream = client.start(sent).await.unwrap().into_body();
                stream.frame().await.unwrap().unwrap();
                body = Some(stream);
            }
            let left = Instant::now();
            drop(body);
            client.leave();
            provider.wait_aborted(round).await;
            assert!(
                left.elapsed() < Duration::from_millis(100),
                "{phase}: noticed after {:?}",
                left.elapsed()
            );
        }
    }
}

#[tokio::test]
async fn a_stream_of_http2_that_is_reset_cancels_its_upstream_and_leaves_its_neighbours_alone() {
    let gate = Gate::new();
    let (provider, program, _files) = world("", gated(&gate)).await;
    let stream = tokio::net::TcpStream::connect(program.address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let open = || {
        let mut sender = sender.clone();
        let sent = hyper::Request::post(format!("http://{}/v1/chat/completions", program.address))
            .header("authorization", format!("Bearer {ACME}"))
            .body(Full::new(Bytes::from(STREAM)))
            .unwrap();
        async move {
            let mut body = sender.send_request(sent).await.unwrap().into_body();
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), FIRST);
            body
        }
    };
    let neighbour = open().await;
    for round in 1..=20 {
        let reset = open().await;
        let left = Instant::now();
        drop(reset);
        provider.wait_aborted(round).await;
        assert!(left.elapsed() < Duration::from_millis(100), "noticed after {:?}", left.elapsed());
    }
    gate.open();
    assert_eq!(neighbour.collect().await.unwrap().to_bytes(), LAST);
}
