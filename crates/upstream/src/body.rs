//! The body of an outgoing request: bytes that were buffered and spliced, or the caller's body streamed on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// One type without a box, because it is on every request.
#[derive(Debug)]
pub enum RequestBody {
    /// Up to three slices sent one after the other: what stood before the model value, the new value, the rest.
    Parts([Bytes; 3]),
    /// The caller's body as it arrives.
    Stream(Incoming),
}

impl RequestBody {
    /// A body in one piece.
    #[must_use]
    pub fn whole(bytes: Bytes) -> RequestBody {
        RequestBody::Parts([bytes, Bytes::new(), Bytes::new()])
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            RequestBody::Parts(parts) => {
                let next = parts.iter_mut().find(|part| !part.is_empty()).map(std::mem::take);
                Poll::Ready(next.map(|part| Ok(Frame::data(part))))
            }
            RequestBody::Stream(incoming) => Pin::new(incoming).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Parts(parts) => parts.iter().all(Bytes::is_empty),
            RequestBody::Stream(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Parts(parts) => {
                SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum())
            }
            RequestBody::Stream(incoming) => incoming.size_hint(),
        }
    }
}
