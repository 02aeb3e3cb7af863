//! Certificates and keys out of PEM files. No message repeats what a file holds.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A file that does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub(crate) struct PemError {
    path: PathBuf,
    what: String,
}

/// Every certificate of a file, in its order; one at least.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(failed(path, "it holds no certificate (-----BEGIN CERTIFICATE-----)")),
        Err(error) => Err(failed(path, format!("it is not valid PEM: {}", say(&error)))),
    }
}

/// The first private key of a file.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(read(path)?.as_bytes()).map_err(|error| match error {
        Error::NoItemsFound => {
            failed(path, "it holds no unencrypted private key (-----BEGIN PRIVATE KEY-----)")
        }
        error => failed(path, format!("it is not valid PEM: {}", say(&error))),
    })
}

/// The certificates of a file, to be trusted.
pub(crate) fn roots(
    path: &Path,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| {
            failed(path, format!("it holds a certificate that cannot be trusted: {error}"))
        })?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<String, PemError> {
    crate::files::read(path).map_err(|error| failed(path, format!("it cannot be read: {error}")))
}

/// Without the bytes of the line that is wrong, which may be those of a key.
fn say(error: &Error) -> &'static str {
    match error {
        Error::MissingSectionEnd { .. } => "a section has no end",
        Error::IllegalSectionStart { .. } => "a section has no beginning",
        Error::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be read",
    }
}

fn failed(path: &Path, what: impl Into<String>) -> PemError {
    PemError { path: path.to_owned(), what: what.into() }
}
