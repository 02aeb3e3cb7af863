//! Makes a connection: DNS, TCP with happy eyeballs, TLS, HTTP/1.1 or HTTP/2, each failure told apart.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::client::conn::http2;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::AlertDescription;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use crate::body::RequestBody;
use crate::error::{SendError, SendErrorKind};
use crate::framing::Interim;
use crate::http2::Http2;
use crate::origin::{Address, Scheme};
use crate::resolve::{DnsError, Judged, may_be_written};
use crate::tls::TlsClient;

/// How much of an HTTP/1.1 answer is read at once, and the most that its head may take. What was read is passed on as
/// slices, so that a caller who does not read holds several buffers of this size: hyper's own measure, 400 KiB, was half
/// a megabyte for each such caller.
const BUFFER: usize = 64 << 10;

/// How often a shared connection with requests under way is pinged, and how soon the answer must come.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(20);

/// How soon it is looked at again whether a new shared connection takes requests: it does once the provider's settings
/// are here, of which hyper tells nobody.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

const NO_PROTOCOL: &str = "the provider does not agree to the version of HTTP (ALPN); set `http` of the provider to one that it speaks";

/// The sending half of one connection. Dropping it ends the connection at once, whatever is under way: that is how an
/// upstream learns that nobody listens, and why one that answers without reading the request cannot keep its body.
#[derive(Debug)]
pub(crate) struct Sender {
    http: SendRequest<RequestBody>,
    interim: Arc<Interim>,
    /// Also while the connection is switched to another protocol, and this alone says that it is in use.
    _open: Arc<Counted>,
}

impl Sender {
    /// Neither busy nor closed.
    pub(crate) fn is_ready(&self) -> bool {
        self.http.is_ready()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.http.is_closed()
    }

    /// Sends a request; an error hands it back if no byte of it was sent. Not `async`, so that the request is on its
    /// way, and not part of what waits for the answer.
    pub(crate) fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<> {
        Interim::watch(&self.interim, &mut request);
        self.http.try_send_request(request)
    }

    /// It was ended because the provider sent too many interim answers to the last request.
    pub(crate) fn is_flooded(&self) -> bool {
        self.interim.is_flooded()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.interim.end_connection();
    }
}

/// The sending half of a connection that requests share. The connection ends when all of these are gone, and the
/// answers with them.
#[derive(Clone, Debug)]
pub(crate) struct SharedSender {
    http: http2::SendRequest<RequestBody>,
    /// Requests that the provider takes at a time, as it last said.
    takes: Arc<AtomicUsize>,
}

impl SharedSender {
    pub(crate) fn is_closed(&self) -> bool {
        self.http.is_closed()
    }

    pub(crate) fn takes(&self) -> usize {
        self.takes.load(Ordering::Relaxed)
    }

    /// Sends a request; an error hands it back if no byte of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        self.http.try_send_request(request).await
    }
}

