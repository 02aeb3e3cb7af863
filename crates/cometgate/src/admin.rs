//! What probes ask: whether the process is up and whether it should get requests; and how gates stand, to look at only. On a
//! listener of its own, so that
//! nothing of it can be reached where applications connect.
//!
//! It is served by the control thread, which serves no request: an answer says that the process is scheduled, not that
//! its workers are idle. It stays until the process ends, so that a probe hears of the drain.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use proxy::SnapshotHandle;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::gates::keeper::Keeper;
use crate::gates::report::report;

/// Probes are few; whoever opens more waits.
const MOST_CONNECTIONS: usize = 64;

/// A probe asks at once, and hears at once.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
const CONNECTION_WITHIN: Duration = Duration::from_secs(60);

/// How long to wait when the system has no file descriptor left.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// The running listener; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Admin {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Admin {
    /// Serves on the runtime of the caller. `draining` is told when the process begins to end.
    pub(crate) fn start(
        listener: TcpListener,
        snapshot: Arc<SnapshotHandle>,
        gates: Arc<Keeper>,
        draining: CancellationToken,
    ) -> std::io::Result<Admin> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { snapshot, gates, draining });
        let accepting = tokio::spawn(accept(listener, state)).abort_handle();
        Ok(Admin { address, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct State {
    snapshot: Arc<SnapshotHandle>,
    gates: Arc<Keeper>,
    draining: CancellationToken,
}

async fn accept(listener: tokio::net::TcpListener, state: Arc<State>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    // One that stays for longer makes room; a probe connects again.
                    tokio::time::timeout(CONNECTION_WITHIN, serve(stream, state)).await.ok();
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a probe's connection could not be accepted");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &state);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(16 << 10);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a probe's connection ended early");
    }
}

fn respond(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, body) = match request.uri().path() {
        "/healthz" | "/readyz" | "/status" if !is_look => {
            (StatusCode::METHOD_NOT_ALLOWED, json!({ "status": "error", "reason": "only GET is served" }))
        }
        "/healthz" => (StatusCode::OK, json!({ "status": "up" })),
        "/readyz" if state.draining.is_cancelled() => {
            let reason = "the process was told to stop and finishes what is under way";
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "draining", "reason": reason }))
        }
        "/readyz" => {
            let snapshot = state.snapshot.current();
            (StatusCode::OK, json!({ "status": "ready", "route_version": snapshot.plan().route_version() }))
        }
        // Whoever may see this may change nothing: commands come over the Unix socket.
        "/status" => {
            (StatusCode::OK, report(&state.snapshot.current(), &state.gates, None).unwrap_or_default())
        }
        _ => {
            let reason = "/healthz, /readyz and /status are served";
            (StatusCode::NOT_FOUND, json!({ "status": "error", "reason": reason }))
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
