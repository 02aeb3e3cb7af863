//! Files that must be refused, each with everything that must be said about it.
//!
//! One mistake, or one family of mistakes, per file in `rejected/`: the directory is there to be browsed, and
//! what is said of `NAME.KIND.toml` is in `NAME.KIND.txt`. To accept what the loader says now:
//! `UPDATE_EXPECTED=1 cargo test -p config --test rejected`, then read the difference as an operator would at
//! night.

mod support;

use std::collections::BTreeSet;

use config::{Code, Severity};

/// Errors that no file provokes on its own, each with the reason.
const NOT_OF_ONE_FILE: [(Code, &str); 5] = [
    (Code::VersionReused, "the gateway compares with what was in force"),
    (Code::OtherEnvironment, "the gateway's settings decide"),
    (Code::LayoutNotEditable, "edits only"),
    (Code::TenantExists, "edits only"),
    (Code::Unexplained, "a bug, if it ever shows"),
];

#[test]
fn every_problem_of_a_rejected_file_is_reported_at_once() {
    let cases = support::cases("rejected");
    for case in &cases {
        let problems = case.load().expect_err(&format!("{} was accepted", case.name));
        let said = format!("{problems}\n");
        assert!(!said.contains("SECRET"), "{}: what was pasted is repeated:\n{said}", case.name);
        assert!(!problems.render(true).contains("SECRET"), "{}: repeated in colour", case.name);
        assert!(!problems.to_json().to_string().contains("SECRET"), "{}: repeated as JSON", case.name);
        assert!(!format!("{problems:?}").contains("SECRET"), "{}: repeated in Debug", case.name);
        case.check(&said);
    }
    assert!(cases.len() >= 150, "only {} files were found", cases.len());
    let pasted = cases.iter().filter(|case| case.text.contains("SECRET")).count();
    assert!(pasted >= 15, "secrets stand in {pasted} files only");
}

#[test]
fn every_error_has_a_file_that_provokes_it() {
    let mut provoked = BTreeSet::new();
    for case in support::cases("rejected") {
        provoked.extend(case.load().unwrap_err().iter().map(|problem| problem.code));
    }
    let excused: BTreeSet<Code> = NOT_OF_ONE_FILE.iter().map(|(code, _)| *code).collect();
    for code in Code::ALL.iter().filter(|code| code.severity() == Severity::Error) {
        let is_provoked = provoked.contains(code);
        assert!(
            is_provoked || excused.contains(code),
            "no file in rejected/ provokes {code}: {}",
            code.title()
        );
        assert!(!(is_provoked && excused.contains(code)), "{code} needs no excuse");
    }
}

#[test]
fn no_expectation_is_left_behind() {
    for directory in ["rejected", "accepted"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "txt") {
                assert!(path.with_extension("toml").exists(), "{} is of no file", path.display());
            }
        }
    }
}
