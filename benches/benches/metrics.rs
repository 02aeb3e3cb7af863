//! What a streamed request of one attempt writes into its series: alone, and while another core writes into the same.
//!
//! What is counted here is what `crates/proxy/src/series` does with the instruments; finding them is two indexes.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use telemetry::{Counter, Counters, Histogram, names};

#[derive(Debug)]
struct Series {
    results: Counters<24>,
    counters: [Counter; 8],
    durations: [Histogram; 3],
    between_tokens: Histogram,
    overhead: Histogram,
}

impl Series {
    fn new() -> Series {
        Series {
            results: Counters::default(),
            counters: std::array::from_fn(|_| Counter::default()),
            durations: std::array::from_fn(|_| Histogram::new(names::DURATIONS)),
            between_tokens: Histogram::new(names::BETWEEN_TOKENS),
            overhead: Histogram::new(names::OVERHEAD),
        }
    }

    fn request(&self, took: Duration) {
        // Begun, under way, decided, ended, its attempts, tokens of two kinds, no more under way.
        self.counters.iter().for_each(Counter::add_one);
        self.results.add_one(0);
        self.durations.iter().for_each(|durations| durations.record(took));
        self.between_tokens.record(took / 100);
        self.overhead.record(took / 1_000);
    }
}

fn metrics(criterion: &mut Criterion) {
    let series = Series::new();
    let request = || series.request(black_box(Duration::from_millis(321)));
    criterion.bench_function("metrics/request", |bencher| bencher.iter(request));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                request();
            }
        });
        criterion.bench_function("metrics/request beside another core", |bencher| bencher.iter(request));
        is_over.store(true, Ordering::Relaxed);
    });
}

criterion_group!(benches, metrics);
criterion_main!(benches);
