//! Holds how often memory is taken for a request on its way through the gateway, and for a stream, however long it is.
//!
//! The whole process is counted, so this is the only test of its file; the peers on both sides take nothing.

use std::alloc::System;

use benches::peers::Listening;
use benches::relaying::Relaying;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of them, HTTP itself has its part on both sides: heads, their texts, buffers for bodies.
const MOST_FOR_A_REQUEST: usize = 28;

/// From its head to its end; an event in between takes nothing.
const MOST_FOR_A_STREAM: usize = 30;

const TIMES: usize = 500;

/// What the one before still does, and tables that grow now and then.
const BESIDES: usize = 10;

#[test]
fn a_relayed_request_and_a_stream_take_memory_no_more_often_than_before() {
    let listening = Listening::start().unwrap();
    let relaying = Relaying::start(listening.address().unwrap()).unwrap();
    let mut peers = listening.meet(relaying.address()).unwrap();
    peers.relay(TIMES).unwrap();
    let requests = taken(|| peers.relay(TIMES).unwrap());
    peers.stream(TIMES).unwrap();
    let stream = taken(|| peers.stream(TIMES).unwrap());
    drop(peers);
    relaying.stop();
    assert!(requests >= TIMES && stream > 0, "the counter counts");
    let most = MOST_FOR_A_REQUEST * TIMES + BESIDES;
    assert!(requests <= most, "{requests} for {TIMES} requests, where {most} are allowed");
    let most = MOST_FOR_A_STREAM + BESIDES;
    assert!(stream <= most, "{stream} for a stream of {TIMES} events, where {most} are allowed");
}

/// How often memory was taken or moved meanwhile.
fn taken(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}
