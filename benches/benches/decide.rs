//! What one decision costs (match, bucket, order) at 10,000 routes and 1,000 tenants.
//!
//! Criterion prints the time of one decision for each kind of request; the bar is 1 µs for every one of them.

use std::hint::black_box;

use benches::{Kind, large_plan, requests};
use criterion::{Criterion, criterion_group, criterion_main};
use decisions::{Facts, decide, no_gates};

#[expect(clippy::expect_used, reason = "a bench without its plan must fail, not pass in no time")]
fn bench_decide(criterion: &mut Criterion) {
    let plan = large_plan().expect("the plan is valid");
    let mut group = criterion.benchmark_group("decide");
    for kind in Kind::ALL {
        let requests = requests(kind);
        let facts: Vec<Facts<'_>> = requests.iter().map(benches::Request::facts).collect();
        let mut turns = facts.iter().cycle();
        group.bench_function(kind.as_str(), |bencher| {
            bencher.iter(|| turns.next().map(|facts| decide(black_box(&plan), black_box(facts), no_gates)));
        });
    }
    group.finish();
}

criterion_group!(benches, bench_decide);
criterion_main!(benches);
