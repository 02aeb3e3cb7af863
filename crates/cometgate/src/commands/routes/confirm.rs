//! What an edit shows before it writes, the question that it asks, and the writing.

use anyhow::Context as _;
use config::{Diff, diff};

use crate::cli::Answer;
use crate::commands::routes::to_edit::ToEdit;
use crate::exit::Failure;
use crate::going_live::Standing;
use crate::{files, terminal};

/// Shows what a new text of the map would do, asks, and writes it. Without a verdict on it, only the lines are shown.
///
/// The turn at writing is taken after the answer: whoever thinks it over must not keep others from going home.
pub(super) fn confirm_and_write(
    to_edit: &ToEdit,
    standing: Option<&Standing>,
    routes: &str,
    answer: Answer,
) -> Result<(), Failure> {
    let path = &to_edit.given.paths.routes;
    show(to_edit, standing, routes);
    terminal::confirm(answer.yes, &format!("Write {}?", path.display()), "nothing was written")?;
    let _locked = to_edit.lock_unchanged(routes, standing)?;
    files::replace(path, routes)
        .with_context(|| format!("{} cannot be written", path.display()))
        .map_err(Failure::invalid)
}

/// What changes for whom against what is in force, and which lines.
fn show(to_edit: &ToEdit, standing: Option<&Standing>, routes: &str) {
    let given = &to_edit.given;
    match (given.in_force(), standing) {
        (Some(before), Some(standing)) => {
            let changes = diff(&before, &standing.loaded, Diff::Change).lines();
            if changes.is_empty() {
                terminal::say("  no request goes elsewhere than now");
            }
            for line in changes {
                terminal::say(&format!("  {line}"));
            }
        }
        (None, Some(_)) => terminal::say(&format!(
            "  {} has problems as it is; what changes for whom cannot be said",
            given.paths.routes.display()
        )),
        (_, None) => {}
    }
    for line in changed_lines(&given.texts.routes, routes) {
        terminal::say(&format!("  {line}"));
    }
    for note in standing.into_iter().flat_map(|standing| &standing.notes).filter(|note| note.is_warning) {
        terminal::say(&format!("warning: {}", note.text));
    }
    if let Some(why) = &to_edit.unknown {
        terminal::say(&format!(
            "warning: cannot tell what is in force, so this was compared with the file: {why}"
        ));
    }
}

/// The lines that an edit changes or adds. A whole other version has too many to show.
fn changed_lines(old: &str, new: &str) -> Vec<String> {
    const MOST: usize = 8;
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut shown = Vec::new();
    let mut at = 0;
    for (number, line) in (1..).zip(&new) {
        if old.get(at) == Some(line) {
            at += 1;
            continue;
        }
        // An added line: the old one comes later.
        let is_added = new.len() > old.len()
            && new
                .get(number..)
                .is_some_and(|rest| rest.iter().take(2).any(|next| old.get(at) == Some(next)));
        if !is_added {
            if let Some(before) = old.get(at) {
                shown.push(format!("{:>5} - {before}", at + 1));
            }
            at += 1;
        }
        shown.push(format!("{number:>5} + {line}"));
    }
    if shown.len() > MOST { Vec::new() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_and_added_lines_are_shown_and_no_others() {
        let old = "a\nb\nc\nd\n";
        assert_eq!(changed_lines(old, "a\nB\nc\nD\n"), ["    2 - b", "    2 + B", "    4 - d", "    4 + D"]);
        assert_eq!(
            changed_lines(old, "a\nx\ny\nb\nc\nD\n"),
            ["    2 + x", "    3 + y", "    4 - d", "    6 + D"]
        );
        assert_eq!(changed_lines(old, old), Vec::<String>::new());
    }
}
