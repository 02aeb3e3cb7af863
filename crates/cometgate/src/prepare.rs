//! A checked plan becomes something that can serve: secrets found, servers known, keys indexed. Everything that can
//! fail does so here, before anything is put in force.

use std::sync::Arc;
use std::time::SystemTime;

use config::{
    CredentialSource, ForwardHeader, Loaded, ProviderSettings, ProviderTls, Scheme, TraceParentTold,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use proxy::{Forwards, Holder, KeyRing, Provider, Snapshot, ToldTrace};
use rustls::RootCertStore;
use upstream::{Address, Credential, Http2, Origin, SendError, TlsClient, TlsSetupError};

use crate::checks::key::CheckKey;
use crate::provider_tls::{Material, ProviderTlsError};
use crate::secrets::{self, SecretError, SecretFiles};

/// Why a checked plan cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("{place}: provider `{provider}`: {source}")]
    Tls { place: config::Place, provider: String, source: Box<ProviderTlsError> },
    #[error("{place}: provider `{provider}` cannot be used: {source}")]
    Origin { place: config::Place, provider: String, source: Box<SendError> },
    #[error("{place}: provider `{provider}`: its base URL makes no path")]
    Path { place: config::Place, provider: String },
}

/// Prepares snapshots, and keeps what is costly to make from one to the next.
#[derive(Debug)]
pub(crate) struct Preparer {
    workers: usize,
    /// The client of providers that say nothing about TLS: one, so that sessions resume.
    plain_tls: Option<TlsClient>,
    system_roots: Option<RootCertStore>,
    checks: Option<CheckKey>,
    /// What checks show where callers bring their own key.
    client_key: Option<CredentialSource>,
}

impl Preparer {
    pub(crate) fn new(workers: usize) -> Preparer {
        Preparer { workers, plain_tls: None, system_roots: None, checks: None, client_key: None }
    }

    /// With a key for the gateway's own checks.
    pub(crate) fn with_checks(self, checks: Option<CheckKey>) -> Preparer {
        Preparer { checks, ..self }
    }

    /// With what checks show providers to which callers bring their own key.
    pub(crate) fn with_client_key(self, client_key: Option<CredentialSource>) -> Preparer {
        Preparer { client_key, ..self }
    }

    /// Which files with secrets are to be looked at, for changes.
    pub(crate) fn secret_files(&self, loaded: &Loaded) -> SecretFiles {
        let client_key = match &self.client_key {
            Some(CredentialSource::File(path)) => Some(path),
            Some(CredentialSource::Client | CredentialSource::Env(_)) | None => None,
        };
        let others = [self.checks.as_ref().and_then(CheckKey::file), client_key];
        SecretFiles::of(&loaded.providers, others.into_iter().flatten())
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
        let keys = loaded.keys.iter().map(|key| {
            let holder = Holder { tenant: key.tenant, expires_at: key.expires_at.map(SystemTime::from) };
            (key.sha256, holder)
        });
        let certificates =
            loaded.certificates.iter().map(|certificate| (certificate.sha256, certificate.tenant));
        let mut keys = KeyRing::new(keys).with_certificates(certificates);
        // Without it there are no checks, which keeps no map from going live.
        if let Some(hash) = self.checks.as_ref().and_then(|key| key.hash_beside(&loaded.keys)) {
            keys = keys.with_checks(hash);
        }
        Ok(Snapshot::new(loaded.plan, providers, keys))
    }

