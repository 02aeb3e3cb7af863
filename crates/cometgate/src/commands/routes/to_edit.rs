//! The map that an edit is about to change, as it was found: the edits are the way home, so they work beside whatever
//! is broken, as the gateway does.
//!
//! Of the two files the one that is in order counts, and what was last in force stands in for the other. Where nobody
//! can tell what is in force, a raise is not allowed: a running gateway might take the route home instead.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use config::Severity;

use crate::commands::routes::given::Given;
use crate::commands::serve::read_settings;
use crate::edit_lock::{self, EditLock};
use crate::exit::Failure;
use crate::files::{self, Stamp};
use crate::going_live::{Before, Standing};
use crate::map_files::{MapPaths, Refused, Texts};
use crate::state::StateDir;
use crate::state::record::Why;
use crate::terminal;

/// A map that is to be changed.
pub(super) struct ToEdit {
    pub(super) given: Given,
    routes: Found,
    tenants: Found,
    /// Why nobody can tell what is in force.
    pub(super) unknown: Option<String>,
}

/// A file as it was found.
struct Found {
    text: std::io::Result<String>,
    /// Where it has no text, this says whether it is still the same.
    stamp: Option<Stamp>,
}

impl Found {
    fn at(path: &Path) -> Found {
        let stamp = files::stamp(path);
        Found { text: files::read(path), stamp }
    }

    fn is_as(&self, other: &Found) -> bool {
        match (&self.text, &other.text) {
            (Ok(text), Ok(other)) => text == other,
            (Err(_), Err(_)) => self.stamp == other.stamp,
            _ => false,
        }
    }
}

impl ToEdit {
    /// The map that the settings name.
    pub(super) fn of_settings(config: &Path) -> Result<ToEdit, Failure> {
        let settings = read_settings(config)?;
        let paths = MapPaths::of(&settings);
        let (routes, tenants) = (Found::at(&paths.routes), Found::at(&paths.tenants));
        let text = |found: &Found| found.text.as_ref().map(String::as_str).unwrap_or_default().to_owned();
        let texts = Texts { routes: text(&routes), tenants: text(&tenants) };
        let directory = settings.state_dir.display();
        let (state, unknown) = match StateDir::read(&settings.state_dir) {
            Ok(Some(state)) if state.is_last_unknown() => {
                (Some(state), Some(format!("{directory} does not say what was last in force")))
            }
            Ok(Some(state)) if state.last().is_none() => {
                (Some(state), Some(format!("{directory} has no record of a version")))
            }
            Ok(Some(state)) => (Some(state), None),
            Ok(None) => (None, Some(format!("{directory} is not there"))),
            Err(error) => (None, Some(format!("the state directory cannot be read: {error}"))),
        };
        let given = Given::new(paths, texts, state, Some(&settings));
        Ok(ToEdit { given, routes, tenants, unknown })
    }

    /// The map's text, where there is one.
    pub(super) fn routes(&self) -> Result<&str, Failure> {
        let path = &self.given.paths.routes;
        match &self.routes.text {
            Ok(text) => Ok(text),
            Err(error) => Err(Failure::invalid(anyhow!("{}: {error}", path.display()))),
        }
    }

    /// Whether the map says this already.
    pub(super) fn is_already(&self, routes: &str) -> bool {
        self.routes.text.as_ref().is_ok_and(|text| text == routes)
    }

    /// Takes the tenants that were last in force where the file has problems and they fit a map. The gateway does so too.
    pub(super) fn fit_tenants(&mut self, routes: &str) {
        let given = &self.given;
        let fits = |tenants: &str| {
            let texts = Texts { routes: routes.to_owned(), tenants: tenants.to_owned() };
            given.paths.load(&texts).is_ok()
        };
        if self.tenants.text.as_ref().is_ok_and(|tenants| fits(tenants)) {
            return;
        }
        let Some(kept) = given.last_texts().map(|texts| texts.tenants).filter(|kept| fits(kept)) else {
            return;
        };
        let path = given.paths.tenants.display();
        match &self.tenants.text {
            Ok(_) => terminal::say(&format!(
                "{path} does not go with the map; judged with the tenants that were last in force."
            )),
            Err(error) => terminal::say(&format!(
                "{path} cannot be read ({error}); judged with the tenants that were last in force."
            )),
        }
        self.given.texts.tenants = kept;
    }

    /// What a gateway would make of another text of the map.
    pub(super) fn judge(&self, routes: &str) -> Result<Standing, Refused> {
        self.judge_with(routes, &self.given.texts.tenants)
    }

    fn judge_with(&self, routes: &str, tenants: &str) -> Result<Standing, Refused> {
        let texts = Texts { routes: routes.to_owned(), tenants: tenants.to_owned() };
        if self.unknown.is_none() {
            return self.given.judge_texts(texts);
        }
        // What the file says is the best guess at what is in force: whatever lowers it lowers anything.
        let assumed = self.given.load().ok();
        let before = assumed.as_ref().map_or(Before::Unknown, |loaded| Before::Other(&loaded.plan));
        self.given.judge().judge(texts, Why::Reload, before)
    }

    /// Whether a refusal is the fault of the tenants file alone, and nothing that was in force stands in for it.
    pub(super) fn is_for_want_of_tenants(&self, refused: &Refused) -> bool {
        let Refused::Problems(problems) = refused else { return false };
        let is_of_tenants = |path: &Path| path == self.given.paths.tenants;
        problems
            .iter()
            .any(|problem| problem.severity() == Severity::Error && is_of_tenants(&problem.place.path))
    }

    /// The turn at writing, once nothing has changed since the map was read and judged.
    pub(super) fn lock_unchanged(
        &self,
        routes: &str,
        standing: Option<&Standing>,
    ) -> Result<EditLock, Failure> {
        let paths = &self.given.paths;
        let locked = edit_lock::lock(&paths.routes)
            .with_context(|| paths.routes.display().to_string())
            .map_err(Failure::invalid)?;
        let changed = |path: &Path| {
            let error = anyhow!("{} was changed meanwhile; nothing was written. Try again", path.display());
            Err(Failure::invalid(error))
        };
        if !self.routes.is_as(&Found::at(&paths.routes)) {
            return changed(&paths.routes);
        }
        let tenants = Found::at(&paths.tenants);
        if let Some(standing) = standing
            && !self.tenants.is_as(&tenants)
        {
            // Other tenants are nobody's concern here, as long as the verdict stays.
            let again = tenants.text.ok().and_then(|tenants| self.judge_with(routes, &tenants).ok());
            let is_same =
                |again: &Standing| again.held == standing.held && again.texts.routes == standing.texts.routes;
            if !again.as_ref().is_some_and(is_same) {
                return changed(&paths.tenants);
            }
        }
        Ok(locked)
    }
}
