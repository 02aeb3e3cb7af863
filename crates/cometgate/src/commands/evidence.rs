//! `cometgate evidence`: reading the store. One file for each kind of question.

mod export;
mod list;
mod show;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use evidence::{Error, Filter, Reader};

use crate::cli::{Evidence, Which};
use crate::commands::serve::read_settings;
use crate::exit::Failure;

/// Does what was asked.
pub(super) fn run(asked: &Evidence) -> Result<(), Failure> {
    match asked {
        Evidence::List(options) => list::run(options),
        Evidence::Show(options) => show::run(options),
        Evidence::Export(options) => export::run(options),
        Evidence::Verify(options) => verify::run(options),
    }
}

/// Where the settings have the store.
pub(super) fn directory(config: &Path) -> Result<PathBuf, Failure> {
    Ok(read_settings(config)?.state_dir.join("evidence"))
}

/// The store that the settings name, for reading.
fn open(config: &Path) -> Result<Reader, Failure> {
    Reader::open(&directory(config)?).map_err(|error| failure(error, config))
}

/// What an operator can do about an error of the store.
pub(super) fn failure(error: Error, config: &Path) -> Failure {
    match error {
        Error::Absent { path } => Failure::invalid(anyhow!(
            "there is no evidence in {} yet\n  help: a gateway begins it when it starts; --config names other settings \
             than {}",
            path.display(),
            config.display()
        )),
        other => Failure::invalid(other),
    }
}

impl Which {
    /// The same for the store.
    fn filter(&self, limit: Option<usize>) -> Filter<'_> {
        Filter {
            kind: self.kind,
            route: self.route.as_deref(),
            since: self.since,
            until: self.until,
            limit,
            ..Filter::default()
        }
    }
}
