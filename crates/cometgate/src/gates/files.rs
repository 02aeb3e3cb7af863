//! What is on disk of gates: a file for each that says what it knows, and one for each target that is out for good.
//!
//! That a latch's file is there is the latch; what it says is for people. So a damaged one keeps its target out as well.
//! A file of numbers ends with its SHA-256: half of one, or one that somebody edited, is not taken for less evidence.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use proxy::GateId;
use serde::{Deserialize, Serialize};

use crate::files::read;
use crate::state::digest::Digest;
use crate::state::durable::{at, turn, write};

/// The layout of a file of numbers.
const FORMAT: u32 = 1;

/// As much as the largest file of a gate takes, so that a full disk is noticed before it is needed.
const PROBE: [u8; 8192] = [0; 8192];

/// What a gate knows, as plain numbers.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Numbers {
    format: u32,
    route: String,
    target: String,
    identity: String,
    /// Of the last event that they know of.
    pub(super) sequence: u64,
    pub(super) gate: Vec<u64>,
    pub(super) rollout: Vec<u64>,
}

impl Numbers {
    pub(super) fn new(id: &GateId, sequence: u64, gate: Vec<u64>, rollout: Vec<u64>) -> Numbers {
        let (route, target) = (id.route.clone(), id.watched.as_str().to_owned());
        Numbers { format: FORMAT, route, target, identity: id.identity.to_string(), sequence, gate, rollout }
    }
}

/// What was found of a gate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Numbers(Numbers),
    /// A file that cannot be taken at its word, and why.
    Damaged(String),
}

/// The route of a gate that is called so.
pub(crate) fn route_of(name: &str) -> Option<&str> {
    let (rest, _identity) = name.rsplit_once('-')?;
    Some(rest.rsplit_once('-')?.0)
}

/// The directory of gates.
#[derive(Debug)]
pub(super) struct GateFiles {
    directory: PathBuf,
    evidence: PathBuf,
}

/// What a gate is called where a file or a directory is its own.
pub(crate) fn gate_name(id: &GateId) -> String {
    format!("{}-{}-{}", id.route, id.watched.as_str(), id.identity)
}

