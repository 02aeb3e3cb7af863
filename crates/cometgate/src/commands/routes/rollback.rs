//! `cometgate routes rollback`: the version to go back to takes the map's place, byte for byte.
//!
//! It works beside a broken map, a broken tenants file and without a state directory: what is there says where to go
//! back to, and what is missing is said.

use anyhow::anyhow;

use crate::cli::Rollback;
use crate::commands::routes::confirm::confirm_and_write;
use crate::commands::routes::to_edit::ToEdit;
use crate::exit::Failure;
use crate::going_live::Standing;
use crate::terminal;

pub(super) fn run(options: &Rollback) -> Result<(), Failure> {
    let mut to_edit = ToEdit::of_settings(&options.config.path)?;
    let version = match &options.to {
        Some(version) => version.clone(),
        None => named_version(&mut to_edit)?,
    };
    let routes = find(&to_edit, &version)?;
    check_name(&version, &routes)?;
    let path = to_edit.given.paths.routes.clone();
    if to_edit.is_already(&routes) {
        terminal::result(&format!("nothing to do: {} is version {version} already", path.display()));
        return Ok(());
    }
    to_edit.fit_tenants(&routes);
    let standing = judge(&to_edit, &version, &routes)?;
    confirm_and_write(&to_edit, standing.as_ref(), &routes, options.answer)?;
    terminal::result(&format!(
        "{} is version {version} again; a running gateway takes it within a second",
        path.display()
    ));
    Ok(())
}

fn find(to_edit: &ToEdit, version: &str) -> Result<String, Failure> {
    let judge = to_edit.given.judge();
    let found = judge.versions().find(version).map_err(Failure::invalid)?;
    found.ok_or_else(|| {
        Failure::invalid(anyhow!(
            "version {version} is neither {} nor in the state directory\n  help: `cometgate routes history` lists what \
             was live; --to names another version",
            judge.versions().archive_path(version).display()
        ))
    })
}

/// `None` where nothing but the tenants file keeps it from being judged: the gateway has tenants, and the way back is
/// not to wait for theirs.
fn judge(to_edit: &ToEdit, version: &str, routes: &str) -> Result<Option<Standing>, Failure> {
    let standing = match to_edit.judge(routes) {
        Ok(standing) => standing,
        Err(refused) if to_edit.is_for_want_of_tenants(&refused) => {
            terminal::say(&format!(
                "{refused}\nwarning: without tenants it cannot be said what changes for whom, nor what would be held"
            ));
            return Ok(None);
        }
        Err(refused) => return Err(Failure::invalid(refused)),
    };
    if standing.texts.routes != routes {
        return Err(Failure::not_allowed(anyhow!(
            "nothing was written: version {version} has expired; --to names another"
        )));
    }
    Ok(Some(standing))
}

/// A file in `versions/` may hold another version than its name says. Whatever has no end line is no map at all.
fn check_name(version: &str, routes: &str) -> Result<(), Failure> {
    match routes.lines().last().and_then(|line| line.strip_prefix("# end ")) {
        Some(found) if found != version => Err(Failure::invalid(anyhow!(
            "nothing was written: the text of version {version} says it is version {found}"
        ))),
        _ => Ok(()),
    }
}

fn named_version(to_edit: &mut ToEdit) -> Result<String, Failure> {
    let routes = to_edit.given.texts.routes.clone();
    to_edit.fit_tenants(&routes);
    let given = &to_edit.given;
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
        Failure::invalid(anyhow!("nothing names the version to go back to\n  help: {help}"))
    })
}
