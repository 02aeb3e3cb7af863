//! The accepted versions on disk: what went live, when and why, and the text of each.
//!
//! Below the state directory: `routes/` and `tenants/` hold texts named by their SHA-256, `history.jsonl` one
//! record a line. The texts are there before the record that names them, so a record without its text means
//! that the text was pruned or damaged, never that it is still to come.
//!
//! Two gateways may share the directory for the length of a rolling restart. They take turns by `.lock`; one
//! that gets no turn still adds its record, since a line is written by one call, and leaves the tidying to
//! the other.

pub(crate) mod archive;
pub(crate) mod digest;
pub(crate) mod durable;
mod history;
pub(crate) mod record;
mod texts;
pub(crate) mod writer;

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use self::digest::Digest;
use self::durable::{LOOKS, at, remove_unfinished, turn};
use self::history::History;
use self::record::Accepted;
use self::texts::TextStore;
use self::writer::{Job, Writer};

/// Texts that are kept of each kind, besides the pinned ones.
const KEEP: usize = 50;

/// The store of accepted versions, with the history as it was when last read.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    routes: TextStore,
    tenants: TextStore,
    history: History,
    writer: Option<Writer>,
}

impl StateDir {
    /// For the gateway: creates what is missing, and fails where nothing can be written.
    pub(crate) fn open(path: &Path) -> io::Result<StateDir> {
        make_directories(path)?;
        for directory in directories(path) {
            let directory = &directory;
            // At the start rather than at the first change.
            tempfile::tempfile_in(directory).map_err(at(directory))?;
        }
        StateDir::load(path)
    }

    /// For commands that only look: creates nothing. `None` where there is no such directory.
    pub(crate) fn read(path: &Path) -> io::Result<Option<StateDir>> {
        match fs::read_dir(path) {
            Ok(_) => StateDir::load(path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(path)(error)),
        }
    }

    /// Oldest first, as far as it has not been cut.
    pub(crate) fn history(&self) -> &[Accepted] {
        self.history.records()
    }

    /// What went live last.
    pub(crate) fn last(&self) -> Option<&Accepted> {
        self.history().last()
    }

    /// Whether nobody can tell what went live last: its record is damaged, or names not all that was held, or the
    /// records are gone and only texts are left.
    ///
    /// Then [`StateDir::last`] is something that was live once, and nothing to judge a raise against.
    pub(crate) fn is_last_unknown(&self) -> bool {
        let is_partial = match self.last() {
            Some(record) => record.all_held().is_none(),
            None => !self.routes.is_empty(),
        };
        is_partial || self.history.is_end_damaged()
    }

    /// Lines of the history that are no record, or of a kind that this version does not know.
    pub(crate) fn skipped_lines(&self) -> usize {
        self.history.skipped()
    }

    /// Whether the records are gone from the disk, be it with the directory.
    fn has_vanished(&self) -> bool {
        fs::metadata(history_path(&self.path)).map_or_else(
            |error| error.kind() == io::ErrorKind::NotFound,
            |found| found.is_file() && found.len() == 0,
        )
    }

    /// Writes down what went live, together with both texts, and lets go of what is older than the newest
    /// `KEEP`. Of the `pinned` versions the map stays, and the tenants file that it last went live with.
    ///
    /// An error means that the record may be missing. Tidying that fails is only logged: the record is
    /// written.
    pub(crate) fn accept(
        &mut self,
        record: &Accepted,
        routes: &str,
        tenants: &str,
        pinned: &[&str],
    ) -> io::Result<()> {
        if Digest::of(routes) != record.routes || Digest::of(tenants) != record.tenants {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the record is of other texts"));
        }
        // Somebody may have removed them while the gateway runs.
        make_directories(&self.path)?;
        let turn = turn(&self.path.join(".lock"), LOOKS)?;
        self.routes.put(record.routes, routes)?;
        self.tenants.put(record.tenants, tenants)?;
        self.history.append(record)?;
        if turn.is_some()
            && let Err(error) = self.tidy(pinned)
        {
            tracing::warn!("old versions could not be removed: {error}");
        }
        Ok(())
    }

