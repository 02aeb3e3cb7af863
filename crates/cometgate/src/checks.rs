//! What every check begins and ends with: the configuration as its files say it, the providers as the gateway would reach
//! them, and the store that takes down what was found.

pub(crate) mod calling;
pub(crate) mod key;
pub(crate) mod leasing;
pub(crate) mod prior;
mod results;
pub(crate) mod subject;

use std::path::Path;

use anyhow::Context as _;
use config::{Loaded, Settings};
use evidence::{Body, Entry, Head, Store};
use proxy::Snapshot;
use readiness::Provider;

use crate::clock::now;
use crate::commands::serve::read_settings;
use crate::exit::Failure;
use crate::map_files::{MapPaths, Texts};
use crate::prepare::Preparer;
use crate::state::digest::Digest;
pub(crate) use calling::{CalledGateway, refused};
pub(crate) use results::tell;

/// Commands have one event loop.
const WORKERS: usize = 1;

/// What a check is made on.
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    pub(crate) paths: MapPaths,
    pub(crate) texts: Texts,
    pub(crate) loaded: Loaded,
    /// In the order of the plan's ids.
    pub(crate) providers: Vec<Provider>,
}

impl Checked {
    /// Reads the files that the settings name, and the secrets that the map names.
    pub(crate) fn open(config: &Path) -> Result<Checked, Failure> {
        Checked::read(config)?.prepare()
    }

    /// Reads the files alone: a check that goes through the gateway needs no provider and no key of one.
    pub(crate) fn read(config: &Path) -> Result<Checked, Failure> {
        let settings = read_settings(config)?;
        let texts = MapPaths::of(&settings).read().map_err(Failure::invalid)?;
        Checked::of(settings, texts)
    }

    /// The same of texts that are at hand, be it those in force.
    pub(crate) fn of(settings: Settings, texts: Texts) -> Result<Checked, Failure> {
        let paths = MapPaths::of(&settings);
        let loaded = paths.load(&texts).map_err(Failure::invalid)?;
        Ok(Checked { settings, paths, texts, loaded, providers: Vec::new() })
    }

    /// With the providers, as the gateway would reach them.
    pub(crate) fn prepare(mut self) -> Result<Checked, Failure> {
        let loaded = self.paths.load(&self.texts).map_err(Failure::invalid)?;
        let mut preparer = Preparer::new(WORKERS).with_client_key(self.settings.check_client_key.clone());
        let snapshot = preparer.prepare(loaded, None).map_err(Failure::invalid)?;
        self.providers = providers(&snapshot);
        Ok(self)
    }

    /// Takes down what was found, of a route or of the whole map; all of it or none.
    pub(crate) fn record(
        &self,
        by: &str,
        found: impl IntoIterator<Item = (Option<String>, Body)>,
    ) -> Result<Head, Failure> {
        let directory = self.settings.state_dir.join("evidence");
        let at = now();
        let map = Digest::of(&self.texts.routes);
        let entry = |(route, body): (Option<String>, Body)| Entry {
            at,
            route: route.map(Into::into),
            route_version: Some(self.loaded.plan.route_version().into()),
            map_sha256: Some(map.into()),
            by: by.into(),
            body,
        };
        let entries: Vec<Entry> = found.into_iter().map(entry).collect();
        Store::open(&directory)
            .and_then(|store| store.append_all(&entries))
            .context("what was found could not be recorded, so it counts for nothing")
            .map_err(Failure::invalid)
    }
}

/// The providers of a snapshot, in the order of the plan's ids.
pub(crate) fn providers(snapshot: &Snapshot) -> Vec<Provider> {
    let names = snapshot.plan().parts().providers.iter().map(|provider| &provider.name);
    let reached = names.zip(snapshot.providers()).map(|(name, provider)| Provider {
        name: name.clone(),
        origin: provider.origin.clone(),
        credential: provider.check_credential.clone().unwrap_or_else(|| provider.credential.clone()),
        credential_header: provider.credential_header,
        headers: provider.headers.clone(),
    });
    reached.collect()
}
