//! A caller that negotiates HTTP/2 and then says nothing: its connection fails after a while. hyper has a timeout for
//! the head of an HTTP/1.1 request, and none for the beginning of an HTTP/2 connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::pass_through::pass_through;

/// A connection that must say so many bytes in time.
pub(crate) struct FirstBytes<S> {
    stream: S,
    missing: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> FirstBytes<S> {
    pub(crate) fn new(stream: S, bytes: usize, within: Duration) -> FirstBytes<S> {
        FirstBytes { stream, missing: bytes, deadline: Some(Box::pin(tokio::time::sleep(within))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(deadline) = &mut self.deadline {
            if read.is_pending() {
                ready!(deadline.as_mut().poll(cx));
                let silent = "the caller negotiated HTTP/2 and does not begin it";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, silent)));
            }
            self.missing = self.missing.saturating_sub(buf.filled().len() - before);
            if self.missing == 0 {
                self.deadline = None;
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    pass_through!(write);
    pass_through!(flush);
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_bytes_must_come_in_time_and_the_next_need_not() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = FirstBytes::new(ours, 4, Duration::from_secs(5));
        theirs.write_all(b"abc").await.unwrap();
        ours.read_exact(&mut [0; 3]).await.unwrap();
        let late = ours.read_exact(&mut [0; 1]).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);

        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = FirstBytes::new(ours, 4, Duration::from_secs(5));
        theirs.write_all(b"abcd").await.unwrap();
        ours.read_exact(&mut [0; 4]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        theirs.write_all(b"e").await.unwrap();
        ours.read_exact(&mut [0; 1]).await.unwrap();
    }
}
