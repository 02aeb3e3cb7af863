//! TLS in front of a provider: a certificate of a made-up authority, and every byte passed through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, Certified};

/// A TLS server that passes everything on; ends when it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    authority: String,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// How a front differs from the plain one.
#[derive(Clone, Debug)]
pub struct TlsFrontOptions {
    /// The one protocol that it negotiates, as in ALPN; empty for one that negotiates none.
    pub protocol: &'static str,
    /// The authority, as PEM, that must have signed the certificate of whoever connects.
    pub clients: Option<String>,
}

impl Default for TlsFrontOptions {
    fn default() -> TlsFrontOptions {
        TlsFrontOptions { protocol: "http/1.1", clients: None }
    }
}

impl TlsFront {
    /// Starts one with a certificate for `name`, in front of `behind`, that speaks HTTP/1.1.
    ///
    /// # Errors
    /// When no port or no certificate can be had.
    pub async fn start(name: &str, behind: SocketAddr) -> io::Result<TlsFront> {
        TlsFront::start_with(name, behind, TlsFrontOptions::default()).await
    }

    /// The same, otherwise set up.
    ///
    /// # Errors
    /// When no port or no certificate can be had.
    pub async fn start_with(
        name: &str,
        behind: SocketAddr,
        options: TlsFrontOptions,
    ) -> io::Result<TlsFront> {
        let authority = Authority::new()?;
        let config = server_config(&authority.certify(name)?, options).map_err(io::Error::other)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(relay(acceptor.clone(), stream, behind));
            }
        });
        Ok(TlsFront { address, authority: authority.pem(), accepted, task })
    }

    /// How many connections it has accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of its authority, as PEM: what a client must trust.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.authority
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(acceptor: TlsAcceptor, stream: TcpStream, behind: SocketAddr) {
    if let Err(error) = try_relay(acceptor, stream, behind).await {
        // Either side may end whenever it likes; the other then sees it.
        drop(error);
    }
}

async fn try_relay(acceptor: TlsAcceptor, near: TcpStream, behind: SocketAddr) -> io::Result<()> {
    // Small writes must not wait for acknowledgements: tests measure how soon they arrive.
    near.set_nodelay(true)?;
    let mut near = acceptor.accept(near).await?;
    let mut far = TcpStream::connect(behind).await?;
    far.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

fn server_config(
    certified: &Certified,
    options: TlsFrontOptions,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match options.clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes())?;
    let mut config = builder.with_single_cert(vec![certified.der.clone()], key)?;
    let protocol = Some(options.protocol).filter(|protocol| !protocol.is_empty());
    config.alpn_protocols = protocol.map(|protocol| protocol.as_bytes().to_vec()).into_iter().collect();
    Ok(config)
}
