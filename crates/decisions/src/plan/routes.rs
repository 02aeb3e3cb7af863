//! Routes: what matches and where it goes.

use std::time::Duration;

use crate::bucket::Share;
use crate::error_class::{ClassSet, ErrorClass};
use crate::facts::Endpoint;
use crate::gate;
use crate::ids::{AliasId, CohortId, FamilyId, ProviderId, TenantId};
use crate::plan::{Bucketing, Gates, Mirror};

/// What matches and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name in the map.
    pub name: String,
    /// Whose requests it matches.
    pub scope: Scope,
    /// Which models it matches.
    pub models: ModelMatch,
    /// Which endpoint it matches; `None` matches all of them.
    pub endpoint: Option<Endpoint>,
    /// What it does.
    pub mode: Mode,
    /// The provider of its primary target.
    pub primary: ProviderId,
    /// The provider of its fallback target.
    pub fallback: Option<ProviderId>,
    /// Raising it says of the fallback "this is a new try", where the canary's generation does not.
    pub fallback_generation: u32,
    /// Its canary; kept in every mode, used in [`Mode::Canary`] only.
    pub canary: Option<Canary>,
    /// What of the rest is copied to the canary.
    pub mirror: Option<Mirror>,
    /// Requests that store state at the provider may go to the canary too.
    pub stateful_canary: bool,
    /// How long all attempts together may take: until a streamed answer has begun, or another one is whole.
    pub timeout: Duration,
    /// How long one attempt at the primary may take to begin its answer.
    pub primary_timeout: Duration,
    /// How long one attempt at the fallback may take to begin its answer.
    pub fallback_timeout: Duration,
    /// How long one attempt may take to the first content of a streamed answer.
    pub first_token_timeout: Duration,
    /// How long a streamed answer may be silent; comments and keep-alives are silence.
    pub idle_timeout: Duration,
    /// How long a streamed answer may take in all.
    pub stream_timeout: Duration,
    /// What is tried again at the same target.
    pub retry_policy: RetryPolicy,
    /// What share of its successes may be retries, in parts per million.
    pub retry_budget: u32,
    /// After which failures the next target is tried.
    pub fallback_on: ClassSet,
    /// What share of its successes may be failed fallbacks, in parts per million.
    pub fallback_budget: u32,
    /// How a streamed answer is handed on.
    pub delivery: Delivery,
    /// What becomes of an answer whose caller has left.
    pub on_disconnect: OnDisconnect,
    /// A second attempt is begun beside one that is slower than usual, and the first content wins.
    pub hedge: bool,
    /// It sends to its primary only, whatever its mode says: its map went live without a proven way back.
    pub held: bool,
    /// What judges its canary and its fallback.
    pub gates: Gates,
}

/// Which models a route matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelMatch {
    /// One alias.
    Alias(AliasId),
    /// The aliases of one family.
    Family(FamilyId),
    /// Every alias; the route also names its scope's primary for all else.
    Any,
}

/// `retry_policy`: what is tried again at the same target, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first at the same target, 2 at the most.
    pub retries: u8,
    /// After which failures, besides those of [`ErrorClass::BEFORE_SENDING`].
    pub on: ClassSet,
}

impl Default for RetryPolicy {
    /// Once, where nothing had been sent.
    fn default() -> RetryPolicy {
        RetryPolicy { retries: 1, on: ClassSet::EMPTY }
    }
}

/// How a streamed answer is handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// As it comes.
    #[default]
    Stream,
    /// Held until it is complete, so that a failure in its middle can still be mended unseen.
    Whole,
}

/// What becomes of an answer whose caller has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is cancelled at the provider.
    #[default]
    Cancel,
    /// It is read to its end, for its usage.
    Drain,
}

impl Route {
    /// What share of successes a budget allows where nothing else is said, in parts per million: enough for a lost
    /// connection here and there, and no second load on a provider that is down, where nothing succeeds.
    pub const USUAL_BUDGET: u32 = 100_000;

    /// A route that sends everything to its primary. Each of its limits of time is `timeout`, each budget
    /// [`Route::USUAL_BUDGET`], nothing is gated, and the rest is as a map has it that does not say.
    #[must_use]
    pub fn at_home(
        name: String,
        scope: Scope,
        models: ModelMatch,
        primary: ProviderId,
        timeout: Duration,
    ) -> Route {
        Route {
            name,
            scope,
            models,
            endpoint: None,
            mode: Mode::Primary,
            primary,
            fallback: None,
            fallback_generation: 1,
            canary: None,
            mirror: None,
            stateful_canary: false,
            timeout,
            primary_timeout: timeout,
            fallback_timeout: timeout,
            first_token_timeout: timeout,
            idle_timeout: timeout,
            stream_timeout: timeout,
            retry_policy: RetryPolicy::default(),
            retry_budget: Route::USUAL_BUDGET,
            fallback_on: ErrorClass::FALLS_BACK,
            fallback_budget: Route::USUAL_BUDGET,
            delivery: Delivery::default(),
            on_disconnect: OnDisconnect::default(),
            hedge: false,
            held: false,
            gates: Gates::default(),
        }
    }

    /// Its canary, while its mode sends that something and its map is not held.
    #[must_use]
    pub fn canary_in_use(&self) -> Option<&Canary> {
        self.canary.as_ref().filter(|_| self.mode == Mode::Canary && !self.held)
    }

    /// The most that its canary may come to have without an edit: the last of its steps where it climbs by itself, else
    /// its share. Nothing where it has no canary.
    #[must_use]
    pub fn highest_share(&self) -> Share {
        let Some(canary) = &self.canary else { return Share::NONE };
        let climbs = self.gates.rollout.as_ref().filter(|rules| rules.settings().mode == gate::Mode::Act);
        let last = climbs.and_then(|rules| Share::from_ppm(*rules.steps().last()?));
        last.map_or(canary.bucketing.share, |last| last.max(canary.bucketing.share))
    }

    /// What is tried again at the same target, named or not: what failed before it was sent always is.
    #[must_use]
    pub fn retried(&self) -> ClassSet {
        if self.retry_policy.retries == 0 || self.retry_budget == 0 {
            return ClassSet::EMPTY;
        }
        self.retry_policy.on.iter().fold(ErrorClass::BEFORE_SENDING, ClassSet::with)
    }

    /// Every provider that it may send to.
    pub fn providers(&self) -> impl Iterator<Item = ProviderId> + '_ {
        let canary = self.canary.as_ref().map(|canary| canary.provider);
        std::iter::once(self.primary).chain(self.fallback).chain(canary)
    }
}

/// Whose requests a route matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One tenant.
    Tenant(TenantId),
    /// One cohort.
    Cohort(CohortId),
    /// Everyone: `tenant_or_cohort = "*"`.
    Everyone,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All to the primary.
    Primary,
    /// A share to the canary, the rest to the primary.
    Canary,
    /// All to the fallback.
    Fallback,
    /// Nothing is served.
    Disabled,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Primary, Mode::Canary, Mode::Fallback, Mode::Disabled];

    /// The name used in the map.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Primary => "primary",
            Mode::Canary => "canary",
            Mode::Fallback => "fallback",
            Mode::Disabled => "disabled",
        }
    }
}

/// The canary of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Where it sends its share.
    pub provider: ProviderId,
    /// Who is in.
    pub bucketing: Bucketing,
    /// Raising it says "this is a new try".
    pub generation: u32,
    /// How long one attempt at it may take to begin its answer.
    pub timeout: Duration,
}
