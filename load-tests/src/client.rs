//! One kept-alive connection to a target: writes a prepared request, reads the answer to its end.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::handshake;
use crate::framing::Framing;

/// Large enough that a 64 KB answer takes few reads, small enough for hundreds of connections.
const READ: usize = 32 * 1024;

/// A connection.
pub(crate) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    framing: Framing,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                // The last records may still wait in the session.
                stream.flush().await
            }
        }
    }

    async fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer).await,
            Stream::Tls(stream) => stream.read(buffer).await,
        }
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        Ok(Connection::over(Stream::Plain(connect(address).await?)))
    }

    /// The same over TLS.
    pub(crate) async fn open_tls(address: SocketAddr, connector: &TlsConnector) -> Result<Connection> {
        let stream = handshake(connector, connect(address).await?).await?;
        Ok(Connection::over(Stream::Tls(Box::new(stream))))
    }

    fn over(stream: Stream) -> Connection {
        Connection { stream, buffer: vec![0; READ], framing: Framing::new() }
    }

    /// Sends a request and hands out the answer's body as it comes. Any status but 200 is an error that shows the body.
    pub(crate) async fn exchange(&mut self, request: &[u8], mut on_body: impl FnMut(&[u8])) -> Result<()> {
        self.framing.reset();
        let mut refusal = Vec::new();
        self.stream.send(request).await.context("cannot send")?;
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

/// A connection whose writes leave at once.
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