/// One open connection, as long as it lives.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Counted {
        open.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything that connecting needs, made once for each origin.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    tcp: HttpConnector<Judged<GaiResolver>>,
    uri: Uri,
    tls: Option<Tls>,
    http2: Option<Http2>,
    timeout: Duration,
    /// Connections of all workers that are open.
    open: Arc<AtomicUsize>,
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
        if !may_be_written(&address.host) {
            return Err(SendError::new(SendErrorKind::Connect, DnsError::Never));
        }
        let resolver = Judged::system(&address.host, address.allow_private);
        let mut tcp = HttpConnector::new_with_resolver(resolver);
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
                Some(Tls {
                    connector: TlsConnector::from(client.config(address.http2.is_some())),
                    server_name,
                })
            }
        };
        Ok(Connector {
            tcp,
            uri,
            tls,
            http2: address.http2,
            timeout: address.connect_timeout,
            open: Arc::default(),
        })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) async fn connect(&self) -> Result<Sender, SendError> {
        // Boxed: connecting is rare, and its state would otherwise widen every request's future.
        let connecting: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(self.connect_unbounded());
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected,
            Err(elapsed) => Err(SendError::new(SendErrorKind::ConnectTimeout, elapsed)),
        }
    }

    async fn connect_tcp(&self) -> Result<TokioIo<TcpStream>, SendError> {
        self.tcp.clone().call(self.uri.clone()).await.map_err(|error| {
            let kind = if is_dns(&error) { SendErrorKind::Dns } else { SendErrorKind::Connect };
            SendError::new(kind, error)
        })
    }

    async fn connect_unbounded(&self) -> Result<Sender, SendError> {
        let stream = self.connect_tcp().await?;
        match &self.tls {
            None => handshake(stream, &self.open).await,
            Some(tls) => handshake(TokioIo::new(tls.connect(stream.into_inner()).await?), &self.open).await,
        }
    }

    /// A connection for several requests at a time. Within TLS HTTP/2 is negotiated, so that a provider which does not
    /// speak it says so before anything is sent; in the clear whoever asks for it knows (RFC 9113 section 3.3).
    pub(crate) async fn connect_http2(&self) -> Result<SharedSender, SendError> {
        let connecting: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(self.connect_http2_unbounded());
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected,
            Err(elapsed) => Err(SendError::new(SendErrorKind::ConnectTimeout, elapsed)),
        }
    }

    async fn connect_http2_unbounded(&self) -> Result<SharedSender, SendError> {
        let stream = self.connect_tcp().await?;
        let Some(tls) = &self.tls else { return self.handshake_http2(stream).await };
        let stream = tls.connect(stream.into_inner()).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(SendError::new(SendErrorKind::Tls, NO_PROTOCOL));
        }
        self.handshake_http2(TokioIo::new(stream)).await
    }

    async fn handshake_http2(
        &self,
        stream: impl Read + Write + Send + Unpin + 'static,
    ) -> Result<SharedSender, SendError> {
        let Some(settings) = &self.http2 else {
            return Err(SendError::new(SendErrorKind::Connect, "HTTP/2 is not set up"));
        };
        let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(settings.stream_window)
            .initial_connection_window_size(settings.connection_window)
            // Until the provider has said how many it takes.
            .initial_max_send_streams(0)
            // A connection that went silent would swallow one request after the other.
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WITHIN)
            .handshake(stream)
            .await
            .map_err(SendError::from_exchange)?;
        while connection.current_max_send_streams() == 0 {
            tokio::select! {
                ended = &mut connection => {
                    let ended = ended.err().map(SendError::from_exchange);
                    let quietly = || SendError::new(SendErrorKind::Connect, "it closed before it took requests");
                    return Err(ended.unwrap_or_else(quietly));
                }
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        let takes = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let told = Arc::clone(&takes);
        let counted = Counted::new(&self.open);
        tokio::spawn(async move {
            let ended = std::future::poll_fn(|cx| {
                let ended = Pin::new(&mut connection).poll(cx);
                told.store(connection.current_max_send_streams(), Ordering::Relaxed);
                ended
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "a provider's connection ended");
            }
            drop((connection, counted));
        });
        Ok(SharedSender { http: sender, takes })
    }
}

impl Tls {
    async fn connect(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, SendError> {
        let connecting = self.connector.connect(self.server_name.clone(), stream);
        connecting.await.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
                SendError::new(SendErrorKind::Tls, NO_PROTOCOL)
            }
            _ => SendError::new(SendErrorKind::Tls, error),
        })
    }
}

async fn handshake(
    io: impl Read + Write + Send + Unpin + 'static,
    open: &Arc<AtomicUsize>,
) -> Result<Sender, SendError> {
    let (http, connection) =
        http1::Builder::new().max_buf_size(BUFFER).handshake(io).await.map_err(SendError::from_exchange)?;
    let counted = Arc::new(Counted::new(open));
    let task = tokio::spawn(until_ended(connection.with_upgrades(), Arc::clone(&counted)));
    Ok(Sender { http, interim: Arc::new(Interim::new(task.abort_handle())), _open: counted })
}

/// Waits by reference: a connection that is moved takes its place twice, and TLS with it, for as long as it stands.
#[allow(clippy::manual_async_fn, reason = "an `async fn` moves its arguments once more")]
fn until_ended<C: Future<Output = hyper::Result<()>> + Unpin>(
    mut connection: C,
    counted: Arc<Counted>,
) -> impl Future<Output = ()> {
    async move {
        if let Err(error) = (&mut connection).await {
            tracing::debug!(%error, "a provider's connection ended");
        }
        drop(counted);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_held_once() {
        type Connection = http1::Connection<TokioIo<TlsStream<TcpStream>>, RequestBody>;
        fn held<A, B, F>(_: fn(A, B) -> F) -> usize {
            size_of::<F>()
        }
        assert!(held(until_ended::<Connection>) <= size_of::<Connection>() + 32);
    }
}
