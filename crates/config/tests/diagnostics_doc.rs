//! `docs/diagnostics.md` lists every code with its title, and shows a problem as it is really shown.
//!
//! A code that an operator looks up at night must be there. After a change of titles:
//! `UPDATE_EXPECTED=1 cargo test -p config --test diagnostics_doc`; a new code's row is written by hand, since what to
//! do about it is nowhere else.

use std::fs;
use std::path::{Path, PathBuf};

use config::Code;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md")
}

/// A row of a table of codes.
#[derive(Debug)]
struct Row<'t> {
    id: &'t str,
    title: &'t str,
    what_to_do: &'t str,
    /// The first two digits of the heading above it.
    hundred: &'t str,
}

fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix(['E', 'W']).unwrap_or_default();
    digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Id, title and what to do.
fn cells(line: &str) -> Option<[&str; 3]> {
    let (id, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
    let (title, what_to_do) = rest.strip_suffix(" |")?.split_once(" | ")?;
    is_id(id).then_some([id, title, what_to_do])
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let mut hundred = "";
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            hundred = heading.get(..2).unwrap_or_default();
        }
        if let Some([id, title, what_to_do]) = cells(line) {
            rows.push(Row { id, title, what_to_do, hundred });
        }
    }
    rows
}

fn with_titles(text: &str) -> String {
    let line = |line: &str| {
        let Some([id, _, what_to_do]) = cells(line) else { return format!("{line}\n") };
        let code = Code::ALL.iter().find(|code| code.as_str() == id);
        code.map_or_else(
            || format!("{line}\n"),
            |code| format!("| {id} | {} | {what_to_do} |\n", code.title()),
        )
    };
    text.lines().map(line).collect()
}

#[test]
fn the_page_lists_every_code_with_its_title() {
    let mut text = fs::read_to_string(page()).unwrap();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        text = with_titles(&text);
        fs::write(page(), &text).unwrap();
    }
    let rows = rows(&text);
    let listed: Vec<(&str, &str)> = rows.iter().map(|row| (row.id, row.title)).collect();
    for code in Code::ALL {
        let row = (code.as_str(), code.title());
        assert!(listed.contains(&row), "docs/diagnostics.md has no row `| {} | {} | ... |`", row.0, row.1);
    }
    for row in &rows {
        assert!(Code::ALL.iter().any(|code| code.as_str() == row.id), "there is no code {}", row.id);
        assert!(row.what_to_do.len() > 5, "{}: what is to be done?", row.id);
        assert_eq!(row.id.get(1..3), Some(row.hundred), "{} stands under another heading", row.id);
    }
    assert_eq!(rows.len(), Code::ALL.len(), "a code is listed twice");
}

/// The expectations in `rejected/` are what the loader says: another test holds them to it.
#[test]
fn the_example_is_what_is_said_of_a_rejected_file() {
    let text = fs::read_to_string(page()).unwrap();
    let (_, rest) = text.split_once("```text\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rejected");
    let expectations: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    assert!(!expectations.is_empty());
    let is_said = expectations.iter().any(|path| fs::read_to_string(path).unwrap() == example);
    assert!(is_said, "no file in tests/rejected is answered with\n{example}");
}
