//! How long a target usually takes to its first content, to know what is slow there.
//!
//! A histogram whose buckets grow with the time they stand for, eight to each doubling: recording and asking take the
//! same short time whatever was recorded, and no sample is kept. Old samples fade by count, not by time: a target
//! that nobody asks does not become faster or slower meanwhile.

use std::time::Duration;

/// How many samples must be known before anything is said.
const FEWEST: u32 = 20;

/// What one sample weighs when it is new, so that halving does not lose it at once.
const WEIGHT: u32 = 1 << 10;

/// When the samples weigh so much together, each weight is halved: the last 256 to 512 count most.
const HEAVIEST: u32 = 512 * WEIGHT;

/// Buckets to each doubling, as a power of two. A bucket is an eighth of its lower bound wide, so its middle is within
/// 6.25 % of all it stands for.
const FINENESS: u32 = 3;

/// Times count in microseconds; from 2³⁰ of them on, about 18 minutes, they share the last bucket.
const BUCKETS: usize = ((30 - FINENESS as usize) + 1) << FINENESS;

/// The times to first content seen of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstToken {
    weights: [u32; BUCKETS],
    /// The sum of the weights.
    total: u32,
    /// How many samples were recorded.
    samples: u32,
}

impl Default for FirstToken {
    fn default() -> FirstToken {
        FirstToken { weights: [0; BUCKETS], total: 0, samples: 0 }
    }
}

impl FirstToken {
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> FirstToken {
        FirstToken::default()
    }

    /// Counts an attempt that took so long to its first content.
    pub fn record(&mut self, took: Duration) {
        if self.total >= HEAVIEST {
            self.fade();
        }
        if let Some(weight) = self.weights.get_mut(bucket_of(took)) {
            *weight = weight.saturating_add(WEIGHT);
            self.total = self.total.saturating_add(WEIGHT);
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// The time below which 95 of 100 attempts began, within 10 %; `None` while fewer than 20 are known.
    #[must_use]
    pub fn p95(&self) -> Option<Duration> {
        if self.samples < FEWEST {
            return None;
        }
        let above = self.total / 20;
        let mut seen = 0_u32;
        let slowest_first = self.weights.iter().enumerate().rev();
        for (bucket, weight) in slowest_first {
            seen = seen.saturating_add(*weight);
            if seen > above {
                return Some(middle_of(bucket));
            }
        }
        None
    }

    fn fade(&mut self) {
        for weight in &mut self.weights {
            *weight /= 2;
        }
        self.total = self.weights.iter().sum();
    }
}

/// Below eight microseconds each has a bucket of its own; above, a bucket is known by the place of the highest bit and
/// the bits that follow it.
fn bucket_of(took: Duration) -> usize {
    let microseconds = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).min((1 << 30) - 1);
    let doublings = microseconds.checked_ilog2().unwrap_or(0).saturating_sub(FINENESS);
    let eighth = microseconds >> doublings;
    usize::try_from((doublings << FINENESS) + eighth).unwrap_or(usize::MAX)
}

fn middle_of(bucket: usize) -> Duration {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    let doublings = (bucket >> FINENESS).saturating_sub(1);
    let eighth = bucket - (doublings << FINENESS);
    let (start, width) = (eighth << doublings, 1_u64 << doublings);
    Duration::from_micros(start + width / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_within_seven_percent_of_its_buckets_middle() {
        let mut time = Duration::from_micros(100);
        while time < Duration::from_secs(1_000) {
            let bucket = bucket_of(time);
            assert!(bucket < BUCKETS, "{time:?}");
            let error = middle_of(bucket).as_secs_f64() / time.as_secs_f64() - 1.0;
            assert!(error.abs() < 0.07, "{time:?}: {error}");
            time = time.mul_f64(1.003);
        }
        assert!(bucket_of(Duration::ZERO) == 0 && bucket_of(Duration::MAX) == BUCKETS - 1);
    }

    #[test]
    fn nothing_is_said_before_twenty_samples() {
        let mut times = FirstToken::new();
        for _ in 0..19 {
            times.record(Duration::from_secs(1));
            assert_eq!(times.p95(), None);
        }
        times.record(Duration::from_secs(1));
        assert!(times.p95().is_some());
    }

    #[test]
    fn the_answer_is_within_ten_percent_of_the_true_one() {
        for scale in [1, 7, 100, 1_000] {
            let mut times = FirstToken::new();
            for n in 0..500_u64 {
                times.record(Duration::from_micros(1_000 + n * 7_919 % 500 * 1_000) * scale);
            }
            let exact = Duration::from_millis(476) * scale;
            let error = times.p95().unwrap().as_secs_f64() / exact.as_secs_f64() - 1.0;
            assert!(error.abs() <= 0.1, "scale {scale}: {error}");
        }
    }

    #[test]
    fn what_was_long_ago_fades() {
        let mut times = FirstToken::new();
        for _ in 0..100_000 {
            times.record(Duration::from_secs(20));
        }
        for _ in 0..6_000 {
            times.record(Duration::from_millis(400));
        }
        assert!(times.p95().unwrap() < Duration::from_millis(440));
    }
}
