//! What is counted in a drill, apart for each role: what its limits are held against, and what its record says.

use std::collections::BTreeMap;

use decisions::ErrorClass;
use decisions::gate::Outcome;
use hdrhistogram::Histogram;

use crate::gateway::SeenAttempt;

/// Longer attempts count as so long: an hour, in milliseconds.
const LONGEST_MS: u64 = 3_600_000;

/// Two digits of a latency are enough to compare routes by.
const DIGITS: u8 = 2;

/// Everything that was counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that were sent.
    pub requests: u64,
    /// Attempts away from the primary, in whatever role.
    pub there: Sums,
    /// Attempts at the primary.
    pub prior: Sums,
    /// By role and target.
    pub targets: BTreeMap<(String, String), Counted>,
    /// The most requests under way at one look.
    pub most_in_flight: u64,
}

/// What limits are held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// 5xx, 429, no credit, no connection, a connection that broke; and a request of ours that is refused as faulty.
    pub failures: u64,
    /// It took too long.
    pub timeouts: u64,
    /// Not what the endpoint answers.
    pub malformed: u64,
    /// The credential was refused.
    pub auth: u64,
}

impl Sums {
    /// All of them: what an ill primary shows.
    #[must_use]
    pub fn ill(&self) -> u64 {
        self.failures + self.timeouts + self.malformed + self.auth
    }
}

/// What was counted at one target.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Requests that it was the first to be asked for.
    pub requests: u64,
    /// All attempts.
    pub attempts: u64,
    /// Those that failed, by class.
    pub errors: BTreeMap<String, u64>,
    /// Those that ran into a time limit.
    pub timeouts: u64,
    /// Those that repeated another there.
    pub retries: u64,
    /// Those that came after another target.
    pub fallbacks: u64,
    /// Those whose answer was not what the endpoint answers.
    pub malformed: u64,
    /// As far as it was reported.
    pub input_tokens: u64,
    /// Likewise.
    pub output_tokens: u64,
    /// Good answers without usage.
    pub usage_missing: u64,
    latency_ms: Option<Histogram<u64>>,
}

impl Counted {
    fn new() -> Counted {
        Counted {
            requests: 0,
            attempts: 0,
            errors: BTreeMap::new(),
            timeouts: 0,
            retries: 0,
            fallbacks: 0,
            malformed: 0,
            input_tokens: 0,
            output_tokens: 0,
            usage_missing: 0,
            latency_ms: Histogram::new_with_max(LONGEST_MS, DIGITS).ok(),
        }
    }

    /// How long so many of a hundred attempts took at the most, in milliseconds; `None` without any.
    #[must_use]
    pub fn percentile_ms(&self, percent: f64) -> Option<u64> {
        let seen = self.latency_ms.as_ref().filter(|seen| !seen.is_empty())?;
        Some(seen.value_at_quantile(percent / 100.0))
    }
}

impl Tally {
    /// Counts an attempt. Where a refusal is what was asked for, it is no failure.
    pub fn note(&mut self, attempt: &SeenAttempt, is_refusal_wanted: bool) {
        let is_home = attempt.role == "primary";
        let target = target(attempt);
        let counted = self.targets.entry((attempt.role.clone(), target)).or_insert_with(Counted::new);
        counted.attempts += 1;
        let kinds = [
            ("first", &mut counted.requests),
            ("retry", &mut counted.retries),
            ("fallback", &mut counted.fallbacks),
        ];
        kinds.into_iter().filter(|(kind, _)| *kind == attempt.kind).for_each(|(_, count)| *count += 1);
        if let Some(class) = &attempt.error_class {
            *counted.errors.entry(class.clone()).or_default() += 1;
        } else if attempt.input_tokens.is_none() {
            counted.usage_missing += 1;
        }
        counted.timeouts += u64::from(attempt.timed_out);
        counted.malformed += u64::from(attempt.malformed);
        counted.input_tokens += attempt.input_tokens.unwrap_or(0);
        counted.output_tokens += attempt.output_tokens.unwrap_or(0);
        if let Some(seen) = &mut counted.latency_ms {
            seen.saturating_record(attempt.latency_ms);
        }
        let sums = if is_home { &mut self.prior } else { &mut self.there };
        match outcome(attempt) {
            Outcome::Good => {}
            Outcome::NotCounted if is_refusal_wanted => {}
            Outcome::HardFailure | Outcome::NotCounted => sums.failures += 1,
            Outcome::Timeout => sums.timeouts += 1,
            Outcome::Malformed => sums.malformed += 1,
            Outcome::Auth => sums.auth += 1,
        }
    }

    /// Of all targets, in and out.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.targets.values().map(|counted| counted.input_tokens + counted.output_tokens).sum()
    }
}

/// How an attempt ended, as gates count it. Checks are paid by credentials of ours, and a class that is not known here
/// is a failure.
#[must_use]
pub(super) fn outcome(attempt: &SeenAttempt) -> Outcome {
    let Some(word) = attempt.error_class.as_deref() else { return Outcome::Good };
    let class = ErrorClass::ALL.into_iter().find(|class| class.as_str() == word);
    class.map_or(Outcome::HardFailure, |class| Outcome::of(Some(class), true))
}

/// Provider and model.
fn target(attempt: &SeenAttempt) -> String {
    format!("{}/{}", attempt.provider, attempt.model_id.as_deref().unwrap_or("*"))
}
