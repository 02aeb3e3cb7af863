//! The map that a command was given, with all that it takes to judge it: tenants, settings, versions that were live.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use config::{Loaded, Settings};
use decisions::plan::Plan;
use jiff::Timestamp;

use crate::commands::serve::read_settings;
use crate::drill_book::DrillBook;
use crate::exit::Failure;
use crate::going_live::{Before, Judge, Standing};
use crate::map_files::{MapPaths, Refused, Texts, directory_of};
use crate::state::StateDir;
use crate::state::digest::Digest;
use crate::state::record::{Accepted, Why};

/// A map and its surroundings.
pub(super) struct Given {
    pub(super) paths: MapPaths,
    pub(super) texts: Texts,
    pub(super) state: Option<StateDir>,
    /// Where the gateway keeps what it must not forget, as far as there are settings that say so.
    pub(super) state_dir: Option<PathBuf>,
    environment: Option<String>,
    drills: Option<DrillBook>,
}

impl Given {
    /// A map file; its settings are those named, or those beside it.
    pub(super) fn file(file: &Path, config: Option<&Path>) -> Result<Given, Failure> {
        let settings = match config {
            Some(path) => Some(read_settings(path)?),
            None => find_settings(file).map(|path| read_settings(&path)).transpose()?,
        };
        let paths = match &settings {
            Some(settings) => MapPaths { routes: file.to_owned(), ..MapPaths::of(settings) },
            None => {
                let directory = home_of(file).to_owned();
                MapPaths { routes: file.to_owned(), tenants: directory.join("tenants.toml"), directory }
            }
        };
        let texts = paths.read().map_err(|refused| {
            let help = if settings.is_some() {
                ""
            } else {
                "\n  help: `--config` names the settings, which say where the tenants are"
            };
            Failure::invalid(anyhow!("{refused}{help}"))
        })?;
        Given::with_state(paths, texts, settings.as_ref())
    }

    /// The map that the settings name.
    pub(super) fn of_settings(config: &Path) -> Result<Given, Failure> {
        let settings = read_settings(config)?;
        let paths = MapPaths::of(&settings);
        let texts = paths.read().map_err(Failure::invalid)?;
        Given::with_state(paths, texts, Some(&settings))
    }

    /// Another text in place of the map's, as a name for a version stands for its text.
    pub(super) fn with_routes(self, path: PathBuf, routes: String) -> Given {
        Given {
            paths: MapPaths { routes: path, ..self.paths },
            texts: Texts { routes, tenants: self.texts.tenants },
            ..self
        }
    }

    /// As it was read.
    pub(super) fn new(
        paths: MapPaths,
        texts: Texts,
        state: Option<StateDir>,
        settings: Option<&Settings>,
    ) -> Given {
        let environment = settings.and_then(|settings| settings.environment.clone());
        let drills = settings.map(DrillBook::of);
        Given { paths, texts, state, state_dir: None, environment, drills }
    }

    fn with_state(paths: MapPaths, texts: Texts, settings: Option<&Settings>) -> Result<Given, Failure> {
        let state = match settings {
            Some(settings) => StateDir::read(&settings.state_dir)
                .context("the state directory cannot be read")
                .map_err(Failure::invalid)?,
            None => None,
        };
        let state_dir = settings.map(|settings| settings.state_dir.clone());
        Ok(Given { state_dir, ..Given::new(paths, texts, state, settings) })
    }

    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        self.paths.load(&self.texts).map_err(Failure::invalid)
    }

    pub(super) fn judge(&self) -> Judge<'_> {
        Judge {
            paths: &self.paths,
            environment: self.environment.as_deref(),
            state: self.state.as_ref(),
            drills: self.drills.as_ref(),
            now: Timestamp::now(),
        }
    }

    /// What a gateway would make of a pair of files that took the place of what it last had in force.
    pub(super) fn judge_texts(&self, texts: Texts) -> Result<Standing, Refused> {
        let plan = self.last_plan();
        let before = match (self.last(), &plan) {
            _ if self.is_unknown() => Before::Unknown,
            (None, _) => Before::Nothing,
            (Some(record), _) if record.routes == Digest::of(&texts.routes) => Before::Same(&record.held),
            (Some(_), Some(plan)) => Before::Other(plan),
            (Some(_), None) => Before::Unknown,
        };
        self.judge().judge(texts, Why::Reload, before)
    }

    /// Whether the state directory cannot say what is in force, though something may be.
    pub(super) fn is_unknown(&self) -> bool {
        self.state.as_ref().is_some_and(StateDir::is_last_unknown)
    }

    /// What was last in force, as far as is known.
    pub(super) fn last(&self) -> Option<&Accepted> {
        self.state.as_ref().and_then(StateDir::last)
    }

    /// The last version that was live and sent whatever it says.
    pub(super) fn last_unheld(&self) -> Option<String> {
        let history = self.state.as_ref()?.history();
        history
            .iter()
            .rev()
            .find(|record| record.all_held().is_some_and(<[String]>::is_empty))
            .map(|record| record.route_version.clone())
    }

    /// What is in force, as far as the state directory knows, with what is held; else what the files say.
    pub(super) fn in_force(&self) -> Option<Loaded> {
        let last = self.last().filter(|_| !self.is_unknown());
        let held = last.map_or(&[][..], |record| &record.held);
        let texts = last.and_then(|_| self.last_texts()).unwrap_or_else(|| self.texts.clone());
        self.judge().load_held(&texts, held)
    }

    /// Its texts, where they are still kept.
    pub(super) fn last_texts(&self) -> Option<Texts> {
        let (state, record) = (self.state.as_ref()?, self.last()?);
        let routes = state.routes_text(record.routes).ok()??;
        let tenants = state.tenants_text(record.tenants).ok()??;
        Some(Texts { routes, tenants })
    }

    fn last_plan(&self) -> Option<Plan> {
        let held = &self.last()?.held;
        self.judge().load_held(&self.last_texts()?, held).map(|loaded| loaded.plan)
    }
}

/// `cometgate.toml` beside the map.
fn find_settings(file: &Path) -> Option<PathBuf> {
    let path = home_of(file).join("cometgate.toml");
    path.exists().then_some(path)
}

/// The directory of a map; a map in `versions/` belongs to the one above.
fn home_of(file: &Path) -> &Path {
    let directory = directory_of(file);
    if directory.file_name().is_some_and(|name| name == "versions") {
        directory_of(directory)
    } else {
        directory
    }
}
