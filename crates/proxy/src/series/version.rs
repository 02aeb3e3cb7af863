//! One route map: requests that have begun with it, and those that have not ended.

use std::sync::atomic::{AtomicU64, Ordering};

use telemetry::Counter;

/// The series of one version.
#[derive(Debug)]
pub(crate) struct VersionSeries {
    pub(super) name: String,
    pub(super) begun: Counter,
    in_flight: AtomicU64,
}

impl VersionSeries {
    pub(super) fn new(name: &str) -> VersionSeries {
        VersionSeries { name: name.to_owned(), begun: Counter::default(), in_flight: AtomicU64::new(0) }
    }

    /// A request begins. It is to [`leave`](VersionSeries::leave) the same.
    pub(crate) fn enter(&self) {
        self.begun.add_one();
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }
}
