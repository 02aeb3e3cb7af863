//! Makes a connection: DNS, TCP with happy eyeballs, TLS, HTTP/1.1, each failure told apart.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::body::RequestBody;
use crate::error::{SendError, SendErrorKind};
use crate::origin::{Address, Scheme};
use crate::tls::TlsClient;

/// The sending half of one connection. Dropping it ends the connection at once, whatever is under way: that is how an
/// upstream learns that nobody listens, and why one that answers without reading the request cannot keep its body.
#[derive(Debug)]
pub(crate) struct Sender {
    http: SendRequest<RequestBody>,
    task: AbortHandle,
}

impl Sender {
    /// Neither busy nor closed.
    pub(crate) fn is_ready(&self) -> bool {
        self.http.is_ready()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.http.is_closed()
    }

    /// Sends a request; an error hands it back if no byte of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        self.http.try_send_request(request).await
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Everything that connecting needs, made once for each origin.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    tcp: HttpConnector<TaggedResolver>,
    uri: Uri,
    tls: Option<Tls>,
    timeout: std::time::Duration,
}

#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.server_name.fmt(f)
    }
}

impl Connector {
    pub(crate) fn new(address: &Address, tls: Option<&TlsClient>) -> Result<Connector, SendError> {
        let mut tcp = HttpConnector::new_with_resolver(TaggedResolver(GaiResolver::new()));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let host =
            if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
        let uri = Uri::try_from(format!("http://{host}:{}", address.port))
            .map_err(|error| SendError::new(SendErrorKind::Connect, error))?;
        let tls = match address.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let client = tls.ok_or_else(|| SendError::new(SendErrorKind::Tls, "TLS is not set up"))?;
                // A trailing dot keeps the resolver from trying search domains; certificates don't carry it.
                let name = address.host.trim_end_matches('.').to_owned();
                let server_name =
                    ServerName::try_from(name).map_err(|error| SendError::new(SendErrorKind::Tls, error))?;
                Some(Tls { connector: TlsConnector::from(Arc::clone(&client.config)), server_name })
            }
        };
        Ok(Connector { tcp, uri, tls, timeout: address.connect_timeout })
    }

    pub(crate) async fn connect(&self) -> Result<Sender, SendError> {
        // Boxed: connecting is rare, and its state would otherwise widen every request's future.
        let connecting: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(self.connect_unbounded());
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected,
            Err(elapsed) => Err(SendError::new(SendErrorKind::ConnectTimeout, elapsed)),
        }
    }

    async fn connect_unbounded(&self) -> Result<Sender, SendError> {
        let stream = self.tcp.clone().call(self.uri.clone()).await.map_err(|error| {
            let kind = if is_dns(&error) { SendErrorKind::Dns } else { SendErrorKind::Connect };
            SendError::new(kind, error)
        })?;
        match &self.tls {
            None => handshake(stream).await,
            Some(tls) => {
                let stream = tls
                    .connector
                    .connect(tls.server_name.clone(), stream.into_inner())
                    .await
                    .map_err(|error| SendError::new(SendErrorKind::Tls, error))?;
                handshake(TokioIo::new(stream)).await
            }
        }
    }
}

async fn handshake(io: impl Read + Write + Send + Unpin + 'static) -> Result<Sender, SendError> {
    let (http, connection) = http1::handshake(io).await.map_err(SendError::from_exchange)?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a provider's connection ended");
        }
    });
    Ok(Sender { http, task: task.abort_handle() })
}

/// The system's resolver, with its errors in a type of ours: hyper-util says "dns error" in a text only.
#[derive(Clone, Debug)]
struct TaggedResolver(GaiResolver);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DnsError(std::io::Error);

impl Service<Name> for TaggedResolver {
    type Response = GaiAddrs;
    type Error = DnsError;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, DnsError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        self.0.poll_ready(cx).map_err(DnsError)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let lookup = self.0.call(name);
        Box::pin(async move { lookup.await.map_err(DnsError) })
    }
}

fn is_dns(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if one.is::<DnsError>() {
            return true;
        }
        cause = one.source();
    }
    false
}
