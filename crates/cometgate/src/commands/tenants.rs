//! `cometgate tenants`: gateway keys and who holds them.

mod add;
mod keys;
mod list;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use config::{Settings, Source};

use crate::cli::{ConfigFile, Tenants};
use crate::commands::serve::read_settings;
use crate::edit_lock::EditLock;
use crate::exit::Failure;
use crate::{edit_lock, files, terminal};

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
    fn to_edit(config: &ConfigFile) -> Result<(Given, EditLock), Failure> {
        let settings = read_settings(&config.path)?;
        let locked = lock(&settings.tenants)?;
        Ok((Given::of(config)?, locked))
    }

    /// After a question: only from here on does nobody else edit it.
    fn lock(&self) -> Result<EditLock, Failure> {
        lock(&self.settings.tenants)
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

fn lock(path: &Path) -> Result<EditLock, Failure> {
    edit_lock::lock(path).with_context(|| path.display().to_string()).map_err(Failure::invalid)
}

/// Shows a new key before anything is written: a key that nobody saw would be of no use, and would count all the same.
fn show_key(line: &str) -> Result<(), Failure> {
    terminal::try_result(line)
        .context("the key could not be shown, so nothing was written; run it again for another key")
        .map_err(Failure::internal)
}
