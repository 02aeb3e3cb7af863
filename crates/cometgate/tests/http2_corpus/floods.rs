//! Floods: ten thousand frames, each of which is allowed by itself. The gateway ends the connection or takes them in its
//! stride; either way it costs little, and a caller on another connection is served all the while.
//!
//! The advisories behind them: rapid reset (CVE-2023-44487), MadeYouReset (CVE-2025-8671), CONTINUATION (CVE-2024-27316),
//! empty DATA (RUSTSEC-2026-0258), and those of 2019 on PING, PRIORITY and empty frames.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::h2::{
    ACK, CANCEL, CONTINUATION, DATA, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
    PROTOCOL_ERROR, Peer, frame, opening, ping, reset, settings, window_update,
};
use crate::support::process::{on_processor, resident};
use crate::{BODY, World, bare, block, chat, fields, get, head, world};

/// Frames of a flood.
const COUNT: u32 = 10_000;
/// How much the gateway may grow by a flood, and how long it may be busy with it.
const MOST_MEMORY: u64 = 16 << 20;
const MOST_BUSY: Duration = Duration::from_secs(5);
/// Within which somebody else is served meanwhile.
const MOST_DELAY: Duration = Duration::from_secs(2);

/// What becomes of a connection that floods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It is told this code and closed.
    Told(u32),
    /// Everything is taken, and the connection still works.
    Taken,
    /// One or the other, by how much of it arrives at once.
    TakenOrTold(u32),
}
use Ending::{Taken, TakenOrTold, Told};

