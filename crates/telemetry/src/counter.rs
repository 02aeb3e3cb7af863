//! Counters: one relaxed addition each. Nobody orders anything by them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it shows.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each value of a closed set, by its place there.
#[derive(Debug)]
pub struct Counters<const N: usize>([Counter; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Counters<N> {
        Counters(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> Counters<N> {
    /// One more of the value at this place; nothing outside of the set.
    pub fn add_one(&self, at: usize) {
        self.add(at, 1);
    }

    /// So many more.
    pub fn add(&self, at: usize, more: u64) {
        if let Some(counter) = self.0.get(at) {
            counter.add(more);
        }
    }

    /// What the one at this place shows.
    #[must_use]
    pub fn at(&self, at: usize) -> u64 {
        self.0.get(at).map_or(0, Counter::shown)
    }

    /// What they show: those values that were ever counted, with their places.
    pub fn shown(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().map(Counter::shown).enumerate().filter(|(_, shown)| *shown > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_counted_is_shown() {
        let counters = Counters::<3>::default();
        counters.add_one(2);
        counters.add(0, 7);
        counters.add_one(3);
        assert_eq!(counters.shown().collect::<Vec<_>>(), [(0, 7), (2, 1)]);
    }
}
