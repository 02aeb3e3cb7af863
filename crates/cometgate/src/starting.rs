//! What a process starts with: its files, or, where they cannot be used, what was in force when it last ran.
//!
//! Each of the two files is taken as it is now if it can be: a revoked key must not come back because the map is broken.

use decisions::plan::Plan;

use crate::going_live::Before;
use crate::in_force::{InForce, Means, Ready};
use crate::map_files::{Refused, Texts, read};
use crate::state::digest::Digest;
use crate::state::record::{Accepted, Why};

/// Puts in force what a process starts with. Beside it, what the files say, if they can be read.
///
/// # Errors
/// Why the files cannot be used, where there is nothing to go back to either.
pub(crate) fn start(mut means: Means) -> Result<(InForce, Option<Texts>), Refused> {
    let last = Last::find(&means);
    let (routes, tenants) = (read(&means.paths.routes), read(&means.paths.tenants));
    let found = match (&routes, &tenants) {
        (Ok(routes), Ok(tenants)) => Some(Texts { routes: routes.clone(), tenants: tenants.clone() }),
        _ => None,
    };
    let (routes, tenants, mut refused) = match (routes, tenants) {
        (Ok(routes), Ok(tenants)) => (Some(routes), Some(tenants), None),
        (Ok(routes), Err(error)) => (Some(routes), None, Some(error)),
        (Err(error), Ok(tenants)) => (None, Some(tenants), Some(error)),
        (Err(error), Err(_)) => (None, None, Some(error)),
    };
    let kept = last.texts.clone();
    let (kept_routes, kept_tenants) = kept.map(|texts| (texts.routes, texts.tenants)).unzip();
    let pairs = [
        (&routes, &tenants, Why::Start),
        (&routes, &kept_tenants, Why::Recovered),
        (&kept_routes, &tenants, Why::Recovered),
        (&kept_routes, &kept_tenants, Why::Recovered),
    ];
    for (routes, tenants, why) in pairs {
        let (Some(routes), Some(tenants)) = (routes, tenants) else { continue };
        let texts = Texts { routes: routes.clone(), tenants: tenants.clone() };
        match last.try_pair(&mut means, texts, why) {
            Ok(ready) => {
                if let Some(refused) = refused {
                    tell_recovered(&ready, &refused);
                }
                return Ok((InForce::begin(means, ready), found));
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| {
        let nothing = std::io::Error::new(std::io::ErrorKind::NotFound, "there is nothing to start with");
        Refused::Unreadable(means.paths.routes.clone(), nothing)
    }))
}

/// What was in force when the process last ran.
struct Last {
    record: Option<Accepted>,
    texts: Option<Texts>,
    plan: Option<Plan>,
    /// Without a state directory, or with a damaged one, nobody knows whether this is the first version.
    is_known: bool,
}

impl Last {
    fn find(means: &Means) -> Last {
        let is_known = means.state.as_ref().is_some_and(|state| !state.is_last_unknown());
        let nothing = Last { record: None, texts: None, plan: None, is_known };
        let Some(state) = &means.state else { return nothing };
        let Some(record) = state.last().cloned() else { return nothing };
        let text = |found: std::io::Result<Option<String>>| found.ok().flatten();
        let texts = text(state.routes_text(record.routes))
            .zip(text(state.tenants_text(record.tenants)))
            .map(|(routes, tenants)| Texts { routes, tenants });
        let loaded = texts.as_ref().and_then(|texts| means.judge().load_held(texts, &record.held));
        Last { record: Some(record), texts, plan: loaded.map(|loaded| loaded.plan), is_known }
    }

    fn try_pair(&self, means: &mut Means, texts: Texts, why: Why) -> Result<Ready, Refused> {
        let before = match (&self.record, &self.plan) {
            _ if !self.is_known => Before::Unknown,
            (None, _) => Before::Nothing,
            (Some(record), _) if record.routes == Digest::of(&texts.routes) => Before::Same(&record.held),
            (Some(_), Some(plan)) => Before::Other(plan),
            (Some(_), None) => Before::Unknown,
        };
        let standing = means.judge().judge(texts, why, before)?;
        means.make_ready(standing, None)
    }
}

fn tell_recovered(ready: &Ready, refused: &Refused) {
    let record = ready.record();
    tracing::error!(
        "the files cannot be used as they are, so the gateway starts on the last good ones: route map {} with tenants \
         {}\n{refused}",
        record.route_version,
        record.tenants_version
    );
}
