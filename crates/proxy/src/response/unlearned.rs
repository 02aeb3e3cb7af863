//! Answers that were too long to be read for what they made: said in the log, at most once a minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Between two lines of the log.
const PAUSE: Duration = Duration::from_secs(60);

/// Counts them since the process began.
#[derive(Debug)]
pub(crate) struct Unlearned {
    began: Instant,
    /// When the next line may be written, in milliseconds since then.
    next: AtomicU64,
    count: AtomicU64,
}

impl Default for Unlearned {
    fn default() -> Unlearned {
        Unlearned { began: Instant::now(), next: AtomicU64::new(0), count: AtomicU64::new(0) }
    }
}

impl Unlearned {
    /// One more, of this provider.
    pub(crate) fn tell(&self, provider: &str) {
        if let Some(count) = self.note() {
            tracing::warn!(
                provider,
                count,
                "answers were longer than `limits.max_answer_bytes`, so what they name behind that was not learned: a \
                 request that refers to it goes to the primary, or is a 404 where a credential is shared"
            );
        }
    }

    /// Counts one more; how many there are if that is to be said now.
    fn note(&self) -> Option<u64> {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = millis(self.began.elapsed());
        let is_due = |next: u64| (next <= now).then(|| now.saturating_add(millis(PAUSE)));
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_due).ok().map(|_| count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_is_told_at_once_and_the_rest_together_a_minute_later() {
        let unlearned = Unlearned::default();
        assert_eq!(unlearned.note(), Some(1));
        assert_eq!((unlearned.note(), unlearned.note()), (None, None));
        tokio::time::advance(PAUSE).await;
        assert_eq!((unlearned.note(), unlearned.note()), (Some(4), None));
    }
}
