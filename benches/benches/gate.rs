//! What the gate costs for each attempt; the bar is 100 ns.
//!
//! Criterion prints the time of one attempt: of the canary that succeeds or fails now and then, of its primary, and with many
//! tenants.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use decisions::gate::{Arm, Attempt, Event, Gate, GateRules, GateSettings, Outcome, Usage};

fn attempt(arm: Arm, n: u64) -> Event {
    let outcome = if n % 211 == 0 { Outcome::HardFailure } else { Outcome::Good };
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

criterion_group!(benches, bench_gate);
criterion_main!(benches);
