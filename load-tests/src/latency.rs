//! Histograms of nanoseconds, three digits, up to a minute: enough for every time measured here.

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::clock::SECOND;

/// One distribution of times.
#[derive(Clone, Debug)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    pub(crate) fn new() -> Result<Latency> {
        Ok(Latency(Histogram::new_with_bounds(100, 60 * SECOND, 3)?))
    }

    /// Adds one time; longer than a minute counts as a minute.
    pub(crate) fn add(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Microseconds at a quantile, 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "three digits are kept")]
    pub(crate) fn micros(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    pub(crate) fn clear(&mut self) {
        self.0.reset();
    }
}
