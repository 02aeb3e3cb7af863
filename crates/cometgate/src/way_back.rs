//! What is known of a map's way back, gathered from where versions are kept: `versions/` beside the map, and the state
//! directory.
//!
//! The judgement is [`decisions::proof`]'s; here is the looking up, and the words for whoever has to mend it.

use std::io;
use std::path::{Path, PathBuf};

use config::{Loaded, Source, load_map};
use decisions::RouteId;
use decisions::exposure::ways_out;
use decisions::plan::{GateIdentity, Plan, gate_identity};
use decisions::proof::{Drills, Lack, Override, Rollback, UnixTime, WayBack, lack};
use jiff::Timestamp;

use crate::drill_book::{DrillBook, Subject};
use crate::state::StateDir;
use crate::state::archive::archived;
use crate::state::digest::Digest;

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

/// What the routes of a map lack to send traffic away from home.
#[derive(Default)]
pub(crate) struct Lacks {
    /// By route, of those that were asked about.
    pub(crate) by_route: Vec<(RouteId, Lack)>,
    /// When the first of the drills that prove the others is too old.
    pub(crate) drilled_until: Option<Timestamp>,
}

/// What these routes lack now.
pub(crate) fn find_lacks(
    loaded: &Loaded,
    tenants: Source<'_>,
    versions: Versions<'_>,
    drills: Option<&DrillBook>,
    (routes, now): (&[RouteId], Timestamp),
) -> Lacks {
    let (rollback, found) = find_version_to_go_back_to(loaded, tenants, versions);
    let known = drills.map(DrillBook::look).zip(found.map(|(_, text)| Digest::of(&text)));
    let max_age = drills.map_or(0, DrillBook::max_age);
    let mut lacks = Lacks::default();
    for id in routes {
        let drills = known.as_ref().map(|(drills, text)| drills.of_all(&subjects(&loaded.plan, *id, *text)));
        let drills = drills.unwrap_or_default();
        let way_back = WayBack { rollback, drills, vouched: vouched(loaded) };
        let lack = lack(way_back, max_age, UnixTime(now.as_second()));
        lacks.by_route.extend(lack.map(|lack| (*id, lack)));
        let until = drills.passed_at.and_then(|at| Timestamp::from_second(at.0.checked_add(max_age)?).ok());
        lacks.drilled_until = lacks.drilled_until.into_iter().chain(until.filter(|at| *at > now)).min();
    }
    lacks
}

/// What a map lacks where nobody has drilled anything; whatever vouches for it counts.
pub(crate) fn find_lack_undrilled(
    loaded: &Loaded,
    tenants: Source<'_>,
    versions: Versions<'_>,
    now: Timestamp,
) -> Option<Lack> {
    let (rollback, _) = find_version_to_go_back_to(loaded, tenants, versions);
    lack_undrilled(loaded, rollback, now)
}

/// The same, where the version to go back to was looked for already.
pub(crate) fn lack_undrilled(loaded: &Loaded, rollback: Rollback, now: Timestamp) -> Option<Lack> {
    let way_back = WayBack { rollback, drills: Drills::default(), vouched: vouched(loaded) };
    lack(way_back, 0, UnixTime(now.as_second()))
}

fn vouched(loaded: &Loaded) -> Option<Override> {
    let until = loaded.rollback_override.as_ref()?.until;
    Some(Override { until: UnixTime(until.as_second()) })
}

/// What has to be drilled so that a route's way back is proven: every target that it may send to.
fn subjects(plan: &Plan, id: RouteId, rollback: Digest) -> Vec<Subject> {
    let route = plan.route(id);
    let identities = ways_out(route).filter_map(|watched| gate_identity(plan, id, watched));
    let mut identities: Vec<GateIdentity> = identities.collect();
    identities.dedup();
    identities.into_iter().map(|identity| Subject { route: route.name.clone(), identity, rollback }).collect()
}

/// Whether a lack only earns a warning.
pub(crate) fn is_development(loaded: &Loaded) -> bool {
    loaded.environment.as_deref() == Some(DEVELOPMENT)
}

/// The version to go back to, as it is found, and its text.
pub(crate) fn find_version_to_go_back_to(
    loaded: &Loaded,
    tenants: Source<'_>,
    versions: Versions<'_>,
) -> (Rollback, Option<(Loaded, String)>) {
    let Some(version) = &loaded.rollback_route_version else { return (Rollback::NotNamed, None) };
    let Ok(Some(text)) = versions.find(version) else { return (Rollback::NotFound, None) };
    let path = versions.archive_path(version);
    let Ok(found) = load_map(Source { path: &path, text: &text }, tenants) else {
        return (Rollback::Invalid, None);
    };
    if found.plan.route_version() != version {
        return (Rollback::Invalid, None);
    }
    let expires_at = found.expires_at.map(|at| UnixTime(at.as_second()));
    (Rollback::Found { expires_at }, Some((found, text)))
}

/// What is missing, and what mends it.
pub(crate) fn explain_lack(
    loaded: &Loaded,
    lack: Lack,
    versions: Versions<'_>,
    routes: &[&str],
) -> (String, String) {
    let named = loaded.rollback_route_version.as_deref().unwrap_or_default();
    let vouch = "`cometgate routes vouch --by WHO --incident ID --until TIME`";
    let route = if let [route] = routes { route } else { "ROUTE" };
    let drill = format!("`cometgate drill {route} --by WHO`");
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
            format!("drill it: {drill}; or vouch for it: {vouch}"),
        ),
        Lack::DrillFailed => (
            format!("the last drill of rollback_route_version {named} failed, and nobody vouches for it"),
            format!("mend what the drill found and repeat it: {drill}; or vouch for it: {vouch}"),
        ),
        Lack::DrillStale(at) => (
            format!(
                "the last clean drill of rollback_route_version {named} was at {}, which is too long ago",
                time(at)
            ),
            format!("drill it again: {drill}; or vouch for it: {vouch}"),
        ),
        Lack::OverrideLapsed(until) => (
            format!("the override for rollback_route_version {named} ended at {}", time(until)),
            format!("drill it: {drill}; or vouch for it again: {vouch}"),
        ),
    }
}

fn time(at: UnixTime) -> String {
    Timestamp::from_second(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
