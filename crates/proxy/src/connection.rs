//! One connection of a caller: which protocol it speaks, its requests, and its end.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::edge;
use crate::framing_guard::FramingGuard;
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

enum Protocol {
    Http1,
    Http2,
}

/// Serves a connection until it ends; after `drain`, until the requests under way have ended.
pub(crate) async fn serve(stream: TcpStream, context: Arc<Context>, drain: CancellationToken) {
    let protocol = tokio::select! {
        // Nothing has been asked yet, so nothing is lost.
        () = drain.cancelled() => return,
        sniffed = tokio::time::timeout(context.limits.header_timeout, sniff(&stream)) => match sniffed {
            Ok(Ok(protocol)) => protocol,
            Ok(Err(_)) | Err(_) => return,
        },
    };
    let result = match protocol {
        Protocol::Http1 => serve_http1(stream, context, drain).await,
        Protocol::Http2 => serve_http2(stream, context, drain).await,
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a caller's connection ended early");
    }
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

async fn serve_http1(
    stream: TcpStream,
    context: Arc<Context>,
    drain: CancellationToken,
) -> Result<(), hyper::Error> {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(context.limits.header_timeout)
        .max_buf_size(READ_BUFFER)
        // A caller that closes its side has left, also while a provider still thinks.
        .half_close(false);
    let io = TokioIo::new(FramingGuard::new(watched(stream, &context)));
    let slot = Slot::default();
    {
        let service = edge::service(context, slot.clone());
        let mut connection = std::pin::pin!(builder.serve_connection(io, service).with_upgrades());
        tokio::select! {
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

async fn serve_http2(
    stream: TcpStream,
    context: Arc<Context>,
    drain: CancellationToken,
) -> Result<(), hyper::Error> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(16 << 10)
        .max_pending_accept_reset_streams(20)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(context.limits.header_timeout)
        .keep_alive_timeout(Duration::from_secs(20));
    let io = TokioIo::new(watched(stream, &context));
    until_drained(builder.serve_connection(io, edge::service(context, Slot::default())), drain).await
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
