//! `cometgate routes shift`, `disable` and `vouch`: edits that give the map its next version.

use anyhow::{Context as _, anyhow};
use config::edit::{RouteEdit, RouteEditError, Vouch as VouchEdit, edit_routes};
use config::{Source, parse_share};
use decisions::bucket::Share;
use jiff::{SignedDuration, Timestamp};

use crate::cli::{Answer, Disable, Shift, Vouch};
use crate::commands::routes::confirm::confirm_and_write;
use crate::commands::routes::given::Given;
use crate::commands::routes::to_edit::ToEdit;
use crate::exit::Failure;
use crate::going_live::Standing;
use crate::map_files::Texts;
use crate::terminal;
use crate::way_back::{explain_lack, find_lack_undrilled};

/// Whoever vouches for less is too late by the time that the map is live.
const SHORTEST_VOUCH: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn shift(options: &Shift) -> Result<(), Failure> {
    let share =
        parse_share(&options.share).with_context(|| options.share.clone()).map_err(Failure::invalid)?;
    let edit = RouteEdit::Shift { route: options.route.clone(), share };
    run(&read(&options.config.path)?, &edit, options.answer)
}

pub(super) fn disable(options: &Disable) -> Result<(), Failure> {
    terminal::say(&format!("What matches route `{}` will be refused with 503.", options.route));
    let edit = RouteEdit::Disable { route: options.route.clone() };
    run(&read(&options.config.path)?, &edit, options.answer)
}

pub(super) fn vouch(options: &Vouch) -> Result<(), Failure> {
    let until = parse_until(&options.until)?;
    let left = until.duration_since(Timestamp::now());
    if left <= SignedDuration::ZERO {
        return Err(Failure::invalid(anyhow!("--until {} is in the past", options.until)));
    }
    if left < SHORTEST_VOUCH {
        return Err(Failure::invalid(anyhow!(
            "--until {} is less than a minute from now: when an override ends, the canary goes home",
            options.until
        )));
    }
    let to_edit = read(&options.config.path)?;
    let given = &to_edit.given;
    // Only needed where the map names none itself.
    let rollback_route_version = match given.load()?.rollback_route_version {
        Some(named) => named,
        None => given.last_unheld().ok_or_else(|| {
            Failure::invalid(anyhow!(
                "no version that was live can be named as the way back\n  help: set `rollback_route_version` in the map, \
                 and keep that version in {}",
                given.paths.directory.join("versions").display()
            ))
        })?,
    };
    let edit = RouteEdit::Vouch(VouchEdit {
        by: options.by.clone(),
        incident: options.incident.clone(),
        until,
        rollback_route_version,
    });
    run(&to_edit, &edit, options.answer)
}

/// The map with tenants that go with it.
fn read(config: &std::path::Path) -> Result<ToEdit, Failure> {
    let mut to_edit = ToEdit::of_settings(config)?;
    let routes = to_edit.routes()?.to_owned();
    to_edit.fit_tenants(&routes);
    Ok(to_edit)
}

fn run(to_edit: &ToEdit, edit: &RouteEdit, answer: Answer) -> Result<(), Failure> {
    let given = &to_edit.given;
    let path = &given.paths.routes;
    let source = Source { path, text: &given.texts.routes };
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
    let standing = to_edit.judge(&edited.text).map_err(Failure::invalid)?;
    match edit {
        RouteEdit::Shift { route, share } => check_shift(to_edit, &standing, route, *share)?,
        RouteEdit::Vouch(_) => check_vouch(given, &edited.text)?,
        RouteEdit::Disable { .. } => {}
    }
    confirm_and_write(to_edit, Some(&standing), &edited.text, answer)?;
    terminal::result(&format!(
        "{} is now version {}; a running gateway takes it within a second",
        path.display(),
        edited.version
    ));
    Ok(())
}

/// A share that would not be had. Taking a canary home is always allowed: held, it is at home as well.
fn check_shift(to_edit: &ToEdit, standing: &Standing, route: &str, share: Share) -> Result<(), Failure> {
    if share.ppm() == 0 || !standing.held.iter().any(|held| held == route) {
        return Ok(());
    }
    if let Some(why) = &to_edit.unknown {
        return Err(Failure::not_allowed(anyhow!(
            "nothing was written: cannot tell what is in force, and so not whether route {route} would be taken home: \
             {why}\n  help: a running gateway writes it down again within two seconds where it may; to raise a share \
             before the first start, edit the map by hand, since a first version needs no proven way back"
        )));
    }
    let why: Vec<&str> = standing.notes.iter().map(|note| note.text.as_str()).collect();
    Err(Failure::not_allowed(anyhow!(
        "nothing was written, since it would take route {route} home:\n{}",
        why.join("\n")
    )))
}

/// To vouch for what cannot be gone back to helps nobody, and looks as if it did.
fn check_vouch(given: &Given, routes: &str) -> Result<(), Failure> {
    let texts = Texts { routes: routes.to_owned(), tenants: given.texts.tenants.clone() };
    let loaded = given.paths.load(&texts).map_err(Failure::invalid)?;
    let judge = given.judge();
    let tenants = given.paths.tenants_source(&texts);
    let lack = find_lack_undrilled(&loaded, tenants, judge.versions(), judge.now);
    lack.map_or(Ok(()), |lack| {
        let (what, mend) = explain_lack(&loaded, lack, judge.versions(), &[]);
        Err(Failure::invalid(anyhow!("nothing was written, since it would not help: {what}\n  help: {mend}")))
    })
}

/// A point in time, or how long from now: `8h`, `7d`.
pub(crate) fn parse_until(text: &str) -> Result<Timestamp, Failure> {
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
