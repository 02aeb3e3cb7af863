//! The route map and the tenants file as files: where they are, what they hold, why a pair of them is refused.

use std::fmt;
use std::path::{Path, PathBuf};

use config::{Loaded, Problems, Settings, Source, load_map};
use jiff::Timestamp;

use crate::files::{self, Stamp};
use crate::prepare::PrepareError;

/// The route map and the tenants file.
#[derive(Clone, Debug)]
pub(crate) struct MapPaths {
    pub(crate) routes: PathBuf,
    pub(crate) tenants: PathBuf,
    /// Where the map lives; versions that the operator keeps are in `versions/` below it.
    pub(crate) directory: PathBuf,
}

/// The text of both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) routes: String,
    pub(crate) tenants: String,
}

/// Why a pair of files is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(
        "{path}: route_version {version} is {known} with other content, and a version never changes\n  \
         help: give the edited map the next version, in `route_version` and in its last line; `cometgate routes \
         shift` does that by itself"
    )]
    VersionReused { path: PathBuf, version: String, known: Known },
    #[error(
        "{path}: the map is for environment {found}, and this gateway is for {wanted} (`environment` in its settings)"
    )]
    OtherEnvironment { path: PathBuf, found: String, wanted: String },
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}

/// Where a version is known from.
#[derive(Debug)]
pub(crate) enum Known {
    Live(Timestamp),
    Kept(PathBuf),
    InForce,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Known::Live(at) => write!(f, "known since {at:.0}"),
            Known::InForce => f.write_str("in force"),
            Known::Kept(path) => write!(f, "kept in {}", path.display()),
        }
    }
}

/// Where a file is; its own directory where the path names none.
pub(crate) fn directory_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

pub(crate) fn read(path: &Path) -> Result<String, Refused> {
    files::read(path).map_err(|error| Refused::Unreadable(path.to_owned(), error))
}

impl MapPaths {
    /// The files that the settings name.
    pub(crate) fn of(settings: &Settings) -> MapPaths {
        let (routes, tenants) = (settings.routes.clone(), settings.tenants.clone());
        MapPaths { directory: directory_of(&routes).to_owned(), routes, tenants }
    }

    /// Both files.
    pub(crate) fn read(&self) -> Result<Texts, Refused> {
        Ok(Texts { routes: read(&self.routes)?, tenants: read(&self.tenants)? })
    }

    pub(crate) fn load(&self, texts: &Texts) -> Result<Loaded, Problems> {
        let routes = Source { path: &self.routes, text: &texts.routes };
        load_map(routes, self.tenants_source(texts))
    }

    pub(crate) fn tenants_source<'t>(&'t self, texts: &'t Texts) -> Source<'t> {
        Source { path: &self.tenants, text: &texts.tenants }
    }

    pub(crate) fn stamps(&self) -> [Option<Stamp>; 2] {
        [files::stamp(&self.routes), files::stamp(&self.tenants)]
    }
}
