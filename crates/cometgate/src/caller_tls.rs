//! The files behind TLS towards callers: read at the start, and again whenever one changes.
//!
//! A change is taken once the files have been the same for two looks, since a certificate and its key are written one
//! after the other. What cannot be used changes nothing and is complained about once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{ClientCertificates, TlsSettings};
use proxy::{CallerCertificates, CallerTls, CallerTlsError, CallerTlsParts};

use crate::files::{Stamp, stamp};
use crate::pem::{self, PemError};

/// Why TLS towards callers cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallerTlsFilesError {
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("{} and {}: {source}", certificate.display(), key.display())]
    Unusable { certificate: PathBuf, key: PathBuf, source: CallerTlsError },
}

/// TLS towards callers, with the files that it is made of.
#[derive(Debug)]
pub(crate) struct CallerTlsFiles {
    settings: TlsSettings,
    tls: Arc<CallerTls>,
    /// What was taken or refused last.
    judged: Stamps,
    /// What was found at the last look.
    found: Stamps,
}

type Stamps = Vec<Option<Stamp>>;

impl CallerTlsFiles {
    /// Reads the files for the first time.
    pub(crate) fn read(settings: &TlsSettings) -> Result<CallerTlsFiles, CallerTlsFilesError> {
        // Before they are read: what changes in between is then read again.
        let stamps = stamps(settings);
        let tls = CallerTls::new(parts(settings)?).map_err(|error| unusable(settings, error))?;
        let settings = settings.clone();
        Ok(CallerTlsFiles { settings, tls: Arc::new(tls), judged: stamps.clone(), found: stamps })
    }

    /// What connections are served with.
    pub(crate) fn tls(&self) -> Arc<CallerTls> {
        Arc::clone(&self.tls)
    }

    /// Takes changed files, once they have settled.
    pub(crate) fn look(&mut self) {
        let stamps = stamps(&self.settings);
        let has_settled = stamps == self.found;
        self.found.clone_from(&stamps);
        if !has_settled || stamps == self.judged {
            return;
        }
        self.judged = stamps;
        let certificate = self.settings.certificate.display();
        match self.take() {
            Ok(()) => tracing::info!("the certificate {certificate} has changed and is in use"),
            Err(error) => tracing::error!(
                "the certificate {certificate} has changed and cannot be used, so the old one stays: {error}"
            ),
        }
    }

    fn take(&self) -> Result<(), CallerTlsFilesError> {
        self.tls.replace(parts(&self.settings)?).map_err(|error| unusable(&self.settings, error))
    }
}

fn unusable(settings: &TlsSettings, source: CallerTlsError) -> CallerTlsFilesError {
    let (certificate, key) = (settings.certificate.clone(), settings.key.clone());
    CallerTlsFilesError::Unusable { certificate, key, source }
}

fn parts(settings: &TlsSettings) -> Result<CallerTlsParts, PemError> {
    let clients = |ca: &Path, are_required| -> Result<CallerCertificates, PemError> {
        Ok(CallerCertificates { roots: pem::roots(ca, pem::certificates(ca)?)?, are_required })
    };
    let ca = settings.client_ca.as_deref();
    Ok(CallerTlsParts {
        certificates: pem::certificates(&settings.certificate)?,
        key: pem::key(&settings.key)?,
        clients: match (ca, settings.client_certificates) {
            (None, _) | (_, ClientCertificates::Off) => None,
            (Some(ca), ClientCertificates::Optional) => Some(clients(ca, false)?),
            (Some(ca), ClientCertificates::Required) => Some(clients(ca, true)?),
        },
    })
}

fn stamps(settings: &TlsSettings) -> Stamps {
    let ca = settings.client_ca.as_deref();
    [Some(settings.certificate.as_path()), Some(settings.key.as_path()), ca]
        .into_iter()
        .flatten()
        .map(stamp)
        .collect()
}
