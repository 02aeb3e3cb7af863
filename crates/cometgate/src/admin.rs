//! What probes ask: whether the process is up and whether it should get requests; how gates stand, to look at only; and what
//! Prometheus reads. On a listener of its own, so that nothing of it can be reached where applications connect.
//!
//! It is served by the control thread, which serves no request: an answer says that the process is scheduled, not that
//! its workers are idle. It stays until the process ends, so that a probe hears of the drain.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use telemetry::CONTENT_TYPE;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::gates::report::report;
use crate::metrics::{Metrics, Sources};
use crate::small_server::{Answer, Visitors, answer, json_answer, serve_all};

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
        sources: Arc<Sources>,
        draining: CancellationToken,
    ) -> std::io::Result<Admin> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { metrics: Metrics::new(sources), draining });
        let serving = async move {
            let accept = |cx: &mut Context<'_>| listener.poll_accept(cx).map_ok(|(stream, _)| stream);
            serve_all(PROBES, accept, move |request| respond(request, Arc::clone(&state))).await;
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
    metrics: Metrics,
    draining: CancellationToken,
}

async fn respond(request: Request<Incoming>, state: Arc<State>) -> Answer {
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/healthz" | "/readyz" | "/status" | "/metrics" if !is_look => json_answer(
            StatusCode::METHOD_NOT_ALLOWED,
            &json!({ "status": "error", "reason": "only GET is served" }),
        ),
        "/healthz" => json_answer(StatusCode::OK, &json!({ "status": "up" })),
        "/readyz" if state.draining.is_cancelled() => {
            let reason = "the process was told to stop and finishes what is under way";
            json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "draining", "reason": reason }))
        }
        "/readyz" => {
            let snapshot = state.metrics.sources.handle.current();
            let version = snapshot.plan().route_version();
            json_answer(StatusCode::OK, &json!({ "status": "ready", "route_version": version }))
        }
        // Whoever may see this may change nothing: commands come over the Unix socket.
        "/status" => {
            let sources = &state.metrics.sources;
            let mut report = report(&sources.handle.current(), &sources.gates, None).unwrap_or_default();
            report["catalogs"] = sources.catalogs.report();
            json_answer(StatusCode::OK, &report)
        }
        "/metrics" => match state.metrics.page().await {
            Some(page) => answer(StatusCode::OK, CONTENT_TYPE, Bytes::from_owner(page)),
            None => {
                let reason = "others are reading as many pages as may be read at one time";
                json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "error", "reason": reason }))
            }
        },
        _ => {
            let reason = "/healthz, /readyz, /status and /metrics are served";
            json_answer(StatusCode::NOT_FOUND, &json!({ "status": "error", "reason": reason }))
        }
    }
}
