//! What an operator asks for before a canary grows.

use crate::gate::{GoodFactors, Mode};

/// How many steps there may be.
pub const MOST_STEPS: usize = 16;

/// How many features can be told apart.
pub const MOST_FEATURES: usize = 16;

/// How many checks can be told apart.
pub const MOST_CHECKS: usize = 32;

/// How many tenants are remembered, and so the most that can be asked for.
pub const MOST_TENANTS: usize = 16;

/// The shortest dwell.
const SHORTEST_DWELL_MS: u64 = 600_000;

/// All that is set of one rollout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RolloutSettings {
    /// Whether its verdicts are carried out.
    pub mode: Mode,
    /// How long to stay at a share at least; raised to ten minutes and to twice the timeout where it is less.
    pub dwell_ms: u64,
    /// The route's `timeout_ms`.
    pub timeout_ms: u64,
    /// The features to be seen, one bit for each of the route's `enabled_features`.
    pub features: u16,
    /// How often each, with a good answer.
    pub times_each_feature: u32,
    /// How many tenants to be served; 1 for a canary that is declared to have one.
    pub tenants: u32,
    /// The checks to pass, one bit for each.
    pub checks: u32,
    /// The share of attempts that may fail in any way, from 0.0001 to 0.3.
    pub limit: f64,
    /// How likely it may be that a canary at its limit, or above, is promoted. From 0.0001 to 0.2.
    pub false_promotions: f64,
}

impl Default for RolloutSettings {
    fn default() -> RolloutSettings {
        RolloutSettings {
            mode: Mode::Act,
            dwell_ms: SHORTEST_DWELL_MS,
            timeout_ms: 0,
            features: 0,
            times_each_feature: 5,
            tenants: 3,
            checks: 0,
            limit: 0.02,
            false_promotions: 0.05,
        }
    }
}

/// Settings of a rollout that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRollout {
    /// None, too many, not rising, or above one million.
    Steps,
    /// More tenants than can be remembered, or none.
    Tenants,
    /// The limit is not between 0.0001 and 0.3.
    Limit,
    /// `false_promotions` is not between 0.0001 and 0.2.
    FalsePromotions,
}

/// Settings that can be, with what follows from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RolloutRules {
    settings: RolloutSettings,
    steps: [u32; MOST_STEPS],
    count: usize,
    factors: GoodFactors,
}

impl RolloutRules {
    /// Checks settings and steps, which are shares in parts per million.
    ///
    /// # Errors
    /// [`BadRollout`] names what cannot be.
    pub fn new(settings: RolloutSettings, steps: &[u32]) -> Result<RolloutRules, BadRollout> {
        let rises = steps.windows(2).all(|pair| pair[0] < pair[1]);
        let ends = steps.first().is_some_and(|first| *first > 0)
            && steps.last().is_some_and(|last| *last <= 1_000_000);
        if !rises || !ends || steps.len() > MOST_STEPS {
            return Err(BadRollout::Steps);
        }
        if settings.tenants == 0 || settings.tenants as usize > MOST_TENANTS {
            return Err(BadRollout::Tenants);
        }
        if !(0.0001..=0.3).contains(&settings.limit) {
            return Err(BadRollout::Limit);
        }
        if !(0.0001..=0.2).contains(&settings.false_promotions) {
            return Err(BadRollout::FalsePromotions);
        }
        let mut all = [0; MOST_STEPS];
        for (place, step) in all.iter_mut().zip(steps) {
            *place = *step;
        }
        let factors = GoodFactors::of_limit(settings.limit);
        Ok(RolloutRules { settings, steps: all, count: steps.len(), factors })
    }

    /// What was set.
    #[must_use]
    pub fn settings(&self) -> &RolloutSettings {
        &self.settings
    }

    /// The shares, in parts per million.
    #[must_use]
    pub fn steps(&self) -> &[u32] {
        self.steps.get(..self.count).unwrap_or(&[])
    }

    /// How long the canary stays at each share at least, in milliseconds.
    #[must_use]
    pub fn dwell_ms(&self) -> u64 {
        let twice = self.settings.timeout_ms.saturating_mul(2);
        self.settings.dwell_ms.max(SHORTEST_DWELL_MS).max(twice)
    }

    pub(super) fn factors(&self) -> &GoodFactors {
        &self.factors
    }

    pub(super) fn acts(&self) -> bool {
        self.settings.mode == Mode::Act
    }
}
