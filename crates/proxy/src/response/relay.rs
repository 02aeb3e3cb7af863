//! A provider's answer on its way to the caller: each frame as it came, neither copied nor collected.
//!
//! Its end decides about the connection: read to the end, it goes back to the pool; dropped before, because the
//! caller left, it is closed, which tells the provider to stop. It is also the one place that ends the request's
//! record.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use decisions::{ErrorClass, ProviderId, TenantId};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use upstream::Lease;

use crate::attempt::under_way::UnderWay;
use crate::observer::{Outcome, UsageSource};
use crate::response::BodyError;
use crate::response::keeping::{Keeping, keep};
use crate::response::silence::Silence;
use crate::response::ticket::Ticket;
use crate::scan::BodyScanner;
use crate::scan::made::{MadeInEvents, MadeScanner};
use crate::snapshot::Snapshot;
use crate::worker::Context;

/// A provider's body.
pub(crate) struct Relay {
    /// Read before it was known that the rest goes on as it comes.
    first: Bytes,
    body: Incoming,
    lease: Option<Lease>,
    silence: Silence,
    ticket: Ticket,
    /// The attempt whose answer it is; none for what is not routed by its model.
    under_way: Option<UnderWay>,
    /// Where its tokens are charged for.
    scanner: Option<Box<BodyScanner<'static>>>,
    /// What it is read for, if anything.
    learning: Option<Learning>,
    /// What it has made is being written down; its last frame waits for that.
    keeping: Option<Keeping>,
    /// It is an error, or may hold one: credentials in it are covered, as far as they come in one piece.
    is_error: bool,
    last: Option<Frame<Bytes>>,
}

/// Reads an answer for what it makes, while it passes.
pub(crate) struct Learning {
    pub(crate) context: Arc<Context>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) whose: (TenantId, ProviderId),
    pub(crate) reader: Reader,
    /// What its events have named is being written down.
    pub(crate) keeping: Option<Keeping>,
}

/// How it is read.
pub(crate) enum Reader {
    /// So many bytes are still read, if it has not turned out to be longer; names stand at the beginning of what is.
    Whole { scanner: MadeScanner, left: Option<usize> },
    /// Event by event: what one names counts before the next comes.
    Events(MadeInEvents),
}

impl Learning {
    fn read(&mut self, bytes: &[u8]) {
        match &mut self.reader {
            Reader::Whole { scanner, left } => {
                let Some(most) = *left else { return };
                scanner.feed(bytes.get(..most).unwrap_or(bytes));
                *left = most.checked_sub(bytes.len());
                if left.is_none() {
                    let plan = self.snapshot.plan();
                    self.context.live.unlearned.tell(&plan.provider(self.whose.1).name);
                }
            }
            Reader::Events(events) => {
                events.feed(bytes);
                let made = events.take();
                // What is written down later is not synced before what came earlier.
                self.keeping = keep(&self.context, &self.snapshot, self.whose, &made).or(self.keeping.take());
            }
        }
    }

    fn finish(self) -> Option<Keeping> {
        match self.reader {
            Reader::Whole { mut scanner, .. } => {
                keep(&self.context, &self.snapshot, self.whose, &scanner.take())
            }
            Reader::Events(_) => self.keeping,
        }
    }
}

impl Relay {
    /// One that breaks off when nothing has come for `longest_silence`.
    pub(crate) fn new(
        first: Bytes,
        body: Incoming,
        lease: Lease,
        ticket: Ticket,
        mut under_way: Option<UnderWay>,
        longest_silence: Duration,
    ) -> Relay {
        let mut scanner = under_way.as_ref().and_then(UnderWay::token_scanner).map(Box::new);
        if let Some(scanner) = &mut scanner {
            scanner.feed(&first);
        }
        if let Some(under_way) = &mut under_way {
            under_way.unread_bytes = first.len() as u64;
        }
        let lease = Some(lease);
        let silence = Silence::new(longest_silence);
        let (learning, keeping, last, is_error) = (None, None, None, false);
        ticket.answered_with(first.len());
        let mut relay = Relay {
            first,
            body,
            lease,
            silence,
            ticket,
            under_way,
            scanner,
            learning,
            keeping,
            is_error,
            last,
        };
        if relay.body.is_end_stream() {
            relay.complete();
        }
        relay
    }

