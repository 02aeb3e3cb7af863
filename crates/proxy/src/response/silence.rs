//! How long a provider may say nothing in the middle of an answer that goes on as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Counts only while somebody waits for more: a caller that takes its time is not the provider's silence.
pub(crate) struct Silence {
    longest: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_counting: bool,
}

impl Silence {
    pub(crate) fn new(longest: Duration) -> Silence {
        Silence { longest, timer: None, is_counting: false }
    }

    /// Something came.
    pub(crate) fn is_broken(&mut self) {
        self.is_counting = false;
    }

    /// Nothing has come. Ready once that has lasted too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = Instant::now() + self.longest;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if !self.is_counting {
            timer.as_mut().reset(due);
            self.is_counting = true;
        }
        timer.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn it_lasts_from_the_first_wait_after_the_last_bytes() {
        let mut silence = Silence::new(LONGEST);
        for _ in 0..3 {
            // Bytes after 59 seconds each time; then nobody asks for more for an hour.
            let waited = tokio::time::timeout(Duration::from_secs(59), poll_fn(|cx| silence.poll(cx))).await;
            assert!(waited.is_err());
            silence.is_broken();
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        let began = Instant::now();
        poll_fn(|cx| silence.poll(cx)).await;
        assert_eq!(began.elapsed(), LONGEST);
    }
}
