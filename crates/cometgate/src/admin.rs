//! What probes ask: whether the process is up and whether it should get requests; and how gates stand, to look at only.
//! On a listener of its own, so that nothing of it can be reached where applications connect.
//!
//! It is served by the control thread, which serves no request: an answer says that the process is scheduled, not that
//! its workers are idle. It stays until the process ends, so that a probe hears of the drain.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use proxy::SnapshotHandle;
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::gates::keeper::Keeper;
use crate::gates::report::report;
use crate::small_server::{Visitors, serve_all};

const PROBES: Visitors = Visitors { name: "probe", most: 64, stay: Duration::from_secs(60) };

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
        let serving = async move {
            let accept = |cx: &mut Context<'_>| listener.poll_accept(cx).map_ok(|(stream, _)| stream);
            serve_all(PROBES, accept, move |request| ready(respond(&request, &state))).await;
        };
        let accepting = tokio::spawn(serving).abort_handle();
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

fn respond(request: &Request<Incoming>, state: &State) -> (StatusCode, Value) {
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
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
    }
}