    /// Writes it down behind the caller; here it counts from now on.
    pub(crate) fn accept_later(&mut self, job: Job) {
        self.history.remember(job.record.clone());
        let writer = match self.writer.take() {
            Some(writer) => Ok(writer),
            None => StateDir::load(&self.path).and_then(Writer::start),
        };
        match writer {
            Ok(writer) => {
                writer.write(job);
                self.writer = Some(writer);
            }
            Err(error) => (job.announce)(Err(error)),
        }
    }

    /// The text of a route map; `None` where it is absent or damaged.
    pub(crate) fn routes_text(&self, digest: Digest) -> io::Result<Option<String>> {
        self.waiting_text(digest).map_or_else(|| self.routes.get(digest), |text| Ok(Some(text)))
    }

    /// The text of a tenants file; `None` where it is absent or damaged.
    pub(crate) fn tenants_text(&self, digest: Digest) -> io::Result<Option<String>> {
        self.waiting_text(digest).map_or_else(|| self.tenants.get(digest), |text| Ok(Some(text)))
    }

    fn waiting_text(&self, digest: Digest) -> Option<String> {
        self.writer.as_ref()?.text(digest)
    }

    /// The record under which a version first went live: it names one map for good.
    pub(crate) fn digest_of_version(&self, route_version: &str) -> Option<&Accepted> {
        self.history().iter().find(|record| record.route_version == route_version)
    }

    /// The map that went live under a version; `None` where it never did, or its text is not kept any more.
    pub(crate) fn find_version(&self, route_version: &str) -> io::Result<Option<(Digest, String)>> {
        let Some(record) = self.digest_of_version(route_version) else { return Ok(None) };
        Ok(self.routes_text(record.routes)?.map(|text| (record.routes, text)))
    }

    fn load(path: &Path) -> io::Result<StateDir> {
        Ok(StateDir {
            path: path.to_owned(),
            routes: TextStore::new(path.join("routes")),
            tenants: TextStore::new(path.join("tenants")),
            history: History::read(history_path(path))?,
            writer: None,
        })
    }

    /// Only with the turn: what another process has just written is not in a history read before.
    fn tidy(&mut self, pinned: &[&str]) -> io::Result<()> {
        let (routes, tenants) = self.kept(pinned);
        self.routes.keep(&routes)?;
        self.tenants.keep(&tenants)?;
        remove_unfinished(&self.path)?;
        if self.history.is_too_long() {
            self.history.cut(&routes, &tenants)?;
            self.history = History::read(history_path(&self.path))?;
        }
        Ok(())
    }

    /// The digests of the maps and of the tenants files to keep.
    fn kept(&self, pinned: &[&str]) -> (HashSet<Digest>, HashSet<Digest>) {
        let mut routes = newest(self.history(), |record| record.routes);
        let mut tenants = newest(self.history(), |record| record.tenants);
        for version in pinned {
            routes.extend(self.digest_of_version(version).map(|record| record.routes));
            let last = self.history().iter().rfind(|record| record.route_version == *version);
            tenants.extend(last.map(|record| record.tenants));
        }
        (routes, tenants)
    }
}

/// Where everything is, and where the texts are.
fn directories(path: &Path) -> [PathBuf; 3] {
    [path.to_owned(), path.join("routes"), path.join("tenants")]
}

fn make_directories(path: &Path) -> io::Result<()> {
    directories(path).iter().try_for_each(|directory| {
        DirBuilder::new().recursive(true).mode(0o750).create(directory).map_err(at(directory))
    })
}

fn history_path(directory: &Path) -> PathBuf {
    directory.join("history.jsonl")
}

/// The digests that went live last.
fn newest(history: &[Accepted], digest: impl Fn(&Accepted) -> Digest) -> HashSet<Digest> {
    let mut kept = HashSet::new();
    for record in history.iter().rev() {
        if kept.len() == KEEP {
            break;
        }
        kept.insert(digest(record));
    }
    kept
}

#[cfg(test)]
mod tests;
