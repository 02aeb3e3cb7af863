//! What ends a drill before its time: known, and printed, before it begins (runbook 3, "Example thresholds to tune").
//!
//! The runbook's thresholds are rates over minutes. A drill sends a few requests, so they apply to the number that is
//! planned: of 50 requests 2 % is one, so the second failure is above it; of 40 it is none.

use std::time::Duration;

use crate::drill::tally::Tally;

/// Parts per million of a cohort that may fail by a 5xx or for want of an answer: "above 2 %".
const FAILURES_PPM: u64 = 20_000;

/// Parts per million that may run into a time limit: "above 1 %".
const TIMEOUTS_PPM: u64 = 10_000;

/// The limits of one drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in all: the planned drill budget.
    pub requests: u64,
    /// Tokens in all, input and output.
    pub tokens: u64,
    /// From its beginning to its end.
    pub time: Duration,
    /// Requests of one cohort, to which the rates apply.
    pub cohort: u64,
}

/// Why a drill is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// An answer of the target was not what the endpoint answers.
    Malformed,
    /// The target refused the credential.
    Auth,
    /// So many attempts at the target failed.
    Failures(u64),
    /// So many attempts at the target ran into a time limit.
    Timeouts(u64),
    /// So many attempts at the prior route failed: it is ill itself.
    PriorRoute(u64),
    /// So many tokens were used.
    Tokens(u64),
    /// So many requests were sent.
    Requests(u64),
    /// It has taken this long.
    Time,
}

impl Limits {
    /// How many attempts at one target may fail.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.cohort.saturating_mul(FAILURES_PPM) / 1_000_000
    }

    /// How many may run into a time limit.
    #[must_use]
    pub fn timeouts(&self) -> u64 {
        self.cohort.saturating_mul(TIMEOUTS_PPM) / 1_000_000
    }

    /// The first of them that is reached.
    #[must_use]
    pub fn reached(&self, tally: &Tally, elapsed: Duration) -> Option<Stop> {
        let (there, prior) = (&tally.there, &tally.prior);
        let tokens = tally.tokens();
        let reached = [
            (there.malformed > 0).then_some(Stop::Malformed),
            (there.auth > 0).then_some(Stop::Auth),
            (there.timeouts > self.timeouts()).then_some(Stop::Timeouts(there.timeouts)),
            (there.failures > self.failures()).then_some(Stop::Failures(there.failures)),
            (prior.ill() > self.failures()).then_some(Stop::PriorRoute(prior.ill())),
            (tokens > self.tokens).then_some(Stop::Tokens(tokens)),
            (tally.requests > self.requests).then_some(Stop::Requests(tally.requests)),
            (elapsed > self.time).then_some(Stop::Time),
        ];
        reached.into_iter().flatten().next()
    }

    /// All of them, in words, for whoever is about to begin.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        vec![
            "any malformed answer of the target".to_owned(),
            "any refused credential of the target".to_owned(),
            format!("more than {} of a cohort of {} fail there (above 2 %)", self.failures(), self.cohort),
            format!("more than {} of them run into a time limit (above 1 %)", self.timeouts()),
            format!("more than {} attempts fail at the prior route", self.failures()),
            format!("more than {} tokens, or {} requests, in all", self.tokens, self.requests),
            format!("{} seconds in all", self.time.as_secs()),
        ]
    }
}

impl Stop {
    /// In words.
    #[must_use]
    pub fn text(self, limits: &Limits) -> String {
        match self {
            Stop::Malformed => "an answer of the target was malformed".to_owned(),
            Stop::Auth => "the target refused the credential".to_owned(),
            Stop::Failures(count) => {
                format!("{count} attempts at the target failed, and {} may", limits.failures())
            }
            Stop::Timeouts(count) => {
                format!("{count} attempts at the target ran into a time limit, and {} may", limits.timeouts())
            }
            Stop::PriorRoute(count) => {
                format!("{count} attempts at the prior route failed, and {} may", limits.failures())
            }
            Stop::Tokens(count) => format!("{count} tokens were used, and {} were planned", limits.tokens),
            Stop::Requests(count) => {
                format!("{count} requests were sent, and {} were planned", limits.requests)
            }
            Stop::Time => format!("it took longer than {} s", limits.time.as_secs()),
        }
    }

    /// What has to be done about it.
    #[must_use]
    pub fn mend(self) -> &'static str {
        match self {
            Stop::Malformed => "compare its answers with `required_fields`: `cometgate probe`",
            Stop::Auth => "check or rotate the key of its provider",
            Stop::Failures(_) | Stop::Timeouts(_) => {
                "see why it fails: `cometgate probe`, its provider's status page"
            }
            Stop::PriorRoute(_) => "wait until the prior route is well: there is nothing to go back to",
            Stop::Tokens(_) | Stop::Requests(_) => "review the usage, then plan with --max-tokens",
            Stop::Time => "see what is slow, or allow more with --time-limit",
        }
    }
}
