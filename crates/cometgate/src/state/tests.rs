//! The store as a whole: crashes, damage, pruning and two gateways at once.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::record::Why;
use super::*;

fn map(version: &str) -> String {
    format!("route_version = \"{version}\"\n")
}

fn record(version: &str, tenants: &str) -> Accepted {
    Accepted {
        at: Timestamp::from_second(1_795_000_000).unwrap(),
        why: Why::Reload,
        environment: None,
        route_version: version.to_owned(),
        routes: Digest::of(&map(version)),
        tenants_version: "t1".to_owned(),
        tenants: Digest::of(tenants),
        held: Vec::new(),
        and_more: 0,
    }
}

fn accept(state: &mut StateDir, version: &str, pinned: &[&str]) {
    state.accept(&record(version, "tenants"), &map(version), "tenants", pinned).unwrap();
}

fn versions(state: &StateDir) -> Vec<&str> {
    state.history().iter().map(|record| record.route_version.as_str()).collect()
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn what_is_accepted_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("var/state");
    let mut state = StateDir::open(&path).unwrap();
    assert!(state.last().is_none());
    let mut first = record("v1", "tenants");
    first.held = vec!["chat".to_owned()];
    first.environment = Some("staging".to_owned());
    state.accept(&first, &map("v1"), "tenants", &[]).unwrap();
    accept(&mut state, "v2", &[]);
    let read = StateDir::read(&path).unwrap().unwrap();
    for state in [&state, &read, &StateDir::open(&path).unwrap()] {
        assert_eq!(state.history(), [first.clone(), record("v2", "tenants")]);
        assert_eq!(state.last(), Some(&record("v2", "tenants")));
        assert_eq!(state.routes_text(first.routes).unwrap(), Some(map("v1")));
        assert_eq!(state.tenants_text(first.tenants).unwrap().as_deref(), Some("tenants"));
        assert_eq!(state.routes_text(first.tenants).unwrap(), None);
        assert_eq!(state.skipped_lines(), 0);
    }
}

#[test]
fn a_line_torn_anywhere_costs_that_line_only() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = StateDir::open(directory.path()).unwrap();
    accept(&mut state, "v1", &[]);
    let history = directory.path().join("history.jsonl");
    let before = fs::read(&history).unwrap();
    let torn = record("torn", "tenants").line();
    for length in 0..torn.len() {
        fs::write(&history, [&before, &torn.as_bytes()[..length]].concat()).unwrap();
        let mut state = StateDir::open(directory.path()).unwrap();
        assert_eq!((versions(&state), state.skipped_lines()), (vec!["v1"], 0), "{length}");
        accept(&mut state, "v1", &[]);
        // What lacks nothing but the line's end is whole with the next line.
        let is_whole = length == torn.len() - 1;
        let expected = if is_whole { vec!["v1", "torn", "v1"] } else { vec!["v1", "v1"] };
        for state in [&state, &StateDir::open(directory.path()).unwrap()] {
            assert_eq!(versions(state), expected, "{length}");
            assert_eq!(state.skipped_lines(), usize::from(length > 0 && !is_whole), "{length}");
        }
    }
}

#[test]
fn a_damaged_line_in_the_middle_is_skipped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = StateDir::open(directory.path()).unwrap();
    accept(&mut state, "v1", &[]);
    let line = |version| record(version, "tenants").line();
    let text = format!("{}\n\n[1]\n{{}}\n{}\0\0\n{}", line("v1"), line("v2").trim(), line("v3"));
    fs::write(directory.path().join("history.jsonl"), text).unwrap();
    let state = StateDir::open(directory.path()).unwrap();
    assert_eq!((versions(&state), state.skipped_lines()), (vec!["v1", "v3"], 3));
}

#[test]
fn a_damaged_text_is_not_served_and_the_next_accept_repairs_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = StateDir::open(directory.path()).unwrap();
    accept(&mut state, "v1", &[]);
    let digest = Digest::of(&map("v1"));
    fs::write(directory.path().join(format!("routes/{digest}.toml")), map("v2")).unwrap();
    assert_eq!(state.routes_text(digest).unwrap(), None);
    assert_eq!(state.find_version("v1").unwrap(), None);
    accept(&mut state, "v1", &[]);
    assert_eq!(state.find_version("v1").unwrap(), Some((digest, map("v1"))));
}

