//! What the gate costs for each attempt; the bar is 100 ns.
//!
//! Criterion prints the time of one attempt: of the canary that succeeds or fails now and then, of its primary, and with many
//! tenants. `route_gate` is the same as a request pays it, with the lock around the engine, the number and a keeper that
//! forgets; `standing` is what each decision reads.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use decisions::RouteId;
use decisions::gate::{Arm, Attempt, Event, Gate, GateRules, GateSettings, Outcome, Usage};
use decisions::plan::{Plan, Watched};
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

criterion_group!(benches, bench_gate, bench_route_gate);
criterion_main!(benches);
