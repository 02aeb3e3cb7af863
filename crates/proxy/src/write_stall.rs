//! A caller that does not read what is sent to it: after a while its connection fails, and with it whatever was being
//! streamed, so that no provider writes for nobody.
//!
//! A timer is armed only when the system takes no more bytes, so a caller that reads never costs one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use crate::pass_through::pass_through;

/// A connection whose writes must get on.
pub(crate) struct WriteStall<S> {
    stream: S,
    patience: Duration,
    /// Since when the system takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteStall<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> WriteStall<S> {
        WriteStall { stream, patience, stalled: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteStall<S> {
    pass_through!(read);
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteStall<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    pass_through!(flush);
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_fails_the_write_after_a_while_and_one_that_goes_on_does_not() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut ours = WriteStall::new(ours, Duration::from_secs(30));
        let started = Instant::now();
        let writing = async {
            let result = ours.write_all(&[7; 64]).await;
            (result.map_err(|error| error.kind()), started.elapsed())
        };
        let reading = async {
            // Slow is not stalled: each read comes before the patience ends.
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_secs(29)).await;
                theirs.read_exact(&mut [0; 16]).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let (result, after) = tokio::select! {
            written = writing => written,
            () = reading => unreachable!("it waits for ever"),
        };
        assert_eq!(result, Err(io::ErrorKind::TimedOut));
        assert_eq!(after, Duration::from_secs(29 + 29 + 30));
    }
}
