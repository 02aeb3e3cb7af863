//! What is known of a map's way back, gathered from where versions are kept: `versions/` beside the map, and the state
//! directory.
//!
//! The judgement is [`decisions::proof`]'s; here is the looking up, and the words for whoever has to mend it.

use std::io;
use std::path::{Path, PathBuf};

use config::{Loaded, Source, load_map};
use decisions::proof::{Lack, Override, Rollback, UnixTime, WayBack, lack};
use jiff::Timestamp;

use crate::state::StateDir;
use crate::state::archive::archived;

/// The environment in which a map needs no proven way back.
const DEVELOPMENT: &str = "development";

/// Where the texts of earlier versions are found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions<'s> {
    /// The route map's directory; what the operator keeps is in `versions/` below it.
    pub(crate) directory: &'s Path,
    /// What the gateway keeps by itself.
    pub(crate) state: Option<&'s StateDir>,
}

impl Versions<'_> {
    /// The text of a version; what the operator keeps comes first.
    pub(crate) fn find(&self, version: &str) -> io::Result<Option<String>> {
        let archived = archived(self.directory, version);
        if let Ok(Some(text)) = archived {
            return Ok(Some(text));
        }
        let kept = match self.state {
            Some(state) => state.find_version(version)?.map(|(_, text)| text),
            None => None,
        };
        // A file that cannot be read stands in nobody's way, unless there is nothing else.
        if kept.is_some() { Ok(kept) } else { archived }
    }

    /// What is called a version in messages: where it would have to be.
    pub(crate) fn archive_path(&self, version: &str) -> PathBuf {
        self.directory.join("versions").join(format!("{version}.toml"))
    }
}

/// What a map lacks to send traffic away from home now; `None` where it lacks nothing or needs nothing.
pub(crate) fn find_lack(
    loaded: &Loaded,
    tenants: Source<'_>,
    versions: Versions<'_>,
    now: Timestamp,
) -> Option<Lack> {
    let way_back = WayBack {
        rollback: find_rollback(loaded, tenants, versions),
        vouched: loaded
            .rollback_override
            .as_ref()
            .map(|vouched| Override { until: UnixTime(vouched.until.as_second()) }),
    };
    lack(way_back, UnixTime(now.as_second()))
}

/// Whether a lack only earns a warning.
pub(crate) fn is_development(loaded: &Loaded) -> bool {
    loaded.environment.as_deref() == Some(DEVELOPMENT)
}

fn find_rollback(loaded: &Loaded, tenants: Source<'_>, versions: Versions<'_>) -> Rollback {
    let Some(version) = &loaded.rollback_route_version else { return Rollback::NotNamed };
    let Ok(Some(text)) = versions.find(version) else { return Rollback::NotFound };
    let path = versions.archive_path(version);
    let Ok(found) = load_map(Source { path: &path, text: &text }, tenants) else { return Rollback::Invalid };
    if found.plan.route_version() != version {
        return Rollback::Invalid;
    }
    Rollback::Found {
        expires_at: found.expires_at.map(|at| UnixTime(at.as_second())),
        // Drills leave their records in the evidence store, which is still to come.
        drill: None,
    }
}

/// What is missing, and what mends it.
pub(crate) fn explain_lack(loaded: &Loaded, lack: Lack, versions: Versions<'_>) -> (String, String) {
    let named = loaded.rollback_route_version.as_deref().unwrap_or_default();
    let vouch = "`cometgate routes vouch --by WHO --incident ID --until TIME`";
    match lack {
        Lack::NotNamed => (
            "the map names no `rollback_route_version`".to_owned(),
            format!(
                "name a version that was live (`cometgate routes history` lists them), and vouch for it: {vouch}"
            ),
        ),
        Lack::NotFound => (
            format!("rollback_route_version {named} is neither in versions/ nor in the state directory"),
            format!(
                "keep that map as {}, or name a version that `cometgate routes history` lists",
                versions.archive_path(named).display()
            ),
        ),
        Lack::Invalid => (
            format!("the text of rollback_route_version {named} is not a valid map of that version"),
            format!("`cometgate routes check {}` says why", versions.archive_path(named).display()),
        ),
        Lack::Expired(at) => (
            format!("rollback_route_version {named} expired at {}", time(at)),
            "name a version that has not expired".to_owned(),
        ),
        Lack::NotDrilled => (
            format!("rollback_route_version {named} has passed no drill, and nobody vouches for it"),
            format!("vouch for it: {vouch}"),
        ),
        Lack::DrillFailed => (
            format!("the last drill of rollback_route_version {named} failed, and nobody vouches for it"),
            format!("mend what the drill found and repeat it, or vouch for it: {vouch}"),
        ),
        Lack::OverrideLapsed(until) => (
            format!("the override for rollback_route_version {named} ended at {}", time(until)),
            format!("vouch for it again: {vouch}"),
        ),
    }
}

fn time(at: UnixTime) -> String {
    Timestamp::from_second(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
