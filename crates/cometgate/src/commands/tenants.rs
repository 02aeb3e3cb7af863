//! `cometgate tenants`: gateway keys and who holds them.

mod add;
mod keys;
mod list;

use std::fs::File;

use anyhow::{Context as _, anyhow};
use config::{Settings, Source};

use crate::cli::{ConfigFile, Tenants};
use crate::commands::serve::read_settings;
use crate::exit::Failure;
use crate::files;
use crate::map_files::directory_of;

/// Does what was asked.
pub(crate) fn run(asked: &Tenants) -> Result<(), Failure> {
    match asked {
        Tenants::Add(options) => add::run(options),
        Tenants::List(options) => list::run(options),
        Tenants::Rotate(options) => keys::rotate(options),
        Tenants::Revoke(options) => keys::revoke(options),
    }
}

/// The tenants file that the settings name.
struct Given {
    settings: Settings,
    text: String,
}

impl Given {
    fn of(config: &ConfigFile) -> Result<Given, Failure> {
        let settings = read_settings(&config.path)?;
        let path = &settings.tenants;
        let text = files::read(path)
            .with_context(|| format!("{} cannot be read", path.display()))
            .map_err(Failure::invalid)?;
        Ok(Given { settings, text })
    }

    /// To edit it; nobody else does until the lock is dropped.
    fn to_edit(config: &ConfigFile) -> Result<(Given, File), Failure> {
        let settings = read_settings(&config.path)?;
        let path = &settings.tenants;
        let locked = files::lock(directory_of(path))
            .with_context(|| path.display().to_string())
            .map_err(Failure::invalid)?;
        Ok((Given::of(config)?, locked))
    }

    fn source(&self) -> Source<'_> {
        Source { path: &self.settings.tenants, text: &self.text }
    }

    /// Somebody may have edited the file by hand meanwhile.
    fn replace(&self, text: &str) -> Result<(), Failure> {
        let path = &self.settings.tenants;
        if files::read(path).is_ok_and(|now| now != self.text) {
            let error = anyhow!("{} was changed meanwhile; nothing was written. Try again", path.display());
            return Err(Failure::invalid(error));
        }
        files::replace(path, text)
            .with_context(|| format!("{} cannot be written", path.display()))
            .map_err(Failure::invalid)
    }
}
