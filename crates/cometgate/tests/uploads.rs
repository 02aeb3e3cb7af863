//! Multipart uploads: routed by their `model`, sent again while they are small, sent on as they arrive when they are not,
//! and never held in memory as a whole then.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use support::client::Answer;
use support::wire::listen;
use support::{ACME, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PATH: &str = "/v1/audio/transcriptions";
const MIB: usize = 1 << 20;

fn field(name: &str, value: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(length: usize) -> String {
    let sound = "\r\n-\n\0--A\r".repeat(length / 9);
    format!(
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n{sound}\r\n"
    )
}

fn form(parts: &[String]) -> String {
    format!("{}--B--\r\n", parts.concat())
}

struct World {
    primary: Provider,
    canary: Provider,
    program: Program,
    _files: Files,
}

async fn world(settings: &str) -> World {
    let primary = Provider::builder("primary").start().await;
    let canary = Provider::builder("canary").start().await;
    let (home, away) = (primary.base_url(), canary.base_url());
    let map = Map { route: "fallback_provider = \"cometapi\"", ..Map::new(&home, &away, "100%") };
    let files = Files::new(settings, &map.text(), &tenants());
    let program = Program::serve(&files).await;
    World { primary, canary, program, _files: files }
}

async fn upload(world: &World, body: String) -> Answer {
    let request = Request::post(PATH)
        .header("host", "x")
        .header("authorization", format!("Bearer {ACME}"))
        .header("content-type", "multipart/form-data; boundary=B")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    Client::connect(world.program.address).await.send(request).await.unwrap()
}

#[tokio::test]
async fn only_the_models_bytes_change_whether_a_form_is_held_or_sent_on() {
    let world = world("").await;
    for body in [
        form(&[field("model", "summary"), file(1_000)]),
        form(&[file(1_000), field("model", "summary"), field("prompt", "summary")]),
        form(&[field("model", "summary"), file(3 * MIB), field("prompt", "model")]),
        // As some clients send it: held until the model has come.
        form(&[file(3 * MIB), field("model", "summary")]),
    ] {
        let answer = upload(&world, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "canary"));
        let sent = world.canary.requests().pop().unwrap();
        let length = sent.body.len().to_string();
        assert_eq!(sent.header("content-length"), Some(length.as_str()));
        assert!(
            sent.body == body.replacen("\r\n\r\nsummary", "\r\n\r\ngpt-canary", 1),
            "{} bytes",
            body.len()
        );
        assert_eq!(sent.header("content-type"), Some("multipart/form-data; boundary=B"));
    }
    assert_eq!(world.primary.count(), 0);
}

#[tokio::test]
async fn a_small_form_is_tried_again_and_a_large_one_is_not() {
    let world = world("").await;
    world.canary.on("POST", PATH, Reply::error(503, "server_error", None, "down"));
    let small = upload(&world, form(&[field("model", "summary"), file(1_000)])).await;
    assert_eq!((small.status.as_u16(), small.header("x-cometgate-role")), (200, "primary"));
    assert_eq!(
        world.primary.requests()[0].body.len(),
        form(&[field("model", "gpt-primary"), file(1_000)]).len()
    );
    let large = upload(&world, form(&[field("model", "summary"), file(2 * MIB)])).await;
    assert_eq!((large.status.as_u16(), large.header("x-cometgate-attempts")), (503, "1"));
    assert_eq!(world.primary.count(), 1);
    // A transcript need not be JSON.
    world.canary.on("POST", PATH, Reply::bytes(200, "text/vtt", "WEBVTT\n"));
    assert_eq!(upload(&world, form(&[field("model", "summary"), file(10)])).await.body, "WEBVTT\n");
}

#[tokio::test]
async fn forms_that_say_two_things_are_refused_and_the_provider_never_gets_their_end() {
    let world = world("[limits]\nmax_body_bytes = 2097152\n").await;
    let two = form(&[field("model", "summary"), field("model", "gpt-x")]);
    let refused = upload(&world, two).await;
    assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (400, "duplicate_key"));
    let none = upload(&world, form(&[file(100)])).await;
    assert_eq!(none.error().0, "missing_required_parameter");
    let cut = upload(&world, field("model", "summary")).await;
    assert_eq!(cut.error().0, "invalid_form");
    let late = upload(&world, form(&[file(4 * MIB), field("model", "summary")])).await;
    assert_eq!((late.status.as_u16(), late.error().0.as_str()), (413, "model_too_late"));
    let twice_late = form(&[field("model", "summary"), file(4 * MIB), field("model", "gpt-x")]);
    let refused = upload(&world, twice_late).await;
    assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (400, "invalid_form"));
    assert_eq!(world.canary.count() + world.primary.count(), 0);
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up_on_every_path() {
    let world = world("[limits]\nmin_body_bytes_per_second = 1000\n").await;
    let lanes = ["/v1/chat/completions", "/v1/files"].map(|path| {
        let address = world.program.address;
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ACME}\r\ncontent-length: 100000\r\n\r\n{{");
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut reading, mut writing) = stream.into_split();
            let trickle = tokio::spawn(async move {
                while writing.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
            let mut said = vec![0; 4096];
            let length = tokio::time::timeout(Duration::from_secs(20), reading.read(&mut said)).await.unwrap().unwrap();
            trickle.abort();
            String::from_utf8_lossy(&said[..length]).into_owned()
        })
    });
    for lane in lanes {
        let said = lane.await.unwrap();
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    }
}

