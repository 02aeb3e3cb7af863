//! The limits of time on a stream: how long it may be silent, and when it must have ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use decisions::ErrorClass;
use tokio::time::{Instant, Sleep};

/// One timer for both limits, armed anew only when it fires: an event merely writes down when it came.
pub(super) struct Clock {
    idle: Duration,
    last_event: Instant,
    ends_at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(super) fn new(idle: Duration, ends_at: Instant) -> Clock {
        Clock { idle, last_event: Instant::now(), ends_at, timer: None }
    }

    /// One that never fires, for as long as somebody else watches the time.
    pub(super) fn unset() -> Clock {
        const DAY: Duration = Duration::from_secs(86_400);
        Clock::new(DAY, Instant::now() + DAY)
    }

    /// From now on it may be silent for so long.
    pub(super) fn allow(&mut self, idle: Duration) {
        *self = Clock::new(idle, self.ends_at);
    }

    /// An event has come.
    pub(super) fn touch(&mut self) {
        self.last_event = Instant::now();
    }

    /// Ready when a limit has passed, with which.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ErrorClass> {
        loop {
            let due = (self.last_event + self.idle).min(self.ends_at);
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.ends_at {
                return Poll::Ready(ErrorClass::TotalTimeout);
            }
            if now >= self.last_event + self.idle {
                return Poll::Ready(ErrorClass::IdleTimeout);
            }
            let due = (self.last_event + self.idle).min(self.ends_at);
            timer.as_mut().reset(due);
        }
    }
}
