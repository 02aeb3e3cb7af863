//! `cometgate routes shift`, `disable` and `vouch`: edits that give the map its next version.

use anyhow::{Context as _, anyhow};
use config::edit::{RouteEdit, RouteEditError, Vouch as VouchEdit, edit_routes};
use config::{Source, parse_share};
use jiff::Timestamp;

use crate::cli::{Answer, Disable, Shift, Vouch};
use crate::commands::routes::confirm::confirm_and_write;
use crate::commands::routes::given::Given;
use crate::exit::Failure;
use crate::map_files::Texts;
use crate::{files, terminal};

pub(super) fn shift(options: &Shift) -> Result<(), Failure> {
    let share =
        parse_share(&options.share).with_context(|| options.share.clone()).map_err(Failure::invalid)?;
    let edit = RouteEdit::Shift { route: options.route.clone(), share };
    run(&options.config.path, &edit, options.answer)
}

pub(super) fn disable(options: &Disable) -> Result<(), Failure> {
    terminal::say(&format!("What matches route `{}` will be refused with 503.", options.route));
    let edit = RouteEdit::Disable { route: options.route.clone() };
    run(&options.config.path, &edit, options.answer)
}

pub(super) fn vouch(options: &Vouch) -> Result<(), Failure> {
    let until = parse_until(&options.until)?;
    if until <= Timestamp::now() {
        return Err(Failure::invalid(anyhow!("--until {} is in the past", options.until)));
    }
    let given = Given::of_settings(&options.config.path)?;
    let rollback_route_version = given.last_unheld().ok_or_else(|| {
        Failure::invalid(anyhow!(
            "no version that was live can be named as the way back\n  help: set `rollback_route_version` in the map, and \
             keep that version in {}",
            given.paths.directory.join("versions").display()
        ))
    });
    // Only needed where the map names none itself.
    let rollback_route_version = match given.load()?.rollback_route_version {
        Some(named) => named,
        None => rollback_route_version?,
    };
    let edit = RouteEdit::Vouch(VouchEdit {
        by: options.by.clone(),
        incident: options.incident.clone(),
        until,
        rollback_route_version,
    });
    run(&options.config.path, &edit, options.answer)
}

fn run(config: &std::path::Path, edit: &RouteEdit, answer: Answer) -> Result<(), Failure> {
    let given = Given::of_settings(config)?;
    let path = given.paths.routes.clone();
    let _locked = files::lock(&given.paths.directory)
        .with_context(|| path.display().to_string())
        .map_err(Failure::invalid)?;
    let source = Source { path: &path, text: &given.texts.routes };
    let judge = given.judge();
    let is_taken = |version: &str| {
        let is_live = judge.state.is_some_and(|state| state.digest_of_version(version).is_some());
        is_live || judge.versions().archive_path(version).exists()
    };
    let today = jiff::Zoned::now().date();
    let tenants = given.paths.tenants_source(&given.texts);
    let edited = match edit_routes(source, tenants, edit, today, is_taken) {
        Ok(edited) => edited,
        Err(error @ RouteEditError::NothingToDo(_)) => {
            terminal::result(&error.to_string());
            return Ok(());
        }
        Err(error) => return Err(Failure::invalid(error)),
    };
    let texts = Texts { routes: edited.text.clone(), tenants: given.texts.tenants.clone() };
    let standing = given.judge_texts(texts).map_err(Failure::invalid)?;
    if let RouteEdit::Shift { route, .. } = edit
        && standing.held.contains(route)
    {
        let why: Vec<&str> = standing.notes.iter().map(|note| note.text.as_str()).collect();
        return Err(Failure::not_allowed(anyhow!(
            "nothing was written, since it would take route {route} home:\n{}",
            why.join("\n")
        )));
    }
    confirm_and_write(&given, &standing, &edited.text, answer)?;
    terminal::result(&format!(
        "{} is now version {}; a running gateway takes it within a second",
        path.display(),
        edited.version
    ));
    Ok(())
}

/// A point in time, or how long from now: `8h`, `7d`.
fn parse_until(text: &str) -> Result<Timestamp, Failure> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let from_now = text.parse::<jiff::Span>().ok().and_then(|span| jiff::Zoned::now().checked_add(span).ok());
    from_now.map(|time| time.timestamp()).ok_or_else(|| {
        let error =
            anyhow!("--until {text}: it takes a time as 2027-01-31T18:00:00Z, or how long, as 8h or 7d");
        Failure::invalid(error)
    })
}
