//! A rollout as plain numbers and back, to the bit.

use super::Rollout;
use super::settings::{MOST_FEATURES, MOST_TENANTS};

/// How this list of fields is told from one of another version.
const LAYOUT: u64 = 1;

/// How many numbers a rollout is.
pub const ROLLOUT_NUMBERS: usize = 10 + MOST_FEATURES + MOST_TENANTS;

/// Numbers that are no rollout: another layout, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARollout;

impl Rollout {
    /// All that it knows.
    #[must_use]
    pub fn to_numbers(&self) -> [u64; ROLLOUT_NUMBERS] {
        let head = [LAYOUT, u64::from(self.step), self.since_ms, self.attempts, self.failures];
        let tail =
            [u64::from(self.tenants_seen), u64::from(self.failed_checks) << 32 | u64::from(self.checks)];
        let bets = self.good.bets.map(f64::to_bits);
        let features = self.features.map(u64::from);
        let all = head.into_iter().chain(tail).chain(bets).chain(features).chain(self.tenants);
        let mut numbers = [0; ROLLOUT_NUMBERS];
        for (place, number) in numbers.iter_mut().zip(all) {
            *place = number;
        }
        numbers
    }

    /// The rollout that these numbers were made from.
    ///
    /// # Errors
    /// [`NotARollout`] where their count or layout is another, or a number is none that a rollout can have.
    pub fn from_numbers(numbers: &[u64]) -> Result<Rollout, NotARollout> {
        let (head, rest) = numbers.split_at_checked(10).ok_or(NotARollout)?;
        let &[layout, step, since_ms, attempts, failures, tenants_seen, checks, ref bets @ ..] = head else {
            return Err(NotARollout);
        };
        let small = |number: u64| u32::try_from(number).map_err(|_| NotARollout);
        let mut rollout = Rollout {
            step: small(step)?,
            since_ms,
            attempts,
            failures,
            tenants_seen: small(tenants_seen)?,
            checks: small(checks & u64::from(u32::MAX))?,
            failed_checks: small(checks >> 32)?,
            ..Rollout::default()
        };
        for (bet, bits) in rollout.good.bets.iter_mut().zip(bets) {
            *bet = f64::from_bits(*bits);
        }
        let (features, tenants) = rest.split_at_checked(MOST_FEATURES).ok_or(NotARollout)?;
        for (place, number) in rollout.features.iter_mut().zip(features) {
            *place = small(*number)?;
        }
        rollout.tenants = tenants.try_into().map_err(|_| NotARollout)?;
        let is_sound = rollout.good.bets.iter().all(|bet| bet.is_finite() && *bet >= 0.0)
            && rollout.tenants_seen as usize <= MOST_TENANTS
            && layout == LAYOUT;
        if is_sound { Ok(rollout) } else { Err(NotARollout) }
    }
}
