//! TLS towards providers: rustls with aws-lc-rs, whom to trust, and what to show.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::pinned::Pinned;

/// Tells one set-up from another across reloads: a digest, by whoever made it, of all that it was made of.
pub type TlsIdentity = [u8; 32];

/// A finished TLS configuration. What shares one resumes each other's sessions.
#[derive(Clone, Debug)]
pub struct TlsClient {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    identity: TlsIdentity,
}

/// The certificate that a provider is shown.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The chain, our own certificate first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The key of the first.
    pub key: PrivateKeyDer<'static>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// No certificate was found.
    #[error(
        "no trusted root certificates were found on this system, so no https provider can be reached; install the \
         CA bundle (Debian: `apt-get install ca-certificates`) or point SSL_CERT_FILE at one{0}"
    )]
    NoRoots(String),
    /// The provider of cryptography refuses the protocol versions, or a certificate does not fit its key.
    #[error("TLS cannot be configured: {0}")]
    Config(#[from] rustls::Error),
}

/// The system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).
///
/// # Errors
/// [`TlsSetupError`] without any usable root.
pub fn system_roots() -> Result<RootCertStore, TlsSetupError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reasons: String = found.errors.iter().map(|error| format!(" ({error})")).collect();
        return Err(TlsSetupError::NoRoots(reasons));
    }
    Ok(roots)
}

/// Mozilla's roots, as they were when this program was built.
#[must_use]
pub fn bundled_roots() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

impl TlsClient {
    /// Trusts the given roots and shows the given certificate.
    ///
    /// # Errors
    /// [`TlsSetupError::Config`] when the versions are not available, or the certificate cannot be used with its key.
    pub fn new(
        roots: RootCertStore,
        shown: Option<ClientIdentity>,
        identity: TlsIdentity,
    ) -> Result<TlsClient, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut http1 = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => builder.with_client_auth_cert(shown.certificates, shown.key)?,
        };
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut http2 = http1.clone();
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsClient { http1: Arc::new(http1), http2: Arc::new(http2), identity })
    }

    /// Trusts one certificate, under whatever name, and shows none.
    ///
    /// # Errors
    /// [`TlsSetupError::Config`] when the versions are not available.
    pub fn pinned(
        certificate: CertificateDer<'static>,
        identity: TlsIdentity,
    ) -> Result<TlsClient, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let pinned = Pinned { certificate, provider: Arc::clone(&provider) };
        let mut http1 = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_no_client_auth();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut http2 = http1.clone();
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsClient { http1: Arc::new(http1), http2: Arc::new(http2), identity })
    }

    /// What it was said to be made of.
    #[must_use]
    pub fn identity(&self) -> TlsIdentity {
        self.identity
    }

    pub(crate) fn config(&self, http2: bool) -> Arc<ClientConfig> {
        Arc::clone(if http2 { &self.http2 } else { &self.http1 })
    }
}
