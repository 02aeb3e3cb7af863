//! The store as its users see it: what was appended is what is read, nothing changes it, and what is wrong is said.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use evidence::{Error, Filter, Head, Kind, ProofItem, ProofState, Reader, RollbackProof, Store};
use support::{at, entry, gate_decision, one_of_each};

fn database(directory: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(directory.join("evidence.sqlite3")).unwrap()
}

#[test]
fn what_was_appended_is_what_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let entries = one_of_each();
    let kinds: Vec<Kind> = entries.iter().map(|entry| entry.body.kind()).collect();
    let mut sorted = kinds.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, Kind::ALL, "every kind is written once");
    let heads: Vec<Head> = entries.iter().map(|entry| store.append(entry).unwrap()).collect();
    let reader = store.reader().unwrap();
    for (entry, head) in entries.iter().zip(&heads) {
        let record = reader.get(head.sequence).unwrap().unwrap();
        assert_eq!(record.head(), *head);
        assert_eq!(record.body().unwrap(), entry.body);
        assert_eq!((record.at, &record.route, &record.by), (entry.at, &entry.route, &entry.by));
    }
    assert!(reader.get(heads.len() as u64 + 1).unwrap().is_none());
    assert!(reader.get(0).unwrap().is_none());
    let found = reader.verify(Some(heads[2].hash)).unwrap();
    assert!(found.is_sound(), "{found:?}");
    let all = (heads.len() as u64, *heads.last().unwrap(), Some(3));
    assert_eq!((found.records, found.head, found.expected_at), all);
}

#[test]
fn what_is_appended_together_is_one_chain_and_all_of_it_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let entries = one_of_each();
    let head = store.append_all(&entries).unwrap();
    assert_eq!(head.sequence, entries.len() as u64);
    let item = ProofItem {
        item: "x".repeat(250).as_str().into(),
        state: ProofState::Proven,
        expected: None,
        observed: None,
        unit: None,
        since: None,
        note: None,
    };
    let proof = RollbackProof::new(at(0), "proof".into(), "1".into(), "cometapi/gpt-5.4".into());
    let too_long = entry(9, proof.with_items(vec![item; 2_000]));
    let refused = store.append_all(&[entry(8, gate_decision(8)), too_long]).unwrap_err();
    assert!(matches!(refused, Error::TooLong { .. }), "{refused}");
    assert_eq!(store.head().unwrap(), head);
    assert!(store.reader().unwrap().verify(Some(head.hash)).unwrap().is_sound());
}

#[test]
fn lists_are_filtered_and_begin_with_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for entry in one_of_each().iter().take(6) {
        store.append(entry).unwrap();
    }
    store.append(&entry(7, gate_decision(2))).unwrap();
    let reader = store.reader().unwrap();
    let listed = |filter: Filter<'_>| -> Vec<u64> {
        reader.list(&filter).unwrap().iter().map(|record| record.sequence).collect()
    };
    assert_eq!(listed(Filter::default()), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(listed(Filter { kind: Some(Kind::GateDecision), ..Filter::default() }), [7, 1]);
    assert_eq!(
        listed(Filter { route: Some("acme-summaries"), limit: Some(3), ..Filter::default() }),
        [7, 6, 4]
    );
    assert_eq!(listed(Filter { since: Some(at(2)), until: Some(at(4)), ..Filter::default() }), [3, 2]);
    assert_eq!(listed(Filter { limit: Some(0), ..Filter::default() }), [0; 0]);
    assert_eq!(listed(Filter { after: Some(5), ..Filter::default() }), [7, 6]);
    assert_eq!(listed(Filter { after: Some(7), ..Filter::default() }), [0; 0]);
}

#[test]
fn no_tool_changes_removes_or_replaces_a_record() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.append(&entry(1, gate_decision(1))).unwrap();
    store.append(&entry(2, gate_decision(2))).unwrap();
    let tool = database(directory.path());
    for statement in [
        "UPDATE record SET line = 'x' WHERE sequence = 1",
        "DELETE FROM record WHERE sequence = 2",
        "INSERT OR REPLACE INTO record VALUES (1, 'x', 'y')",
        "INSERT INTO record VALUES (9, 'x', 'y')",
    ] {
        let refused = tool.execute(statement, []).unwrap_err().to_string();
        assert!(refused.contains("evidence is only ever appended to"), "{statement}: {refused}");
    }
    let kind: String =
        tool.query_row("SELECT kind FROM readable WHERE sequence = 2", [], |row| row.get(0)).unwrap();
    assert_eq!(kind, "gate_decision", "people with a tool can read it");
    assert!(store.reader().unwrap().verify(None).unwrap().is_sound());
}

#[test]
fn what_a_tool_does_once_the_guards_are_gone_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for n in 1..=4 {
        store.append(&entry(n, gate_decision(1))).unwrap();
    }
    let tool = database(directory.path());
    let findings = || {
        let found = store.reader().unwrap().verify(None).unwrap();
        found.findings.into_iter().map(|finding| (finding.sequence, finding.what)).collect::<Vec<_>>()
    };
    tool.execute_batch("DROP TRIGGER record_is_never_changed; DROP TRIGGER record_is_never_removed").unwrap();
    assert_eq!(findings().len(), 2, "{:?}", findings());
    // A change that keeps the line and its hash consistent breaks the next link.
    let line: String =
        tool.query_row("SELECT line FROM record WHERE sequence = 2", [], |row| row.get(0)).unwrap();
    let forged = line.replace("over_limit", "nothing");
    let hash = evidence::Digest::of(forged.as_bytes()).to_string();
    tool.execute("UPDATE record SET line = ?1, hash = ?2 WHERE sequence = 2", [&forged, &hash]).unwrap();
    assert!(findings().contains(&(Some(3), "it is not chained to the record before it".to_owned())));
    tool.execute("DELETE FROM record WHERE sequence = 3", []).unwrap();
    assert!(findings().contains(&(Some(4), "it follows record 2: others are missing".to_owned())));
}

