//! TLS towards the gateway, as a caller.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};
use testkit::{Authority, Certified};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Files;

/// A caller's side of TLS.
pub(crate) struct Caller<'a> {
    /// Whom it trusts.
    pub(crate) trusts: &'a Authority,
    /// What it shows.
    pub(crate) shows: Option<&'a Certified>,
    pub(crate) speaks: &'static str,
}

impl Caller<'_> {
    pub(crate) async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.trusts.pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.shows {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![shown.der.clone()], key).unwrap()
            }
        };
        config.alpn_protocols = vec![self.speaks.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("gateway.test").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// What tenants list of a certificate.
pub(crate) fn fingerprint(certified: &Certified) -> String {
    config::edit::hex(&Sha256::digest(&certified.der).into())
}

/// Writes the gateway's certificate and key.
pub(crate) fn write(files: &Files, certified: &Certified) {
    files.write("gateway.pem", &certified.certificate);
    files.write("gateway.key", &certified.key);
}
