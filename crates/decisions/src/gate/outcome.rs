//! What the gate is told: attempts and how they ended, and everything else that may change its mind.

use crate::error_class::{ClassSet, ErrorClass};

/// Whose attempt it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arm {
    /// The target that the gate judges: a canary, or a fallback.
    Canary,
    /// The primary of the same route.
    Primary,
    /// The target that the gate judges, by a copy of a request whose answer nobody gets: it counts against it as any other,
    /// and lifts it no step.
    Mirror,
}

/// How an attempt ended, as the gate counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A whole, well-formed answer.
    Good,
    /// 5xx, 429, no credit, an unknown model, no connection, a connection that broke, a truncated stream.
    HardFailure,
    /// It took too long: to connect, to begin, between two chunks, or in all.
    Timeout,
    /// The answer is not what the endpoint answers, or a required field is missing.
    Malformed,
    /// 401 or 403 to a credential of ours.
    Auth,
    /// The caller's own doing: a faulty request, a refused content, a caller that left. Outside of all counts.
    NotCounted,
}

/// The caller's own doing.
const OF_THE_CALLER: ClassSet = ClassSet::of(&[
    ErrorClass::ContextLength,
    ErrorClass::ContentPolicy,
    ErrorClass::Validation,
    ErrorClass::ClientGone,
]);

const TIMEOUTS: ClassSet = ClassSet::of(&[
    ErrorClass::ConnectTimeout,
    ErrorClass::HeadTimeout,
    ErrorClass::FirstTokenTimeout,
    ErrorClass::IdleTimeout,
    ErrorClass::TotalTimeout,
]);

impl Outcome {
    /// Of an attempt that ended with this failure, or with none. `our_credential` says whether the credential was the
    /// operator's: one that a caller brought along and that is refused is the caller's fault.
    #[must_use]
    pub fn of(failure: Option<ErrorClass>, our_credential: bool) -> Outcome {
        match failure {
            None => Outcome::Good,
            Some(class) if OF_THE_CALLER.contains(class) => Outcome::NotCounted,
            Some(ErrorClass::Auth) if our_credential => Outcome::Auth,
            Some(ErrorClass::Auth) => Outcome::NotCounted,
            Some(ErrorClass::Malformed) => Outcome::Malformed,
            Some(class) if TIMEOUTS.contains(class) => Outcome::Timeout,
            Some(_) => Outcome::HardFailure,
        }
    }
}

/// What an attempt said of its usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Usage {
    /// Nothing, and nothing was to be expected: it failed, or its kind of answer reports none.
    #[default]
    NotExpected,
    /// So much, in the unit of the planned budget: tokens, or parts of a currency.
    Reported(u64),
    /// Nothing, though it should have.
    Missing,
}

/// One finished attempt. Retries, hedges and attempts whose failure a fallback has hidden are attempts as all others;
/// those of checks are not told to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whose it was.
    pub arm: Arm,
    /// How it ended.
    pub outcome: Outcome,
    /// Who called: a hash of the tenant's name, the same for each of its calls.
    pub tenant: u64,
    /// The canary's share in force when the request was decided, in parts per million.
    pub share_ppm: u32,
    /// Microseconds to the first content, where there was one.
    pub first_token_us: Option<u32>,
    /// What it said of its usage.
    pub usage: Usage,
}

/// Anything that may change the gate's mind. The log of these, each with its milliseconds, is what a replay needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt at the canary or at the primary has ended.
    Attempt(Attempt),
    /// An application says of an answer whether it could use it.
    Accepted {
        /// Whose answer it was.
        arm: Arm,
        /// Who called: as in [`Attempt::tenant`].
        tenant: u64,
        /// Whether it could.
        pass: bool,
    },
    /// How many requests wait for the canary's target.
    Queue {
        /// So many.
        depth: u32,
    },
    /// Time has passed. To be told every second or so, and at least every ten.
    Tick,
    /// The `expires_at` of the route map has come.
    Expired,
    /// An operator holds the canary where it is.
    Hold,
    /// An operator ends every hold. A latch stays.
    Resume,
    /// An operator takes the canary out of traffic.
    RollBack,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_outcome() {
        let of = |class| Outcome::of(Some(class), true);
        let count = |outcome| ErrorClass::ALL.into_iter().filter(|class| of(*class) == outcome).count();
        assert_eq!(Outcome::of(None, true), Outcome::Good);
        assert_eq!(count(Outcome::NotCounted), 4);
        assert_eq!(count(Outcome::Timeout), 5);
        assert_eq!(count(Outcome::HardFailure), 11);
        assert_eq!(count(Outcome::Good), 0);
        assert_eq!((of(ErrorClass::Malformed), of(ErrorClass::Auth)), (Outcome::Malformed, Outcome::Auth));
    }

    #[test]
    fn a_callers_own_key_that_is_refused_is_the_callers_fault() {
        assert_eq!(Outcome::of(Some(ErrorClass::Auth), false), Outcome::NotCounted);
    }
}