#[test]
fn a_chain_that_was_cut_is_found_and_nothing_is_appended_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let heads: Vec<Head> = (1..=3).map(|n| store.append(&entry(n, gate_decision(1))).unwrap()).collect();
    database(directory.path())
        .execute_batch("DROP TRIGGER record_is_never_removed; DELETE FROM record WHERE sequence = 3")
        .unwrap();
    let refused = store.append(&entry(4, gate_decision(1))).unwrap_err();
    assert!(
        matches!(refused, Error::Lost { expected, found } if expected == heads[2] && found == heads[1]),
        "{refused}"
    );
    assert!(matches!(Store::open(directory.path()).unwrap_err(), Error::Lost { .. }));
    let reader = Reader::open(directory.path()).unwrap();
    assert!(reader.verify(None).unwrap().findings.iter().any(|finding| finding.what.contains("cut off")));
    // Whoever cuts on purpose removes the side file too; a hash noted down elsewhere still tells.
    std::fs::remove_file(directory.path().join("head")).unwrap();
    let found = reader.verify(Some(heads[2].hash)).unwrap();
    assert!(found.findings.iter().any(|finding| finding.what.contains("no record has the expected hash")));
}

#[test]
fn a_store_that_vanished_is_not_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.append(&entry(1, gate_decision(1))).unwrap();
    drop(store);
    std::fs::remove_file(directory.path().join("evidence.sqlite3")).unwrap();
    assert!(matches!(Reader::open(directory.path()).unwrap_err(), Error::Absent { .. }));
    assert!(matches!(Store::open(directory.path()).unwrap_err(), Error::Lost { .. }));
    assert!(matches!(Store::open(directory.path()).unwrap_err(), Error::Lost { .. }), "nor at a second try");
}

#[test]
fn what_is_no_store_or_a_newer_one_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("evidence.sqlite3");
    std::fs::write(
        &path,
        "this is a text, and longer than the head of a database has to be, so that it is read",
    )
    .unwrap();
    assert!(matches!(Store::open(directory.path()).unwrap_err(), Error::Unreadable { .. }));
    std::fs::remove_file(&path).unwrap();
    database(directory.path()).execute_batch("CREATE TABLE other (x)").unwrap();
    assert!(matches!(Store::open(directory.path()).unwrap_err(), Error::Unreadable { .. }));
    std::fs::remove_file(&path).unwrap();
    drop(Store::open(directory.path()).unwrap());
    database(directory.path()).pragma_update(None, "user_version", 2).unwrap();
    let newer = Store::open(directory.path()).unwrap_err().to_string();
    assert!(newer.contains("has the format 2, and this version knows 1\n  help: "), "{newer}");
    assert!(matches!(Reader::open(directory.path()).unwrap_err(), Error::Newer { .. }));
}

#[test]
fn only_the_owner_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/evidence");
    let store = Store::open(&path).unwrap();
    store.append(&entry(1, gate_decision(1))).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn what_root_makes_belongs_to_the_owner_of_the_directory() {
    let state = tempfile::tempdir().unwrap();
    // Only root may give it away; for anybody else all belongs to themselves anyway.
    let is_given = std::os::unix::fs::chown(state.path(), Some(65_534), Some(65_534)).is_ok();
    let owner = state.path().metadata().unwrap().uid();
    assert!(!is_given || owner == 65_534);
    let directory = state.path().join("evidence");
    let store = Store::open(&directory).unwrap();
    store.append(&entry(1, gate_decision(1))).unwrap();
    assert_eq!(directory.metadata().unwrap().uid(), owner);
    for file in std::fs::read_dir(&directory).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().uid(), owner, "{}", file.path().display());
    }
}

#[test]
fn many_append_at_once_and_make_one_chain() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // Each with a store of its own, as processes have.
            scope.spawn(|| {
                let store = Store::open(directory.path()).unwrap();
                for n in 0..10 {
                    store.append(&entry(n, gate_decision(1))).unwrap();
                }
            });
        }
    });
    let found = Reader::open(directory.path()).unwrap().verify(None).unwrap();
    assert!(found.is_sound(), "{found:?}");
    assert_eq!(found.records, 40);
}

#[test]
fn a_record_too_long_to_be_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let mut entries = one_of_each();
    let evidence::Body::StepDecision(step) = &mut entries[1].body else { panic!("the second is a step") };
    step.features = vec![step.features[0].clone(); 10_000];
    assert!(matches!(store.append(&entries[1]).unwrap_err(), Error::TooLong { .. }));
    assert_eq!(store.append(&entries[0]).unwrap().sequence, 1);
}

/// Whoever reads while the first record is being written is told that there is none, not that something is broken.
#[test]
fn a_store_that_is_just_being_made_is_not_there_yet_and_an_emptied_one_is_broken() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("evidence.sqlite3");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(Reader::open(directory.path()), Err(Error::Absent { .. })));
    Store::open(directory.path()).unwrap().append(&entry(1, gate_decision(1))).unwrap();
    for name in ["evidence.sqlite3-wal", "evidence.sqlite3-shm"] {
        std::fs::remove_file(directory.path().join(name)).ok();
    }
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(Reader::open(directory.path()), Err(Error::Unreadable { .. })));
}
