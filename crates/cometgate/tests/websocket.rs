//! WebSockets: the handshake reaches the tenant's primary with its own credential, and then bytes go both ways until one
//! side ends.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::program::PATIENCE;
use support::wire::exchange;
use support::{ACME, Files, Map, PRIMARY_KEY, Program, tenants};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: realtime\r\nset-cookie: a=b\r\n\r\n";

/// Answers each handshake so and sends back what comes after it; an end is told as an empty text.
async fn provider(answer: &'static str) -> (SocketAddr, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, hearing) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let (mut head, mut buffer) = (Vec::new(), vec![0; 4096]);
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    let length = stream.read(&mut buffer).await.unwrap();
                    head.extend_from_slice(&buffer[..length]);
                }
                heard.send(String::from_utf8(head).unwrap()).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    if buffer[..length].ends_with(b"bye") {
                        return;
                    }
                    stream.write_all(&buffer[..length]).await.unwrap();
                }
                heard.send(String::new()).unwrap();
            });
        }
    });
    (address, hearing)
}

async fn serve(provider: SocketAddr) -> (Program, Files) {
    serve_with("", provider).await
}

async fn serve_with(settings: &str, provider: SocketAddr) -> (Program, Files) {
    let url = format!("http://{provider}/v1");
    let files = Files::new(settings, &Map::new(&url, "http://127.0.0.1:9/v1", "100%").text(), &tenants());
    (Program::serve(&files).await, files)
}

fn handshake(lines: &str) -> String {
    format!(
        "GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nhost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\ncookie: leak\r\norigin: https://leak.example\r\n{lines}\r\n"
    )
}

fn with_key(lines: &str) -> String {
    handshake(&format!("authorization: Bearer {ACME}\r\n{lines}"))
}

/// Sends a handshake and reads the head of the answer.
async fn open(address: SocketAddr, text: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

async fn echoes(stream: &mut TcpStream, bytes: &[u8]) {
    let (mut reading, mut writing) = stream.split();
    let mut back = vec![0; bytes.len()];
    let (written, read) = tokio::join!(writing.write_all(bytes), reading.read_exact(&mut back));
    assert!(written.is_ok() && read.is_ok() && back == bytes);
}

async fn next(hearing: &mut UnboundedReceiver<String>) -> String {
    tokio::time::timeout(PATIENCE, hearing.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_socket_opens_with_the_providers_credential_and_carries_bytes_both_ways() {
    let (address, mut hearing) = provider(SWITCHED).await;
    let (program, _files) = serve(address).await;
    let lines = "sec-websocket-protocol: realtime, openai-project.p, openai-beta.realtime-v1\r\nopenai-beta: realtime=v1\r\nsec-websocket-extensions: permessage-deflate\r\n";
    let (mut stream, head) = open(program.address, &with_key(lines)).await;
    assert!(
        head.starts_with("HTTP/1.1 101 ")
            && head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    assert!(head.contains("x-cometgate-provider: openai") && !head.contains("set-cookie"), "{head}");
    let asked = next(&mut hearing).await;
    assert!(asked.starts_with("GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\n"), "{asked}");
    for line in [
        format!("authorization: Bearer {PRIMARY_KEY}\r\n"),
        "sec-websocket-protocol: realtime, openai-beta.realtime-v1\r\n".to_owned(),
        "sec-websocket-extensions: permessage-deflate\r\n".to_owned(),
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n".to_owned(),
        "openai-beta: realtime=v1\r\n".to_owned(),
        "upgrade: websocket\r\n".to_owned(),
    ] {
        assert!(asked.contains(&line), "{line} is not in {asked}");
    }
    assert!(!asked.contains("leak") && !asked.contains(ACME), "{asked}");
    echoes(&mut stream, b"\x81\x05hello").await;
    echoes(&mut stream, &(0..=255_u8).cycle().take(1_000_000).collect::<Vec<u8>>()).await;
    // The caller leaves: the provider hears of it.
    drop(stream);
    assert_eq!(next(&mut hearing).await, "");
    // The provider ends: so does the caller's connection.
    let (mut stream, _) = open(program.address, &with_key("")).await;
    stream.write_all(b"bye").await.unwrap();
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_key_among_the_subprotocols_is_the_callers_key_and_goes_no_further() {
    let (address, mut hearing) = provider(SWITCHED).await;
    let (program, _files) = serve(address).await;
    let browsers = format!("sec-websocket-protocol: realtime, openai-insecure-api-key.{ACME}\r\n");
    let (_stream, head) = open(program.address, &handshake(&browsers)).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let asked = next(&mut hearing).await;
    assert!(asked.contains("sec-websocket-protocol: realtime\r\n") && !asked.contains(ACME), "{asked}");
    for (lines, status) in [
        (String::new(), 401),
        (browsers.replace(ACME, "cgk-wrong"), 401),
        (format!("authorization: Bearer {ACME}\r\n{browsers}"), 400),
    ] {
        let heard = exchange(program.address, handshake(&lines).as_bytes()).await;
        assert_eq!((heard.statuses(), heard.closed), (vec![status], true), "{lines}");
    }
    assert!(hearing.try_recv().is_err());
}

#[tokio::test]
async fn a_handshake_that_is_refused_or_answered_unasked_does_not_switch() {
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let (address, mut hearing) = provider(refusal).await;
    let (program, _files) = serve(address).await;
    // What follows is not read as a request: nobody has looked at it.
    let pipelined = format!(
        "{}GET /v1/smuggled HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ACME}\r\n\r\n",
        with_key("")
    );
    let heard = exchange(program.address, pipelined.as_bytes()).await;
    assert_eq!((heard.statuses(), heard.closed), (vec![403], true));
    next(&mut hearing).await;
    let (address, _hearing) = provider(SWITCHED).await;
    let (program, _files) = serve(address).await;
    let unasked = with_key("").replace("Upgrade: websocket\r\n", "");
    assert_eq!(exchange(program.address, unasked.as_bytes()).await.statuses(), [502]);
}

#[tokio::test]
async fn a_socket_lives_on_while_the_process_drains_and_ends_with_its_peers() {
    let (address, mut hearing) = provider(SWITCHED).await;
    let (mut program, _files) = serve(address).await;
    let (mut stream, _) = open(program.address, &with_key("")).await;
    next(&mut hearing).await;
    program.terminate();
    tokio::time::sleep(Duration::from_millis(300)).await;
    echoes(&mut stream, b"still here").await;
    stream.write_all(b"bye").await.unwrap();
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn a_socket_on_which_nobody_says_anything_is_closed_on_both_sides() {
    let (address, mut hearing) = provider(SWITCHED).await;
    let (program, _files) = serve_with("[limits]\nwebsocket_idle_timeout_ms = 300\n", address).await;
    let (mut stream, _) = open(program.address, &with_key("")).await;
    next(&mut hearing).await;
    echoes(&mut stream, b"hello").await;
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert_eq!(next(&mut hearing).await, "", "the provider hears the end");
}
