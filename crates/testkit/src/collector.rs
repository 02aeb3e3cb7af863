//! A collector of OpenTelemetry: takes OTLP as protobuf over HTTP/1.1 and over gRPC, keeps what it is sent, and fails in the
//! ways in which collectors do.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use crate::provider::locked;
use crate::server::serve;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collects {
    /// As it should.
    Well,
    /// With this status; over gRPC `UNAVAILABLE`.
    Refusing(u16),
    /// Never.
    Hanging,
    /// With something that is no answer.
    Garbage,
}

/// A running collector. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// A message as it came, without compression or frame.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes.
    pub message: Bytes,
}

#[derive(Debug)]
struct Shared {
    how: Mutex<Collects>,
    taken: Mutex<Vec<Collected>>,
    asked: Mutex<VecDeque<String>>,
    changed: Notify,
}

impl Collector {
    /// Starts on a free port.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start() -> io::Result<Collector> {
        Collector::start_on(0).await
    }

    /// Starts on a port: for one that goes and comes back.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start_on(port: u16) -> io::Result<Collector> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            how: Mutex::new(Collects::Well),
            taken: Mutex::default(),
            asked: Mutex::default(),
            changed: Notify::new(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Collector { address, shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What settings want: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it answers so. What hangs already goes on hanging.
    pub fn behave(&self, how: Collects) {
        *locked(&self.shared.how) = how;
    }

    /// How often it was asked, however it answered.
    #[must_use]
    pub fn asked(&self) -> usize {
        locked(&self.shared.asked).len()
    }

    /// All that it has taken.
    #[must_use]
    pub fn taken(&self) -> Vec<Collected> {
        locked(&self.shared.taken).clone()
    }

    /// All that it has taken, which it forgets.
    #[must_use]
    pub fn drain(&self) -> Vec<Collected> {
        std::mem::take(&mut *locked(&self.shared.taken))
    }

    /// All spans that it has taken, with who sent them.
    #[must_use]
    pub fn resource_spans(&self) -> Vec<ResourceSpans> {
        let decoded = |collected: Collected| ExportTraceServiceRequest::decode(collected.message).ok();
        self.taken()
            .into_iter()
            .filter(is_of_traces)
            .filter_map(decoded)
            .flat_map(|sent| sent.resource_spans)
            .collect()
    }

    /// All spans that it has taken, in their order.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let scopes = self.resource_spans().into_iter().flat_map(|sent| sent.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// All metrics that it has taken: each message is the whole of them at its time.
    #[must_use]
    pub fn metrics(&self) -> Vec<ResourceMetrics> {
        let decoded = |collected: Collected| ExportMetricsServiceRequest::decode(collected.message).ok();
        let of_metrics = self.taken().into_iter().filter(|collected| !is_of_traces(collected));
        of_metrics.filter_map(decoded).flat_map(|sent| sent.resource_metrics).collect()
    }

    /// Waits until something holds of it; it is asked again whenever something has come.
    pub async fn until(&self, holds: impl Fn(&Collector) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // Registered before the question, so that no change falls between.
            changed.as_mut().enable();
            if holds(self) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn is_of_traces(collected: &Collected) -> bool {
    collected.path.ends_with("/v1/traces") || collected.path.contains("TraceService")
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(serve(stream, move |request| respond(Arc::clone(&shared), request)));
    }
}

type Answer = Response<BoxBody<Bytes, std::convert::Infallible>>;

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let is_grpc = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc");
    let how = *locked(&shared.how);
    let path = head.uri.path().to_owned();
    locked(&shared.asked).push_back(path.clone());
    let message = plain(is_grpc, &head.headers, &body).filter(|_| how == Collects::Well);
    if let Some(message) = message {
        locked(&shared.taken).push(Collected { path, headers: head.headers, message });
    }
    shared.changed.notify_waiters();
    Ok(match how {
        Collects::Well if is_grpc => grpc("0", Bytes::from_static(&[0; 5])),
        Collects::Well => http(StatusCode::OK, "application/x-protobuf", Bytes::new()),
        Collects::Refusing(_) if is_grpc => grpc("14", Bytes::new()),
        Collects::Refusing(status) => {
            http(StatusCode::from_u16(status).unwrap_or_default(), "text/plain", Bytes::from_static(b"no"))
        }
        Collects::Garbage => http(StatusCode::OK, "text/html", Bytes::from_static(b"<html>please log in")),
        Collects::Hanging => std::future::pending().await,
    })
}

/// The message of a request, if that is in good form.
fn plain(is_grpc: bool, headers: &HeaderMap, body: &Bytes) -> Option<Bytes> {
    let (is_coded, message) = if is_grpc {
        let (head, message) = body.split_at_checked(5)?;
        let length = u32::from_be_bytes(head.get(1..)?.try_into().ok()?);
        (head.first() == Some(&1), Some(message).filter(|message| message.len() == length as usize)?)
    } else {
        (headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip"), &body[..])
    };
    if !is_coded {
        return Some(Bytes::copy_from_slice(message));
    }
    let mut plain = Vec::new();
    GzDecoder::new(message).read_to_end(&mut plain).ok()?;
    Some(plain.into())
}

fn http(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// The code stands after the body, as every gRPC server writes it.
fn grpc(code: &'static str, body: Bytes) -> Answer {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    let body = Full::new(body).with_trailers(async { Some(Ok(trailers)) });
    let mut answer = Response::new(body.boxed());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}
