//! What goes back to the caller: a body of the gateway's own, or a provider's answer relayed frame by frame.

pub(crate) mod headers;
mod relay;
pub(crate) mod ticket;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

pub(crate) use relay::Relay;

/// Every response body. One enum, so that a relayed frame costs no box of ours.
#[derive(Debug)]
pub(crate) enum GatewayBody {
    /// The gateway's own answer; empty once sent.
    Whole(Bytes),
    /// A provider's.
    Relay(Relay),
}

impl GatewayBody {
    pub(crate) fn whole(bytes: Bytes) -> GatewayBody {
        GatewayBody::Whole(bytes)
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            GatewayBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            GatewayBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            GatewayBody::Relay(relay) => relay.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            GatewayBody::Whole(bytes) => bytes.is_empty(),
            GatewayBody::Relay(relay) => relay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            GatewayBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            GatewayBody::Relay(relay) => relay.size_hint(),
        }
    }
}
