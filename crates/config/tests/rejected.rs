//! Files that must be refused, each with everything that must be said about it.
//!
//! `rejected/NAME.KIND.toml` stands beside `rejected/NAME.KIND.txt`; the kind says which file it is. To accept what the
//! loader says now: `UPDATE_EXPECTED=1 cargo test -p config --test rejected`, then read the difference.

#![expect(clippy::panic, clippy::expect_used, reason = "helpers of tests are not seen as tests")]

use std::path::Path;

use config::{Source, load_map, load_settings};

const ROUTES: &str = include_str!("../../../config/routes.toml");
const TENANTS: &str = include_str!("../../../config/tenants.toml");

fn verdict(kind: &str, text: &str) -> String {
    let path = Path::new("file.toml");
    let file = Source { path, text };
    let shipped = |text| Source { path: Path::new("shipped.toml"), text };
    let problems = match kind {
        "routes" => load_map(file, shipped(TENANTS)).map(drop),
        "tenants" => load_map(shipped(ROUTES), file).map(drop),
        "settings" => load_settings(file).map(drop),
        other => panic!("a file of unknown kind {other}"),
    };
    format!("{}\n", problems.expect_err("it was accepted"))
}

#[test]
fn every_problem_of_a_rejected_file_is_reported_at_once() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rejected");
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(stem) = name.strip_suffix(".toml") else { continue };
        let kind = stem.rsplit('.').next().unwrap();
        let said = verdict(kind, &std::fs::read_to_string(&path).unwrap());
        assert!(!said.contains("SECRET"), "{name}: what was pasted is repeated:\n{said}");
        let expected_path = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected_path, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        assert_eq!(said, expected, "{name}");
        count += 1;
    }
    assert!(count >= 10, "only {count} files were found");
}
