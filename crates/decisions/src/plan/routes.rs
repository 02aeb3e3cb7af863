//! Routes: what matches and where it goes.

use std::time::Duration;

use crate::facts::Endpoint;
use crate::ids::{AliasId, CohortId, FamilyId, ProviderId, TenantId};
use crate::plan::Bucketing;

/// What matches and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Its canary; kept in every mode, used in [`Mode::Canary`] only.
    pub canary: Option<Canary>,
    /// Requests that store state at the provider may go to the canary too.
    pub stateful_canary: bool,
    /// How long the primary may take to begin its answer.
    pub timeout: Duration,
    /// How long the fallback may take to begin its answer.
    pub fallback_timeout: Duration,
    /// What is tried again at the same target.
    pub retry_policy: RetryPolicy,
    /// It sends to its primary only, whatever its mode says: its map went live without a proven way back.
    pub held: bool,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub retries: u8,
    /// After which failures.
    pub on: Vec<RetryOn>,
}

/// A failure after which a route may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryOn {
    /// The provider's name was not found.
    Dns,
    /// No connection could be made.
    Connect,
    /// The connection took too long.
    ConnectTimeout,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke before the answer began.
    Reset,
    /// The answer did not begin in time.
    HeadTimeout,
    /// 429
    RateLimit,
    /// 503, 529 and their like.
    Overloaded,
    /// Any other 5xx.
    Server,
}

impl RetryOn {
    /// All of them.
    pub const ALL: [RetryOn; 9] = [
        RetryOn::Dns,
        RetryOn::Connect,
        RetryOn::ConnectTimeout,
        RetryOn::Tls,
        RetryOn::Reset,
        RetryOn::HeadTimeout,
        RetryOn::RateLimit,
        RetryOn::Overloaded,
        RetryOn::Server,
    ];

    /// The name used in the map.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RetryOn::Dns => "dns",
            RetryOn::Connect => "connect",
            RetryOn::ConnectTimeout => "connect_timeout",
            RetryOn::Tls => "tls",
            RetryOn::Reset => "reset",
            RetryOn::HeadTimeout => "head_timeout",
            RetryOn::RateLimit => "rate_limit",
            RetryOn::Overloaded => "overloaded",
            RetryOn::Server => "server",
        }
    }
}

impl Route {
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
    /// How long it may take to begin its answer.
    pub timeout: Duration,
}
