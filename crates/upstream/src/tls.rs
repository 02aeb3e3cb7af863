//! TLS towards providers: rustls with aws-lc-rs and the system's roots.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// A finished TLS configuration, shared by all providers so that sessions resume.
#[derive(Clone, Debug)]
pub struct TlsClient {
    pub(crate) config: Arc<ClientConfig>,
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
    /// The provider of cryptography refuses the protocol versions.
    #[error("TLS cannot be configured: {0}")]
    Config(#[from] rustls::Error),
}

impl TlsClient {
    /// Reads the system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).
    ///
    /// # Errors
    /// [`TlsSetupError`] without any usable root.
    pub fn with_system_roots() -> Result<TlsClient, TlsSetupError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _ignored) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let reasons: String = found.errors.iter().map(|error| format!(" ({error})")).collect();
            return Err(TlsSetupError::NoRoots(reasons));
        }
        TlsClient::with_roots(roots)
    }

    /// Uses the given roots.
    ///
    /// # Errors
    /// [`TlsSetupError::Config`] when the versions are not available.
    pub fn with_roots(roots: RootCertStore) -> Result<TlsClient, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsClient { config: Arc::new(config) })
    }
}
