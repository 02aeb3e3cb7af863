//! Counts what is under way and what was dropped before its end, for tests of cancellation.
//!
//! An exchange begins when a request's head has arrived and ends with the last byte of its answer. A caller that leaves
//! in between, in any phase, makes it count as aborted; a provider that aborts by its own script does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The counters of one provider.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    received: AtomicU64,
    open: AtomicU64,
    aborted: AtomicU64,
    changed: Notify,
}

impl Exchanges {
    pub(crate) fn begin(self: &Arc<Exchanges>) -> Exchange {
        self.open.fetch_add(1, Ordering::AcqRel);
        Exchange { of: Arc::clone(self), ended: false }
    }

    /// A request has arrived whole; its number, from 1.
    pub(crate) fn receive(&self) -> u64 {
        let number = self.received.fetch_add(1, Ordering::AcqRel) + 1;
        self.changed.notify_waiters();
        number
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn aborted(&self) -> u64 {
        self.aborted.load(Ordering::Acquire)
    }

    pub(crate) fn clear(&self) {
        self.received.store(0, Ordering::Release);
        self.aborted.store(0, Ordering::Release);
    }

    /// Waits until a condition over these counters holds; it is asked again after each change.
    pub(crate) async fn until(&self, holds: impl Fn(&Exchanges) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before the question, so that no change falls between.
            changed.as_mut().enable();
            if holds(self) {
                return;
            }
            changed.await;
        }
    }
}

/// One request and its answer, from the arrival of the head to the last byte.
#[derive(Debug)]
pub(crate) struct Exchange {
    of: Arc<Exchanges>,
    ended: bool,
}

impl Exchange {
    /// From here on, being dropped is no news.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::AcqRel);
        if !self.ended {
            self.of.aborted.fetch_add(1, Ordering::AcqRel);
        }
        self.of.changed.notify_waiters();
    }
}
