//! The settings file is read at the start only; a change of it is reported, so that nobody waits for it to take effect.

use std::path::PathBuf;

use config::{Settings, Source, load_settings};

use crate::files::{self, Stamp};

/// Looks at the settings file and says once for each change that it needs a restart.
#[derive(Debug)]
pub(crate) struct SettingsWatch {
    path: PathBuf,
    in_force: Settings,
    seen: Option<Stamp>,
}

impl SettingsWatch {
    pub(crate) fn new(path: PathBuf, in_force: Settings) -> SettingsWatch {
        // Not looked at yet: it may have changed since it was read.
        SettingsWatch { path, in_force, seen: None }
    }

    pub(crate) fn look(&mut self) {
        let found = files::stamp(&self.path);
        if found == self.seen {
            return;
        }
        self.seen = found;
        let path = self.path.display();
        let Ok(text) = files::read(&self.path) else { return };
        match load_settings(Source { path: &self.path, text: &text }) {
            Ok(settings) if settings == self.in_force => {}
            Ok(_) => tracing::warn!("{path} has changed, which takes effect at the next start only"),
            Err(problems) => {
                tracing::warn!("{path} has changed, and the next start would refuse it:\n{problems}");
            }
        }
    }
}
