//! One connection of a caller: TLS or not, which protocol it speaks, its requests, and its end.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::auth::CallerAddress;
use crate::caller_tls::{Accepted, CallerCertificate};
use crate::edge;
use crate::first_bytes::FirstBytes;
use crate::frame_guard::FrameGuard;
use crate::framing_guard::FramingGuard;
use crate::stream_stall::StreamTasks;
use crate::websocket::Slot;
use crate::worker::Context;
use crate::write_stall::WriteStall;

/// RFC 9113 section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How soon a connection that has sent only part of the preface is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Bounds the buffer for a request head, and how much of a body is read at once.
const READ_BUFFER: usize = 64 << 10;

/// What one HTTP/2 stream may hold for a caller that does not read.
const SEND_BUFFER: usize = 64 << 10;

pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Serves a connection until it ends; after `drain`, until the requests under way have ended.
pub(crate) async fn serve(stream: TcpStream, context: Arc<Context>, drain: CancellationToken) {
    let within = context.limits.header_timeout;
    let address = stream.peer_addr().ok().map(|address| address.ip().to_canonical());
    let from = CallerAddress { address, is_trusted: context.trust_forwarded_for };
    let result = match &context.tls {
        None => {
            let Some(protocol) = in_time(sniff(&stream), within, &drain).await else { return };
            let stream = watched(stream, &context);
            match protocol {
                Protocol::Http1 => serve_http1(stream, (None, from), context, drain).await,
                // Boxed: what serves many requests at once is several times as large as what serves one.
                Protocol::Http2 => Box::pin(serve_http2(stream, (None, from), context, drain)).await,
            }
        }
        Some(tls) => {
            // The stall is watched below TLS, which takes bytes and says so before the system has them. Boxed, because
            // a handshake is short and large, and a connection is neither.
            let handshake = Box::pin(tls.accept(watched(stream, &context)));
            let Some(accepted) = in_time(handshake, within, &drain).await else { return };
            let Accepted { stream, protocol, certificate } = accepted;
            match protocol {
                Protocol::Http1 => serve_http1(stream, (certificate, from), context, drain).await,
                Protocol::Http2 => {
                    let stream = FirstBytes::new(stream, PREFACE.len(), within);
                    Box::pin(serve_http2(stream, (certificate, from), context, drain)).await
                }
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a caller's connection ended early");
    }
}

/// What has to be done before anything is asked; when the gateway ends meanwhile, nothing is lost.
async fn in_time<T>(
    beginning: impl Future<Output = std::io::Result<T>>,
    within: Duration,
    drain: &CancellationToken,
) -> Option<T> {
    let begun = tokio::select! {
        () = drain.cancelled() => return None,
        begun = tokio::time::timeout(within, beginning) => begun.ok()?,
    };
    begun.inspect_err(|error| tracing::debug!(%error, "a caller's connection did not begin")).ok()
}

/// Looks at the first bytes without taking them. hyper-util's own detection has no timeout, and serving HTTP/1
/// directly spares its buffer.
async fn sniff(stream: &TcpStream) -> std::io::Result<Protocol> {
    let mut seen = [0_u8; PREFACE.len()];
    loop {
        let length = stream.peek(&mut seen).await?;
        let (seen, expected) = (seen.get(..length), PREFACE.get(..length));
        match length {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ if seen != expected => return Ok(Protocol::Http1),
            length if length == PREFACE.len() => return Ok(Protocol::Http2),
            _ => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

async fn serve_http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    (certificate, from): (Option<CallerCertificate>, CallerAddress),
    context: Arc<Context>,
    drain: CancellationToken,
) -> Result<(), hyper::Error> {
    let header_timeout = context.limits.header_timeout;
    let io = TokioIo::new(FramingGuard::new(stream));
    let slot = Slot::default();
    {
        let service = edge::service(context, certificate, slot.clone(), from);
        let connection = http1_builder(header_timeout).serve_connection(io, service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            // Nothing is drawn for whose turn it is: this is gone through for every chunk.
            biased;
            result = connection.as_mut() => result?,
            () = drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await?;
            }
        }
    }
    slot.run().await;
    Ok(())
}

fn http1_builder(header_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(READ_BUFFER)
        // A caller that closes its side has left, also while a provider still thinks.
        .half_close(false);
    builder
}

async fn serve_http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    (certificate, from): (Option<CallerCertificate>, CallerAddress),
    context: Arc<Context>,
    drain: CancellationToken,
) -> Result<(), hyper::Error> {
    let mut builder = http2::Builder::new(StreamTasks { patience: context.limits.write_stall_timeout });
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(16 << 10)
        .max_pending_accept_reset_streams(20)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(context.limits.header_timeout)
        .keep_alive_timeout(Duration::from_secs(20));
    let service = edge::service(context, certificate, Slot::default(), from);
    let io = TokioIo::new(FrameGuard::new(stream, PREFACE.len()));
    until_drained(builder.serve_connection(io, service), drain).await
}

fn watched(stream: TcpStream, context: &Context) -> WriteStall<TcpStream> {
    WriteStall::new(stream, context.limits.write_stall_timeout)
}

/// Serves until the connection ends by itself, or is told to end after what is under way.
async fn until_drained<C: GracefulConnection>(
    connection: C,
    drain: CancellationToken,
) -> Result<(), C::Error> {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return result,
        () = drain.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every open connection holds this, idle or not, in the clear or within TLS: what it grows by, each of thousands grows by.
    #[test]
    fn what_serves_a_connection_is_small() {
        fn held<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = held(serve);
        assert!(bytes <= 1536, "{bytes}");
    }
}
