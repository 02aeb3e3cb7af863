//! One flipped bit, anywhere: it is found, or it changes nothing that can be read.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use evidence::{Filter, Reader, Store};
use support::{count, entry, gate_decision, one_of_each};

fn export(directory: &Path) -> evidence::Result<Vec<u8>> {
    let mut lines = Vec::new();
    Reader::open(directory)?.export(&Filter::default(), &mut lines)?;
    Ok(lines)
}

/// Whether looking at the store finds something.
fn is_found(directory: &Path) -> bool {
    let looked = Reader::open(directory).and_then(|reader| reader.verify(None));
    !looked.is_ok_and(|found| found.is_sound())
}

/// Flips a bit, looks, and flips it back.
fn with_flipped<T>(path: &Path, bit: u64, look: impl FnOnce() -> T) -> T {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << (bit % 8))], bit / 8).unwrap();
    let looked = look();
    file.write_all_at(&byte, bit / 8).unwrap();
    looked
}

#[test]
fn every_bit_of_a_record_is_watched() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for n in 1..=3 {
        store.append(&entry(n, gate_decision(1))).unwrap();
    }
    let record = store.reader().unwrap().get(2).unwrap().unwrap();
    drop(store);
    let path = directory.path().join("evidence.sqlite3");
    let bytes = fs::read(&path).unwrap();
    // The line and, right behind it, its hash.
    let stored =
        [record.to_json_line().rsplit_once(",\"hash\"").unwrap().0, "}", &record.hash.to_string()].concat();
    let begin = bytes.windows(stored.len()).position(|window| window == stored.as_bytes()).unwrap();
    let step = 8 * stored.len() / count(600, u32::MAX) as usize + 1;
    for bit in (begin * 8..(begin + stored.len()) * 8).step_by(step) {
        let found =
            with_flipped(&path, bit as u64, || Reader::open(directory.path()).unwrap().verify(None).unwrap());
        assert!(found.findings.iter().any(|finding| finding.sequence == Some(2)), "bit {bit}: {found:?}");
    }
    assert!(!is_found(directory.path()), "all bits are back");
}

#[test]
fn a_bit_anywhere_in_the_database_is_found_or_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for entry in one_of_each().iter().cycle().take(30) {
        store.append(entry).unwrap();
    }
    drop(store);
    let path = directory.path().join("evidence.sqlite3");
    let (whole, bits) = (export(directory.path()).unwrap(), 8 * path.metadata().unwrap().len());
    let mut random = fastrand::Rng::with_seed(7);
    let mut found = 0;
    let tries = count(600, 15_000);
    for _ in 0..tries {
        let bit = random.u64(..bits);
        with_flipped(&path, bit, || {
            if is_found(directory.path()) {
                found += 1;
            } else {
                assert_eq!(export(directory.path()).unwrap(), whole, "bit {bit}");
            }
        });
    }
    assert!(found > tries / 2, "{found} of {tries}");
}

#[test]
fn a_bit_anywhere_in_the_log_of_a_running_store_is_found_or_changes_nothing() {
    let running = tempfile::tempdir().unwrap();
    let store = Store::open(running.path()).unwrap();
    for entry in one_of_each() {
        store.append(&entry).unwrap();
    }
    let whole = export(running.path()).unwrap();
    // What a crash would leave: the database and its log, as they are.
    let crashed = tempfile::tempdir().unwrap();
    let copy = || {
        for name in ["evidence.sqlite3", "evidence.sqlite3-wal", "head"] {
            fs::copy(running.path().join(name), crashed.path().join(name)).unwrap();
        }
        fs::remove_file(crashed.path().join("evidence.sqlite3-shm")).unwrap_or_default();
    };
    copy();
    assert!(!is_found(crashed.path()));
    let log = crashed.path().join("evidence.sqlite3-wal");
    let bits = 8 * running.path().join("evidence.sqlite3-wal").metadata().unwrap().len();
    assert!(bits > 8 * 4096, "the records are in the log");
    let mut random = fastrand::Rng::with_seed(8);
    let mut found = 0;
    for _ in 0..count(120, 20_000) {
        copy();
        let bit = random.u64(..bits);
        with_flipped(&log, bit, || {
            if is_found(crashed.path()) {
                found += 1;
            } else {
                assert_eq!(export(crashed.path()).unwrap(), whole, "bit {bit}");
            }
        });
    }
    assert!(found > 0);
}
