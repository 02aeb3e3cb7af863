//! How many attempts a target takes at once.

use std::time::Duration;

use crate::plan::Criticality;

/// How an admitted attempt ended, as far as the target's capacity is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Answered.
    Ok,
    /// The target said that it is full: 429, 503, 529.
    Pushback,
    /// Says nothing about capacity.
    Neutral,
}

/// A place that an attempt holds from [`Limiter::admit`] to [`Limiter::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    criticality: Criticality,
    epoch: u64,
}

/// The concurrency limit of one target.
#[derive(Clone, Debug)]
pub struct Limiter {
    most: Option<u32>,
    in_flight: u32,
    epoch: u64,
}

impl Limiter {
    /// One that never lets more than `most` in at once.
    #[must_use]
    pub fn new(most: Option<u32>) -> Limiter {
        Limiter { most, in_flight: 0, epoch: 0 }
    }

    /// Takes a place, if there is one for this class.
    #[must_use]
    pub fn admit(&mut self, criticality: Criticality, now: Duration) -> Option<Slot> {
        let _ = now;
        if self.most.is_some_and(|most| self.in_flight >= most) {
            return None;
        }
        self.in_flight = self.in_flight.saturating_add(1);
        Some(Slot { criticality, epoch: self.epoch })
    }

    /// Frees a place.
    pub fn release(&mut self, slot: Slot, sample: Sample, now: Duration) {
        let _ = (slot, sample, now);
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// How many are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }
}