    /// Says that it is an error, or may hold one.
    pub(crate) fn error(mut self, is_error: bool) -> Relay {
        self.is_error = is_error;
        self
    }

    /// Reads it for what it makes.
    pub(crate) fn learning(mut self, learning: Option<Learning>) -> Relay {
        self.learning = learning;
        self
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.learning.is_none() && self.keeping.is_none() && self.last.is_none() {
            return self.poll_next(cx);
        }
        loop {
            if let Some(keeping) = &mut self.keeping {
                ready!(Pin::new(keeping).poll(cx));
                self.keeping = None;
            }
            if let Some(last) = self.last.take() {
                return Poll::Ready(Some(Ok(last)));
            }
            let next = ready!(self.poll_next(cx));
            let Some(learning) = &mut self.learning else { return Poll::Ready(next) };
            match next {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        learning.read(data);
                    }
                    if !self.body.is_end_stream() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    self.last = Some(frame);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {}
            }
            // It has ended.
            self.keeping = self.learning.take().and_then(Learning::finish);
            if self.keeping.is_none() && self.last.is_none() {
                return Poll::Ready(None);
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Poller<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        // Trailers are about one connection and end here; nothing comes after them.
        if matches!(&polled, Poll::Ready(Some(Ok(frame))) if frame.is_trailers()) {
            polled = Poll::Ready(None);
        }
        if self.is_error {
            let secrets = self.ticket.snapshot.secrets();
            polled = polled.map_ok(|frame| frame.map_data(|data| secrets.cover(data)));
        }
        match &polled {
            Poll::Pending => {
                ready!(self.silence.poll(cx));
                self.break_off(ErrorClass::IdleTimeout);
                return Poll::Ready(Some(Err(BodyError::Silent)));
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.is_broken();
                self.look(frame);
                // The caller's side may stop polling as soon as it has all the bytes that were announced.
                if self.body.is_end_stream() {
                    self.complete();
                }
            }
            Poll::Ready(None) => self.complete(),
            Poll::Ready(Some(Err(error))) => {
                let class =
                    if error.is_incomplete_message() { ErrorClass::Truncated } else { ErrorClass::Reset };
                self.break_off(class);
            }
        }
        polled.map(|polled| polled.map(|frame| frame.map_err(BodyError::Broken)))
    }

    /// The provider has failed; its connection goes with it.
    fn break_off(&mut self, class: ErrorClass) {
        self.lease = None;
        if let Some(under_way) = &mut self.under_way {
            under_way.break_off(class);
        }
        self.ticket.end(Outcome::Cut);
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.body.is_end_stream() && self.last.is_none() && self.keeping.is_none()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let rest = self.body.size_hint();
        let last = self.last.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
        match rest.exact() {
            Some(exact) => SizeHint::with_exact(exact + (self.first.len() + last) as u64),
            None => SizeHint::new(),
        }
    }

    /// Only to count.
    fn look(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else { return };
        self.ticket.answered_with(data.len());
        if let Some(scanner) = &mut self.scanner {
            scanner.feed(data);
        }
        if let Some(under_way) = &mut self.under_way {
            under_way.unread_bytes += data.len() as u64;
        }
    }

    fn complete(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
            if let Some(under_way) = &mut self.under_way {
                if let Some(usage) = self.scanner.take().and_then(|scanner| scanner.finish().usage) {
                    under_way.usage(usage, UsageSource::Reported);
                }
                under_way.succeed();
            }
            self.ticket.end(Outcome::Complete);
        }
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
