//! Where the buckets of a histogram end.

use std::fmt;

use crate::histogram::MOST_BUCKETS;
use crate::page::decimal;

/// The upper ends of buckets, in microseconds, rising; what is longer than the last has a bucket of its own.
#[derive(Clone, Copy, Debug)]
pub struct Buckets(&'static [u64]);

impl Buckets {
    /// # Panics
    /// Where there are too many, or they do not rise: when this is compiled, as it is only called for constants.
    #[must_use]
    pub const fn new(ends_us: &'static [u64]) -> Buckets {
        assert!(!ends_us.is_empty() && ends_us.len() < MOST_BUCKETS, "there is no room for so many buckets");
        let mut at = 1;
        while at < ends_us.len() {
            assert!(ends_us[at - 1] < ends_us[at], "the ends of buckets must rise");
            at += 1;
        }
        Buckets(ends_us)
    }

    /// In microseconds.
    #[must_use]
    pub const fn ends_us(self) -> &'static [u64] {
        self.0
    }

    /// The bucket of a value: an end belongs to the bucket that it ends.
    pub(crate) fn place(self, us: u64) -> usize {
        self.0.partition_point(|end| *end < us)
    }
}

/// Microseconds, shown as seconds without anything rounded: `le` labels must be the same text for ever.
pub(crate) struct Seconds(pub(crate) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(f, self.0, 6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_and_short() {
        for (us, shown) in [
            (0, "0"),
            (1, "0.000001"),
            (10_000, "0.01"),
            (1_000_000, "1"),
            (1_280_000, "1.28"),
            (655_360_000, "655.36"),
        ] {
            assert_eq!(Seconds(us).to_string(), shown);
        }
    }

    #[test]
    fn an_end_belongs_to_the_bucket_that_it_ends() {
        let buckets = Buckets::new(&[10, 20]);
        let places = [0, 10, 11, 20, 21, u64::MAX].map(|us| buckets.place(us));
        assert_eq!(places, [0, 0, 1, 1, 2, 2]);
    }
}
