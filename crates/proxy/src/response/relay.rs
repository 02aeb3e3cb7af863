//! A provider's answer on its way to the caller: each frame as it came, neither copied nor collected.
//!
//! Its end decides about the connection: read to the end, it goes back to the pool; dropped before, because the
//! caller left, it is closed, which tells the provider to stop. It is also the one place that ends the request's
//! record.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use upstream::Lease;

use crate::observer::Outcome;
use crate::response::ticket::Ticket;

/// A provider's body.
#[derive(Debug)]
pub(crate) struct Relay {
    body: Incoming,
    lease: Option<Lease>,
    ticket: Ticket,
}

impl Relay {
    pub(crate) fn new(body: Incoming, lease: Lease, ticket: Ticket) -> Relay {
        let mut relay = Relay { body, lease: Some(lease), ticket };
        if relay.body.is_end_stream() {
            relay.complete();
        }
        relay
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => {
                // The caller's side may stop polling as soon as it has all the bytes that were announced.
                if self.body.is_end_stream() {
                    self.complete();
                }
            }
            Poll::Ready(None) => self.complete(),
            Poll::Ready(Some(Err(_))) => {
                self.lease = None;
                self.ticket.end(Outcome::Cut);
            }
        }
        polled
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn complete(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
            self.ticket.end(Outcome::Complete);
        }
    }
}
