//! The lists of IDs that drift is measured against: `state_dir/catalog`, for the gateway's own user only. Nothing exports
//! them, and a list is only ever replaced by one that has IDs.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use evidence::{Digest, Moment};
use readiness::catalog::is_near_empty;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::state::durable::write_private;

/// How a file is laid out.
const FORMAT: u32 = 1;

/// Whose list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// By `models diff`: what somebody has looked at.
    Reviewed,
    /// By the running gateway: what was seen last.
    Seen,
}

/// What a provider listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    format: u32,
    pub(crate) provider: String,
    pub(crate) taken_at: Moment,
    pub(crate) ids: BTreeSet<String>,
}

impl Snapshot {
    pub(crate) fn new(provider: &str, taken_at: Moment, ids: BTreeSet<String>) -> Snapshot {
        Snapshot { format: FORMAT, provider: provider.to_owned(), taken_at, ids }
    }

    /// Whether a list is too short beside this one to take its place unasked.
    pub(crate) fn dwarfs(&self, ids: &BTreeSet<String>) -> bool {
        is_near_empty(ids.len(), self.ids.len())
    }
}

/// Of a sorted set, an ID on each line.
pub(crate) fn hash(ids: &BTreeSet<String>) -> Digest {
    let mut text = String::new();
    for id in ids {
        text.push_str(id);
        text.push('\n');
    }
    Digest::of(text.as_bytes())
}

/// The directory of the lists.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots(PathBuf);

impl Snapshots {
    /// That of a state directory; made when something is written.
    pub(crate) fn of(state_dir: &Path) -> Snapshots {
        Snapshots(state_dir.join("catalog"))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// `None` where there is none, or what is there is none that this version reads.
    pub(crate) fn read(&self, provider: &str, taken: Taken) -> io::Result<Option<Snapshot>> {
        match files::read(&self.path(provider, taken)) {
            Ok(text) => {
                let read = serde_json::from_str::<Snapshot>(&text).ok();
                Ok(read.filter(|read| read.format == FORMAT && read.provider == provider))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An empty list takes nobody's place.
    pub(crate) fn write(&self, snapshot: &Snapshot, taken: Taken) -> io::Result<()> {
        if snapshot.ids.is_empty() {
            return Ok(());
        }
        self.make()?;
        let text = serde_json::to_string(snapshot).map_err(io::Error::other)?;
        write_private(&self.path(&snapshot.provider, taken), text.as_bytes())
    }

    pub(crate) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    /// The name of a provider is a file's name: letters, digits, `.`, `_`, `-`.
    fn path(&self, provider: &str, taken: Taken) -> PathBuf {
        let kind = match taken {
            Taken::Reviewed => "reviewed",
            Taken::Seen => "seen",
        };
        self.0.join(format!("{provider}.{kind}.json"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_list_is_kept_for_its_owner_alone_and_an_empty_one_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::of(&directory.path().join("state"));
        assert_eq!(snapshots.read("p", Taken::Seen).unwrap(), None);
        let first = Snapshot::new("p", Moment::from_ms(7), ids(&["b", "a"]));
        snapshots.write(&first, Taken::Seen).unwrap();
        snapshots.write(&Snapshot::new("p", Moment::from_ms(8), ids(&[])), Taken::Seen).unwrap();
        assert_eq!(snapshots.read("p", Taken::Seen).unwrap(), Some(first));
        assert_eq!(snapshots.read("p", Taken::Reviewed).unwrap(), None);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&snapshots.path("p", Taken::Seen)), 0o600);
        assert_eq!(mode(snapshots.directory()), 0o700);
    }

    #[test]
    fn what_is_no_list_is_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::of(directory.path());
        snapshots.make().unwrap();
        let other = serde_json::to_string(&Snapshot {
            format: 2,
            ..Snapshot::new("p", Moment::default(), ids(&["a"]))
        });
        for text in ["", "{}", "[1]", &other.unwrap()] {
            std::fs::write(snapshots.path("p", Taken::Seen), text).unwrap();
            assert_eq!(snapshots.read("p", Taken::Seen).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn half_as_many_is_a_list_and_fewer_are_not() {
        let four = Snapshot::new("p", Moment::default(), ids(&["a", "b", "c", "d"]));
        assert!(!four.dwarfs(&ids(&["a", "b"])));
        assert!(four.dwarfs(&ids(&["a"])) && four.dwarfs(&ids(&[])));
    }
}
