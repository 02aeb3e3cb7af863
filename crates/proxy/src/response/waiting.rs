//! A streamed answer that has not begun while the caller already has its head: comments say that somebody is there.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http_body::Frame;
use tokio::time::Sleep;

use crate::response::GatewayBody;
use crate::response::error_event;
use crate::scan::Shape;

/// One line and no blank one: after an `id:`, OpenAI's Python client takes a comment with a blank line for an empty
/// event, and fails.
static HEARTBEAT: &[u8] = b": ping\n";

/// The attempts of a request, still running.
pub(crate) type Running = Pin<Box<dyn Future<Output = Response<GatewayBody>> + Send>>;

/// A body that waits for the answer.
pub(crate) struct Waiting {
    running: Running,
    shape: Shape,
    beat: Pin<Box<Sleep>>,
    every: Duration,
}

impl Waiting {
    /// The head that the caller gets at once, and the body that waits.
    pub(crate) fn response(running: Running, shape: Shape, every: Duration) -> Response<GatewayBody> {
        let waiting = Waiting { running, shape, beat: Box::pin(tokio::time::sleep(Duration::ZERO)), every };
        let mut response = Response::new(GatewayBody::Waiting(Box::new(waiting)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    /// The next heartbeat, or the body that takes over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if let Poll::Ready(response) = self.running.as_mut().poll(cx) {
            return Poll::Ready(Next::Answer(self.continue_with(response)));
        }
        ready!(self.beat.as_mut().poll(cx));
        let next = tokio::time::Instant::now() + self.every;
        self.beat.as_mut().reset(next);
        Poll::Ready(Next::Heartbeat(Frame::data(Bytes::from_static(HEARTBEAT))))
    }

    /// The status is out: an error becomes the last event, and who served is said in a comment.
    fn continue_with(&self, response: Response<GatewayBody>) -> GatewayBody {
        let (head, body) = response.into_parts();
        match body {
            GatewayBody::Stream(mut stream) => {
                let header =
                    |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
                let served = format!(
                    ": served by {} as {}, attempts {}\n",
                    header("x-cometgate-provider"),
                    header("x-cometgate-role"),
                    header("x-cometgate-attempts")
                );
                stream.prepend(Bytes::from(served));
                GatewayBody::Stream(stream)
            }
            GatewayBody::Whole(frames) => {
                GatewayBody::whole(error_event::instead_of(self.shape, &frames.into_bytes()))
            }
            other => other,
        }
    }
}

/// What a waiting body has.
pub(crate) enum Next {
    Heartbeat(Frame<Bytes>),
    Answer(GatewayBody),
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("shape", &self.shape).finish_non_exhaustive()
    }
}
