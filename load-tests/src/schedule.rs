//! When each request of a constant rate is due: exact, however long the run, and whatever the target does.
//!
//! Latency counts from here. A generator that waits for answers before it sends the next request measures a stalled
//! server once; one that keeps to a schedule measures everybody who would have stood in line.

use crate::clock::SECOND;

/// Due times of a constant rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: u64,
    rate: u64,
}

impl Schedule {
    /// `rate` requests per second, the first at `start`.
    pub(crate) fn new(start: u64, rate: u64) -> Schedule {
        Schedule { start, rate: rate.max(1) }
    }

    /// When request `index` is due. Multiplied, never added up, so that no rounding gathers.
    #[allow(clippy::cast_possible_truncation, reason = "nanoseconds of a run fit 64 bits for centuries")]
    pub(crate) fn due(&self, index: u64) -> u64 {
        self.start + (u128::from(index) * u128::from(SECOND) / u128::from(self.rate)) as u64
    }

    /// How many are due within so many nanoseconds.
    #[allow(clippy::cast_possible_truncation, reason = "requests of a run fit 64 bits")]
    pub(crate) fn count(&self, nanoseconds: u64) -> u64 {
        (u128::from(nanoseconds) * u128::from(self.rate) / u128::from(SECOND)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_exact_to_the_nanosecond_and_never_drift() {
        let schedule = Schedule::new(1_000, 3);
        assert_eq!(
            [0, 1, 2, 3].map(|index| schedule.due(index)),
            [1_000, 333_334_333, 666_667_666, 1_000_001_000]
        );
        let day = 86_400;
        assert_eq!(Schedule::new(0, 7_919).due(7_919 * day), day * SECOND);
    }

    #[test]
    fn the_count_is_those_due_before_the_end() {
        let schedule = Schedule::new(5, 2_000);
        let count = schedule.count(SECOND + SECOND / 2);
        assert_eq!(count, 3_000);
        assert!(
            schedule.due(count - 1) < 5 + SECOND + SECOND / 2
                && schedule.due(count) >= 5 + SECOND + SECOND / 2
        );
    }
}
