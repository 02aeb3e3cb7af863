//! `cometgate routes diff`: what changes between two maps, in terms of tenants and shares.
//!
//! Either side may be a version that was live. A version keeps no tenants of its own, so it is read with those of the
//! other side, or of the settings.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use config::{Changes, Loaded, diff};

use crate::cli::{Diff, Format};
use crate::commands::routes::given::Given;
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &Diff) -> Result<(), Failure> {
    let (before, after) = load(options)?;
    let kind = if options.parity { config::Diff::Parity } else { config::Diff::Change };
    let changes = diff(&before, &after, kind);
    match options.format {
        Format::Json => terminal::result(&changes.to_json().to_string()),
        Format::Text if changes.is_empty() => terminal::result("no difference"),
        Format::Text => changes.lines().iter().for_each(|line| terminal::result(line)),
    }
    if options.parity && !changes.is_empty() {
        return Err(drifted(options, &changes));
    }
    Ok(())
}

fn drifted(options: &Diff, changes: &Changes) -> Failure {
    let (a, b) = (options.a.display(), options.b.display());
    Failure::not_allowed(anyhow!(
        "{a} and {b} differ in {} that should be the same in both environments",
        terminal::count(changes.fields.len(), "thing")
    ))
}

/// A path that exists is a file; anything else is taken for a version.
fn load(options: &Diff) -> Result<(Loaded, Loaded), Failure> {
    let config = options.given.path.as_deref();
    let file = |path: &Path| Given::file(path, config);
    match (options.a.exists(), options.b.exists()) {
        (true, true) => Ok((file(&options.a)?.load()?, file(&options.b)?.load()?)),
        (true, false) => {
            let given = file(&options.a)?;
            Ok((given.load()?, load_version(given, &options.b)?))
        }
        (false, true) => {
            let given = file(&options.b)?;
            let after = given.load()?;
            Ok((load_version(given, &options.a)?, after))
        }
        (false, false) => {
            let Some(config) = config else {
                let (a, b) = (options.a.display(), options.b.display());
                return Err(Failure::invalid(anyhow!(
                    "neither {a} nor {b} is a file\n  \
                     help: to compare two versions, name the settings with `--config`: they say where versions are kept"
                )));
            };
            let of_settings = || Given::of_settings(config);
            Ok((load_version(of_settings()?, &options.a)?, load_version(of_settings()?, &options.b)?))
        }
    }
}

/// A version with the tenants of what is given.
fn load_version(given: Given, name: &Path) -> Result<Loaded, Failure> {
    let versions = given.judge();
    let versions = versions.versions();
    let found = match name.to_str() {
        Some(version) => versions
            .find(version)
            .with_context(|| format!("version {version} cannot be read"))
            .map_err(Failure::invalid)?
            .map(|text| (versions.archive_path(version), text)),
        None => None,
    };
    let Some((path, text)) = found else {
        return Err(Failure::invalid(anyhow!(
            "{} is no file, and no version of that name is kept\n  help: `cometgate routes history` lists those that were live",
            name.display()
        )));
    };
    let shown = path.display().to_string();
    let loaded = given.with_routes(path, text).load()?;
    let found = loaded.plan.route_version();
    if name.to_str() != Some(found) {
        return Err(Failure::invalid(anyhow!(
            "{shown} says it is version {found}, and not {}",
            name.display()
        )));
    }
    Ok(loaded)
}
