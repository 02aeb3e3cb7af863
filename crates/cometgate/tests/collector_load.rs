//! Load on a gateway whose collector is ill, measured: memory is bounded while it hangs, what waits arrives once it is
//! well, without a restart, callers do not wait longer than beside a collector that is well, and the process ends in time.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use support::collected::{Exporting, TRACED, dropped, failures, sent, telemetry};
use support::process::resident;
use support::rate::percentile;
use support::scaled;
use support::{ACME, CHAT, Client};
use testkit::{Collector, Collects};
use tokio::time::Instant;

const CALLERS: usize = 16;

/// What [`Exporting::start`] is given for requests that may wait, of two spans each.
const QUEUE: usize = 4096;

/// With a full queue, beyond what the same load takes beside a collector that is well: docs/traces.md.
const MOST_GROWTH: u64 = 32 << 20;

/// From a full queue on nothing more is kept. What an allocator does meanwhile is far less than what the requests
/// would take.
const STEADY: u64 = 4 << 20;

/// A hang is cut short by `timeout_ms`: 60 s with `COMETGATE_FULL`, its longest value.
#[tokio::test]
async fn while_it_hangs_memory_is_bounded_and_what_waits_arrives_once_it_is_well() {
    let hang_ms = scaled(60_000).min(60_000);
    let collector = Collector::start().await.unwrap();
    let settings = telemetry(&collector, "http", &format!("timeout_ms = {hang_ms}"), TRACED);
    let mut world = Exporting::start(&settings).await;
    let process = world.program.id();
    world.ask_often(CALLERS, 250).await;
    world.until(|series| sent(series) == 8_000.0).await;
    let well = resident(process);

    collector.behave(Collects::Hanging);
    world.ask_often(CALLERS, 350).await;
    assert!(dropped(&world.scrape().await, "queue_full") > 0.0);
    let full = resident(process);
    world.ask_often(CALLERS, 900).await;
    let later = resident(process);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "resident: {:.1} MiB well, {:.1} with a full queue, {:.1} later",
        mib(well),
        mib(full),
        mib(later)
    );
    assert!(full.saturating_sub(well) < MOST_GROWTH, "{well} {full}");
    assert!(later.saturating_sub(full) < STEADY, "{full} {later}");

    world.until(|series| failures(series, "timeout") > 0.0).await;
    collector.behave(Collects::Well);
    // One message hung; it is tried again, or given up if it had its five tries.
    world.until(|series| sent(series) >= 8_000.0 + (2 * QUEUE) as f64).await;
    world.program.terminate();
    assert_eq!(world.program.ended().await, 0);
}

/// A gateway, what ails its collector, and how long its callers waited, by windows.
struct Beside {
    what: &'static str,
    world: Exporting,
    windows: [Vec<Duration>; WINDOWS],
    _collector: Option<Collector>,
}

const WINDOWS: usize = 8;

impl Beside {
    /// `None`: nobody listens there.
    async fn start(what: &'static str, how: Option<Collects>) -> Beside {
        let collector = Collector::start().await.unwrap();
        let world = Exporting::start(&telemetry(&collector, "http", "timeout_ms = 60000", TRACED)).await;
        if let Some(how) = how {
            collector.behave(how);
        }
        Beside { what, world, windows: Default::default(), _collector: how.map(|_| collector) }
    }

    /// A few callers at once, each with some requests.
    async fn batch(&mut self, window: usize) {
        let address = self.world.program.address;
        let callers = (0..4).map(|_| {
            tokio::spawn(async move {
                let (mut client, mut took) = (Client::connect(address).await, Vec::new());
                for _ in 0..25 {
                    let begun = Instant::now();
                    assert_eq!(client.chat(ACME, CHAT).await.status, 200);
                    took.push(begun.elapsed());
                }
                took
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            self.windows[window].extend(caller.await.unwrap());
        }
    }

    fn of(&self, window: usize, per_mille: usize) -> Duration {
        percentile(self.windows[window].iter().copied(), per_mille)
    }

    fn whole(&self, per_mille: usize) -> Duration {
        percentile(self.windows.iter().flatten().copied(), per_mille)
    }
}

/// Gateways take turns by short batches, so that what a busy machine adds it adds to all of them; and what it adds to one
/// alone it does not add in most windows.
#[tokio::test]
async fn callers_wait_no_longer_whatever_ails_it_and_the_process_ends_in_time() {
    let mut all = [
        Beside::start("well", Some(Collects::Well)).await,
        Beside::start("down", None).await,
        Beside::start("refusing", Some(Collects::Refusing(503))).await,
        Beside::start("hanging", Some(Collects::Hanging)).await,
        Beside::start("garbage", Some(Collects::Garbage)).await,
    ];
    for one in &all {
        // The same for all; where it is tried again and again the queue is full then.
        one.world.ask_often(CALLERS, 300).await;
        let is_full = dropped(&one.world.scrape().await, "queue_full") > 0.0;
        assert_eq!(is_full, ["down", "refusing", "hanging"].contains(&one.what), "{}", one.what);
    }
    let rounds = scaled(40);
    for round in 0..WINDOWS * rounds {
        for turn in 0..all.len() {
            all[(round + turn) % 5].batch(round / rounds).await;
        }
    }
    for one in &all {
        println!("{}: p50 {:?}, p99 {:?}", one.what, one.whole(500), one.whole(990));
    }
    let (well, ill) = all.split_first_mut().unwrap();
    for one in ill {
        for per_mille in [500, 990] {
            let bar = |window| well.of(window, per_mille).mul_f64(1.5) + Duration::from_millis(1);
            let within = (0..WINDOWS).filter(|&window| one.of(window, per_mille) <= bar(window)).count();
            assert!(within >= WINDOWS / 2, "{}, {per_mille}: within in {within} of {WINDOWS}", one.what);
        }
        let begun = Instant::now();
        one.world.program.terminate();
        assert_eq!(one.world.program.ended().await, 0, "{}", one.what);
        println!("{}: ended after {:?}", one.what, begun.elapsed());
        assert!(begun.elapsed() <= Duration::from_secs(3), "{}: {:?}", one.what, begun.elapsed());
    }
}
