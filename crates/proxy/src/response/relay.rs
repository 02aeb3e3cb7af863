//! A provider's answer on its way to the caller: each frame as it came, neither copied nor collected.
//!
//! Its end decides about the connection: read to the end, it goes back to the pool; dropped before, because the
//! caller left, it is closed, which tells the provider to stop. It is also the one place that ends the request's
//! record.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use decisions::ErrorClass;
use decisions::attempts::RetryHint;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use upstream::Lease;

use crate::attempt::under_way::UnderWay;
use crate::observer::Outcome;
use crate::response::ticket::Ticket;

/// A provider's body.
pub(crate) struct Relay {
    /// Read before it was known that the rest goes on as it comes.
    first: Bytes,
    body: Incoming,
    lease: Option<Lease>,
    ticket: Ticket,
    /// The attempt whose answer it is; none for what is not routed by its model.
    under_way: Option<UnderWay>,
}

impl Relay {
    pub(crate) fn new(
        first: Bytes,
        body: Incoming,
        lease: Lease,
        ticket: Ticket,
        under_way: Option<UnderWay>,
    ) -> Relay {
        let mut relay = Relay { first, body, lease: Some(lease), ticket, under_way };
        if relay.body.is_end_stream() {
            relay.complete();
        }
        relay
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        // Trailers are about one connection and end here; nothing comes after them.
        if matches!(&polled, Poll::Ready(Some(Ok(frame))) if frame.is_trailers()) {
            polled = Poll::Ready(None);
        }
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => {
                // The caller's side may stop polling as soon as it has all the bytes that were announced.
                if self.body.is_end_stream() {
                    self.complete();
                }
            }
            Poll::Ready(None) => self.complete(),
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                if let Some(under_way) = &mut self.under_way {
                    let class =
                        if error.is_incomplete_message() { ErrorClass::Truncated } else { ErrorClass::Reset };
                    under_way.fail(class, RetryHint::default(), "committed");
                }
                self.ticket.end(Outcome::Cut);
            }
        }
        polled
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.body.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let rest = self.body.size_hint();
        match rest.exact() {
            Some(exact) => SizeHint::with_exact(exact + self.first.len() as u64),
            None => SizeHint::new(),
        }
    }

    fn complete(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
            if let Some(under_way) = &mut self.under_way {
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
