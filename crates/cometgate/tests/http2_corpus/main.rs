//! HTTP/2 as frames: each case is what somebody might send after the preface, the clause that says what is to become of
//! it, and what the gateway does. Whatever reaches the provider is read again, strictly, and must be one request for each
//! that was whole; and somebody else on another connection is served after every case.
//!
//! RFC 9113 is called H, RFC 7541 (HPACK) is called C, RFC 9110 is called S. An error of a stream may always be answered
//! as one of the connection (H 5.4.2), or with a 400 (H 8.1.1): the corpus says which it is, so that a change is seen.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

#[path = "../support/mod.rs"]
mod support;

mod compression;
mod connections;
mod fields;
mod floods;
mod flow;
mod frames;
mod messages;
mod sending;
mod streams;

use std::time::Duration;

use support::h2::{
    DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, Peer, RST_STREAM, block, frame, opening,
    ping,
};
use support::lanes::in_lanes;
use support::outbound::check_outbound;
use support::wire::{WireProvider, ok};
use support::{ACME, Files, Map, Program, tenants};

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    /// The connection ends, and is told this error code first.
    Ends(u32),
    /// The connection ends, whatever it is told.
    Closes,
    /// This stream is reset with this code; the connection goes on.
    Resets(u32, u32),
    /// Streams are answered with this status; the connection goes on.
    Answers(u16),
    /// So many requests reach the provider and are answered with 200; the connection goes on.
    Serves(usize),
}
use Becomes::{Answers, Closes, Ends, Resets, Serves};

struct Case {
    clause: &'static str,
    name: String,
    bytes: Vec<u8>,
    becomes: Becomes,
    /// Where the HTTP library does another thing than the clause asks: what it does, and why that is bearable.
    deviates: Option<(Becomes, &'static str)>,
    /// Requests that are whole before the mistake comes: each may reach the provider, whatever happens then.
    whole: usize,
}

/// The cases of one theme.
#[derive(Default)]
struct Corpus(Vec<Case>);

impl Corpus {
    /// A case that sends these frames after the beginning that every connection has.
    fn add(
        &mut self,
        clause: &'static str,
        name: impl Into<String>,
        frames: &[Vec<u8>],
        becomes: Becomes,
    ) -> &mut Case {
        self.raw(clause, name, [opening(), frames.concat()].concat(), becomes)
    }

    /// A case that sends exactly these bytes.
    fn raw(
        &mut self,
        clause: &'static str,
        name: impl Into<String>,
        bytes: Vec<u8>,
        becomes: Becomes,
    ) -> &mut Case {
        let whole = if let Serves(count) = becomes { count } else { 0 };
        self.0.push(Case { clause, name: name.into(), bytes, becomes, deviates: None, whole });
        self.0.last_mut().unwrap()
    }
}

impl Case {
    fn after_whole_requests(&mut self, count: usize) -> &mut Case {
        self.whole = count;
        self
    }

    fn but(&mut self, becomes: Becomes, why: &'static str) {
        self.deviates = Some((becomes, why));
    }
}

const BODY: &[u8] = br#"{"model":"summary"}"#;

/// The fields of a chat, before those of a case.
fn fields(more: &[(&str, &str)]) -> Vec<u8> {
    let bearer = format!("Bearer {ACME}");
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/v1/chat/completions"),
        (":authority", "x"),
        ("authorization", &bearer),
        ("content-type", "application/json"),
    ];
    [block(&usual), block(more)].concat()
}

/// The fields of a request without a body, with other pseudo-fields.
fn pseudo(pseudo: &[(&str, &str)]) -> Vec<u8> {
    [block(pseudo), block(&[("authorization", format!("Bearer {ACME}").as_str())])].concat()
}

fn get() -> Vec<u8> {
    pseudo(&[(":method", "GET"), (":scheme", "http"), (":path", "/v1/files"), (":authority", "x")])
}

/// A head without a body.
fn bare(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

/// A head that is followed by a body.
fn head(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block)
}

fn body(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, BODY)
}

/// A whole chat.
fn chat(stream: u32) -> Vec<u8> {
    [head(stream, &fields(&[])), body(stream)].concat()
}

/// A gateway with its provider; one worker, so that what one connection has sent on is not overtaken by another's.
struct World {
    provider: WireProvider,
    program: Program,
    _files: Files,
}

