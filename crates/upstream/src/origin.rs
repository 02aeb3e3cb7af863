//! One provider's server: its address, its connections, and sending a request to it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::uri::Scheme as UriScheme;
use http::{HeaderValue, Request, Response, Uri, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::connect::{Connector, Sender};
use crate::error::SendError;
use crate::framing::{TOO_MANY_INTERIM, ambiguity};
use crate::http2::{Http2, SharedPools};
use crate::pool::{Lease, Pools};
use crate::tls::{TlsClient, TlsIdentity};

/// How a provider's server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext.
    Http,
    /// TLS.
    Https,
}

/// Where a provider's server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// TLS or not.
    pub scheme: Scheme,
    /// A name or an IP address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands before the path of every request, for example `/v1`; no slash at its end.
    pub base_path: String,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// Over HTTP/2, with requests sharing connections; else HTTP/1.1, with one request on a connection at a time.
    pub http2: Option<Http2>,
    /// Its name may stand for an address of a private network or of this machine. What is written as such an address, or
    /// as `localhost`, may be one anyway.
    pub allow_private: bool,
}

impl Address {
    /// The `Host` header, without the scheme's own port (RFC 9110 section 7.2).
    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// Tells one origin from another for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OriginId(u64);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// One provider's server. A reload that leaves its address alone keeps it, and so its connections.
#[derive(Debug)]
pub struct Origin {
    id: OriginId,
    address: Address,
    host_header: HeaderValue,
    connector: Connector,
    pools: Arc<Pools>,
    shared: Option<SharedPools>,
    tls: Option<TlsIdentity>,
}

/// Shared connections that may end, one after the other, before one takes the request.
const MOST_HAND_BACKS: usize = 4;

/// Among the extensions of a request, allows the answer to switch protocols. The connection is then no more ours.
#[derive(Clone, Copy, Debug)]
pub struct MaySwitch;

/// The head of an answer, its body to be read, and the connection on which it comes.
pub type Answered = (Response<Incoming>, Lease);

/// How a request is being sent.
enum Begun<'o, E> {
    /// On an idle connection, where it is queued.
    Exchange(E),
    Boxed(Pin<Box<dyn Future<Output = Result<Answered, SendError>> + Send + 'o>>),
}

/// The connection closed while it lay idle; the request is handed back and goes out on another.
struct HandedBack(Box<Request<RequestBody>>);

impl Origin {
    /// `workers` is the number of event loops that will send; each has connections of its own. `tls` is needed for
    /// an https address.
    ///
    /// # Errors
    /// When the host cannot be a `Host` header or a TLS server name, or TLS is missing.
    pub fn new(address: Address, tls: Option<&TlsClient>, workers: usize) -> Result<Origin, SendError> {
        let invalid =
            |error: http::header::InvalidHeaderValue| SendError::new(crate::SendErrorKind::Connect, error);
        let host_header = HeaderValue::try_from(address.authority()).map_err(invalid)?;
        let connector = Connector::new(&address, tls)?;
        let id = OriginId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        Ok(Origin {
            id,
            host_header,
            connector,
            pools: Arc::new(Pools::new(workers)),
            shared: address.http2.map(|settings| SharedPools::new(workers, settings)),
            tls: tls.filter(|_| address.scheme == Scheme::Https).map(TlsClient::identity),
            address,
        })
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> OriginId {
        self.id
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The path of a request at this origin: the base path and what followed the gateway's own.
    ///
    /// # Errors
    /// When the two do not make a path.
    pub fn path(&self, suffix: &str) -> Result<PathAndQuery, http::uri::InvalidUri> {
        if self.address.base_path.is_empty() {
            return PathAndQuery::try_from(suffix);
        }
        let mut path = String::with_capacity(self.address.base_path.len() + suffix.len());
        path.push_str(&self.address.base_path);
        path.push_str(suffix);
        PathAndQuery::try_from(path)
    }

    /// What TLS it was made with.
    #[must_use]
    pub fn tls(&self) -> Option<TlsIdentity> {
        self.tls
    }

    /// Sends a request whose URI is its path and waits for the head of the answer. The lease goes back to the pool
    /// when the body has been read to its end, and closes the connection otherwise.
    ///
    /// Not `async`, so that on an idle connection, as on almost every one, the request is on its way at once and not part
    /// of what waits: it is large, and would be moved with that. Everything that is rare is in a box.
    ///
    /// # Errors
    /// [`SendError`], with how far it got.
    pub fn send(
        &self,
        worker: usize,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Answered, SendError>> + Send {
        let begun = if let Some(shared) = &self.shared {
            Begun::Boxed(Box::pin(self.send_shared(shared, worker, request)))
        } else {
            request.headers_mut().insert(header::HOST, self.host_header.clone());
            match self.pools.take(worker, Instant::now()) {
                Some(sender) => Begun::Exchange(self.exchange(worker, sender, request)),
                None => Begun::Boxed(Box::pin(self.send_again(worker, request))),
            }
        };
        async move {
            match begun {
                Begun::Boxed(sending) => sending.await,
                Begun::Exchange(exchange) => match exchange.await? {
                    Ok(answered) => Ok(answered),
                    Err(HandedBack(unsent)) => Box::pin(self.send_again(worker, *unsent)).await,
                },
            }
        }
    }

    /// On another idle connection, or a new one.
    async fn send_again(
        &self,
        worker: usize,
        mut request: Request<RequestBody>,
    ) -> Result<Answered, SendError> {
        while let Some(sender) = self.pools.take(worker, Instant::now()) {
            match self.exchange(worker, sender, request).await? {
                Ok(answered) => return Ok(answered),
                Err(HandedBack(unsent)) => request = *unsent,
            }
        }
        let sender = self.connector.connect().await?;
        match self.exchange(worker, sender, request).await? {
            Ok(answered) => Ok(answered),
            Err(HandedBack(_)) => Err(never_taken()),
        }
    }

    async fn send_shared(
        &self,
        shared: &SharedPools,
        worker: usize,
        mut request: Request<RequestBody>,
    ) -> Result<Answered, SendError> {
        // HTTP/2 has the authority in place of a `Host` header.
        let scheme = match self.address.scheme {
            Scheme::Http => UriScheme::HTTP,
            Scheme::Https => UriScheme::HTTPS,
        };
        let whole = Uri::builder().scheme(scheme).authority(self.host_header.as_bytes());
        let path = request.uri().path_and_query().cloned();
        let whole = whole.path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/"))).build();
        *request.uri_mut() = whole.map_err(|error| SendError::new(crate::SendErrorKind::Connect, error))?;
        for _ in 0..MOST_HAND_BACKS {
            let place = shared.place(worker, &self.connector);
            match place.send(request).await? {
                Ok(response) => return Ok((response, Lease::shared(place))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => {
                        shared.retire(worker, &place);
                        request = unsent;
                    }
                    None => return Err(SendError::from_exchange(error.into_error())),
                },
            }
        }
        Err(never_taken())
    }

    fn exchange(
        &self,
        worker: usize,
        mut sender: Sender,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Result<Answered, HandedBack>, SendError>> + use<> {
        let malformed = |what: &'static str| SendError::new(crate::SendErrorKind::Malformed, what);
        let may_switch = request.extensions().get::<MaySwitch>().is_some();
        let sending = sender.send(request);
        let pools = Arc::clone(&self.pools);
        async move {
            let sent = sending.await;
            if sender.is_flooded() {
                return Err(malformed(TOO_MANY_INTERIM));
            }
            match sent {
                Ok(response) if response.status() == http::StatusCode::SWITCHING_PROTOCOLS && !may_switch => {
                    Err(malformed("it switches protocols unasked"))
                }
                Ok(response) => match ambiguity(response.headers()) {
                    Some(what) => Err(malformed(what)),
                    None => Ok(Ok((response, Lease::alone(pools, worker, sender)))),
                },
                Err(mut error) => match error.take_message() {
                    Some(unsent) => Ok(Err(HandedBack(Box::new(unsent)))),
                    None => Err(SendError::from_exchange(error.into_error())),
                },
            }
        }
    }

    /// Closes what is idle of all workers. Connections in use end as ever, and the next request makes a new one.
    pub fn close_idle(&self) {
        self.pools.clear();
        if let Some(shared) = &self.shared {
            shared.clear();
        }
    }

    /// How many connections are open, in use or idle.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connector.open()
    }

    /// Closes connections of one worker that have been idle for too long.
    pub fn sweep(&self, worker: usize) {
        self.pools.sweep(worker, Instant::now());
        if let Some(shared) = &self.shared {
            shared.sweep(worker, Instant::now());
        }
    }
}

fn never_taken() -> SendError {
    SendError::new(crate::SendErrorKind::NoAnswer, "the connection closed before it took the request")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(scheme: Scheme, host: &str, port: u16) -> Address {
        let connect_timeout = Duration::from_secs(5);
        Address {
            scheme,
            host: host.into(),
            port,
            base_path: "/v1".into(),
            connect_timeout,
            http2: None,
            allow_private: false,
        }
    }

    #[test]
    fn the_host_header_leaves_out_the_schemes_own_port() {
        assert_eq!(address(Scheme::Https, "api.example.com", 443).authority(), "api.example.com");
        assert_eq!(address(Scheme::Http, "api.example.com", 443).authority(), "api.example.com:443");
        assert_eq!(address(Scheme::Http, "::1", 8080).authority(), "[::1]:8080");
    }

    #[test]
    fn the_base_path_stands_before_every_path() {
        let origin = Origin::new(address(Scheme::Http, "localhost", 1), None, 1).unwrap();
        assert_eq!(origin.path("/models?limit=2").unwrap().as_str(), "/v1/models?limit=2");
    }

    #[test]
    fn an_address_where_no_provider_can_be_is_refused_at_once() {
        for host in ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "fd00:ec2::254"] {
            assert!(Origin::new(address(Scheme::Http, host, 1), None, 1).is_err(), "{host}");
        }
        assert!(Origin::new(address(Scheme::Http, "10.0.0.1", 1), None, 1).is_ok());
    }

    #[test]
    fn https_without_tls_is_refused() {
        assert!(Origin::new(address(Scheme::Https, "localhost", 1), None, 1).is_err());
    }
}
