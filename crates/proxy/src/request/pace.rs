//! A body that arrives too slowly is given up: within each stretch of time that was spent waiting for it, so many bytes
//! must have come. Time in which nobody waited, because a provider reads slowly, does not count.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::error::Error;
use crate::request::peek::PeekError;

/// The stretch of waiting that is looked at; what begins slowly has that long.
const STRETCH: Duration = Duration::from_secs(5);

/// Counts what came within a stretch.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes that must come within a stretch; 0 is no minimum.
    least: u64,
    came: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new(per_second: u64) -> Pace {
        let least = per_second.saturating_mul(STRETCH.as_secs());
        Pace { least, came: 0, waited: Duration::ZERO, waiting_since: None, timer: None }
    }

    /// Something came.
    pub(crate) fn came(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        self.came = self.came.saturating_add(bytes as u64);
        if self.came >= self.least {
            (self.came, self.waited) = (0, Duration::ZERO);
        }
    }

    /// Nothing is there now. Ready when that has lasted too long.
    pub(crate) fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.least == 0 {
            return Poll::Pending;
        }
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            let due = now + STRETCH.saturating_sub(self.waited);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(due),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(due))),
            }
        }
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }
}

/// Why a body that is streamed on was given up. The request that carries it fails at the provider; this says what the
/// caller is told.
#[derive(Debug, Default)]
pub(crate) struct Fault(AtomicU8);

/// What can be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    TooSlow = 1,
    Broken = 2,
    /// A form that is not in order.
    Form = 3,
}

impl Fault {
    pub(crate) fn set(&self, flaw: Flaw) {
        self.0.store(flaw as u8, Ordering::Relaxed);
    }

    /// What the caller is told, if it is at fault.
    pub(crate) fn error(&self) -> Option<Error> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Error::BodyTimeout),
            2 => Some(Error::BodyBroken),
            3 => Some(Error::Body(PeekError::Form("its end says something else than its beginning"))),
            _ => None,
        }
    }
}

/// A caller's body on its way to a provider as it arrives, without its trailers.
pub(crate) struct Paced<B> {
    body: B,
    pace: Pace,
    fault: Arc<Fault>,
}

impl<B> Paced<B> {
    pub(crate) fn new(body: B, per_second: u64, fault: &Arc<Fault>) -> Paced<B> {
        Paced { body, pace: Pace::new(per_second), fault: Arc::clone(fault) }
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<upstream::BoxError>,
{
    type Data = Bytes;
    type Error = upstream::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, upstream::BoxError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending => match this.pace.poll_stalled(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => {
                    this.fault.set(Flaw::TooSlow);
                    Poll::Ready(Some(Err("the caller sends too slowly".into())))
                }
            },
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    this.pace.came(data.len());
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                // Trailers: nothing comes after them.
                Err(_) => Poll::Ready(None),
            },
            Poll::Ready(Some(Err(error))) => {
                this.fault.set(Flaw::Broken);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stalls_after(pace: &mut Pace) -> Duration {
        let began = Instant::now();
        std::future::poll_fn(|cx| pace.poll_stalled(cx)).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn only_time_that_was_spent_waiting_counts() {
        let mut pace = Pace::new(100);
        assert_eq!(stalls_after(&mut pace).await, STRETCH);
        let mut pace = Pace::new(100);
        let waiting = tokio::time::timeout(Duration::from_secs(3), stalls_after(&mut pace)).await;
        assert!(waiting.is_err());
        pace.came(499);
        // The provider is slow: nobody asks for more.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(stalls_after(&mut pace).await, Duration::from_secs(2));
        let mut pace = Pace::new(100);
        pace.came(500);
        assert_eq!(stalls_after(&mut pace).await, STRETCH);
    }
}
