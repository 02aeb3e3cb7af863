//! What goes back to the caller: a body of the gateway's own, or a provider's answer relayed.

pub(crate) mod error_event;
pub(crate) mod frames;
pub(crate) mod headers;
pub(crate) mod keeping;
pub(crate) mod limit_headers;
mod relay;
mod silence;
pub(crate) mod stream;
pub(crate) mod ticket;
pub(crate) mod unlearned;
pub(crate) mod waiting;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use frames::Frames;
pub(crate) use relay::{Learning, Reader, Relay};
use stream::StreamBody;
use waiting::{Next, Waiting};

/// Every response body. One enum, so that a relayed frame costs no call through a pointer to code.
#[derive(Debug)]
pub(crate) enum GatewayBody {
    /// In memory; empty once sent.
    Whole(Frames),
    /// A provider's, frame by frame.
    Relay(Box<Relay>),
    /// A provider's, event by event.
    Stream(Box<StreamBody>),
    /// The attempts are still running.
    Waiting(Box<Waiting>),
}

/// Why an answer breaks off on its way, and the caller's connection with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The provider's connection failed.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// The provider said nothing for too long.
    #[error("the provider fell silent in the middle of its answer")]
    Silent,
}

impl GatewayBody {
    pub(crate) fn whole(bytes: Bytes) -> GatewayBody {
        GatewayBody::Whole(Frames::from(bytes))
    }

    /// How much of it is in memory.
    pub(crate) fn held(&self) -> usize {
        match self {
            GatewayBody::Whole(frames) => frames.len(),
            GatewayBody::Relay(_) | GatewayBody::Stream(_) | GatewayBody::Waiting(_) => 0,
        }
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            match this {
                GatewayBody::Whole(frames) => return Poll::Ready(frames.pop().map(Frame::data).map(Ok)),
                GatewayBody::Relay(relay) => return relay.poll_frame(cx),
                GatewayBody::Stream(stream) => return stream.poll_frame(cx),
                GatewayBody::Waiting(waiting) => match ready!(waiting.poll(cx)) {
                    Next::Heartbeat(frame) => return Poll::Ready(Some(Ok(frame))),
                    Next::Answer(body) => *this = body,
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            GatewayBody::Whole(frames) => frames.is_empty(),
            GatewayBody::Relay(relay) => relay.is_end_stream(),
            GatewayBody::Stream(stream) => stream.is_end_stream(),
            GatewayBody::Waiting(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            GatewayBody::Whole(frames) => SizeHint::with_exact(frames.len() as u64),
            GatewayBody::Relay(relay) => relay.size_hint(),
            GatewayBody::Stream(_) | GatewayBody::Waiting(_) => SizeHint::new(),
        }
    }
}