    fn provider(
        &mut self,
        settings: &ProviderSettings,
        previous: Option<&Snapshot>,
    ) -> Result<Provider, PrepareError> {
        let credential = secrets::find(settings)?;
        let address = address(settings);
        let material = tls_material(settings)?;
        let identity = material.as_ref().map(|material| material.identity);
        let is_same =
            |known: &&Provider| *known.origin.address() == address && known.origin.tls() == identity;
        let kept = previous
            .and_then(|snapshot| snapshot.providers().iter().find(is_same))
            .map(|known| Arc::clone(&known.origin));
        let origin = match kept {
            Some(origin) => origin,
            None => Arc::new(self.origin(settings, address, material)?),
        };
        let failed =
            |_| PrepareError::Path { place: settings.place.clone(), provider: settings.name.clone() };
        let path_of = |endpoint| settings.path_of(endpoint).to_owned();
        let mut provider = Provider::new(origin, credential, headers(settings), path_of).map_err(failed)?;
        provider.forwards = forwards(settings);
        provider.told_trace = match settings.trace_parent {
            TraceParentTold::Caller => ToldTrace::Callers,
            TraceParentTold::Gateway => ToldTrace::Gateways,
            TraceParentTold::Nothing => ToldTrace::Nothing,
        };
        provider.credential_header = settings.credential_header;
        if settings.credential == CredentialSource::Client {
            provider.check_credential = self.check_credential(settings);
        }
        Ok(provider)
    }

    /// One that cannot be had keeps no map from going live; then checks cannot ask there.
    fn check_credential(&self, settings: &ProviderSettings) -> Option<Credential> {
        let secret = secrets::read_named(self.client_key.as_ref()?, "a key of the provider's");
        let made = secret.and_then(|secret| {
            Credential::of(&secret, settings.credential_header)
                .map_err(|_| "it has bytes that cannot be sent in a header".to_owned())
        });
        made.inspect_err(|error| {
            tracing::warn!("checks cannot ask {}: the `client_key` of `[checks]`: {error}", settings.name);
        })
        .ok()
    }

    fn origin(
        &mut self,
        settings: &ProviderSettings,
        address: Address,
        material: Option<Material>,
    ) -> Result<Origin, PrepareError> {
        let tls = match material {
            None => None,
            Some(material) => {
                Some(self.tls(settings, material).map_err(|error| tls_failed(settings, error))?)
            }
        };
        Origin::new(address, tls.as_ref(), self.workers).map_err(|source| PrepareError::Origin {
            place: settings.place.clone(),
            provider: settings.name.clone(),
            source: Box::new(source),
        })
    }

    fn tls(&mut self, settings: &ProviderSettings, material: Material) -> Result<TlsClient, TlsSetupError> {
        if settings.tls != ProviderTls::default() {
            return material.make(&mut self.system_roots);
        }
        match &self.plain_tls {
            Some(tls) => Ok(tls.clone()),
            None => Ok(self.plain_tls.insert(material.make(&mut self.system_roots)?).clone()),
        }
    }
}

fn tls_material(settings: &ProviderSettings) -> Result<Option<Material>, PrepareError> {
    if settings.base_url.scheme == Scheme::Http {
        return Ok(None);
    }
    Material::read(&settings.tls).map(Some).map_err(|error| tls_failed(settings, error))
}

fn tls_failed(settings: &ProviderSettings, source: impl Into<ProviderTlsError>) -> PrepareError {
    let (place, provider) = (settings.place.clone(), settings.name.clone());
    PrepareError::Tls { place, provider, source: Box::new(source.into()) }
}

/// Names and values were checked when the map was read.
fn headers(settings: &ProviderSettings) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    settings.headers.iter().filter_map(header).collect()
}

/// Nothing for most, so that nothing is asked with each request.
fn forwards(settings: &ProviderSettings) -> Option<Box<Forwards>> {
    let listed = &settings.forward_headers;
    let has = |header| listed.contains(&header);
    let named = listed.iter().filter_map(|header| match header {
        ForwardHeader::Organization
        | ForwardHeader::Project
        | ForwardHeader::Cookie
        | ForwardHeader::Baggage
        | ForwardHeader::Tracestate => Some(HeaderName::from_static(header.as_str())),
        ForwardHeader::Stainless | ForwardHeader::ForwardedFor => None,
    });
    let forwards = Forwards {
        names: named.collect(),
        stainless: has(ForwardHeader::Stainless),
        caller_address: has(ForwardHeader::ForwardedFor),
    };
    (!listed.is_empty()).then(|| Box::new(forwards))
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
        http2: settings.http2.map(|http2| Http2 {
            stream_window: http2.stream_window,
            connection_window: http2.connection_window,
            max_streams: http2.max_streams.into(),
        }),
        allow_private: settings.allow_private_addresses,
    }
}
