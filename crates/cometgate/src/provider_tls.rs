//! The files behind `tls` of a provider, and the TLS client that is made of them.
//!
//! They are read whenever a snapshot is prepared; a client is made anew only where their content differs, so that
//! connections and sessions outlive a reload.

use config::{ProviderTls, Roots};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use upstream::{ClientIdentity, TlsClient, TlsIdentity, TlsSetupError, bundled_roots, system_roots};

use crate::pem::{self, PemError};

/// Why TLS towards a provider cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderTlsError {
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error(transparent)]
    Setup(#[from] TlsSetupError),
}

/// What one provider's TLS is made of.
#[derive(Debug)]
pub(crate) struct Material {
    pub(crate) identity: TlsIdentity,
    authorities: RootCertStore,
    roots: Roots,
    client: Option<ClientIdentity>,
}

impl Material {
    /// Reads the files.
    pub(crate) fn read(settings: &ProviderTls) -> Result<Material, PemError> {
        let mut digest = Sha256::new();
        // With lengths, so that no two set-ups make one text.
        let mut add = |part: &[u8]| {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        };
        add(format!("{:?}", settings.roots).as_bytes());
        let mut authorities = RootCertStore::empty();
        if let Some(ca) = &settings.ca {
            let trusted = pem::certificates(ca)?;
            add_all(&mut add, &trusted);
            authorities = pem::roots(ca, trusted)?;
        }
        add(b"shown");
        let client = match &settings.client {
            None => None,
            Some((certificate, key)) => {
                let (certificates, key) = (pem::certificates(certificate)?, pem::key(key)?);
                add_all(&mut add, &certificates);
                add(key.secret_der());
                Some(ClientIdentity { certificates, key })
            }
        };
        Ok(Material { identity: digest.finalize().into(), authorities, roots: settings.roots, client })
    }

    /// Makes the client.
    pub(crate) fn make(self, system: &mut Option<RootCertStore>) -> Result<TlsClient, TlsSetupError> {
        let mut roots = match self.roots {
            Roots::System => match system {
                Some(roots) => roots.clone(),
                // Read once: a system's roots are many, and change with the system.
                None => system.insert(system_roots()?).clone(),
            },
            Roots::Bundled => bundled_roots(),
            Roots::None => RootCertStore::empty(),
        };
        roots.extend(self.authorities.roots.iter().cloned());
        TlsClient::new(roots, self.client, self.identity)
    }
}

fn add_all(add: &mut impl FnMut(&[u8]), certificates: &[CertificateDer<'_>]) {
    for certificate in certificates {
        add(certificate);
    }
}
