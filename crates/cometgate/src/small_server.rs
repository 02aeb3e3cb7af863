//! A server for a few short connections, for probes and commands: HTTP/1, each answer in one piece. Tower's layers stand around
//! it: a page of metrics is compressed for whoever asks for that.

use std::any::Any;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

/// Whoever uses it asks at once.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of the longest head.
const LONGEST_HEAD: usize = 16 << 10;

/// How long to wait when the system has no file descriptor left.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Who connects, and how much of it there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitors {
    /// What the log calls one.
    pub(crate) name: &'static str,
    /// Connections at once; whoever opens more waits.
    pub(crate) most: usize,
    /// How long one may stay: it makes room, and whoever needs more connects again.
    pub(crate) stay: Duration,
}

/// An answer, whole.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Serves what `poll_accept` of a listener brings, for ever.
pub(crate) async fn serve_all<S, R>(
    visitors: Visitors,
    poll_accept: impl Fn(&mut Context<'_>) -> Poll<io::Result<S>>,
    respond: impl Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    R: Future<Output = Answer> + Send,
{
    let places = Arc::new(Semaphore::new(visitors.most));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match poll_fn(&poll_accept).await {
            Ok(stream) => {
                let respond = respond.clone();
                tokio::spawn(async move {
                    let served = tokio::time::timeout(visitors.stay, serve(stream, respond)).await;
                    if let Ok(Err(error)) = served {
                        tracing::debug!(%error, "the connection of a {} ended early", visitors.name);
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the connection of a {} could not be accepted", visitors.name);
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
            }
        }
    }
}

async fn serve<R>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    respond: impl Fn(Request<Incoming>) -> R,
) -> hyper::Result<()>
where
    R: Future<Output = Answer>,
{
    let respond = service_fn(|request: Request<Incoming>| {
        let answer = respond(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let service = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new())
        .service(respond);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(LONGEST_HEAD);
    builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await
}

/// A fault of ours is no reason to say nothing to whoever probes.
fn panicked(_cause: Box<dyn Any + Send>) -> Answer {
    tracing::error!("the answer to a probe or a command panicked");
    let error = json!({"error": {"message": "this is a fault of the gateway; its log says more", "code": "internal"}});
    json_answer(StatusCode::INTERNAL_SERVER_ERROR, &error)
}

/// A JSON value as an answer.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let body = Bytes::from(format!("{body}\n"));
    answer(status, "application/json", body)
}

/// An answer of this type.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
