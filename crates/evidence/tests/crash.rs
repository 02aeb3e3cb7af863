//! Killed at any moment, and disks that are full: what was acknowledged is there, and the chain is whole.
//!
//! The process that is killed is the test itself, started again with the name of the directory.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evidence::{Reader, Store};
use support::{count, entry, gate_decision};

const DIRECTORY: &str = "EVIDENCE_TEST_DIRECTORY";

/// In the process that is to be killed: appends until then, or until an append fails, and says of each record on its
/// output that it is durable. `false` in the process that looks on.
fn appends_as_child() -> bool {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return false };
    let mut output = std::io::stdout();
    let store = Store::open(Path::new(&directory)).unwrap();
    for n in 0.. {
        match store.append(&entry(n, gate_decision(1))) {
            Ok(head) => writeln!(output, "\nappended {} {}", head.sequence, head.hash).unwrap(),
            Err(error) => {
                writeln!(output, "\nfailed {}", error.to_string().replace('\n', " ")).unwrap();
                break;
            }
        }
        output.flush().unwrap();
    }
    true
}

/// Starts the test of this name as the child.
fn spawn(test: &str, directory: &Path, limit_in_kib: Option<u32>) -> Child {
    let this = std::env::current_exe().unwrap();
    let arguments = [test, "--exact", "--nocapture"];
    let mut command = match limit_in_kib {
        None => {
            let mut command = Command::new(this);
            command.args(arguments);
            command
        }
        // Files that would grow beyond the limit: the write fails, as on a full disk. POSIX counts blocks of 512 bytes.
        Some(kib) => {
            let mut command = Command::new("sh");
            let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
            command.arg("-c").arg(script).arg(this).args(arguments);
            command
        }
    };
    command.env(DIRECTORY, directory).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The last record that the child acknowledged in a whole line, and what it said at its end.
fn acknowledged(child: &mut Child) -> (u64, String, Option<String>) {
    let (mut sequence, mut hash, mut failure) = (0, String::new(), None);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        let words: Vec<&str> = line.trim_end().splitn(3, ' ').collect();
        match words[..] {
            ["appended", number, of] if line.ends_with('\n') => {
                (sequence, hash) = (number.parse().unwrap(), of.to_owned());
            }
            ["failed", ..] => failure = Some(line.trim().to_owned()),
            _ => {}
        }
        line.clear();
    }
    (sequence, hash, failure)
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if appends_as_child() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let mut last = 0;
    for round in 0..count(25, 1_000) {
        let mut child = spawn("a_killed_process_loses_nothing_that_it_acknowledged", directory.path(), None);
        // Any moment will do: the pause decides which one is tried, not whether the test holds.
        std::thread::sleep(Duration::from_micros(random.u64(1_000..60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let (sequence, hash, _) = acknowledged(&mut child);
        let reader = match Reader::open(directory.path()) {
            Ok(reader) => reader,
            Err(error) => {
                assert_eq!((last, sequence), (0, 0), "round {round}: {error}");
                continue;
            }
        };
        let found = reader.verify(None).unwrap();
        assert!(found.is_sound(), "round {round}: {found:?}");
        last = last.max(sequence);
        assert!(found.head.sequence >= last, "round {round}: {last} was acknowledged, {found:?}");
        if sequence > 0 {
            assert_eq!(reader.get(sequence).unwrap().unwrap().hash.to_string(), hash);
        }
        Store::open(directory.path()).unwrap().append(&entry(0, gate_decision(2))).unwrap();
    }
    assert!(last > 0, "some records were acknowledged");
}

#[test]
fn a_full_disk_is_an_error_and_never_a_broken_store() {
    if appends_as_child() {
        return;
    }
    for kib in [48, 64, 100, 200, 500] {
        let directory = tempfile::tempdir().unwrap();
        let mut child =
            spawn("a_full_disk_is_an_error_and_never_a_broken_store", directory.path(), Some(kib));
        let (sequence, hash, failure) = acknowledged(&mut child);
        child.wait().unwrap();
        let failure = failure.unwrap();
        assert!(failure.contains("append to") || failure.contains("disk is full"), "{kib} KiB: {failure}");
        let store = Store::open(directory.path()).unwrap();
        let found = store.reader().unwrap().verify(None).unwrap();
        assert!(found.is_sound(), "{kib} KiB: {found:?}");
        assert!(sequence > 0 && found.head.sequence >= sequence, "{kib} KiB: {sequence}, {found:?}");
        assert_eq!(store.reader().unwrap().get(sequence).unwrap().unwrap().hash.to_string(), hash);
        // With room again it goes on.
        store.append(&entry(0, gate_decision(2))).unwrap();
        assert!(store.reader().unwrap().verify(None).unwrap().is_sound());
    }
}