impl Ending {
    fn allows(self, seen: Ending) -> bool {
        match self {
            TakenOrTold(code) => seen == Taken || seen == Told(code),
            Told(_) | Taken => seen == self,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_frames_costs_little_and_delays_nobody() {
    let mut wrong = Vec::new();
    for (name, bytes, ending) in [of_streams(), of_bodies_and_heads(), of_the_connection()].concat() {
        let world = world("").await;
        let seen = flood(&world, bytes).await;
        eprintln!("{name}: {seen:?}");
        let is_cheap = seen.grown <= MOST_MEMORY && seen.busy <= MOST_BUSY && seen.slowest <= MOST_DELAY;
        if !seen.ending.is_some_and(|seen| ending.allows(seen)) || !is_cheap || seen.served == 0 {
            wrong.push(format!("{name}: {ending:?}, but {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Flood = (&'static str, Vec<u8>, Ending);

/// Something for each of ten thousand streams.
fn each(make: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..COUNT).flat_map(|at| make(at * 2 + 1)).collect()
}

/// After a beginning, the same ten thousand times.
fn repeated(start: &[u8], one: &[u8]) -> Vec<u8> {
    [start, &one.repeat(COUNT as usize)].concat()
}

fn of_streams() -> Vec<Flood> {
    let start = fields(&[]);
    let no_key = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/v1/files")]);
    let calm = Told(ENHANCE_YOUR_CALM);
    let refused = fields(&[("connection", "close")]);
    let overflow = |id| [head(id, &start), window_update(id, (1 << 31) - 1)].concat();
    let late = |id| [bare(id, &get()), frame(DATA, 0, id, b"x")].concat();
    vec![
        ("rapid reset of heads", each(|id| [head(id, &start), reset(id, CANCEL)].concat()), calm),
        ("rapid reset of whole requests", each(|id| [chat(id), reset(id, CANCEL)].concat()), calm),
        ("rapid reset without a key", each(|id| [bare(id, &no_key), reset(id, CANCEL)].concat()), calm),
        ("resets that the gateway is made to send, by a window", each(overflow), calm),
        ("resets that the gateway is made to send, by a malformed head", each(|id| bare(id, &refused)), calm),
        ("resets that the gateway is made to send, by DATA after the end", each(late), Told(PROTOCOL_ERROR)),
        ("streams beyond those allowed", each(|id| head(id, &start)), calm),
        ("requests of three bytes", each(|id| bare(id, &[0x82, 0x86, 0x84])), TakenOrTold(ENHANCE_YOUR_CALM)),
    ]
}

fn of_bodies_and_heads() -> Vec<Flood> {
    let start = fields(&[]);
    let calm = Told(ENHANCE_YOUR_CALM);
    let open = frame(HEADERS, 0, 1, &start);
    let more = frame(CONTINUATION, 0, 1, &block(&[("x-a", "b")]));
    let padding = frame(DATA, PADDED, 1, &[3, 0, 0, 0]);
    let single = repeated(&head(1, &start), &frame(DATA, 0, 1, b" "));
    vec![
        ("CONTINUATION", repeated(&open, &more), calm),
        ("empty CONTINUATION", repeated(&open, &frame(CONTINUATION, 0, 1, b"")), calm),
        ("empty DATA", repeated(&head(1, &start), &frame(DATA, 0, 1, b"")), calm),
        ("DATA of padding", repeated(&head(1, &start), &padding), calm),
        ("DATA of single bytes", single, TakenOrTold(ENHANCE_YOUR_CALM)),
    ]
}

fn of_the_connection() -> Vec<Flood> {
    vec![
        ("PING", repeated(b"", &ping([7; 8])), Taken),
        ("answers to no PING", repeated(b"", &frame(PING, ACK, 0, &[7; 8])), Taken),
        ("SETTINGS", repeated(b"", &settings(&[(4, 70_000)])), Taken),
        ("empty SETTINGS", repeated(b"", &settings(&[])), Taken),
        ("PRIORITY", each(|id| frame(PRIORITY, 0, id, &[0, 0, 0, 0, 1])), Taken),
        ("WINDOW_UPDATE", repeated(b"", &window_update(0, 1)), Taken),
        ("frames that nobody knows", repeated(b"", &frame(0x42, 0xff, 1, &[1; 64])), Taken),
    ]
}

/// What was seen of a flood.
#[derive(Debug)]
struct Seen {
    ending: Option<Ending>,
    /// Bytes of resident memory.
    grown: u64,
    /// Time on a processor.
    busy: Duration,
    /// Requests of somebody else meanwhile, and the slowest.
    served: usize,
    slowest: Duration,
}

async fn flood(world: &World, bytes: Vec<u8>) -> Seen {
    let address = world.program.address;
    let mut other = Peer::open(address).await;
    for _ in 0..20 {
        assert_eq!(other.ask(&fields(&[]), BODY).await.0, 200);
    }
    let (memory, busy) = (resident(world.program.id()), on_processor(world.program.id()));
    let (reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
    let flooding = tokio::spawn(async move {
        writing.write_all(&opening()).await.unwrap();
        for part in bytes.chunks(64 << 10) {
            if writing.write_all(part).await.is_err() {
                return;
            }
        }
        writing.write_all(&ping(*b"the end.")).await.ok();
        // Kept open until the other side has said what it has to say.
        std::future::pending::<()>().await;
    });
    let listening = tokio::spawn(async move {
        let mut peer = Peer::over(tokio::io::join(reading, tokio::io::sink()));
        let mut ending = None;
        let heard = tokio::time::timeout(Duration::from_secs(30), async {
            while let Some(frame) = peer.next().await {
                match frame.kind {
                    GOAWAY => ending = Some(Told(frame.number())),
                    PING if frame.payload == b"the end." => {
                        ending = ending.or(Some(Taken));
                        return;
                    }
                    _ => {}
                }
            }
        });
        heard.await.ok().and(ending)
    });
    let (mut served, mut slowest) = (0, Duration::ZERO);
    while !listening.is_finished() || served == 0 {
        let began = Instant::now();
        assert_eq!(other.ask(&fields(&[]), BODY).await.0, 200);
        served += 1;
        slowest = slowest.max(began.elapsed());
    }
    let ending = listening.await.unwrap();
    flooding.abort();
    let grown = resident(world.program.id()).saturating_sub(memory);
    Seen { ending, grown, busy: on_processor(world.program.id()).saturating_sub(busy), served, slowest }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_and_never_reads_the_answers_is_not_listened_to_any_more() {
    let world = world("[limits]\nwrite_stall_timeout_ms = 1500\n").await;
    let mut other = Peer::open(world.program.address).await;
    assert_eq!(other.ask(&fields(&[]), BODY).await.0, 200);
    for (name, one) in [("PING", ping([7; 8])), ("SETTINGS", settings(&[])), ("refused requests", Vec::new())]
    {
        let memory = resident(world.program.id());
        let mut stream = TcpStream::connect(world.program.address).await.unwrap();
        stream.write_all(&opening()).await.unwrap();
        let piece = |from: u32| -> Vec<u8> {
            if one.is_empty() {
                (from..from + 100).flat_map(|at| bare(at * 2 + 1, &get_unknown())).collect()
            } else {
                one.repeat(1_000)
            }
        };
        let began = Instant::now();
        let mut number = 0;
        let flooding = async {
            // Up to a million frames; the gateway's buffers and the system's hold a part of the answers.
            while number < 100_000 && stream.write_all(&piece(number)).await.is_ok() {
                number += 100;
            }
        };
        // It either fails, once the gateway gives up on a caller that does not read, or everything was taken.
        tokio::time::timeout(Duration::from_secs(20), flooding).await.expect("the connection hangs");
        assert_eq!(other.ask(&fields(&[]), BODY).await.0, 200, "{name}");
        let grown = resident(world.program.id()).saturating_sub(memory);
        eprintln!("{name}, never read: {number} × 10 frames in {:?}, {} KiB", began.elapsed(), grown >> 10);
        assert!(grown <= MOST_MEMORY, "{name}: {} KiB", grown >> 10);
    }
}

/// A request for nothing that exists.
fn get_unknown() -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":path", "/nothing"), (":authority", "x")])
}
