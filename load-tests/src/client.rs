//! One kept-alive connection to a target: writes a prepared request, reads the answer to its end.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::framing::Framing;

/// Large enough that a 64 KB answer takes few reads, small enough for hundreds of connections.
const READ: usize = 32 * 1024;

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    framing: Framing,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; READ], framing: Framing::new() })
    }

    /// Sends a request and hands out the answer's body as it comes. Any status but 200 is an error that shows the body.
    pub(crate) async fn exchange(&mut self, request: &[u8], mut on_body: impl FnMut(&[u8])) -> Result<()> {
        self.framing.reset();
        let mut refusal = Vec::new();
        self.stream.write_all(request).await.context("cannot send")?;
        loop {
            let read = self.stream.read(&mut self.buffer).await.context("cannot read")?;
            ensure!(read > 0, "the connection was closed before the answer's end");
            let bytes = self.buffer.get(..read).unwrap_or_default();
            let framing = &mut self.framing;
            let done = framing.feed(bytes, &mut |body| {
                on_body(body);
                // Only ever copied when small: what refuses is short, and answers to load are checked by status below.
                if refusal.len() < 512 && body.len() < 512 {
                    refusal.extend_from_slice(body);
                }
            })?;
            if done {
                let status = self.framing.status();
                ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(&refusal));
                return Ok(());
            }
        }
    }
}
