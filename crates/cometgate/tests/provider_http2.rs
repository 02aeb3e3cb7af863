//! HTTP/2 towards a provider, through the real binary: what is answered is the same, and callers that do not read
//! neither end nor delay the streams that share their connection.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::http::Method;
use support::client::request;
use support::h2;
use support::process::on_processor;
use support::{ACME, Client, FIRST, Files, LAST, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Provider, Reply, Step, TlsFront, TlsFrontOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

const PATH: &str = "/v1/chat/completions";
const STREAM: &str = r#"{"model":"summary","stream":true}"#;
const OTHER_STREAM: &str = r#"{"model":"other","stream":true}"#;

fn is_full() -> bool {
    std::env::var_os("COMETGATE_FULL").is_some()
}

/// Bytes of an answer that may be unread: the default where there is time to fill it.
fn window() -> usize {
    if is_full() { 256 << 10 } else { 64 << 10 }
}

async fn serve(provider: &Provider, protocol: &'static str, settings: &str) -> (Program, Files, TlsFront) {
    let options = TlsFrontOptions { protocol, ..TlsFrontOptions::default() };
    let front = TlsFront::start_with("localhost", provider.address(), options).await.unwrap();
    let files = Files::new(settings, "", &tenants());
    files.write("ca.pem", front.authority_pem());
    let url = format!("https://localhost:{}/v1", front.address().port());
    let lines = format!(
        "credential = {{ env = \"PRIMARY_KEY\" }}\ntls = {{ ca = \"{}/ca.pem\", roots = \"none\" }}\nhttp = \"2\"\n\
         http2 = {{ max_concurrent_streams = 128, stream_window_bytes = {} }}",
        files.path().display(),
        window()
    );
    let text = Map { top: "shared_state = true", ..Map::new(&url, "http://127.0.0.1:9/v1", "0%") }.text();
    files.write("routes.toml", &text.replace("credential = { env = \"PRIMARY_KEY\" }", &lines));
    (Program::serve(&files).await, files, front)
}

#[tokio::test]
async fn answers_are_the_same_over_one_connection_that_requests_share() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let (program, _files, front) = serve(&provider, "h2", "workers = 1").await;
    let lanes: Vec<_> = (0..16)
        .map(|_| {
            let address = program.address;
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                for _ in 0..10 {
                    assert_eq!(client.chat(ACME, r#"{"model":"summary"}"#).await.status, 200);
                    let stream = client.chat(ACME, STREAM).await;
                    assert!(stream.body.ends_with(b"data: [DONE]\n\n"), "{:?}", stream.body);
                }
                let models = client.send(request(Method::GET, "/v1/files", ACME, "")).await.unwrap();
                assert_eq!(models.header("x-cometgate-attempts"), "1");
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    assert_eq!(front.accepted(), 1);
    let seen = &provider.requests()[0];
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {PRIMARY_KEY}").as_str()));
    assert_eq!(seen.path(), PATH);
}

#[tokio::test]
async fn a_provider_that_speaks_no_http2_is_told_apart_and_gets_nothing() {
    let provider = Provider::builder("primary").start().await;
    let (program, _files, _front) = serve(&provider, "http/1.1", "").await;
    let answer = Client::connect(program.address).await.chat(ACME, STREAM).await;
    assert_eq!(answer.status, 502);
    assert!(answer.error_message().contains("ALPN"), "{}", answer.error_message());
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_resets_its_stream_within_a_tenth_of_a_second() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let (program, _files, front) = serve(&provider, "h2", "workers = 1").await;
    let mut fastest = Duration::MAX;
    for round in 1..=5 {
        provider.once("POST", PATH, Reply::sse(vec![Step::chunk(FIRST), Step::Hang]));
        let mut client = Client::connect(program.address).await;
        let answer = client.start(request(Method::POST, PATH, ACME, STREAM)).await.unwrap();
        let began = Instant::now();
        client.leave();
        drop(answer);
        provider.wait_aborted(round).await;
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
    assert_eq!(front.accepted(), 1);
}

/// An event of so many bytes.
fn event(bytes: usize) -> String {
    let frame = |content: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n")
    };
    frame(&"x".repeat(bytes.saturating_sub(frame("").len()).max(1)))
}

/// Asks for a stream and never reads a byte of it, over HTTP/2 with its window shut: of HTTP/1.1 the system itself takes
/// megabytes that nobody reads.
async fn stall(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let bearer = format!("Bearer {ACME}");
    let head = h2::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", PATH),
        (":authority", "x"),
        ("authorization", &bearer),
    ]);
    let bytes = [
        h2::PREFACE,
        &h2::settings(&[(4, 0)]),
        &h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &head),
        &h2::frame(h2::DATA, h2::END_STREAM, 1, STREAM.as_bytes()),
    ]
    .concat();
    stream.write_all(&bytes).await.unwrap();
    stream
}

/// Asks for the same stream and reads it.
async fn read(address: SocketAddr) {
    let mut client = Client::connect(address).await;
    let mut body = client.start(request(Method::POST, PATH, ACME, STREAM)).await.unwrap().into_body();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
}

/// The gaps between the events of paced streams, sorted: through the gateway with the stalled callers, and at the same
/// time through one where as many callers read the same, which has the same provider.
struct Gaps {
    beside: Vec<Duration>,
    apart: Vec<Duration>,
}

/// Healthy streams at a time, through each gateway.
const HEALTHY: usize = 16;

/// Reads paced streams to their end, the same way through both gateways. What the machine, the provider and this test add
/// to a gap, they add to both.
async fn gaps(beside: SocketAddr, apart: SocketAddr) -> Gaps {
    let lanes =
        |address: SocketAddr| -> Vec<_> { (0..HEALTHY).map(|_| tokio::spawn(read_paced(address))).collect() };
    let (beside, apart) = (lanes(beside), lanes(apart));
    Gaps { beside: sorted(beside).await, apart: sorted(apart).await }
}

async fn sorted(lanes: Vec<tokio::task::JoinHandle<Vec<Duration>>>) -> Vec<Duration> {
    let mut all = Vec::new();
    for lane in lanes {
        all.extend(lane.await.unwrap());
    }
    all.sort_unstable();
    all
}

async fn read_paced(address: SocketAddr) -> Vec<Duration> {
    let mut client = Client::connect(address).await;
    let answer = client.start(request(Method::POST, PATH, ACME, OTHER_STREAM)).await.unwrap();
    let (mut body, mut gaps, mut bytes) = (answer.into_body(), Vec::new(), Vec::new());
    let mut last = Instant::now();
    while let Some(frame) = body.frame().await {
        // From one event to the next: connecting and asking are no gap.
        if !bytes.is_empty() {
            gaps.push(last.elapsed());
        }
        bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
        last = Instant::now();
    }
    assert!(bytes.ends_with(b"data: [DONE]\n\n"), "a healthy stream was lost");
    gaps
}

/// Waits until every window is full, which is when the gateway has nothing to do any more. A machine that has no time for
/// it looks quiet as well, so that is seen more than once.
async fn until_quiet(process: u32) {
    let mut quiet = 0;
    for _ in 0..1_200 {
        let before = on_processor(process);
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Looking at files and ticking are work too.
        quiet = if on_processor(process) <= before + Duration::from_millis(10) { quiet + 1 } else { 0 };
        if quiet == 3 {
            return;
        }
    }
    unreachable!("the gateway is busy for ten minutes with nothing to do");
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

const STALLED: u64 = 64;
const EXTRA: Duration = Duration::from_millis(10);

/// A delay that stalled callers cause is there in each round; what else the machine does is not.
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_do_not_read_neither_end_nor_delay_who_shares_their_connection() {
    let all = [60, 100, 200, 300];
    let sizes = if is_full() { &all[..] } else { &all[..1] };
    for size in sizes {
        let provider = long_and_paced(event(*size)).await;
        let settings = "workers = 1\n[limits]\nwrite_stall_timeout_ms = 600000\nheader_timeout_ms = 600000";
        let (program, _files, front) = serve(&provider, "h2", settings).await;
        let (control, _controls_files, _controls_front) = serve(&provider, "h2", settings).await;
        let mut rounds = Vec::new();
        while rounds.last().is_none_or(|extra: &Duration| *extra > EXTRA) {
            assert!(rounds.len() < ROUNDS, "{size} bytes: delayed in every round, by {rounds:?}");
            rounds.push(round(*size, &provider, &program, control.address).await);
            assert_eq!(front.accepted(), 1, "healthy and stalled streams do not share a connection");
        }
    }
}

/// Answers one model with more than all buffers take of a caller that does not read, several times as fast as models
/// write; and another with a hundred events, one each 10 ms.
async fn long_and_paced(event: String) -> Provider {
    let pause = Step::Pause(Duration::from_millis(10));
    let paced = std::iter::repeat_n([pause.clone(), Step::chunk(FIRST)], 100);
    let paced: Vec<Step> = paced.flatten().chain([Step::chunk(LAST)]).collect();
    let times = 2 * takes() / (event.len() * EVENTS_AT_ONCE);
    let once = std::iter::once(pause).chain(std::iter::repeat_n(Step::chunk(event), EVENTS_AT_ONCE));
    let long: Vec<Step> = std::iter::repeat_n(once, times).flatten().chain([Step::chunk(LAST)]).collect();
    let builder = Provider::builder("primary").on_call("POST", PATH, move |request| {
        let is_long = request.body.windows(11).any(|part| part == b"gpt-primary");
        Reply::sse(if is_long { long.clone() } else { paced.clone() })
    });
    builder.record(false).start().await
}

/// Of a long answer, each 10 ms.
const EVENTS_AT_ONCE: usize = 4;

/// What a stream takes that nobody reads: its window, and what the gateway holds for the caller.
fn takes() -> usize {
    window() + (64 << 10)
}

/// By how much the gaps of healthy streams are longer beside callers that do not read: while their windows fill, than
/// through another gateway at the same time where those callers read; once windows are full, than through the other one
/// with nobody else, or through the same one before.
async fn round(size: usize, provider: &Provider, program: &Program, control: SocketAddr) -> Duration {
    let aborted = provider.aborted();
    let alone = gaps(program.address, control).await;
    let filling = tokio::spawn({
        let address = program.address;
        async move {
            let (mut stalled, mut reading) = (Vec::new(), Vec::new());
            for _ in 0..STALLED {
                stalled.push(stall(address).await);
                reading.push(tokio::spawn(read(control)));
                // The provider writes down a whole answer at once, which delays all others of its own.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (stalled, reading)
        }
    });
    let mut during = Gaps { beside: Vec::new(), apart: Vec::new() };
    // Each time takes a second.
    for _ in 0..=takes() / (size * EVENTS_AT_ONCE * 100) {
        let more = gaps(program.address, control).await;
        during.beside.extend(more.beside);
        during.apart.extend(more.apart);
    }
    during.beside.sort_unstable();
    during.apart.sort_unstable();
    let (stalled, reading) = filling.await.unwrap();
    for lane in reading {
        lane.await.unwrap();
    }
    until_quiet(program.id()).await;
    let after = gaps(program.address, control).await;
    assert_eq!(provider.open_streams(), STALLED, "a stalled stream has ended: it was not stalled");
    assert_eq!(provider.aborted(), aborted, "a stream was lost");
    drop(stalled);
    provider.wait_aborted(aborted + STALLED).await;
    let mut worst = Duration::ZERO;
    for (when, now) in [("while they fill", during), ("once they are full", after)] {
        for percent in [50, 99] {
            let of = |gaps: &[Duration]| percentile(gaps, percent);
            let expected = of(&alone.beside).max(of(&now.apart));
            worst = worst.max(of(&now.beside).saturating_sub(expected));
            println!(
                "{size} bytes, p{percent} of gaps {when}: {:?} beside {STALLED} stalled, {:?} before; {:?} apart from them, {:?} before",
                of(&now.beside),
                of(&alone.beside),
                of(&now.apart),
                of(&alone.apart),
            );
        }
    }
    worst
}
