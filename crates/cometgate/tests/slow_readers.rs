//! Callers that read slowly or not at all, while providers send as fast as they can: what the gateway holds for them is
//! bounded, does not grow, and others are served.
//!
//! 1,000 callers with `COMETGATE_FULL`, 200 otherwise. Half of them never read a byte of their answers, half read a
//! little now and then.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use support::h2::{
    CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, Peer, RST_STREAM, block, frame, settings,
    window_update,
};
use support::process::resident;
use support::wire::{WireProvider, ok};
use support::{ACME, Client, FIRST, Files, LAST, Map, Program, tenants};
use testkit::{Gate, Provider, Reply, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

const STREAM: &str = r#"{"model":"summary","stream":true}"#;
const PATH: &str = "/v1/chat/completions";
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What each caller may cost, and what the program may take besides.
const EACH: u64 = 256 * KIB;
const BESIDES: u64 = 64 * MIB;

/// Memory is flat when so many windows in a row add no more than allocators do by chance, and that within so many.
const WINDOW: Duration = Duration::from_secs(2);
const QUIET: usize = 3;
const WINDOWS: usize = 20;
const NOISE: u64 = 2 * MIB;

fn callers() -> usize {
    if std::env::var_os("COMETGATE_FULL").is_some() { 1_000 } else { 200 }
}

/// A provider whose answers never end.
struct Hose {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    sent: Arc<AtomicU64>,
}

impl Hose {
    fn start() -> Hose {
        let socket = TcpSocket::new_v4().unwrap();
        // Else the system alone holds four megabytes for each answer.
        socket.set_send_buffer_size(64 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1_024).unwrap();
        let hose =
            Hose { address: listener.local_addr().unwrap(), open: Arc::default(), sent: Arc::default() };
        let (open, sent) = (Arc::clone(&hose.open), Arc::clone(&hose.sent));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pour(stream, Arc::clone(&open), Arc::clone(&sent)));
            }
        });
        hose
    }

    /// Waits until so many answers have begun.
    async fn begun(&self, count: usize) {
        let began = Instant::now();
        while self.open.load(Ordering::Relaxed) < count {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{} of {count} have begun",
                self.open.load(Ordering::Relaxed)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn pour(mut stream: TcpStream, open: Arc<AtomicUsize>, sent: Arc<AtomicU64>) {
    let (mut asked, mut buffer) = (Vec::new(), vec![0; 4 << 10]);
    while !asked.ends_with(b"}") {
        match stream.read(&mut buffer).await {
            Ok(length @ 1..) => asked.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    open.fetch_add(1, Ordering::Relaxed);
    let events = FIRST.repeat((16 << 10) / FIRST.len());
    let chunk = format!("{:x}\r\n{events}\r\n", events.len());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut written = stream.write_all(head.as_bytes()).await;
    while written.is_ok() {
        written = stream.write_all(chunk.as_bytes()).await;
        sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
    open.fetch_sub(1, Ordering::Relaxed);
}

/// A connection whose system takes little in advance.
async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

/// One HTTP/1.1 caller for each connection.
async fn ask_in_http1(address: SocketAddr, callers: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..callers {
        let mut stream = connect(address).await;
        let length = STREAM.len();
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ACME}\r\ncontent-length: {length}\r\n\r\n{STREAM}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    streams
}

/// Streams that share a connection.
const SHARING: usize = 50;

/// The head of a request, in frames' own compression.
fn post() -> Vec<u8> {
    block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", PATH),
        (":authority", "x"),
        ("authorization", &format!("Bearer {ACME}")),
    ])
}

/// Callers over HTTP/2 that open their windows as far as they go, so that only what they read slows the gateway down; or
/// that leave windows as they are, and never say that they have read.
async fn ask_in_http2(address: SocketAddr, callers: usize, opens_windows: bool) -> Vec<TcpStream> {
    let most = (1 << 31) - 1;
    let head = post();
    let mut streams = Vec::new();
    for _ in 0..callers.div_ceil(SHARING) {
        let mut stream = connect(address).await;
        let mut bytes = PREFACE.to_vec();
        if opens_windows {
            bytes.extend([settings(&[(4, most)]), window_update(0, most - 65_535)].concat());
        } else {
            bytes.extend(settings(&[]));
        }
        for at in 0..SHARING {
            let id = u32::try_from(at * 2 + 1).unwrap();
            bytes.extend(frame(HEADERS, END_HEADERS, id, &head));
            bytes.extend(frame(0, END_STREAM, id, STREAM.as_bytes()));
        }
        stream.write_all(&bytes).await.unwrap();
        streams.push(stream);
    }
    streams
}

/// Reads a little for each of so many callers, now and then; every other connection is not read at all.
fn read_slowly(streams: Vec<TcpStream>, callers_each: usize) -> Arc<AtomicU64> {
    let read = Arc::new(AtomicU64::new(0));
    for (at, mut stream) in streams.into_iter().enumerate() {
        let read = Arc::clone(&read);
        tokio::spawn(async move {
            if at % 2 == 0 {
                // Kept open.
                std::future::pending::<()>().await;
            }
            let mut buffer = vec![0; callers_each * 2_048];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                read.fetch_add(length as u64, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    read
}

/// A gateway between the callers and the hose; `other` goes to a provider that ends its answers.
async fn world() -> (Hose, WireProvider, Program, Files) {
    let hose = Hose::start();
    let other = WireProvider::start().await;
    other.answers(ok("{}"));
    let (url, home) = (format!("http://{}/v1", hose.address), other.url());
    let map = Map::new(&home, &url, "100%").text();
    // Nobody is to be given up while memory is measured.
    let settings = "[limits]\nwrite_stall_timeout_ms = 600000\nheader_timeout_ms = 600000\n";
    let files = Files::new(settings, &map, &tenants());
    let program = Program::serve(&files).await;
    (hose, other, program, files)
}

/// Looks at memory window by window until it has stopped growing: buffers reach their size one after the other, as
/// callers come to fill them. It must never be too much.
async fn measure(name: &str, program: &Program, hose: &Hose) {
    let callers = callers();
    let bound = callers as u64 * EACH + BESIDES;
    let mut windows = Vec::new();
    let mut quiet = 0;
    while quiet < QUIET {
        let before = windows.last().copied().unwrap_or(0);
        let began = Instant::now();
        let mut most = 0;
        while began.elapsed() < WINDOW {
            most = most.max(resident(program.id()));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(most <= bound, "{name}: {} KiB of {} KiB: {windows:?}", most >> 10, bound >> 10);
        quiet = if most <= before + NOISE { quiet + 1 } else { 0 };
        windows.push(most);
        assert!(windows.len() < WINDOWS, "{name}: it grows and grows: {windows:?}");
    }
    let (most, sent) = (windows[windows.len() - 1], hose.sent.load(Ordering::Relaxed));
    let kib: Vec<u64> = windows.iter().map(|bytes| bytes >> 10).collect();
    println!(
        "{name}: {callers} callers, {} KiB resident, that is {} KiB for each; {} MiB came; {kib:?}",
        most >> 10,
        most / callers as u64 / KIB,
        sent >> 20,
    );
    // Memory was not measured of callers that are gone, or had nothing to read.
    assert_eq!(hose.open.load(Ordering::Relaxed), callers, "{name}: answers have ended");
    assert!(sent >= callers as u64 * 16 * KIB, "{name}: {sent} bytes came");
    let answer = Client::connect(program.address).await.chat(ACME, r#"{"model":"other"}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{}"[..]), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_of_http1_cost_a_bounded_amount_of_memory_each() {
    let (hose, _other, program, _files) = world().await;
    let read = read_slowly(ask_in_http1(program.address, callers()).await, 1);
    hose.begun(callers()).await;
    measure("HTTP/1.1", &program, &hose).await;
    assert!(read.load(Ordering::Relaxed) >= callers() as u64 * KIB, "nobody has read");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_of_http2_cost_a_bounded_amount_of_memory_each() {
    let (hose, _other, program, _files) = world().await;
    let read = read_slowly(ask_in_http2(program.address, callers(), true).await, SHARING);
    hose.begun(callers()).await;
    measure("HTTP/2, windows open", &program, &hose).await;
    assert!(read.load(Ordering::Relaxed) >= callers() as u64 * KIB, "nobody has read");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_http2_that_never_open_a_window_cost_a_bounded_amount_of_memory_each() {
    let (hose, _other, program, _files) = world().await;
    let _read = read_slowly(ask_in_http2(program.address, callers(), false).await, SHARING);
    hose.begun(callers()).await;
    measure("HTTP/2, windows shut", &program, &hose).await;
}

/// Only the stream whose window stays shut ends, and its provider is let go; the one beside it gets its events before and
/// after.
#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_reset_and_the_one_beside_it_is_not() {
    let gate = Gate::new();
    let provider = Provider::builder("primary").start().await;
    let long = Reply::sse(vec![Step::chunk(FIRST.repeat(64 << 10)), Step::Hang]);
    let waiting = Reply::sse(vec![Step::chunk(FIRST), Step::Wait(gate.clone()), Step::chunk(LAST)]);
    provider.once("POST", PATH, long);
    provider.on("POST", PATH, waiting);
    let map = Map::new(&provider.base_url(), "http://127.0.0.1:9/v1", "0%").text();
    let files = Files::new("[limits]\nwrite_stall_timeout_ms = 500\n", &map, &tenants());
    let program = Program::serve(&files).await;
    let mut peer = Peer::silent(program.address).await;
    let head = post();
    let ask = |stream: u32| {
        let asked = frame(HEADERS, END_HEADERS, stream, &head);
        [asked, frame(DATA, END_STREAM, stream, STREAM.as_bytes())].concat()
    };
    let shut = settings(&[(4, 0)]);
    assert!(peer.send(&[PREFACE, &shut, &ask(1)].concat()).await);
    provider.wait_requests(1).await;
    assert!(peer.send(&[ask(3), window_update(3, 1 << 20)].concat()).await);
    let until_reset = peer.until(|frame| frame.kind == RST_STREAM).await;
    let reset = until_reset.last().unwrap();
    assert_eq!((reset.stream, reset.number()), (1, CANCEL));
    assert!(until_reset.iter().all(|frame| frame.stream != 1 || frame.kind != DATA), "its window is shut");
    assert!(until_reset.iter().any(|frame| frame.stream == 3 && frame.kind == DATA), "its window is open");
    provider.wait_aborted(1).await;
    gate.open();
    let rest = peer.until(|frame| frame.stream == 3 && frame.is(DATA, END_STREAM)).await;
    assert!(rest.iter().any(|frame| frame.payload.ends_with(b"[DONE]\n\n")));
    assert_eq!(provider.aborted(), 1);
}
