//! Other environments, as their own settings files say them: what they mean, and what their keys see.

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::Loaded;
use decisions::plan::Plan;
use http::Method;
use readiness::catalog::{Asked, Class, Difference, Seen, ask, parity};
use readiness::{Auth, Provider};

use crate::checks::{Checked, providers};
use crate::commands::serve::read_settings;
use crate::exit::Failure;
use crate::map_files::MapPaths;
use crate::prepare::Preparer;

/// Another environment.
pub(crate) struct Compared {
    pub(crate) config: PathBuf,
    loaded: Loaded,
    /// None where its secrets are not here: then it is compared and not asked.
    providers: Vec<Provider>,
}

impl Compared {
    /// Reads its files. Its keys need not be at hand.
    pub(crate) fn open(config: &Path) -> Result<Compared, Failure> {
        let paths = MapPaths::of(&read_settings(config)?);
        let texts = paths.read().map_err(Failure::invalid)?;
        let load = || paths.load(&texts).map_err(Failure::invalid);
        let prepared = Preparer::new(1).prepare(load()?, None);
        let providers = prepared.map(|snapshot| providers(&snapshot)).unwrap_or_default();
        Ok(Compared { config: config.to_owned(), loaded: load()?, providers })
    }

    /// Where it means other models.
    pub(crate) fn differences(&self, here: &Plan) -> Vec<Difference> {
        parity(here, &self.loaded.plan)
    }

    /// What else differs about a provider, which may be so on purpose: environment, base URL, path, source of the key.
    pub(crate) fn surroundings(&self, checked: &Checked, provider: &str) -> Vec<String> {
        let of = |loaded: &Loaded| {
            let found = loaded.providers.iter().find(|settings| settings.name == provider)?;
            let source = super::record::source(&found.credential);
            Some([found.base_url.to_string(), found.models_path().to_owned(), source])
        };
        let (Some(here), Some(there)) = (of(&checked.loaded), of(&self.loaded)) else { return Vec::new() };
        let named = ["base URL", "models path", "secret source"].into_iter().zip(here.into_iter().zip(there));
        let differ = named.filter(|(_, (here, there))| here != there);
        differ.map(|(what, (here, there))| format!("{what}: {here} here, {there} there")).collect()
    }

    /// What its key sees; `None` where it has no such provider, or its key is not at hand.
    pub(super) async fn ask(&self, provider: &str, timeout: Duration) -> Option<Seen> {
        let reached = self.providers.iter().find(|reached| reached.name == provider)?;
        let settings = self.loaded.providers.iter().find(|settings| settings.name == provider)?;
        let path = settings.models_path();
        let seen = ask(reached, Asked { method: Method::GET, path, auth: Auth::Ours, timeout }).await;
        (seen.outcome.class != Class::NoKey).then_some(seen)
    }
}