impl GateFiles {
    pub(super) fn new(state_dir: &Path) -> GateFiles {
        GateFiles { directory: state_dir.join("gates"), evidence: state_dir.join("evidence") }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where decisions are recorded, and the logs of gates are.
    pub(super) fn evidence(&self) -> &Path {
        &self.evidence
    }

    fn latches(&self) -> PathBuf {
        self.directory.join("latched")
    }

    /// Makes what is missing, and fails where nothing could be written.
    pub(super) fn probe(&self) -> io::Result<()> {
        for (directory, mode) in [(&self.directory, 0o750), (&self.latches(), 0o750), (&self.evidence, 0o700)]
        {
            DirBuilder::new().recursive(true).mode(mode).create(directory).map_err(at(directory))?;
            let mut file = tempfile::tempfile_in(directory).map_err(at(directory))?;
            file.write_all(&PROBE).map_err(at(directory))?;
        }
        Ok(())
    }

    /// The turn at keeping numbers, where several gateways share the directory.
    pub(super) fn turn(&self) -> Option<File> {
        turn(&self.directory.join(".lock"), 1).ok().flatten()
    }

    /// What the latch of a target is called: canary and fallback may be one target, and then have one.
    pub(super) fn latch_name(id: &GateId) -> String {
        format!("{}-{}.json", id.route, id.identity)
    }

    pub(super) fn latch_path(&self, name: &str) -> PathBuf {
        self.latches().join(name)
    }

    pub(super) fn is_latched(&self, id: &GateId) -> io::Result<bool> {
        let path = self.latch_path(&GateFiles::latch_name(id));
        match fs::symlink_metadata(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// The names of all latches.
    pub(super) fn all_latches(&self) -> io::Result<HashSet<String>> {
        let directory = self.latches();
        let names = fs::read_dir(&directory).map_err(at(&directory))?;
        let name = |entry: io::Result<fs::DirEntry>| Some(entry.ok()?.file_name().to_str()?.to_owned());
        Ok(names.filter_map(name).filter(|name| !name.starts_with('.')).collect())
    }

    pub(super) fn write_latch(&self, name: &str, text: &str) -> io::Result<()> {
        write(&self.latch_path(name), text.as_bytes())
    }

    /// What a latch says of itself, as far as it can be read.
    pub(super) fn read_latch(&self, id: &GateId) -> Option<serde_json::Value> {
        let text = read(&self.latch_path(&GateFiles::latch_name(id))).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(super) fn numbers_path(&self, id: &GateId) -> PathBuf {
        self.directory.join(format!("{}.json", gate_name(id)))
    }

    pub(super) fn read_numbers(&self, id: &GateId) -> io::Result<Found> {
        let path = self.numbers_path(id);
        match read(&path) {
            Ok(text) => Ok(parse(&text, id).map_or_else(Found::Damaged, Found::Numbers)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Found::Damaged(error.to_string())),
            Err(error) => Err(at(&path)(error)),
        }
    }

    pub(super) fn write_numbers(&self, id: &GateId, numbers: &Numbers) -> io::Result<()> {
        let line = serde_json::to_string(numbers).map_err(io::Error::other)?;
        write(&self.numbers_path(id), format!("{line}\n{}\n", Digest::of(&line)).as_bytes())
    }
}

/// The numbers of a file, or why they are none.
fn parse(text: &str, id: &GateId) -> Result<Numbers, String> {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    if rest != format!("{}\n", Digest::of(line)) {
        return Err("it is damaged: its SHA-256 is another".to_owned());
    }
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = serde_json::from_str(line).map_err(|_| "it says no format".to_owned())?;
    if head.format != FORMAT {
        return Err(format!("it was written by another version of cometgate (format {})", head.format));
    }
    let numbers: Numbers = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let expected = Numbers::new(id, numbers.sequence, numbers.gate.clone(), numbers.rollout.clone());
    if numbers == expected { Ok(numbers) } else { Err("it is of another gate".to_owned()) }
}

#[cfg(test)]
mod tests {
    use decisions::plan::{GateIdentity, Watched};

    use super::*;

    fn id() -> GateId {
        GateId { route: "r.1".to_owned(), identity: GateIdentity(7), watched: Watched::Canary }
    }

    #[test]
    fn numbers_come_back_to_the_bit_and_nothing_else_is_taken_for_them() {
        let directory = tempfile::tempdir().unwrap();
        let files = GateFiles::new(directory.path());
        assert_eq!(files.read_numbers(&id()).unwrap(), Found::Nothing);
        files.probe().unwrap();
        let numbers = || Numbers::new(&id(), u64::MAX, vec![0, u64::MAX - 1, 1 << 53 | 1], vec![3]);
        files.write_numbers(&id(), &numbers()).unwrap();
        assert_eq!(files.read_numbers(&id()).unwrap(), Found::Numbers(numbers()));

        let path = files.numbers_path(&id());
        let whole = fs::read_to_string(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(files.read_numbers(&id()).unwrap(), Found::Damaged(_)), "{cut}");
        }
        for digit in whole.match_indices(|character: char| character.is_ascii_digit()) {
            let other = if digit.1 == "9" { "8" } else { "9" };
            let mut edited = whole.clone();
            edited.replace_range(digit.0..=digit.0, other);
            fs::write(&path, edited).unwrap();
            assert!(matches!(files.read_numbers(&id()).unwrap(), Found::Damaged(_)), "{digit:?}");
        }
    }

    #[test]
    fn another_format_and_another_gates_numbers_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let files = GateFiles::new(directory.path());
        files.probe().unwrap();
        let newer = Numbers { format: 2, ..Numbers::new(&id(), 1, vec![], vec![]) };
        files.write_numbers(&id(), &newer).unwrap();
        let Found::Damaged(why) = files.read_numbers(&id()).unwrap() else { panic!("it was taken") };
        assert!(why.contains("another version"), "{why}");
        let of_other = GateId { watched: Watched::Fallback, ..id() };
        files.write_numbers(&id(), &Numbers::new(&of_other, 1, vec![], vec![])).unwrap();
        assert!(matches!(files.read_numbers(&id()).unwrap(), Found::Damaged(_)));
    }

    #[test]
    fn that_the_file_is_there_is_the_latch() {
        let directory = tempfile::tempdir().unwrap();
        let files = GateFiles::new(directory.path());
        files.probe().unwrap();
        assert!(!files.is_latched(&id()).unwrap());
        let name = GateFiles::latch_name(&id());
        files.write_latch(&name, "rubbish").unwrap();
        assert!(files.is_latched(&id()).unwrap());
        assert!(files.is_latched(&GateId { watched: Watched::Fallback, ..id() }).unwrap());
        assert!(!files.is_latched(&GateId { identity: GateIdentity(8), ..id() }).unwrap());
        assert_eq!(files.all_latches().unwrap(), HashSet::from([name]));
    }

    #[test]
    fn a_directory_that_is_none_is_an_error_and_no_clean_sheet() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("gates"), "").unwrap();
        let files = GateFiles::new(directory.path());
        assert!(files.probe().is_err());
        assert!(files.is_latched(&id()).is_err());
        assert!(files.read_numbers(&id()).is_err());
    }
}
