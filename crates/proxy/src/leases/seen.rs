//! What is kept of the attempts of a lease: names and numbers, nothing of what was asked or answered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use decisions::{ErrorClass, Role};
use http::StatusCode;

use crate::observer::{AttemptKind, AttemptRecord, UsageSource};

/// Attempts that are kept; the first are given up for more.
const MOST_KEPT: usize = 10_000;

/// What was seen of a lease.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Requests that are under way.
    pub in_flight: usize,
    /// Attempts that are over, in the order of their ends.
    pub attempts: Vec<SeenAttempt>,
}

/// One attempt of a check.
#[derive(Clone, Debug)]
pub struct SeenAttempt {
    /// Of the lease, from 1.
    pub number: u64,
    /// The gateway's id of its request.
    pub request_id: String,
    /// Of its request, from 1.
    pub attempt: u8,
    /// What the request called, as in `chat`.
    pub endpoint: &'static str,
    /// The route that was followed.
    pub route: Option<String>,
    /// Of the map by which it was decided.
    pub route_version: String,
    /// In which role the target was asked.
    pub role: Role,
    /// Which provider that is.
    pub provider: String,
    /// What the provider was asked for.
    pub model_id: Option<String>,
    /// What kind of attempt it was.
    pub kind: AttemptKind,
    /// What it answers to.
    pub because: Option<&'static str>,
    /// Why its request went this way.
    pub reason: &'static str,
    /// The status of the provider's answer.
    pub status: Option<StatusCode>,
    /// What went wrong.
    pub error_class: Option<ErrorClass>,
    /// What was decided after it.
    pub decision: &'static str,
    /// The provider's own id.
    pub provider_request_id: Option<String>,
    /// From sending to its end.
    pub elapsed: Duration,
    /// From sending to the first content of a stream.
    pub first_token_after: Option<Duration>,
    /// Tokens in.
    pub input_tokens: Option<u64>,
    /// Tokens out.
    pub output_tokens: Option<u64>,
    /// Where they are known from.
    pub usage_source: UsageSource,
    /// When it ended.
    pub at: SystemTime,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) in_flight: AtomicUsize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    ended: u64,
    attempts: VecDeque<SeenAttempt>,
}

impl Log {
    pub(super) fn keep(&self, record: &AttemptRecord<'_>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.ended += 1;
        let attempt = SeenAttempt::of(kept.ended, record);
        if kept.attempts.len() == MOST_KEPT {
            kept.attempts.pop_front();
        }
        kept.attempts.push_back(attempt);
    }

    pub(super) fn seen(&self, after: u64) -> Seen {
        // Before the attempts are read: what ends in between is then seen with the next question, not lost.
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = kept.attempts.iter().filter(|attempt| attempt.number > after).cloned().collect();
        Seen { in_flight, attempts }
    }
}

impl SeenAttempt {
    fn of(number: u64, record: &AttemptRecord<'_>) -> SeenAttempt {
        let plan = record.snapshot.plan();
        SeenAttempt {
            number,
            request_id: record.request_id.to_owned(),
            attempt: record.number,
            endpoint: record.endpoint,
            route: record.route.map(|id| plan.route(id).name.clone()),
            route_version: plan.route_version().to_owned(),
            role: record.role,
            provider: plan.provider(record.provider).name.clone(),
            model_id: record.model_id.map(str::to_owned),
            kind: record.kind,
            because: record.because,
            reason: record.reason.as_str(),
            status: record.status,
            error_class: record.error_class,
            decision: record.decision,
            provider_request_id: record.provider_request_id.map(str::to_owned),
            elapsed: record.elapsed,
            first_token_after: record.first_token_after,
            input_tokens: record.usage.input,
            output_tokens: record.usage.output,
            usage_source: record.usage_source,
            at: SystemTime::now(),
        }
    }

    /// The answer was not what the endpoint answers.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.error_class == Some(ErrorClass::Malformed)
    }

    /// It took too long.
    #[must_use]
    pub fn has_timed_out(&self) -> bool {
        matches!(
            self.error_class,
            Some(
                ErrorClass::ConnectTimeout
                    | ErrorClass::HeadTimeout
                    | ErrorClass::FirstTokenTimeout
                    | ErrorClass::IdleTimeout
                    | ErrorClass::TotalTimeout
            )
        )
    }
}