async fn world(settings: &str) -> World {
    let provider = WireProvider::start().await;
    let map =
        Map { top: "shared_state = true", ..Map::new(&provider.url(), "http://127.0.0.1:9/v1", "0%") }.text();
    let files = Files::new(&format!("workers = 1\n{settings}"), &map, &tenants());
    let program = Program::serve(&files).await;
    World { provider, program, _files: files }
}

#[tokio::test]
async fn every_case_becomes_what_its_clause_says_and_nobody_else_notices() {
    let mut all = Corpus::default();
    for theme in [
        connections::cases,
        frames::cases,
        streams::cases,
        flow::cases,
        messages::cases,
        fields::cases,
        compression::cases,
    ] {
        theme(&mut all);
    }
    assert!(all.0.len() >= 200, "only {} cases", all.0.len());
    in_lanes(all.0, run).await;
}

/// The cases that did not become what they should.
async fn run(cases: Vec<Case>) -> Vec<String> {
    let world = world("").await;
    world.provider.answers(ok("{}"));
    let mut other = Peer::open(world.program.address).await;
    let mut wrong = Vec::new();
    for case in &cases {
        let (seen, frames) = observe(&world, case).await;
        let (status, _) = other.ask(&fields(&[("x-client-request-id", "other")]), BODY).await;
        let (others, arrived): (Vec<_>, Vec<_>) = world
            .provider
            .arrived()
            .into_iter()
            .partition(|text| text.contains("x-client-request-id: other"));
        arrived.iter().for_each(|request| check_outbound(request, &case.name));
        let expected = case.deviates.map_or(case.becomes, |(becomes, _)| becomes);
        let is_whole = match expected {
            Serves(count) => arrived.len() == count,
            _ => arrived.len() <= case.whole,
        };
        if seen != Some(expected) || !is_whole || (status, others.len()) != (200, 1) {
            wrong.push(format!(
                "{} ({}): {expected:?}, but {seen:?}, {} arrived, another got {status}: {frames:?}",
                case.name,
                case.clause,
                arrived.len(),
            ));
        }
        if let Some((_, why)) = case.deviates {
            assert!(why.len() > 20, "{}: a deviation that nobody explains", case.name);
        }
    }
    wrong
}

/// Comes back once everything before it has been read.
const MARK: [u8; 8] = *b"the mark";

/// How long the gateway has for what it owes.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a case.
async fn observe(world: &World, case: &Case) -> (Option<Becomes>, Vec<Frame>) {
    let mut peer = Peer::silent(world.program.address).await;
    peer.send(&[&case.bytes[..], &ping(MARK)].concat()).await;
    let wanted = case.deviates.map_or(case.becomes, |(becomes, _)| becomes);
    let (mut frames, mut has_ended, mut is_marked) = (Vec::new(), false, false);
    let listening = async {
        loop {
            match peer.next().await {
                None => {
                    has_ended = true;
                    return;
                }
                Some(frame) => {
                    is_marked |= frame.kind == PING && frame.payload == MARK;
                    frames.push(frame);
                }
            }
            let is_met = match wanted {
                Ends(_) | Closes => false,
                Resets(..) => frames.iter().any(|frame| frame.kind == RST_STREAM),
                Answers(_) => ended(&frames) > 0,
                Serves(count) => ended(&frames) >= count,
            };
            if is_marked && is_met {
                return;
            }
        }
    };
    // What does not come is a finding, and told as one.
    tokio::time::timeout(PATIENCE, listening).await.ok();
    let is_alive = !has_ended && peer.is_alive().await;
    let told = frames.iter().find(|frame| frame.kind == GOAWAY);
    let became = match told {
        Some(goaway) if !is_alive => Some(if wanted == Closes { Closes } else { Ends(goaway.number()) }),
        None if has_ended => Some(Closes),
        None if is_alive => answered(&frames),
        _ => None,
    };
    (became, frames)
}

/// Streams that the gateway has ended.
fn ended(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.kind <= HEADERS && frame.flags & END_STREAM != 0).count()
}

/// What became of the streams of a connection that goes on.
fn answered(frames: &[Frame]) -> Option<Becomes> {
    if let Some(reset) = frames.iter().find(|frame| frame.kind == RST_STREAM) {
        return Some(Resets(reset.stream, reset.number()));
    }
    let statuses: Vec<u16> =
        frames.iter().filter(|frame| frame.kind == HEADERS).filter_map(Frame::status).collect();
    match statuses.iter().find(|status| **status != 200) {
        Some(status) => Some(Answers(*status)),
        None => Some(Serves(ended(frames))),
    }
}
