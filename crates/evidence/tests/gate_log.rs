//! The log from which gates are replayed: what was told is what is read, and whatever is missing or damaged is said.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use evidence::gate_log::{Gate, GateLog, Segment, Segments, Settings};
use evidence::{Digest, Store};
use support::entry;

/// A gate as the log sees it: a number that every event changes, and that the state holds.
struct Sum<'a> {
    gate: &'a Gate<2>,
    sum: u64,
}

impl Sum<'_> {
    fn tell(&mut self, at_ms: i64, word: u64) -> Option<u64> {
        let number = self.gate.tell(at_ms, [word, !word], None, || vec![self.sum]);
        self.sum = self.sum.wrapping_mul(31).wrapping_add(word);
        number
    }
}

/// Replays a segment from its own state; the state behind its last event.
fn replay(segment: &Segment) -> u64 {
    segment.events().fold(segment.state()[0], |sum, event| {
        assert_eq!(event.words[1], !event.words[0]);
        sum.wrapping_mul(31).wrapping_add(event.words[0])
    })
}

fn segments(store: &Path) -> Vec<Segment> {
    Segments::of(store, "gate-1").unwrap().collect::<Result<_, _>>().unwrap()
}

fn files(store: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(store.join("gates/gate-1")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    files
}

/// Segments of about ten events each.
const SMALL: Settings =
    Settings { segment_bytes: 88 + 11 * 32, segment_age_ms: 1 << 40, keep_bytes: 1 << 30, queue: 1 << 10 };

#[test]
fn every_segment_replays_by_itself_and_leads_to_the_next() {
    let store = tempfile::tempdir().unwrap();
    let log = GateLog::<2>::open(store.path(), SMALL).unwrap();
    let gate = log.gate("gate-1").unwrap();
    let mut sum = Sum { gate: &gate, sum: 7 };
    for n in 1..=95 {
        assert_eq!(sum.tell(1000 + n, n.cast_unsigned()), Some(n.cast_unsigned()));
    }
    let told = sum.sum;
    let finished = log.close();
    let read = segments(store.path());
    assert_eq!((read.len(), finished.len()), (10, 10));
    for (segment, next) in read.iter().zip(read.iter().skip(1)) {
        assert_eq!(replay(segment), next.state()[0]);
        assert_eq!(segment.next_event(), next.first_event());
    }
    assert_eq!(replay(read.last().unwrap()), told);
    for (segment, finished) in read.iter().zip(&finished) {
        assert!(segment.is_ended && segment.torn == 0 && segment.missing == 0);
        assert_eq!((finished.sha256, finished.first_event), (segment.sha256, segment.first_event()));
        assert_eq!(finished.sha256, Digest::of(&fs::read(&segment.path).unwrap()));
        assert_eq!(finished.events, segment.next_event() - segment.first_event());
    }
    let evidence = Store::open(store.path()).unwrap();
    evidence.append(&entry(0, finished[0].clone())).unwrap();
}

#[test]
fn each_run_counts_its_own_events_also_beside_another() {
    let store = tempfile::tempdir().unwrap();
    let logs = [(); 2].map(|()| GateLog::<2>::open(store.path(), SMALL).unwrap());
    let gates = [0, 1].map(|at: usize| logs[at].gate("gate-1").unwrap());
    let mut sums = [0, 1].map(|at: usize| Sum { gate: &gates[at], sum: 0 });
    for n in 0..25 {
        // Both write segments by turns.
        for (sum, log) in sums.iter_mut().zip(&logs) {
            assert_eq!(sum.tell(0, n), Some(n + 1));
            log.sync().unwrap();
        }
    }
    let runs = logs.each_ref().map(GateLog::run);
    drop(logs);
    let read = segments(store.path());
    assert_eq!((read.len(), read[0].run() == read[1].run()), (6, false));
    for run in runs {
        let events: u64 = read
            .iter()
            .filter(|segment| segment.run() == run)
            .map(|segment| segment.events().count() as u64)
            .sum();
        assert_eq!(events, 25);
    }
    assert_eq!(evidence::gate_log::gates(store.path()).unwrap(), ["gate-1"]);
}

#[test]
fn what_came_earlier_is_an_event_and_is_left_out_where_the_state_knows_of_it() {
    let store = tempfile::tempdir().unwrap();
    let log = GateLog::<2>::open(store.path(), SMALL).unwrap();
    let gate = log.gate("gate.1").unwrap();
    let tell = |word: u64, state: u64| gate.tell(5, [word, 0], Some((4, [word + 100, 0])), || vec![state]);
    assert_eq!([tell(1, 7), tell(2, 8)], [Some(1), Some(3)]);
    gate.begin_anew();
    assert_eq!(tell(3, 9), Some(4));
    drop(log);
    let read: Vec<Segment> = Segments::of(store.path(), "gate.1").unwrap().collect::<Result<_, _>>().unwrap();
    let words = |segment: &Segment| segment.events().map(|event| event.words[0]).collect::<Vec<_>>();
    assert_eq!((read[0].state(), words(&read[0])), (&[7][..], vec![1, 102, 2]));
    assert_eq!((read[1].state(), words(&read[1])), (&[9][..], vec![3]));
}

#[test]
fn a_segment_ends_when_it_is_old() {
    let store = tempfile::tempdir().unwrap();
    let log = GateLog::<2>::open(store.path(), Settings { segment_age_ms: 1000, ..SMALL }).unwrap();
    let gate = log.gate("gate-1").unwrap();
    let mut sum = Sum { gate: &gate, sum: 0 };
    for at_ms in [0, 999, 1000, 1500, -5000] {
        sum.tell(at_ms, 1);
    }
    drop(log);
    let firsts: Vec<u64> = segments(store.path()).iter().map(Segment::first_event).collect();
    assert_eq!(firsts, [1, 3, 5], "also when the clock is set back");
}

#[test]
fn a_full_queue_refuses_counts_and_says_so_in_the_next_segment() {
    let store = tempfile::tempdir().unwrap();
    let log =
        GateLog::<2>::open(store.path(), Settings { queue: 4, segment_bytes: 1 << 20, ..SMALL }).unwrap();
    let gate = log.gate("gate-1").unwrap();
    let mut sum = Sum { gate: &gate, sum: 0 };
    let mut told = 0;
    // The thread empties the queue whenever it likes, so events are told until some were refused.
    while gate.missing() < 5 {
        sum.tell(0, told);
        told += 1;
    }
    log.sync().unwrap();
    sum.tell(0, 77);
    assert_eq!(gate.missing(), 0);
    let last = sum.sum;
    drop(log);
    let read = segments(store.path());
    let (written, missing) = read.iter().fold((0, 0), |(written, missing), segment| {
        (written + segment.events().count() as u64, missing + segment.missing)
    });
    assert!(missing >= 5);
    assert_eq!(written + missing, told + 1, "every event is in a segment or missing in one");
    assert_eq!(replay(read.last().unwrap()), last, "behind a hole the state is right");
}

#[test]
fn what_cannot_be_written_is_missing_and_the_log_goes_on() {
    let store = tempfile::tempdir().unwrap();
    let log = GateLog::<2>::open(store.path(), SMALL).unwrap();
    let gate = log.gate("gate-1").unwrap();
    let mut sum = Sum { gate: &gate, sum: 0 };
    sum.tell(0, 1);
    log.sync().unwrap();
    // A file where the directory was: the next segment cannot begin.
    let directory = store.path().join("gates/gate-1");
    fs::rename(&directory, store.path().join("aside")).unwrap();
    fs::write(&directory, "").unwrap();
    for n in 0..12 {
        sum.tell(0, n);
    }
    assert!(log.sync().is_err());
    let missing = gate.missing();
    assert!(missing > 0);
    fs::remove_file(&directory).unwrap();
    fs::rename(store.path().join("aside"), &directory).unwrap();
    sum.tell(0, 99);
    log.sync().unwrap();
    assert_eq!(gate.missing(), 0);
    let last = sum.sum;
    drop(log);
    let read = segments(store.path());
    assert_eq!((read.last().unwrap().missing, replay(read.last().unwrap())), (missing, last));
}

#[test]
fn events_are_durable_after_a_sync_also_when_nobody_ends_the_log() {
    let store = tempfile::tempdir().unwrap();
    let log = GateLog::<2>::open(store.path(), SMALL).unwrap();
    let gate = log.gate("gate-1").unwrap();
    let mut sum = Sum { gate: &gate, sum: 0 };
    for n in 0..5 {
        sum.tell(0, n);
    }
    log.sync().unwrap();
    let read = segments(store.path());
    assert_eq!((read.len(), read[0].is_ended, read[0].events().count()), (1, false, 5));
}

#[test]
fn a_name_that_is_no_identity_is_refused() {
    let store = tempfile::tempdir().unwrap();
    let log = GateLog::<2>::open(store.path(), SMALL).unwrap();
    for name in ["", "..", ".a", "a/b", "a\n", "ä"] {
        assert!(log.gate(name).is_err(), "{name:?}");
    }
}

/// Puts bytes in place of a file's. Not by truncating it, which makes some file systems wait for the disk.
fn put(path: &Path, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

/// A store with one finished segment of ten events and one of five behind it.
fn two_segments(store: &Path) -> Vec<PathBuf> {
    let log = GateLog::<2>::open(store, SMALL).unwrap();
    let gate = log.gate("gate-1").unwrap();
    let mut sum = Sum { gate: &gate, sum: 0 };
    for n in 0..15 {
        sum.tell(0, n);
    }
    drop(log);
    files(store)
}

#[test]
fn every_cut_of_the_last_segment_is_tolerated_and_of_an_earlier_one_found() {
    let store = tempfile::tempdir().unwrap();
    let paths = two_segments(store.path());
    let header = 88;
    for (path, is_last) in [(&paths[0], false), (&paths[1], true)] {
        let whole = fs::read(path).unwrap();
        for length in header..whole.len() {
            put(path, &whole[..length]);
            let read: Result<Vec<Segment>, _> = Segments::of(store.path(), "gate-1").unwrap().collect();
            let events = (length - header) / 32;
            if is_last || events == 10 {
                let segment = &read.unwrap()[usize::from(is_last)];
                assert!(!segment.is_ended);
                assert_eq!((segment.events().count(), segment.torn), (events, (length - header) as u64 % 32));
            } else {
                assert!(read.unwrap_err().to_string().contains("events are gone"), "{length}");
            }
        }
        put(path, &whole);
    }
}

#[test]
fn every_flipped_bit_is_found_where_it_is_or_by_the_hash_of_the_file() {
    let store = tempfile::tempdir().unwrap();
    let paths = two_segments(store.path());
    let whole = fs::read(&paths[0]).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        put(&paths[0], &flipped);
        let found = Segment::read(&paths[0]);
        let end = whole.len() - 32;
        match found {
            // The mark of the end is the last record: without it the segment looks as a crash leaves one.
            Ok(segment) if bit / 8 >= end => {
                assert!(!segment.is_ended && segment.torn == 32);
                assert_ne!(segment.sha256, Digest::of(&whole));
            }
            Ok(_) => panic!("bit {bit} is not found"),
            Err(damage) => {
                let record = if bit / 8 < 88 { 0 } else { 88 + (bit / 8 - 88) / 32 * 32 };
                assert_eq!(damage.offset, record as u64, "bit {bit}: {damage}");
            }
        }
    }
}

#[test]
fn a_segment_of_another_gate_is_not_replayed() {
    let store = tempfile::tempdir().unwrap();
    let paths = two_segments(store.path());
    let other = store.path().join("gates/gate-2");
    fs::create_dir(&other).unwrap();
    fs::copy(&paths[0], other.join(paths[0].file_name().unwrap())).unwrap();
    let read: Result<Vec<Segment>, _> = Segments::of(store.path(), "gate-2").unwrap().collect();
    assert!(read.unwrap_err().what.contains("another gate"));
}

#[test]
fn the_disk_that_logs_take_is_bounded() {
    let store = tempfile::tempdir().unwrap();
    let log = GateLog::<2>::open(store.path(), Settings { keep_bytes: 2000, ..SMALL }).unwrap();
    let gate = log.gate("gate-1").unwrap();
    let mut sum = Sum { gate: &gate, sum: 0 };
    for n in 0..300 {
        sum.tell(0, n);
    }
    drop(log);
    let bytes: u64 = files(store.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes <= 2000 + SMALL.segment_bytes, "{bytes}");
    assert_eq!(replay(segments(store.path()).last().unwrap()), sum.sum, "what is left replays");
}

#[test]
fn whatever_a_file_holds_reading_it_ends_in_events_or_an_error() {
    let store = tempfile::tempdir().unwrap();
    let paths = two_segments(store.path());
    let whole = fs::read(&paths[0]).unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..support::count(2_000, 200_000) {
        let mut file = whole[..random.usize(..=whole.len())].to_vec();
        file.extend((0..random.usize(..200)).map(|_| random.u8(..)));
        put(&paths[0], &file);
        if let Ok(segment) = Segment::read(&paths[0]) {
            assert!(segment.events().count() <= 10);
        }
    }
}
