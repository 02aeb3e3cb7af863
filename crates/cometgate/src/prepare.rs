//! A checked plan becomes something that can serve: secrets found, servers known, keys indexed. Everything that can
//! fail does so here, before anything is put in force.

use std::sync::Arc;

use config::{Loaded, ProviderSettings, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue};
use proxy::{KeyRing, Provider, Snapshot};
use upstream::{Address, Origin, SendError, TlsClient, TlsSetupError};

use crate::secrets::{self, SecretError};

/// Why a checked plan cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    #[error("{place}: provider `{provider}` cannot be used: {source}")]
    Origin { place: config::Place, provider: String, source: Box<SendError> },
    #[error("{place}: provider `{provider}`: its base URL makes no path")]
    Path { place: config::Place, provider: String },
}

/// Prepares snapshots, and keeps what is costly to make from one to the next.
#[derive(Debug)]
pub(crate) struct Preparer {
    workers: usize,
    tls: Option<TlsClient>,
}

impl Preparer {
    pub(crate) fn new(workers: usize) -> Preparer {
        Preparer { workers, tls: None }
    }

    /// Prepares a plan. Providers whose address did not change keep their connections.
    pub(crate) fn prepare(
        &mut self,
        loaded: Loaded,
        previous: Option<&Snapshot>,
    ) -> Result<Snapshot, PrepareError> {
        let providers = loaded
            .providers
            .iter()
            .map(|settings| self.provider(settings, previous))
            .collect::<Result<Vec<Provider>, PrepareError>>()?;
        let keys = KeyRing::new(loaded.keys.iter().map(|key| (key.sha256, key.tenant)));
        Ok(Snapshot::new(loaded.plan, providers, keys))
    }

    fn provider(
        &mut self,
        settings: &ProviderSettings,
        previous: Option<&Snapshot>,
    ) -> Result<Provider, PrepareError> {
        let credential = secrets::find(settings)?;
        let address = address(settings);
        let kept = previous
            .and_then(|snapshot| snapshot.providers().iter().find(|known| *known.origin.address() == address))
            .map(|known| Arc::clone(&known.origin));
        let origin = match kept {
            Some(origin) => origin,
            None => Arc::new(self.origin(settings, address)?),
        };
        let failed =
            |_| PrepareError::Path { place: settings.place.clone(), provider: settings.name.clone() };
        let path_of = |endpoint| settings.path_of(endpoint).to_owned();
        let mut provider = Provider::new(origin, credential, headers(settings), path_of).map_err(failed)?;
        provider.credential_header = secrets::carried_in(settings);
        Ok(provider)
    }

    fn origin(&mut self, settings: &ProviderSettings, address: Address) -> Result<Origin, PrepareError> {
        if address.scheme == upstream::Scheme::Https && self.tls.is_none() {
            self.tls = Some(TlsClient::with_system_roots()?);
        }
        Origin::new(address, self.tls.as_ref(), self.workers).map_err(|source| PrepareError::Origin {
            place: settings.place.clone(),
            provider: settings.name.clone(),
            source: Box::new(source),
        })
    }
}

/// Names and values were checked when the map was read.
fn headers(settings: &ProviderSettings) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    settings.headers.iter().filter_map(header).collect()
}

fn address(settings: &ProviderSettings) -> Address {
    Address {
        scheme: match settings.base_url.scheme {
            Scheme::Http => upstream::Scheme::Http,
            Scheme::Https => upstream::Scheme::Https,
        },
        host: settings.base_url.host.clone(),
        port: settings.base_url.port,
        base_path: settings.base_url.path.clone(),
        connect_timeout: settings.connect_timeout,
    }
}
