//! TLS towards callers: the configuration in force, the handshake, and what it says of the caller.
//!
//! Whoever runs the gateway reads the files and may replace the configuration at any time: connections that stand keep
//! what they began with, and the listener is never touched.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::auth::KeyHash;
use crate::connection::Protocol;

/// What TLS towards callers is made of.
#[derive(Debug)]
pub struct CallerTlsParts {
    /// The gateway's chain, its own certificate first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The key of the first.
    pub key: PrivateKeyDer<'static>,
    /// Who may have signed callers' certificates; without it none is asked for.
    pub clients: Option<CallerCertificates>,
}

/// Which certificates of callers are good.
#[derive(Debug)]
pub struct CallerCertificates {
    /// Who may have signed them.
    pub roots: RootCertStore,
    /// Whether a caller without one is turned away.
    pub are_required: bool,
}

/// Why TLS towards callers cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum CallerTlsError {
    /// The certificate or its key cannot be used, or they are not of each other.
    #[error("the certificate cannot be used with its key: {0}")]
    Certificate(#[from] rustls::Error),
    /// No caller's certificate could be judged.
    #[error("callers' certificates cannot be judged: {0}")]
    Clients(#[from] rustls::server::VerifierBuilderError),
}

/// The configuration in force for new connections.
#[derive(Debug)]
pub struct CallerTls(ArcSwap<ServerConfig>);

impl CallerTls {
    /// Starts with one.
    ///
    /// # Errors
    /// [`CallerTlsError`] when nobody could be served with it.
    pub fn new(parts: CallerTlsParts) -> Result<CallerTls, CallerTlsError> {
        Ok(CallerTls(ArcSwap::from_pointee(server_config(parts)?)))
    }

    /// Puts another in force for every connection from now on, or changes nothing.
    ///
    /// # Errors
    /// [`CallerTlsError`] when nobody could be served with it.
    pub fn replace(&self, parts: CallerTlsParts) -> Result<(), CallerTlsError> {
        self.0.store(Arc::new(server_config(parts)?));
        Ok(())
    }

    /// Shakes hands with a caller. How long that may take is up to whoever waits.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<Accepted<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = TlsAcceptor::from(self.0.load_full()).accept(stream).await?;
        let (_, session) = stream.get_ref();
        // A client that names no protocol speaks HTTP/1.1: HTTP/2 over TLS is always negotiated (RFC 9113 section 3.2).
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        let certificate = leaf.map(|leaf| CallerCertificate(Sha256::digest(leaf).into()));
        Ok(Accepted { stream: Box::new(stream), protocol, certificate })
    }
}

/// A caller after the handshake.
pub(crate) struct Accepted<S> {
    /// Boxed: it is above a kilobyte, which would stand in the task of every connection, in the clear as well, and once
    /// for each function that hands it on.
    pub(crate) stream: Box<TlsStream<S>>,
    pub(crate) protocol: Protocol,
    pub(crate) certificate: Option<CallerCertificate>,
}

/// SHA-256 of the certificate that a caller has shown and proven to hold; one of the authorities has signed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerCertificate(pub(crate) KeyHash);

fn server_config(parts: CallerTlsParts) -> Result<ServerConfig, CallerTlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let asks_for_certificates = parts.clients.is_some();
    // TLS 1.2 and 1.3; rustls has nothing older.
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match parts.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients.roots), provider);
            let verifier =
                if clients.are_required { verifier } else { verifier.allow_unauthenticated() }.build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(parts.certificates, parts.key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if asks_for_certificates {
        // A resumed session would bring its certificate along unjudged, also when it has expired meanwhile.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    }
    Ok(config)
}
