//! What becomes of one request's attempts: how a failure is named, whether another attempt is made and where, and
//! what holds attempts back when a target is ill or full.
//!
//! A moment is the [`Duration`](std::time::Duration) since a start that the caller fixes once; jitter is a number the
//! caller draws. Nothing here locks: the caller keeps each piece of state behind a lock of its own.
//!
//! Reading order: [`mod@classify`] and [`retry_hint`] (what a failure says), [`machine`] (what follows from it),
//! [`backoff`] and [`budget`] (how long until a retry, and how many), [`breaker`], [`limiter`] (whether a target takes
//! an attempt now), [`first_token`] (what is slow).

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod classify;
pub mod first_token;
mod http_date;
pub mod limiter;
pub mod machine;
pub mod retry_hint;

pub use backoff::full_jitter;
pub use breaker::{Breaker, BreakerSettings, Permit, Refused, Seen, Why};
pub use budget::Budget;
pub use classify::{Signs, classify};
pub use first_token::FirstToken;
pub use limiter::{Limiter, Sample, Slot};
pub use machine::{Attempts, Failed, Ledger, MOST_ATTEMPTS, Next, Policy, Stop};
pub use retry_hint::{RetryHint, read_hint};
