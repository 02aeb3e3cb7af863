//! The body of an outgoing request: bytes that were buffered and spliced, or the caller's body streamed on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Whatever made a streamed body fail.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is sent as it arrives.
pub type StreamedBody = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

/// Small: each connection of HTTP/1.1 keeps room for 32 requests that wait for it, though at most one ever does.
pub enum RequestBody {
    /// Up to three slices sent one after the other: what stood before the model value, the new value, the rest.
    Parts(Box<[Bytes; 3]>),
    /// The caller's body as it arrives.
    Stream(StreamedBody),
}

impl RequestBody {
    /// A body in one piece.
    #[must_use]
    pub fn whole(bytes: Bytes) -> RequestBody {
        RequestBody::Parts(Box::new([bytes, Bytes::new(), Bytes::new()]))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            RequestBody::Parts(parts) => {
                let next = parts.iter_mut().find(|part| !part.is_empty()).map(std::mem::take);
                Poll::Ready(next.map(|part| Ok(Frame::data(part))))
            }
            RequestBody::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Parts(parts) => parts.iter().all(Bytes::is_empty),
            RequestBody::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Parts(parts) => {
                SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum())
            }
            RequestBody::Stream(body) => body.size_hint(),
        }
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RequestBody::Parts(_) => "Parts(…)",
            RequestBody::Stream(_) => "Stream(…)",
        })
    }
}
