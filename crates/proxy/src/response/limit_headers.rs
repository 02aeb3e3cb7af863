//! What a caller is told of its tenant's limits, under the names that OpenAI uses for its own.

use std::time::Duration;

use decisions::tenant_limits::Left;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::tenant_state::WhatIsLeft;

/// The limit, what is left of it, and until when all of it is.
type Names = [HeaderName; 3];

static REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];

static TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// What any header about a limit begins with.
const PREFIX: &str = "x-ratelimit-";

/// Says what is left to the caller's tenant.
pub(crate) fn tell_left(headers: &mut HeaderMap, left: WhatIsLeft) {
    for (names, left) in [(&REQUESTS, left.requests), (&TOKENS, left.tokens)] {
        let Some(Left { limit, remaining, reset }) = left else { continue };
        let [limit_name, remaining_name, reset_name] = names;
        headers.insert(limit_name, HeaderValue::from(limit));
        headers.insert(remaining_name, HeaderValue::from(remaining));
        if let Ok(value) = HeaderValue::try_from(written(reset)) {
            headers.insert(reset_name, value);
        }
    }
}

/// Whether a header is about the limits of an account.
pub(crate) fn is_limit(name: &HeaderName) -> bool {
    name.as_str().starts_with(PREFIX)
}

/// A duration as OpenAI writes them: `120ms`, `8.64s`, `6m0s`; rounded up to the millisecond.
pub(crate) fn written(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (minutes, millis) = (millis / 60_000, millis % 60_000);
    let seconds = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_openai_writes_them() {
        let cases = [
            (0, "0ms"),
            (1, "1ms"),
            (120_000_000, "120ms"),
            (999_000_001, "1s"),
            (1_000_000_000, "1s"),
            (8_640_000_000, "8.64s"),
            (59_999_000_001, "1m0s"),
            (360_000_000_000, "6m0s"),
            (172_800_000_000, "2m52.8s"),
            (3_723_004_000_000, "1h2m3.004s"),
            (36_000_000_000_000, "10h0m0s"),
        ];
        for (nanoseconds, text) in cases {
            assert_eq!(written(Duration::from_nanos(nanoseconds)), text);
        }
    }
}
