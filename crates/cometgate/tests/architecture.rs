//! The structure that the documentation promises: who depends on whom, and how long a file may be.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which of our crates each may use (docs/architecture.md). `testkit` is for tests and `demo` only.
const EDGES: &[(&str, &[&str])] = &[
    ("affinity", &[]),
    ("decisions", &[]),
    ("evidence", &[]),
    ("telemetry", &[]),
    ("config", &["decisions"]),
    ("upstream", &["decisions"]),
    ("proxy", &["decisions", "telemetry", "upstream"]),
    ("readiness", &["config", "decisions", "evidence", "upstream"]),
    ("testkit", &[]),
    (
        "cometgate",
        &[
            "affinity",
            "config",
            "decisions",
            "evidence",
            "proxy",
            "readiness",
            "telemetry",
            "testkit",
            "upstream",
        ],
    ),
];

/// What the pure core may use from outside.
const OUTSIDE_OF_DECISIONS: &[&str] = &["libm", "xxhash-rust"];

const LONGEST_FILE: usize = 500;

#[test]
fn our_crates_depend_only_on_whom_they_may() {
    let metadata =
        MetadataCommand::new().no_deps().other_options(vec!["--offline".to_owned()]).exec().unwrap();
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let mut found = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let normal = |kind| matches!(kind, DependencyKind::Normal | DependencyKind::Build);
        let uses: BTreeSet<String> = package
            .dependencies
            .iter()
            .filter(|dependency| normal(dependency.kind))
            .map(|dependency| dependency.name.clone())
            .collect();
        found.insert(package.name.to_string(), uses);
    }
    for (name, allowed) in EDGES {
        let uses = &found[*name];
        let of_ours: Vec<&str> = uses.iter().map(String::as_str).filter(|used| ours.contains(used)).collect();
        assert_eq!(&of_ours, allowed, "{name}");
    }
    let outside: Vec<&str> = found["decisions"].iter().map(String::as_str).collect();
    assert_eq!(outside, OUTSIDE_OF_DECISIONS);
}

#[test]
fn no_source_file_is_longer_than_a_reader_can_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for part in ["crates", "benches", "load-tests"] {
        collect(&root.join(part), &mut files);
    }
    assert!(files.len() > 50, "{} files were found", files.len());
    for (path, lines) in files {
        assert!(lines <= LONGEST_FILE, "{path} has {lines} lines");
    }
}

fn collect(directory: &Path, files: &mut Vec<(String, usize)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            files.push((path.display().to_string(), lines));
        }
    }
}
