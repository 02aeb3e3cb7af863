//! What is played: the canary of a route as the map has it.

use std::path::Path;

use anyhow::anyhow;
use config::{format_share, who};
use decisions::bucket::Share;
use decisions::gate::{BadSetting, GateRules, GateSettings, Mode};
use decisions::plan::Route;

use crate::commands::serve::read_settings;
use crate::exit::Failure;
use crate::map_files::MapPaths;
use crate::terminal;

/// A canary and its gate.
pub(super) struct Subject {
    pub(super) route: String,
    /// The provider of the canary.
    pub(super) provider: String,
    pub(super) share: Share,
    /// The gate, as if it acted: in `observe` it says what it would do, and that is what is asked for here.
    pub(super) rules: GateRules,
    /// Whether it acts once it is live.
    pub(super) acts: bool,
}

impl Subject {
    /// Reads it from the map that the settings name; `share` counts before what stands there.
    pub(super) fn read(config: &Path, route: &str, share: Option<Share>) -> Result<Subject, Failure> {
        let paths = MapPaths::of(&read_settings(config)?);
        let texts = paths.read().map_err(Failure::invalid)?;
        let loaded = paths.load(&texts).map_err(Failure::invalid)?;
        // For its word on names that are nearly right.
        who(&loaded, route).map_err(Failure::invalid)?;
        let found = loaded.plan.route_named(route);
        let Some((entry, canary)) = found.and_then(|(_, entry)| Some((entry, entry.canary.as_ref()?))) else {
            return Err(Failure::invalid(anyhow!(
                "route {route} has no canary\n  help: give it a [routes.canary] table in {}",
                paths.routes.display()
            )));
        };
        let share = share.unwrap_or(canary.bucketing.share);
        if share == Share::NONE {
            return Err(Failure::invalid(anyhow!(
                "the canary of route {route} has {}, which no gate can judge\n  help: say with --share what to play",
                format_share(share)
            )));
        }
        let set = rules_of(entry).map_err(|bad| Failure::internal(anyhow!("no gate can be so: {bad:?}")))?;
        let acting = GateRules::new(GateSettings { mode: Mode::Act, ..*set.settings() });
        Ok(Subject {
            route: route.to_owned(),
            provider: loaded.plan.provider(canary.provider).name.clone(),
            share,
            rules: acting.map_err(|bad| Failure::internal(anyhow!("no gate can be so: {bad:?}")))?,
            acts: set.settings().mode == Mode::Act,
        })
    }
}

/// The rules of a route's canary: its own, or those that it would have if nobody had switched its gates off.
fn rules_of(route: &Route) -> Result<GateRules, BadSetting> {
    match route.gates.canary {
        Some(rules) => Ok(rules),
        None => {
            terminal::say(&format!(
                "note: the gates of route {} are switched off; played as if they were not",
                route.name
            ));
            GateRules::new(GateSettings::default())
        }
    }
}
