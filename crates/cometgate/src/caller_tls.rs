//! The files behind TLS towards callers: read at the start, and again whenever one changes.
//!
//! A change is taken once the files have been the same for two looks, since a certificate and its key are written one
//! after the other. What cannot be used changes nothing and is complained about once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{ClientCertificates, TlsSettings};
use jiff::Timestamp;
use proxy::{CallerCertificates, CallerTls, CallerTlsError, CallerTlsParts};

use crate::certificate_end::Ends;
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
    ends: Ends,
}

type Stamps = Vec<Option<Stamp>>;

impl CallerTlsFiles {
    /// Reads the files for the first time.
    pub(crate) fn read(settings: &TlsSettings) -> Result<CallerTlsFiles, CallerTlsFilesError> {
        // Before they are read: what changes in between is then read again.
        let stamps = stamps(settings);
        let parts = parts(settings)?;
        let ends = Ends::of(&parts.certificates);
        let tls = CallerTls::new(parts).map_err(|error| unusable(settings, error))?;
        let settings = settings.clone();
        Ok(CallerTlsFiles { settings, tls: Arc::new(tls), judged: stamps.clone(), found: stamps, ends })
    }

    /// What connections are served with.
    pub(crate) fn tls(&self) -> Arc<CallerTls> {
        Arc::clone(&self.tls)
    }

    /// Takes changed files, once they have settled, and says when a certificate comes to its end.
    pub(crate) fn look(&mut self) {
        self.take_changes();
        self.speak_of_the_end(Timestamp::now());
    }

    fn speak_of_the_end(&mut self, now: Timestamp) {
        let Some(end) = self.ends.due(now) else { return };
        let certificate = self.settings.certificate.display();
        let days = end.duration_since(now).as_hours() / 24;
        if end <= now {
            tracing::error!("the certificate {certificate} ended at {end}: callers refuse it");
        } else {
            tracing::warn!(
                "the certificate {certificate} ends at {end}, in {days} days\n  help: put another in its place; it is \
                 taken without a restart"
            );
        }
    }

    fn take_changes(&mut self) {
        let stamps = stamps(&self.settings);
        let has_settled = stamps == self.found;
        self.found.clone_from(&stamps);
        if !has_settled || stamps == self.judged {
            return;
        }
        self.judged = stamps;
        let taken = self.take();
        let certificate = self.settings.certificate.display();
        match taken {
            Ok(()) => tracing::info!("the certificate {certificate} has changed and is in use"),
            Err(error) => tracing::error!(
                "the certificate {certificate} has changed and cannot be used, so the old one stays: {error}"
            ),
        }
    }

    fn take(&mut self) -> Result<(), CallerTlsFilesError> {
        let parts = parts(&self.settings)?;
        let ends = Ends::of(&parts.certificates);
        self.tls.replace(parts).map_err(|error| unusable(&self.settings, error))?;
        self.ends = ends;
        Ok(())
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