#[test]
fn the_last_fifty_and_the_pinned_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = StateDir::open(directory.path()).unwrap();
    let unfinished = directory.path().join("routes/.cometgate-killed");
    fs::write(&unfinished, "").unwrap();
    state.accept(&record("v3", "early"), &map("v3"), "early", &[]).unwrap();
    for number in 0..60 {
        let (version, tenants) = (format!("v{number}"), format!("tenants {number}"));
        state.accept(&record(&version, &tenants), &map(&version), &tenants, &["v3", "unknown"]).unwrap();
        // Live again and again, so it is always among the last.
        state.accept(&record("v1", &tenants), &map("v1"), &tenants, &["v3"]).unwrap();
    }
    let kept = |number: u32| state.find_version(&format!("v{number}")).unwrap().is_some();
    let expected: Vec<u32> = [1, 3].into_iter().chain(11..60).collect();
    assert_eq!((0..60).filter(|number| kept(*number)).collect::<Vec<_>>(), expected);
    assert_eq!(count(&directory.path().join("routes")), 51);
    assert_eq!(count(&directory.path().join("tenants")), 51);
    assert!(state.tenants_text(Digest::of("tenants 3")).unwrap().is_some());
    assert_eq!(state.tenants_text(Digest::of("early")).unwrap(), None);
    assert!(!unfinished.exists());
    assert_eq!(state.history().len(), 121);
}

#[test]
fn a_version_names_the_map_that_was_first_live_under_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = StateDir::open(directory.path()).unwrap();
    accept(&mut state, "v1", &[]);
    let reused = Accepted { routes: Digest::of("another"), ..record("v1", "tenants") };
    state.accept(&reused, "another", "tenants", &[]).unwrap();
    let first = state.digest_of_version("v1").unwrap();
    assert_eq!(first.routes, Digest::of(&map("v1")));
    assert_eq!(state.find_version("v1").unwrap(), Some((first.routes, map("v1"))));
    assert!(state.digest_of_version("v2").is_none());
    assert_eq!(state.find_version("v2").unwrap(), None);
}

#[test]
fn a_record_of_other_texts_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = StateDir::open(directory.path()).unwrap();
    assert!(state.accept(&record("v1", "tenants"), &map("v2"), "tenants", &[]).is_err());
    assert!(state.history().is_empty() && !directory.path().join("history.jsonl").exists());
}

#[test]
fn a_long_history_is_cut_but_what_the_texts_are_stays_known() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = StateDir::open(directory.path()).unwrap();
    accept(&mut state, "pinned", &[]);
    accept(&mut state, "once", &[]);
    accept(&mut state, "pinned", &[]);
    accept(&mut state, "pinned", &[]);
    let history = directory.path().join("history.jsonl");
    let more = record("v1", "tenants").line().repeat(19_995);
    fs::write(&history, fs::read_to_string(&history).unwrap() + &more).unwrap();
    accept(&mut state, "v1", &["pinned"]);
    assert_eq!(state.history().len(), 20_000);
    accept(&mut state, "v2", &["pinned"]);
    // The newest, the first lines of the versions whose texts are kept, and the last where it is another.
    assert_eq!(state.history().len(), 10_004);
    assert_eq!(versions(&state)[..5], ["pinned", "once", "pinned", "v1", "v1"]);
    assert_eq!(versions(&state).last(), Some(&"v2"));
    for version in ["pinned", "once", "v1", "v2"] {
        assert!(state.find_version(version).unwrap().is_some(), "{version}");
    }
    assert_eq!(StateDir::open(directory.path()).unwrap().history(), state.history());
    assert_eq!(count(directory.path()), 4);
}

#[test]
fn a_look_creates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    assert!(StateDir::read(&directory.path().join("none")).unwrap().is_none());
    assert!(StateDir::read(directory.path()).unwrap().unwrap().history().is_empty());
    assert_eq!(count(directory.path()), 0);
}

#[test]
fn where_nothing_can_be_written_the_error_names_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("state"), "/proc/cometgate".into()] {
        let error = StateDir::open(&path).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    assert!(StateDir::read(&file).unwrap_err().to_string().contains(file.to_str().unwrap()));
}

#[test]
fn what_the_other_gateway_has_removed_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = StateDir::open(directory.path()).unwrap();
    accept(&mut state, "v1", &[]);
    let digest = Digest::of(&map("v1"));
    fs::remove_file(directory.path().join(format!("routes/{digest}.toml"))).unwrap();
    fs::remove_file(directory.path().join("history.jsonl")).unwrap();
    accept(&mut state, "v2", &["v1"]);
    assert_eq!(versions(&state), ["v2"]);
}

#[test]
fn gateways_that_write_at_one_time_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut state = StateDir::open(directory.path()).unwrap();
            scope.spawn(move || (0..15).for_each(|n| accept(&mut state, &format!("v{thread}-{n}"), &[])));
        }
    });
    let state = StateDir::open(directory.path()).unwrap();
    assert_eq!(state.skipped_lines(), 0);
    assert_eq!(versions(&state).into_iter().collect::<HashSet<_>>().len(), 60);
    assert_eq!(state.history().len(), 60);
    let live = state.history().iter().rev().take(50);
    assert!(live.into_iter().all(|record| state.routes_text(record.routes).unwrap().is_some()));
}
