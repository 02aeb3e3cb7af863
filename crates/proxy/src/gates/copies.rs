//! Copies of requests that go to a canary for the evidence alone: how many may, and what became of them. They hang on the
//! canary's gate, so a reload neither grants them anew nor forgets them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use decisions::gate::Outcome;
use decisions::mirror::next_copy;
use decisions::plan::Mirror;

use crate::gates::route_gate::RouteGate;

#[derive(Debug, Default)]
pub(super) struct Copies {
    under_way: AtomicU32,
    /// When the next may go, in microseconds of the gateway's own clock.
    next_us: AtomicU64,
    good: AtomicU64,
    failed: AtomicU64,
    other: AtomicU64,
}

/// What became of a canary's copies, since the process was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyCounts {
    /// Whose answer is not there yet.
    pub under_way: u32,
    /// Answered well.
    pub good: u64,
    /// Failed, by the canary's own doing.
    pub failed: u64,
    /// Ended without a word about the canary: too long to be read, or cut off.
    pub other: u64,
}

/// One copy's place among those that may be under way, until it is dropped.
pub(crate) struct Place(Arc<RouteGate>);

impl Place {
    /// One for a copy that goes now, if it may.
    pub(crate) fn take(gate: &Arc<RouteGate>, mirror: &Mirror, now: Duration) -> Option<Place> {
        let copies = &gate.copies;
        let within = |under_way: u32| (under_way < mirror.most_in_flight).then_some(under_way + 1);
        copies.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).ok()?;
        // From here on dropping it gives the place back.
        let place = Place(Arc::clone(gate));
        let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let later = |next_us| next_copy(next_us, now_us, mirror.most_per_second);
        copies.next_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).ok()?;
        Some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.copies.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Copies {
    pub(super) fn ended(&self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Good => &self.good,
            Outcome::NotCounted => &self.other,
            Outcome::HardFailure | Outcome::Timeout | Outcome::Malformed | Outcome::Auth => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl RouteGate {
    /// What became of the copies that went to its target.
    #[must_use]
    pub fn copies(&self) -> CopyCounts {
        let Copies { under_way, good, failed, other, .. } = &self.copies;
        CopyCounts {
            under_way: under_way.load(Ordering::Relaxed),
            good: good.load(Ordering::Relaxed),
            failed: failed.load(Ordering::Relaxed),
            other: other.load(Ordering::Relaxed),
        }
    }
}
