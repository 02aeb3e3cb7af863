//! How long to wait before a retry.
//!
//! Full jitter: those who failed together must not come back together, and of the usual forms this one makes the
//! fewest attempts in all ("Exponential Backoff And Jitter", AWS Architecture Blog).

use std::time::Duration;

/// The longest wait before the first retry.
const FIRST: Duration = Duration::from_millis(250);

/// The longest wait before any.
const LONGEST: Duration = Duration::from_secs(5);

/// A wait drawn evenly from nothing to 250 ms, doubled for each retry already made, 5 s at the most.
///
/// `retry` is 0 for the first retry; `jitter` is drawn evenly from all of `u64`.
#[must_use]
pub fn full_jitter(retry: u8, jitter: u64) -> Duration {
    let doubled = 1_u32.checked_shl(u32::from(retry)).unwrap_or(u32::MAX);
    part_of(FIRST.saturating_mul(doubled).min(LONGEST), jitter)
}

/// The share `jitter / u64::MAX` of a length, in whole nanoseconds. For lengths below five centuries.
pub(crate) fn part_of(length: Duration, jitter: u64) -> Duration {
    let nanoseconds = length.as_nanos().saturating_mul(u128::from(jitter)) / u128::from(u64::MAX);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_doubles_up_to_five_seconds() {
        for (retry, longest_ms) in [(0, 250), (1, 500), (2, 1_000), (3, 2_000), (4, 4_000), (5, 5_000)] {
            assert_eq!(full_jitter(retry, u64::MAX), Duration::from_millis(longest_ms), "retry {retry}");
            assert_eq!(full_jitter(retry, 0), Duration::ZERO);
        }
        assert_eq!(full_jitter(u8::MAX, u64::MAX), LONGEST);
    }

    #[test]
    fn waits_are_spread_evenly() {
        let steps = 1_000_u64;
        let total: Duration = (0..=steps).map(|step| full_jitter(2, u64::MAX / steps * step)).sum();
        let mean = total / 1_001;
        assert!(mean.abs_diff(Duration::from_millis(500)) < Duration::from_millis(1), "{mean:?}");
    }
}
