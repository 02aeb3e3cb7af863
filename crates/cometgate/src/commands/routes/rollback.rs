//! `cometgate routes rollback`: the version to go back to takes the map's place, byte for byte.
//!
//! It works beside a broken map too: then what was last in force says where to go back to.

use anyhow::{Context as _, anyhow};

use crate::cli::Rollback;
use crate::commands::routes::confirm::confirm_and_write;
use crate::commands::routes::given::Given;
use crate::exit::Failure;
use crate::map_files::Texts;
use crate::{files, terminal};

pub(super) fn run(options: &Rollback) -> Result<(), Failure> {
    let given = Given::of_settings(&options.config.path)?;
    let path = &given.paths.routes;
    let _locked = files::lock(&given.paths.directory)
        .with_context(|| path.display().to_string())
        .map_err(Failure::invalid)?;
    let version = match &options.to {
        Some(version) => version.clone(),
        None => named_version(&given)?,
    };
    let found = given.judge().versions().find(&version).map_err(Failure::invalid)?;
    let routes = found.ok_or_else(|| {
        Failure::invalid(anyhow!(
            "version {version} is neither {} nor in the state directory\n  help: `cometgate routes history` lists what \
             was live; --to names another version",
            given.judge().versions().archive_path(&version).display()
        ))
    })?;
    if routes == given.texts.routes {
        terminal::result(&format!("nothing to do: {} is version {version} already", path.display()));
        return Ok(());
    }
    let texts = Texts { routes: routes.clone(), tenants: given.texts.tenants.clone() };
    let standing = given.judge_texts(texts).map_err(Failure::invalid)?;
    if standing.texts.routes != routes {
        return Err(Failure::not_allowed(anyhow!(
            "nothing was written: version {version} has expired; --to names another"
        )));
    }
    confirm_and_write(&given, &standing, &routes, options.answer)?;
    terminal::result(&format!(
        "{} is version {version} again; a running gateway takes it within a second",
        path.display()
    ));
    Ok(())
}

fn named_version(given: &Given) -> Result<String, Failure> {
    let named = match given.paths.load(&given.texts) {
        Ok(loaded) => loaded.rollback_route_version,
        Err(_) => {
            terminal::say(&format!(
                "{} has problems; what was last in force says where to go back to.",
                given.paths.routes.display()
            ));
            // What was in force is itself the way back from a file that never went live.
            given.last().map(|record| record.route_version.clone())
        }
    };
    named.ok_or_else(|| {
        let help = "`--to VERSION` names one; `cometgate routes history` lists what was live";
        Failure::invalid(anyhow!("the map names no `rollback_route_version`\n  help: {help}"))
    })
}
