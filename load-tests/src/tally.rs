//! What the workers of one load have seen, and the reading of one answer into it.
//!
//! All workers share one thread, so cells do.

use std::cell::{Cell, RefCell};

use anyhow::{Result, ensure};

use crate::client::Connection;
use crate::clock;
use crate::events::{Events, stamp};
use crate::latency::Latency;

/// Counts and distributions.
pub(crate) struct Tally {
    pub(crate) requests: Cell<u64>,
    pub(crate) chunks: Cell<u64>,
    /// From due to the end of the answer.
    pub(crate) whole: RefCell<Latency>,
    /// From due to the first event of a stream.
    pub(crate) first: RefCell<Latency>,
    /// Between two events of a stream.
    pub(crate) gap: RefCell<Latency>,
    /// From the provider's stamp to arrival.
    pub(crate) delay: RefCell<Latency>,
    /// Tells workers to end after their current answer.
    pub(crate) stop: Cell<bool>,
}

impl Tally {
    pub(crate) fn new() -> Result<Tally> {
        Ok(Tally {
            requests: Cell::new(0),
            chunks: Cell::new(0),
            whole: RefCell::new(Latency::new()?),
            first: RefCell::new(Latency::new()?),
            gap: RefCell::new(Latency::new()?),
            delay: RefCell::new(Latency::new()?),
            stop: Cell::new(false),
        })
    }

    /// Forgets a warm-up. Times to the first event stay: paced streams all begin in it.
    pub(crate) fn clear(&self) {
        self.requests.set(0);
        self.chunks.set(0);
        for latency in [&self.whole, &self.gap, &self.delay] {
            latency.borrow_mut().clear();
        }
    }

    /// One request and its whole answer, timed from when it was due.
    pub(crate) async fn exchange(
        &self,
        connection: &mut Connection,
        request: &[u8],
        due: u64,
        streams: bool,
    ) -> Result<()> {
        if streams {
            let mut reading = Reading { tally: self, due, previous: None, ended: false };
            let mut events = Events::default();
            connection
                .exchange(request, |bytes| events.feed(bytes, &mut |event| reading.take(event)))
                .await?;
            ensure!(reading.ended, "a stream ended without [DONE]");
        } else {
            connection.exchange(request, |_| {}).await?;
        }
        self.answered(due);
        Ok(())
    }

    /// Counts a request whose answer is whole, timed from when it was due.
    pub(crate) fn answered(&self, due: u64) {
        self.requests.set(self.requests.get() + 1);
        self.whole.borrow_mut().add(clock::now().saturating_sub(due));
    }
}

/// One stream being read.
struct Reading<'a> {
    tally: &'a Tally,
    due: u64,
    previous: Option<u64>,
    ended: bool,
}

impl Reading<'_> {
    fn take(&mut self, event: &[u8]) {
        if event == b"data: [DONE]" {
            self.ended = true;
            return;
        }
        let now = clock::now();
        let tally = self.tally;
        tally.chunks.set(tally.chunks.get() + 1);
        match self.previous.replace(now) {
            Some(previous) => tally.gap.borrow_mut().add(now.saturating_sub(previous)),
            None => tally.first.borrow_mut().add(now.saturating_sub(self.due)),
        }
        if let Some(made) = stamp(event) {
            tally.delay.borrow_mut().add(now.saturating_sub(made));
        }
    }
}
