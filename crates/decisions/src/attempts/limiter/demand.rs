//! How many places one class of requests uses, and how many are kept free for it.
//!
//! Places fall free all the time, and the class takes the next one whenever a lower class may not. So what must be
//! kept free is not all that the class may ever use, only enough that it does not run out between two that fall free:
//! the trunk reservation of telephone networks. If a share ρ of the places that fall free is taken by the class, all
//! r kept places are in use with a probability of about ρʳ.

use std::time::Duration;

/// -ln of how often a place may be missing, in thousandths: e⁻⁸ is one in 3,000.
const RARELY: u64 = 8_000;

/// The peak falls towards the present by the share of this time that has passed.
const MEMORY: Duration = Duration::from_secs(10);

/// Those turned away count for so long as if they were in flight.
const TURNED_AWAY: Duration = Duration::from_secs(1);

/// The unit of the peak, so that it falls smoothly.
const PLACE: u64 = 1_000_000;

/// The places of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    in_flight: u32,
    turned_away: u32,
    turned_away_since: Duration,
    /// The most of late, in millionths of a place, and when it was last let fall.
    peak: u64,
    fallen_to: Duration,
}

impl Demand {
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(crate) fn enter(&mut self, now: Duration) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.follow(now);
    }

    pub(crate) fn leave(&mut self, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.follow(now);
    }

    pub(crate) fn turn_away(&mut self, now: Duration) {
        if now.saturating_sub(self.turned_away_since) >= TURNED_AWAY {
            self.turned_away = 0;
            self.turned_away_since = now;
        }
        self.turned_away = self.turned_away.saturating_add(1);
        self.follow(now);
    }

    /// How many places are to be kept free of a limit: as many as make it rare that the class finds none, and none
    /// for a class that was not there of late.
    pub(crate) fn reserve(&self, limit: u32) -> u32 {
        let peak = u32::try_from(self.peak / PLACE).unwrap_or(u32::MAX);
        if peak == 0 {
            return 0;
        }
        let used = self.in_flight.max(1);
        if used >= limit {
            return limit;
        }
        // Two lower bounds of -ln ρ, with ρ = used / limit, in thousandths: 2 (1 - ρ) / (1 + ρ), and ln 2 for each
        // whole halving.
        let (used, limit) = (u64::from(used), u64::from(limit));
        let near_one = 2_000 * (limit - used) / (limit + used);
        let far_from_one = 693 * u64::from((limit / used).ilog2());
        let enough = RARELY.div_ceil(near_one.max(far_from_one).max(1));
        u32::try_from(enough.min(limit)).unwrap_or(u32::MAX)
    }

    fn follow(&mut self, now: Duration) {
        let present = (u64::from(self.in_flight) + u64::from(self.turned_away)) * PLACE;
        let passed = now.saturating_sub(self.fallen_to).min(MEMORY);
        let above = u128::from(self.peak.saturating_sub(present));
        let fall = above * passed.as_micros() / MEMORY.as_micros();
        if fall > 0 || above == 0 {
            self.fallen_to = self.fallen_to.max(now);
        }
        self.peak = self.peak.saturating_sub(u64::try_from(fall).unwrap_or(u64::MAX)).max(present);
    }
}
