//! `cometgate routes check`: the loader's own verdict, and what would be held when the map goes live.

use anyhow::anyhow;
use config::{Code, Problem};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::{Check, Format};
use crate::commands::routes::given::Given;
use crate::exit::Failure;
use crate::going_live::Note;
use crate::map_files::Refused;
use crate::terminal;

pub(super) fn run(options: &Check) -> Result<(), Failure> {
    let given = Given::file(&options.file, options.given.path.as_deref())?;
    let loaded = match given.paths.load(&given.texts) {
        Ok(loaded) => loaded,
        Err(problems) => {
            match options.format {
                Format::Json => print(&json!({"ok": false, "problems": problems.to_json()})),
                Format::Text => terminal::say(&problems.render(terminal::is_styled())),
            }
            return Err(refused(options));
        }
    };
    let version = loaded.plan.route_version();
    let routes = loaded.plan.parts().routes.len();
    let mut warnings = loaded.warnings.clone();
    warnings.extend(loaded.warnings_at(Timestamp::now()));
    let standing = match given.judge_texts(given.texts.clone()) {
        Ok(standing) => standing,
        Err(error) => {
            show_refused(options, &error, &warnings);
            return Err(refused(options));
        }
    };
    let notes: Vec<&Note> = standing.notes.iter().filter(|note| note.is_warning).collect();
    // That it has expired is said once, with what happens then.
    warnings
        .retain(|warning| !notes.iter().any(|note| note.code == Code::Expired && warning.code == note.code));
    let count = warnings.len() + notes.len();
    match options.format {
        Format::Json => {
            let mut problems: Vec<Value> = warnings.iter().map(Problem::to_json).collect();
            problems.extend(notes.iter().map(|note| of_the_file(options, note.code, &note.text)));
            let live = standing.loaded.plan.route_version();
            print(&json!({
                "ok": true,
                "route_version": version,
                "goes_live_as": live,
                "held": standing.held,
                "problems": problems,
            }));
        }
        Format::Text => {
            say_warnings(&warnings);
            for note in &notes {
                terminal::say(&format!("warning[{}]: {}\n", note.code, note.text));
            }
            terminal::result(&format!(
                "{}: version {version} is in order: {}, {}",
                options.file.display(),
                terminal::count(routes, "route"),
                terminal::count(count, "warning")
            ));
        }
    }
    if options.deny_warnings && count > 0 {
        return Err(Failure::invalid(anyhow!("there are warnings, and --deny-warnings was given")));
    }
    Ok(())
}

fn refused(options: &Check) -> Failure {
    Failure::invalid(anyhow!("{} would be refused", options.file.display()))
}

fn show_refused(options: &Check, error: &Refused, warnings: &[Problem]) {
    let code = match error {
        Refused::VersionReused { .. } => Code::VersionReused,
        Refused::OtherEnvironment { .. } => Code::OtherEnvironment,
        // What else keeps a map from serving is found when it is prepared, which is not done here.
        Refused::Unreadable(..) | Refused::Problems(_) | Refused::Prepare(_) => Code::Unexplained,
    };
    match options.format {
        Format::Json => {
            let mut problems: Vec<Value> = warnings.iter().map(Problem::to_json).collect();
            problems.push(of_the_file(options, code, &error.to_string()));
            print(&json!({"ok": false, "problems": problems}));
        }
        Format::Text => {
            say_warnings(warnings);
            terminal::say(&format!("error[{code}]: {error}\n"));
        }
    }
}

/// A finding about the file as a whole, with the members that every finding has.
fn of_the_file(options: &Check, code: Code, text: &str) -> Value {
    let (message, help) = match text.split_once("\n  help: ") {
        Some((message, help)) => (message, Some(help)),
        None => (text, None),
    };
    json!({
        "severity": code.severity().as_str(),
        "code": code.as_str(),
        "path": options.file.display().to_string(),
        "line": null,
        "column": null,
        "end_column": null,
        "message": message,
        "help": help,
        "related": [],
    })
}

fn say_warnings(warnings: &[Problem]) {
    for warning in warnings {
        terminal::say(&format!("{}\n", warning.render(terminal::is_styled())));
    }
}

fn print(value: &Value) {
    terminal::result(&value.to_string());
}
