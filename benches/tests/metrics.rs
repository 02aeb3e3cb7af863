//! What is counted of a request takes no memory.

use std::time::Duration;

use allocation_counter::measure;
use telemetry::{Counters, Histogram, names};

#[test]
fn counting_allocates_nothing() {
    let (counters, durations) = (Counters::<24>::default(), Histogram::new(names::DURATIONS));
    let counted = measure(|| {
        for at in 0..24 {
            counters.add_one(at);
            durations.record(Duration::from_millis(1 << at));
        }
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(counters.shown().count(), 24);
}
