//! What follows from a failed attempt: the same target again, the next one, or the end.
//!
//! Nothing is retried once content has gone to the client, nothing that no list names, and nothing for which there is
//! no attempt, no time or no budget left. The budget is asked last: what is withdrawn is sent.

use std::time::Duration;

use crate::attempts::backoff::full_jitter;
use crate::attempts::retry_hint::RetryHint;
use crate::error_class::{ClassSet, ErrorClass};
use crate::plan::{RetryPolicy, Route};

/// How many attempts one request makes at the most, at all targets together.
pub const MOST_ATTEMPTS: u8 = 3;

/// What a route says about attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts after the first at the same target.
    pub retries: u8,
    /// After which failures, besides those of [`ErrorClass::BEFORE_SENDING`], the same target is tried again.
    pub retry_on: ClassSet,
    /// After which failures the next target is tried.
    pub fallback_on: ClassSet,
}

impl Policy {
    /// What a route says; where no route applies, the defaults of one.
    #[must_use]
    pub fn of(route: Option<&Route>) -> Policy {
        let (retry, fallback_on) = route.map_or((RetryPolicy::default(), ErrorClass::FALLS_BACK), |route| {
            (route.retry_policy, route.fallback_on)
        });
        Policy { retries: retry.retries, retry_on: retry.on, fallback_on }
    }

    fn names_for_retry(&self, class: ErrorClass) -> bool {
        ErrorClass::BEFORE_SENDING.contains(class)
            || self.retry_on.contains(class) && ErrorClass::RETRYABLE.contains(class)
    }

    fn names_for_fallback(&self, class: ErrorClass) -> bool {
        self.fallback_on.contains(class) && ErrorClass::MAY_FALL_BACK.contains(class)
    }
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// As what.
    pub class: ErrorClass,
    /// What the answer says about trying again.
    pub hint: RetryHint,
    /// Content had already gone to the client.
    pub committed: bool,
}

/// Where the budgets of a request's targets are kept.
pub trait Ledger {
    /// Takes a token for one more attempt at a target that has just failed.
    fn withdraw_retry(&mut self, target: u8) -> bool;
    /// Takes a token for a first attempt at a target in place of another; `target` is the one that is to be tried.
    fn withdraw_fallback(&mut self, target: u8) -> bool;
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same target again, after this wait.
    Retry {
        /// From the failure to the next [`Attempts::begin`].
        after: Duration,
    },
    /// The next target, at once.
    Fallback,
    /// No more: the client gets this failure.
    Stop(Stop),
}

/// Why no other attempt is made. A later one got nearer to being made than an earlier one, but for the first, which
/// leaves no choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stop {
    /// Content had gone to the client.
    Committed,
    /// The route names this failure neither for a retry nor for a fallback.
    NotNamed,
    /// There is no other target.
    NoTarget,
    /// As many attempts as are allowed have been made, at this target or in all.
    LimitReached,
    /// The target said not to try again.
    ToldNotTo,
    /// The wait would last as long as the time that is left, or none is left.
    NoTime,
    /// The budget is spent.
    BudgetSpent,
}

impl Stop {
    /// All of them.
    pub const ALL: [Stop; 7] = [
        Stop::Committed,
        Stop::NotNamed,
        Stop::NoTarget,
        Stop::LimitReached,
        Stop::ToldNotTo,
        Stop::NoTime,
        Stop::BudgetSpent,
    ];

    /// The name used in logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stop::Committed => "committed",
            Stop::NotNamed => "not_named",
            Stop::NoTarget => "no_target",
            Stop::LimitReached => "limit_reached",
            Stop::ToldNotTo => "told_not_to",
            Stop::NoTime => "no_time",
            Stop::BudgetSpent => "budget_spent",
        }
    }
}

/// The attempts of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    policy: Policy,
    /// How many targets there are.
    targets: u8,
    /// How many attempts may be made in all.
    limit: u8,
    target: u8,
    /// Attempts sent, in all and to the current target.
    made: u8,
    made_here: u8,
    stopped: Option<Stop>,
}

impl Attempts {
    /// None made yet. `callers_retries` is how often the caller says to have tried before: its tries count, so that
    /// the layers do not multiply. Believing it is safe, since it only ever takes attempts away.
    #[must_use]
    pub fn new(policy: Policy, targets: u8, callers_retries: u32) -> Attempts {
        let tried = u8::try_from(callers_retries).unwrap_or(u8::MAX);
        let limit = MOST_ATTEMPTS.saturating_sub(tried).max(1);
        Attempts { policy, targets, limit, target: 0, made: 0, made_here: 0, stopped: None }
    }