/// Peak of the process's resident memory, in bytes.
fn peak(program: &Program) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// A provider that keeps nothing: reads a request to its announced end, then answers with so many bytes.
async fn sink(answer: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                let (mut head, mut left) = (Vec::new(), None::<usize>);
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    match &mut left {
                        Some(left) => *left = left.saturating_sub(length),
                        None => {
                            head.extend_from_slice(&buffer[..length]);
                            let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
                                continue;
                            };
                            let text = String::from_utf8_lossy(&head[..end]).into_owned();
                            let announced =
                                text.lines().find_map(|line| line.strip_prefix("content-length: "));
                            let announced: usize = announced.map_or(0, |length| length.parse().unwrap());
                            left = Some((end + 4 + announced).saturating_sub(head.len()));
                        }
                    }
                    if left == Some(0) {
                        let head = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: {answer}\r\n\r\n"
                        );
                        stream.write_all(head.as_bytes()).await.ok();
                        let piece = vec![7; 64 << 10];
                        let mut sent = 0;
                        while sent < answer {
                            let length = piece.len().min(answer - sent);
                            if stream.write_all(&piece[..length]).await.is_err() {
                                return;
                            }
                            sent += length;
                        }
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn large_uploads_and_downloads_do_not_stay_in_memory() {
    let upload = sink(2).await;
    let download = sink(100 * MIB).await;
    let map = Map::new(&format!("http://{upload}/v1"), &format!("http://{download}/v1"), "0%").text();
    let map = map.replace("mode = \"canary\"", "endpoint = \"transcriptions\"\nmode = \"canary\"");
    let route = "[[routes]]\nname = \"speech\"\ntenant_or_cohort = \"*\"\nmodel_alias = \"summary\"\nendpoint = \"speech\"\nmode = \"primary\"\nprimary_provider = \"cometapi\"\n# end test.1";
    let files = Files::new("workers = 1\n", &map.replace("# end test.1", route), &tenants());
    let program = Program::serve(&files).await;
    let small = format!("{{\"model\":\"summary\",\"input\":\"{}\"}}", "x".repeat(100_000));
    Client::connect(program.address).await.chat(ACME, &small).await;
    let before = peak(&program);
    let head = |path: &str, kind: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ACME}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let body = form(&[field("model", "summary"), file(25 * MIB)]);
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    stream.write_all(head(PATH, "multipart/form-data; boundary=B", body.len()).as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let heard = listen(&mut stream, Duration::from_secs(2)).await;
    assert_eq!(heard.statuses(), [200], "{}", heard.text());
    let uploaded = peak(&program);

    let asked = r#"{"model":"summary","input":"x"}"#;
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    stream.write_all(head("/v1/audio/speech", "application/json", asked.len()).as_bytes()).await.unwrap();
    stream.write_all(asked.as_bytes()).await.unwrap();
    let (mut buffer, mut came) = (vec![0; 64 << 10], 0);
    while came < 100 * MIB {
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "it ended after {came} bytes");
        came += length;
        if came % (16 * MIB) < length {
            // A slow reader slows the provider down, and fills nothing here.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let downloaded = peak(&program);
    let grown = [uploaded - before, downloaded - uploaded].map(|bytes| bytes / 1024);
    eprintln!("grown by {} KiB in the upload of 25 MB, {} KiB in the download of 100 MB", grown[0], grown[1]);
    assert!(grown[0] < 2 * 1024 && grown[1] < 2 * 1024, "{grown:?} KiB");
}
