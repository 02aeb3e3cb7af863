//! What the gate costs for each attempt; the bar is 100 ns.
//!
//! Criterion prints the time of one attempt: of the canary that succeeds or fails now and then, of its primary, and with many
//! tenants. `route_gate` is the same as a request pays it, with the lock around the engine, the number and a keeper that
//! forgets; `standing` is what each decision reads. `log` is what it costs beside that to put an attempt down for a replay,
//! while the thread that writes keeps up.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use decisions::RouteId;
use decisions::gate::{Arm, Attempt, Event, Gate, GateRules, GateSettings, Outcome, Usage};
use decisions::judged::{Judged, TOLD_WORDS, Told};
use decisions::plan::{Plan, Watched};
use evidence::gate_log::{GateLog, Settings};
use proxy::{KeyRing, NoKeeper, Snapshot, SnapshotHandle};

fn attempt(arm: Arm, n: u64) -> Event {
    let outcome = if n.is_multiple_of(211) { Outcome::HardFailure } else { Outcome::Good };
    Event::Attempt(Attempt {
        arm,
        outcome,
        tenant: n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60,
        share_ppm: 50_000,
        first_token_us: Some(200_000 + u32::try_from(n % 1_000).unwrap_or(0)),
        usage: Usage::Reported(1),
    })
}

#[expect(clippy::expect_used, reason = "a bench without its rules must fail, not pass in no time")]
fn bench_gate(criterion: &mut Criterion) {
    let rules = GateRules::new(GateSettings::default()).expect("the default settings are valid");
    let mut group = criterion.benchmark_group("gate");
    for (name, arm) in [("canary", Arm::Canary), ("primary", Arm::Primary)] {
        let mut gate = Gate::new();
        let mut n = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                n += 1;
                gate.step(black_box(&rules), n, black_box(&attempt(arm, n)))
            });
        });
    }
    group.bench_function("to_numbers", |bencher| {
        let gate = Gate::new();
        bencher.iter(|| black_box(&gate).to_numbers());
    });
    group.finish();
}

/// The large map, its first canary gated.
fn gated() -> Option<(SnapshotHandle, RouteId)> {
    let mut parts = benches::large_plan().ok()?.parts().clone();
    let at = parts.routes.iter().position(|route| route.canary.is_some())?;
    parts.routes[at].gates.canary = GateRules::new(GateSettings::default()).ok();
    let snapshot = Snapshot::new(Plan::new(parts).ok()?, Vec::new(), KeyRing::new([]));
    Some((SnapshotHandle::new(snapshot, Arc::new(NoKeeper)), RouteId(u32::try_from(at).ok()?)))
}

#[expect(clippy::expect_used, reason = "a bench without its gate must fail, not pass in no time")]
fn bench_route_gate(criterion: &mut Criterion) {
    let (handle, route) = gated().expect("the large map has a canary");
    let snapshot = handle.current();
    let gate = snapshot.gates().of(route, Watched::Canary).expect("it has a gate");
    let mut group = criterion.benchmark_group("route_gate");
    for (name, arm) in [("canary", Arm::Canary), ("primary", Arm::Primary)] {
        let mut n = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                n += 1;
                gate.tell(n, black_box(&attempt(arm, n)))
            });
        });
    }
    group.bench_function("standing", |bencher| {
        bencher.iter(|| snapshot.gates().standing(black_box(route)));
    });
    group.finish();
}

/// Attempts that are put down between two waits for the thread that writes.
const AT_ONCE: u64 = 10_000;

#[expect(clippy::expect_used, reason = "a bench without its log must fail, not pass in no time")]
#[expect(clippy::disallowed_types, reason = "criterion counts in this clock")]
fn bench_log(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("there is a disk");
    let settings = Settings { keep_bytes: 16 << 20, ..Settings::default() };
    let log = GateLog::<TOLD_WORDS>::open(directory.path(), settings).expect("there are threads");
    let gate = log.gate("gate").expect("it is a name");
    let state = || {
        let mut numbers = Vec::new();
        Judged::default().put_numbers(&mut numbers);
        numbers
    };
    criterion.bench_function("log/attempt", |bencher| {
        bencher.iter_custom(|count| {
            let (mut took, mut n) = (Duration::ZERO, 0);
            while n < count {
                let until = count.min(n + AT_ONCE);
                let started = std::time::Instant::now();
                for n in n..until {
                    let told = Told::Event { event: attempt(Arm::Canary, n), features: 3 };
                    assert!(gate.tell(0, black_box(&told).to_words(), None, state).is_some());
                }
                took += started.elapsed();
                n = until;
                log.sync().expect("the disk takes it");
            }
            took
        });
    });
}

criterion_group!(benches, bench_gate, bench_route_gate, bench_log);
criterion_main!(benches);
