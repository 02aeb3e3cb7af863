//! A tenant that has used up one of its limits: what it is told, and when to come back.

use std::time::Duration;

use decisions::tenant_limits::{Limited, OverLimit};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{Face, LONGEST_RETRY_AFTER, invalid};
use crate::response::limit_headers::written;

/// The name that OpenAI's clients read first: how long to wait.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// As OpenAI tells of its own limits: `type` says of what.
pub(super) fn face(over: OverLimit) -> Face<'static> {
    let OverLimit { limited, limit, after } = over;
    let (kind, what) = match limited {
        Limited::Requests => ("requests", format!("{limit} requests per minute (`requests_per_minute`)")),
        Limited::Tokens => ("tokens", format!("{limit} tokens per minute (`tokens_per_minute`)")),
        Limited::Concurrency => {
            ("requests", format!("{limit} requests at one time (`max_concurrent_requests`)"))
        }
    };
    let message = format!(
        "Rate limit reached: this gateway allows your tenant {what}. Please try again in {}.",
        written(after)
    );
    Face {
        r#type: kind,
        // Whoever comes back after the longest wait that clients obey would be refused again.
        should_retry: (after > LONGEST_RETRY_AFTER).then_some(false),
        after: Some(after),
        ..invalid(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
    }
}

/// In milliseconds for those who read them, and in whole seconds; never more than any client obeys.
pub(super) fn ask_to_wait(headers: &mut HeaderMap, after: Duration) {
    let millis = after.min(LONGEST_RETRY_AFTER).as_nanos().div_ceil(1_000_000);
    let values = [(RETRY_AFTER_MS, millis), (header::RETRY_AFTER, millis.div_ceil(1_000).max(1))];
    for (name, value) in values {
        if let Ok(value) = u64::try_from(value) {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}