    /// Where the current or the next attempt goes: 0 or 1.
    #[must_use]
    pub fn target(&self) -> u8 {
        self.target
    }

    /// How many attempts have been sent.
    #[must_use]
    pub fn made(&self) -> u8 {
        self.made
    }

    /// How many more may be sent.
    #[must_use]
    pub fn left(&self) -> u8 {
        if self.stopped.is_some() { 0 } else { self.limit.saturating_sub(self.made) }
    }

    /// An attempt is being sent to [`Attempts::target`].
    pub fn begin(&mut self) {
        debug_assert!(self.left() > 0, "an attempt that was not decided on");
        self.made = self.made.saturating_add(1);
        self.made_here = self.made_here.saturating_add(1);
    }

    /// The current target takes no attempt now: goes to the next one, which costs neither an attempt nor budget,
    /// since nothing was sent. `false` if there is none.
    #[must_use]
    pub fn pass_over(&mut self) -> bool {
        self.stopped.is_none() && self.go_on()
    }

    /// The attempt that was begun last has failed. `remaining` is the time left for all attempts together.
    ///
    /// A token is withdrawn only for an attempt that is then to be made. [`Next::Stop`] is final.
    pub fn next(
        &mut self,
        failed: Failed,
        remaining: Duration,
        jitter: u64,
        ledger: &mut impl Ledger,
    ) -> Next {
        if let Some(reason) = self.stopped.or_else(|| no_choice(&failed)) {
            return self.stop(reason);
        }
        let no_retry = match self.retry(&failed, remaining, jitter, ledger) {
            Ok(after) => return Next::Retry { after },
            Err(reason) => reason,
        };
        match self.fall_back(failed.class, remaining, ledger) {
            Ok(()) => Next::Fallback,
            Err(reason) => self.stop(reason.max(no_retry)),
        }
    }

    /// The wait before the same target is tried again.
    fn retry(
        &self,
        failed: &Failed,
        remaining: Duration,
        jitter: u64,
        ledger: &mut impl Ledger,
    ) -> Result<Duration, Stop> {
        if !self.policy.names_for_retry(failed.class) {
            return Err(Stop::NotNamed);
        }
        if failed.hint.should_retry == Some(false) {
            return Err(Stop::ToldNotTo);
        }
        // The last attempt is kept for a target that has not failed yet.
        let is_kept =
            self.left() == 1 && self.next_target().is_some() && self.policy.names_for_fallback(failed.class);
        if self.made_here > self.policy.retries || self.left() == 0 || is_kept {
            return Err(Stop::LimitReached);
        }
        let drawn = full_jitter(self.made_here.saturating_sub(1), jitter);
        let after = failed.hint.after.map_or(drawn, |told| told.max(drawn));
        if after >= remaining {
            return Err(Stop::NoTime);
        }
        if ledger.withdraw_retry(self.target) { Ok(after) } else { Err(Stop::BudgetSpent) }
    }

    fn fall_back(
        &mut self,
        class: ErrorClass,
        remaining: Duration,
        ledger: &mut impl Ledger,
    ) -> Result<(), Stop> {
        if !self.policy.names_for_fallback(class) {
            return Err(Stop::NotNamed);
        }
        let other = self.next_target().ok_or(Stop::NoTarget)?;
        if self.left() == 0 {
            return Err(Stop::LimitReached);
        }
        if remaining.is_zero() {
            return Err(Stop::NoTime);
        }
        if !ledger.withdraw_fallback(other) {
            return Err(Stop::BudgetSpent);
        }
        self.go_on();
        Ok(())
    }

    fn next_target(&self) -> Option<u8> {
        self.target.checked_add(1).filter(|next| *next < self.targets)
    }

    fn go_on(&mut self) -> bool {
        let Some(next) = self.next_target() else { return false };
        self.target = next;
        self.made_here = 0;
        true
    }

    fn stop(&mut self, reason: Stop) -> Next {
        self.stopped = Some(reason);
        Next::Stop(reason)
    }
}

/// Failures after which there is nobody, or no time, to try again for.
fn no_choice(failed: &Failed) -> Option<Stop> {
    match failed.class {
        _ if failed.committed => Some(Stop::Committed),
        ErrorClass::TotalTimeout => Some(Stop::NoTime),
        ErrorClass::ClientGone => Some(Stop::NotNamed),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
