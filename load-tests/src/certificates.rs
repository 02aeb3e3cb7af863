//! For scenarios over TLS: one certificate, signed by itself, which all proxies and both providers show, and the settings
//! of those who connect.
//!
//! All sides are held to TLS 1.3 with AES-256-GCM, so that what differs between proxies is not the cipher that their
//! libraries happen to prefer. Connections are kept alive: what is measured is encryption, not handshakes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::CertifiedKey;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The name that the certificate is for. All proxies verify it.
pub(crate) const NAME: &str = "localhost";

/// Files and settings of one certificate.
pub(crate) struct Certificates {
    directory: TempDir,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Certificates {
    /// Makes it.
    pub(crate) fn new() -> Result<Certificates> {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let directory = tempfile::tempdir()?;
        for (name, text) in [
            ("certificate.pem", cert.pem()),
            ("key.pem", signing_key.serialize_pem()),
            ("both.pem", cert.pem() + &signing_key.serialize_pem()),
        ] {
            fs::write(directory.path().join(name), text)?;
        }
        let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes())?;
        let server = ServerConfig::builder_with_provider(one_cipher())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone())?;
        let client = ClientConfig::builder_with_provider(one_cipher())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Certificates { directory, acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }

    /// For the providers.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// For the load.
    pub(crate) fn connector(&self) -> TlsConnector {
        self.connector.clone()
    }

    /// What a server shows, and whom to trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.path().join("certificate.pem")
    }

    /// Its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.path().join("key.pem")
    }

    /// Certificate and key in one file, as haproxy has it.
    pub(crate) fn both(&self) -> PathBuf {
        self.path().join("both.pem")
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// A client's handshake over a fresh connection.
pub(crate) async fn handshake(connector: &TlsConnector, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(NAME)?;
    connector.connect(name, stream).await.context("the TLS handshake failed")
}

fn one_cipher() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384];
    Arc::new(provider)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn both_sides_agree_on_the_one_cipher() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let certificates = Certificates::new().unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let acceptor = certificates.acceptor();
            let server = async {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = acceptor.accept(stream).await.unwrap();
                stream.write_all(b"hello").await.unwrap();
                stream.shutdown().await.unwrap();
            };
            let client = async {
                let stream = TcpStream::connect(address).await.unwrap();
                let mut stream = handshake(&certificates.connector(), stream).await.unwrap();
                let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                (suite, text)
            };
            let ((), (suite, text)) = tokio::join!(server, client);
            assert_eq!(suite, rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
            assert_eq!(text, "hello");
        });
    }
}
