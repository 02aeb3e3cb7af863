//! What a failure says of the target: its own fault, a wish for a pause, or nothing.

use std::time::Duration;

use decisions::ErrorClass;
use decisions::attempts::{RetryHint, Sample, Seen};

/// For the breaker and for the limit of the target. The key may be the caller's own, and the caller may wait for less than
/// the route allows.
pub(super) fn weigh(
    class: ErrorClass,
    hint: RetryHint,
    (is_callers_key, is_impatient): (bool, bool),
    now: Duration,
) -> (Seen, Sample) {
    let pushback = Seen::Pushback { until: hint.after.map(|after| now + after) };
    match class {
        // A caller's own key has limits of its own, which are nobody else's.
        ErrorClass::RateLimit if is_callers_key => (Seen::Neutral, Sample::Neutral),
        // Too slow for this caller is not too slow.
        ErrorClass::TotalTimeout if is_impatient => (Seen::Neutral, Sample::Neutral),
        // A pause that is named is kept; it says nothing of how many it takes at once after that.
        ErrorClass::RateLimit | ErrorClass::Overloaded if hint.after.is_some() => (pushback, Sample::Neutral),
        ErrorClass::RateLimit => (pushback, Sample::Pushback),
        ErrorClass::Overloaded => (Seen::Failure, Sample::Pushback),
        ErrorClass::Dns
        | ErrorClass::Connect
        | ErrorClass::ConnectTimeout
        | ErrorClass::Tls
        | ErrorClass::NoAnswer
        | ErrorClass::HeadTimeout
        | ErrorClass::FirstTokenTimeout
        | ErrorClass::IdleTimeout
        | ErrorClass::TotalTimeout
        | ErrorClass::Reset
        | ErrorClass::Truncated
        | ErrorClass::Malformed
        | ErrorClass::Server => (Seen::Failure, Sample::Neutral),
        ErrorClass::Auth
        | ErrorClass::ContextLength
        | ErrorClass::ContentPolicy
        | ErrorClass::Validation
        | ErrorClass::NotFound
        | ErrorClass::Quota
        | ErrorClass::ClientGone => (Seen::Neutral, Sample::Neutral),
    }
}
