//! How durations are spread: a counter for each bucket, and their sum. Two relaxed additions for each duration.

use std::time::Duration;

use crate::{Buckets, Counter};

/// Buckets that a histogram has at most, the last one without an end included. Fixed, so that one needs no memory of
/// its own beside whoever holds it.
pub(crate) const MOST_BUCKETS: usize = 18;

/// Durations.
#[derive(Debug)]
pub struct Histogram {
    buckets: Buckets,
    counts: [Counter; MOST_BUCKETS],
    sum_us: Counter,
}

impl Histogram {
    /// With nothing in it.
    #[must_use]
    pub fn new(buckets: Buckets) -> Histogram {
        let counts = std::array::from_fn(|_| Counter::default());
        Histogram { buckets, counts, sum_us: Counter::default() }
    }

    /// One more duration.
    pub fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get(self.buckets.place(us)) {
            count.add_one();
            self.sum_us.add(us);
        }
    }

    /// How many there are up to the end of each bucket, the last one without an end; and the sum of all, in
    /// microseconds. What is recorded meanwhile may be in the one and not yet in the other.
    pub(crate) fn shown(&self) -> (impl Iterator<Item = (Option<u64>, u64)>, u64) {
        let ends = self.buckets.ends_us().iter().copied().map(Some).chain([None]);
        let counts = self.counts.iter().scan(0_u64, |sum, count| {
            *sum += count.shown();
            Some(*sum)
        });
        (ends.zip(counts), self.sum_us.shown())
    }

    pub(crate) fn ends_us(&self) -> &'static [u64] {
        self.buckets.ends_us()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_cumulative_and_the_sum_is_exact() {
        let histogram = Histogram::new(Buckets::new(&[10, 20]));
        for us in [5, 10, 15, 1_000] {
            histogram.record(Duration::from_micros(us));
        }
        let (counts, sum_us) = histogram.shown();
        assert_eq!(counts.collect::<Vec<_>>(), [(Some(10), 2), (Some(20), 3), (None, 4)]);
        assert_eq!(sum_us, 1_030);
    }
}
