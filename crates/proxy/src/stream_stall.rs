//! A caller of HTTP/2 that keeps the window of a stream shut: after a while that stream is reset, and no other, so that no
//! provider writes for nobody. What a connection does not take at all is noticed by [`crate::write_stall`].
//!
//! hyper asks a body for its next frame only once the window has room, so the body cannot notice; the task that hyper
//! makes for each stream is woken for as long as the body wants to be. So the body says whose turn it is, and the task
//! takes the time. A timer is armed only when it is the caller's turn, so a caller that reads never costs one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::Sleep;

tokio::task_local! {
    static TURN: Arc<Turn>;
}

/// Whose turn it is in one stream.
#[derive(Default)]
struct Turn {
    /// The caller's to take what it was sent; else the provider's to send more.
    is_callers: AtomicBool,
    /// Frames that were handed over.
    frames: AtomicU64,
}

impl Turn {
    fn of_the_caller(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.is_callers.store(true, Ordering::Relaxed);
    }

    fn of_the_provider(&self) {
        self.is_callers.store(false, Ordering::Relaxed);
    }
}

/// Runs the tasks of a connection's streams, and ends those whose callers take nothing for so long.
#[derive(Clone)]
pub(crate) struct StreamTasks {
    pub(crate) patience: Duration,
}

impl<F> Executor<F> for StreamTasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        tokio::spawn(until_stalled(stream, self.patience));
    }
}

async fn until_stalled<F: Future>(stream: F, patience: Duration) {
    let turn = Arc::<Turn>::default();
    let mut stream = std::pin::pin!(TURN.scope(Arc::clone(&turn), stream));
    let mut stalled: Option<(u64, Pin<Box<Sleep>>)> = None;
    let ended = std::future::poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !turn.is_callers.load(Ordering::Relaxed) {
            stalled = None;
            return Poll::Pending;
        }
        let frames = turn.frames.load(Ordering::Relaxed);
        let (since, timer) = stalled.get_or_insert_with(|| (frames, Box::pin(tokio::time::sleep(patience))));
        if *since != frames {
            *since = frames;
            timer.as_mut().reset(tokio::time::Instant::now() + patience);
        }
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("a caller kept the window of a stream shut; it is reset");
        Poll::Ready(())
    });
    ended.await;
}

/// A body that says whose turn it is.
pub(crate) struct Telling<B> {
    body: B,
    /// The task of a connection of HTTP/1.1 has none.
    turn: Option<Arc<Turn>>,
}

impl<B> Telling<B> {
    /// Of an answer that is on its way from now on: its window may be shut from the beginning.
    pub(crate) fn new(body: B) -> Telling<B> {
        let turn = TURN.try_with(Arc::clone).ok();
        if let Some(turn) = &turn {
            turn.of_the_caller();
        }
        Telling { body, turn }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Telling<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Telling { body, turn } = &mut *self;
        let Some(turn) = turn else { return Pin::new(body).poll_frame(cx) };
        turn.of_the_provider();
        let polled = Pin::new(body).poll_frame(cx);
        if polled.is_ready() {
            turn.of_the_caller();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
