//! What is legal in a map and probably not what was meant.
//!
//! Runs only over a pair of files without errors: of half a map nothing can be said that holds for the whole
//! one. A warning that cries wolf is worse than none, so each of these is either certain or left out; where
//! certainty would take long to come by, a [`Budget`] ends the search and nothing is said. No clock is read
//! here: what depends on the time is kept as [`Dated`] and told by `Loaded::warnings_at`.

mod attempts;
mod dates;
mod gates;
mod matching;
mod names;
mod reach;
mod refused;
mod salts;
mod shares;
mod unused;

use decisions::RouteId;
use decisions::plan::Plan;

use crate::code::Code;
use crate::document::Document;
use crate::map_file::MapFile;
use crate::route_entry::RouteEntry;
use crate::tenants_file::TenantsFile;

pub(crate) use dates::Dated;

/// A pair of files that loads. Ids of the plan are positions in the lists of both files.
#[derive(Clone, Copy)]
pub(crate) struct Whole<'w> {
    pub(crate) map: &'w MapFile,
    pub(crate) tenants: &'w TenantsFile,
    pub(crate) plan: &'w Plan,
    pub(crate) document: &'w Document<'w>,
    pub(crate) tenants_document: &'w Document<'w>,
}

impl<'w> Whole<'w> {
    fn route_entry(&self, id: RouteId) -> Option<&'w RouteEntry> {
        self.map.routes.get(id.index())
    }
}

/// Reports what is suspect to the documents; what is only so at some time is returned.
pub(crate) fn warn(whole: &Whole<'_>) -> Vec<Dated> {
    about_the_map(whole);
    attempts::warn(whole);
    gates::warn(whole);
    unused::warn(whole);
    names::warn(whole);
    shares::warn(whole);
    salts::warn(whole);
    let matching = matching::Matching::new(whole.plan.parts());
    reach::warn(whole, &matching);
    refused::warn(whole);
    dates::dated(whole)
}

/// How many steps a search may take: files of a usual size never come near, and one that does costs no more
/// than some hundredths of a second.
struct Budget(u32);

impl Budget {
    const STEPS: u32 = 1_000_000;

    fn new() -> Budget {
        Budget(Budget::STEPS)
    }

    /// One step; `None` when there is none left.
    fn step(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}

/// The environment whose maps come and go without owner or date.
const DEVELOPMENT: &str = "development";

fn about_the_map(whole: &Whole<'_>) {
    let map = whole.map;
    let at = map.version.as_ref().map_or(0, |version| version.at);
    let environment = map.environment.as_ref();
    if environment.is_none() {
        let message =
            "the map does not say for which `environment` it is, so it is held to production's rules";
        whole.document.warn(
            Code::NoEnvironment,
            at,
            message,
            "add environment = \"production\", or \"development\" where nobody is hurt",
        );
    }
    if environment.is_some_and(|name| name.text == DEVELOPMENT) {
        return;
    }
    if map.owner.is_none() {
        let help = "add owner = \"...\": the team or the person to ask when the map does harm";
        whole.document.warn(Code::NoOwner, at, "the map does not say whom to ask about it", help);
    }
    if map.expires_at.is_none() {
        let help = "add expires_at, as in 2026-12-31T00:00:00Z: the day by which somebody looks at it again";
        whole.document.warn(Code::NoExpiry, at, "the map does not say how long it is meant to last", help);
    }
}
