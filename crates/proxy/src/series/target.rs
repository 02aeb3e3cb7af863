//! What is counted of one target: the requests that it answered, and its attempts.

use std::time::Duration;

use decisions::ErrorClass;
use decisions::price::Cost;
use telemetry::{Counter, Counters, Histogram, names};

use crate::observer::{AttemptKind, UsageSource};
use crate::scan::Usage;
use crate::series::labels::{
    ATTEMPTS, ENDS, End, KINDS, RESULTS, TURNED_AWAY, kind_at, result_at, turned_away_at,
};
use crate::target_state::TurnedAway;

/// The series of one target.
#[derive(Debug)]
pub(crate) struct TargetSeries {
    pub(super) requests: Counters<{ ENDS.len() }>,
    pub(super) attempts_of_requests: Counters<{ ATTEMPTS.len() }>,
    pub(super) request_duration: Histogram,
    /// By kind, then by result.
    pub(super) attempts: [Counters<{ RESULTS }>; KINDS.len()],
    pub(super) attempt_duration: Histogram,
    pub(super) first_token: Histogram,
    pub(super) between_tokens: Histogram,
    pub(super) reported: Tokens,
    pub(super) estimated: Tokens,
    /// In billionths of the operator's money.
    pub(super) cost: Counter,
    pub(super) passed_over: Counters<{ TURNED_AWAY.len() }>,
    pub(super) breaker_opened: Counter,
}

/// Tokens by what they are.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) input: Counter,
    pub(super) output: Counter,
    pub(super) cached: Counter,
    pub(super) reasoning: Counter,
}

impl Default for TargetSeries {
    fn default() -> TargetSeries {
        TargetSeries {
            requests: Counters::default(),
            attempts_of_requests: Counters::default(),
            request_duration: Histogram::new(names::DURATIONS),
            attempts: std::array::from_fn(|_| Counters::default()),
            attempt_duration: Histogram::new(names::DURATIONS),
            first_token: Histogram::new(names::DURATIONS),
            between_tokens: Histogram::new(names::BETWEEN_TOKENS),
            reported: Tokens::default(),
            estimated: Tokens::default(),
            cost: Counter::default(),
            passed_over: Counters::default(),
            breaker_opened: Counter::default(),
        }
    }
}

/// An attempt that is over, as far as it is counted.
pub(crate) struct EndedAttempt {
    pub(crate) kind: AttemptKind,
    /// What went wrong.
    pub(crate) failure: Option<ErrorClass>,
    /// Another that ran beside it has won.
    pub(crate) is_lost: bool,
    pub(crate) elapsed: Duration,
    pub(crate) first_token_after: Option<Duration>,
    /// Events of a stream that had content.
    pub(crate) content_events: u64,
    pub(crate) usage: Usage,
    pub(crate) usage_source: UsageSource,
    /// Where the table has a price for its model.
    pub(crate) cost: Option<Cost>,
}

impl TargetSeries {
    /// A request is over that this target was the last one asked for.
    pub(crate) fn request(&self, end: End, attempts: u8, elapsed: Duration) {
        self.requests.add_one(end as usize);
        self.attempts_of_requests.add_one(usize::from(attempts));
        self.request_duration.record(elapsed);
    }

    /// An attempt is over.
    pub(crate) fn attempt(&self, ended: &EndedAttempt) {
        let Some(kind) = kind_at(ended.kind) else { return };
        if let Some(of_kind) = self.attempts.get(kind) {
            of_kind.add_one(result_at(ended.failure, ended.is_lost));
        }
        self.attempt_duration.record(ended.elapsed);
        if let Some(first) = ended.first_token_after {
            self.first_token.record(first);
            let gaps = u32::try_from(ended.content_events.saturating_sub(1)).unwrap_or(u32::MAX);
            let is_whole = ended.failure.is_none() && !ended.is_lost;
            if let Some(mean) = ended.elapsed.saturating_sub(first).checked_div(gaps).filter(|_| is_whole) {
                self.between_tokens.record(mean);
            }
        }
        if let Some(Cost(billionths)) = ended.cost {
            self.cost.add(billionths);
        }
        let tokens = match ended.usage_source {
            UsageSource::Reported => &self.reported,
            UsageSource::Estimated => &self.estimated,
            UsageSource::Unread => return,
        };
        let Usage { input, output, cached, reasoning } = ended.usage;
        let counts = [input, output, cached, reasoning];
        let counters = [&tokens.input, &tokens.output, &tokens.cached, &tokens.reasoning];
        for (counter, count) in counters.into_iter().zip(counts) {
            if let Some(count) = count.filter(|count| *count > 0) {
                counter.add(count);
            }
        }
    }

    /// It took no attempt.
    pub(crate) fn passed_over(&self, why: TurnedAway) {
        self.passed_over.add_one(turned_away_at(why));
    }

    /// Its breaker has opened.
    pub(crate) fn breaker_opened(&self) {
        self.breaker_opened.add_one();
    }
}
