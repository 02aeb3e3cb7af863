//! What remembering where things live costs: one binding until it is on the disk, a look-up among as many as there may
//! be, and reading them all at a start. The disk is the one that holds the target directory.

use std::hint::black_box;
use std::path::Path;
use std::sync::mpsc::channel;

use affinity::{Made, Store};
use criterion::{Criterion, criterion_group, criterion_main};

/// In seconds since 1970; nothing here expires.
const NOW: u32 = 1_000_000;

/// As many as a store holds.
const BINDINGS: u32 = 900_000;

/// So many at once do not fill the queue of the thread that writes.
const AT_ONCE: usize = 4_000;

/// Until all that was learned is synced.
#[expect(clippy::expect_used, reason = "a bench of a disk that fails measures nothing")]
fn learn(store: &Store, id: &str) {
    let (sender, synced) = channel();
    let acknowledge = Box::new(move |is_durable| assert!(sender.send(is_durable).is_ok(), "somebody waits"));
    store.learn(&Made { tenant: "acme", provider: "openai", ids: &[(id, 0)] }, NOW, acknowledge);
    assert!(synced.recv().expect("it is acknowledged"), "the disk takes it");
}

fn fill(store: &Store) {
    let ids: Vec<String> = (0..BINDINGS).map(|id| format!("resp_{id}")).collect();
    for some in ids.chunks(AT_ONCE) {
        for id in some {
            let made = Made { tenant: "acme", provider: "openai", ids: &[(id, 0)] };
            store.learn(&made, NOW, Box::new(|_| {}));
        }
        learn(store, "synced");
    }
}

#[expect(clippy::expect_used, reason = "a bench without its directory must fail, not pass in no time")]
fn bench_affinity(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is ours");
    let open = |path: &Path| Store::open(path, NOW).expect("the directory is ours");
    let mut group = criterion.benchmark_group("affinity");
    let store = open(directory.path());
    let mut next = 0_u32;
    group.bench_function("one until it is synced", |bencher| {
        bencher.iter(|| {
            next += 1;
            learn(&store, &format!("alone_{next}"));
        });
    });
    fill(&store);
    let mut turns = (0..BINDINGS).cycle();
    group.bench_function("a look-up among 900,000", |bencher| {
        bencher.iter(|| {
            let id = format!("resp_{}", turns.next().unwrap_or_default());
            black_box(store.find("acme", &id, NOW))
        });
    });
    drop(store);
    group.sample_size(10);
    group.bench_function("reading 900,000 at a start", |bencher| {
        bencher.iter_with_large_drop(|| open(directory.path()));
    });
    group.finish();
}

criterion_group!(benches, bench_affinity);
criterion_main!(benches);
