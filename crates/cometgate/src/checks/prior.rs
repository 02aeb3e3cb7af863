//! The version to go back to, as a command finds it that serves nobody.

use config::Loaded;
use decisions::proof::{Lack, Rollback};

use crate::checks::Checked;
use crate::state::StateDir;
use crate::way_back::{Versions, explain_lack, find_version_to_go_back_to, lack_undrilled};

/// What the map names as the version to go back to.
pub(crate) struct Prior {
    pub(crate) rollback: Rollback,
    /// The map of that version and its text, where it can be used.
    pub(crate) found: Option<(Loaded, String)>,
    /// What it lacks but a drill, which is a check of its own.
    pub(crate) lack: Option<Lack>,
}

impl Prior {
    /// A state directory that cannot be read is one that keeps no version.
    pub(crate) fn of(checked: &Checked) -> Prior {
        let state = StateDir::read(&checked.settings.state_dir).ok().flatten();
        let versions = Versions { directory: &checked.paths.directory, state: state.as_ref() };
        let tenants = checked.paths.tenants_source(&checked.texts);
        let (rollback, found) = find_version_to_go_back_to(&checked.loaded, tenants, versions);
        let lack = lack_undrilled(&checked.loaded, rollback, jiff::Timestamp::now());
        let lack = lack.filter(|lack| !matches!(lack, Lack::NotDrilled | Lack::OverrideLapsed(_)));
        Prior { rollback, found, lack }
    }

    /// Its map, where it can be used.
    pub(crate) fn into_map(self) -> Option<Loaded> {
        self.found.map(|(map, _)| map)
    }
}

/// What is missing of it for a route, and what mends it.
pub(crate) fn explain(checked: &Checked, lack: Lack, route: &str) -> (String, String) {
    let versions = Versions { directory: &checked.paths.directory, state: None };
    explain_lack(&checked.loaded, lack, versions, &[route])
}
