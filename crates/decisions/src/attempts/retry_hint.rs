//! What a failed answer's headers say about trying again.

use std::time::Duration;

/// What a failed answer says about trying again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryHint {
    /// How long to wait at least.
    pub after: Option<Duration>,
    /// Whether to try again at all.
    pub should_retry: Option<bool>,
}

/// Reads the headers of a failed answer.
#[must_use]
pub fn read_hint<'h>(header: impl Fn(&str) -> Option<&'h str>, now_unix: Duration) -> RetryHint {
    let _ = (header, now_unix);
    RetryHint::default()
}
