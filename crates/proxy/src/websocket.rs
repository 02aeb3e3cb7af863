//! WebSockets (RFC 6455): a handshake is passed on to the tenant's primary, and once that has switched, bytes go both ways
//! unread. Any other `Upgrade` is ignored, as RFC 9110 section 7.8 allows: the request is answered as if it were not there.
//!
//! A socket belongs to the task of its connection: it counts as one, and lives on while the process drains, until the
//! drain's deadline cuts it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::Instant;
use upstream::{Lease, MaySwitch};

use crate::observer::Outcome;
use crate::response::GatewayBody;
use crate::response::headers::{clean, stamp};
use crate::response::ticket::Ticket;

/// Bytes held in each direction.
const BUFFER: usize = 16 << 10;

/// How a browser, which cannot set a header, shows OpenAI's key. Never passed on.
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// Name an account of the caller's; not passed on either.
const ACCOUNT_PROTOCOLS: [&str; 2] = ["openai-organization.", "openai-project."];

/// Sent on with a handshake, besides what is sent on with any request.
static HANDSHAKE: [HeaderName; 4] = [
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
];

/// What goes on after a connection has switched.
type Tunnel = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the handler leaves the tunnel for the task of the connection.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Tunnel>>>);

impl Slot {
    /// Runs what was left, if anything was.
    pub(crate) async fn run(self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tunnel) = left {
            tunnel.await;
        }
    }
}

/// A request that asks for a socket.
pub(crate) struct Socket {
    caller: OnUpgrade,
    slot: Slot,
}

impl Socket {
    /// Of a request's head, if it asks for one. A key among its subprotocols becomes its `Authorization`.
    pub(crate) fn of(head: &mut Parts) -> Option<Socket> {
        let asks = head.method == Method::GET
            && head.version == Version::HTTP_11
            && lists(&head.headers, &UPGRADE, "websocket")
            && lists(&head.headers, &CONNECTION, "upgrade");
        let (caller, slot) = (head.extensions.remove::<OnUpgrade>()?, head.extensions.remove::<Slot>()?);
        if !asks {
            return None;
        }
        take_key(&mut head.headers);
        Some(Socket { caller, slot })
    }

    /// The provider has switched: so does the caller's connection once it has this answer.
    pub(crate) fn switch(
        self,
        mut ticket: Box<Ticket>,
        mut response: Response<Incoming>,
        lease: Lease,
        longest_silence: Duration,
    ) -> Response<GatewayBody> {
        let provider = hyper::upgrade::on(&mut response);
        let (mut head, _) = response.into_parts();
        clean(&mut head.headers, &ticket);
        stamp(&mut head.headers, &ticket);
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        ticket.answer(head.status);
        let caller = self.caller;
        let tunnel = async move {
            let (Ok(caller), Ok(provider)) = tokio::join!(caller, provider) else { return };
            let outcome = relay(caller, provider, longest_silence).await;
            ticket.end(outcome);
            drop(lease);
        };
        *self.slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(tunnel));
        let mut response = Response::new(GatewayBody::whole(bytes::Bytes::new()));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }
}

/// Makes an outgoing request a handshake.
pub(crate) fn ask<B>(request: &mut Request<B>, incoming: &HeaderMap) {
    request.extensions_mut().insert(MaySwitch);
    let headers = request.headers_mut();
    for name in &HANDSHAKE {
        for value in incoming.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Takes what names a key or an account out of the subprotocols. A key becomes an `Authorization` beside any that is
/// there: two are refused like any two.
fn take_key(headers: &mut HeaderMap) {
    let text: Vec<&str> =
        headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok()).collect();
    let text = text.join(",");
    let (mut kept, mut keys) = (Vec::new(), Vec::new());
    for protocol in text.split(',').map(str::trim).filter(|protocol| !protocol.is_empty()) {
        if let Some(key) = protocol.strip_prefix(KEY_PROTOCOL) {
            keys.push(key);
        } else if !ACCOUNT_PROTOCOLS.iter().any(|account| protocol.starts_with(account)) {
            kept.push(protocol);
        }
    }
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::try_from(kept.join(", "))) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    for key in keys {
        if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {key}")) {
            value.set_sensitive(true);
            headers.append(header::AUTHORIZATION, value);
        }
    }
}

/// Whether a header that is a list has an entry.
fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|entry| entry.trim().eq_ignore_ascii_case(wanted))
}

/// Hands bytes on until one side ends, or both have been silent for too long.
async fn relay(caller: Upgraded, provider: Upgraded, longest_silence: Duration) -> Outcome {
    let (caller_reads, caller_writes) = tokio::io::split(TokioIo::new(caller));
    let (provider_reads, provider_writes) = tokio::io::split(TokioIo::new(provider));
    let moved = Mutex::new(Instant::now());
    tokio::select! {
        () = pump(caller_reads, provider_writes, &moved) => Outcome::Complete,
        () = pump(provider_reads, caller_writes, &moved) => Outcome::Complete,
        () = silence(&moved, longest_silence) => Outcome::Cut,
    }
}

/// One direction: what a reader does not take stays with the writer.
async fn pump(
    mut from: ReadHalf<TokioIo<Upgraded>>,
    mut to: WriteHalf<TokioIo<Upgraded>>,
    moved: &Mutex<Instant>,
) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let piece = buffer.get(..length).unwrap_or_default();
        if to.write_all(piece).await.is_err() || to.flush().await.is_err() {
            return;
        }
        *moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
    // A reset in place of an end is no more than a connection that ends.
    drop(to.shutdown().await);
}

async fn silence(moved: &Mutex<Instant>, longest: Duration) {
    loop {
        let due = *moved.lock().unwrap_or_else(PoisonError::into_inner) + longest;
        if Instant::now() >= due {
            return;
        }
        tokio::time::sleep_until(due).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_socket_lies_idle_when_neither_side_has_said_anything_for_so_long() {
        let (began, longest) = (Instant::now(), Duration::from_secs(600));
        let moved = Mutex::new(began);
        let talk = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(599)).await;
                *moved.lock().unwrap() = Instant::now();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = silence(&moved, longest) => {}
            () = talk => unreachable!("it waits for ever"),
        }
        assert_eq!(began.elapsed(), Duration::from_secs(3 * 599 + 600));
    }
}
