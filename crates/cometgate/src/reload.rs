//! A changed file becomes the plan in force, or changes nothing and says why.
//!
//! Events are hints only: the directories are watched, not the files, because editors and Kubernetes replace files;
//! and a stamp is looked at twice a second, because network mounts send no events and a link may change further up.
//! What was read is compared byte for byte, so that one change is taken once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Problems, Source, load_map};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use proxy::SnapshotHandle;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::changes::changes;
use crate::files::{self, Stamp};
use crate::prepare::{PrepareError, Preparer};
use crate::settings_watch::SettingsWatch;

/// A file counts as written once nothing has happened for this long.
const QUIET: Duration = Duration::from_millis(50);

/// But a change is looked at after this long, even if writing goes on.
const LONGEST_WAIT: Duration = Duration::from_millis(300);

/// How often the stamps are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Lines that say what a new map changes; a generated map may change thousands of routes at once.
const MOST_CHANGES: usize = 20;

/// The route map and the tenants file.
#[derive(Clone, Debug)]
pub(crate) struct MapPaths {
    pub(crate) routes: PathBuf,
    pub(crate) tenants: PathBuf,
}

/// The text of both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) routes: String,
    pub(crate) tenants: String,
}

/// Why a pair of files is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}

fn read(path: &Path) -> Result<String, Refused> {
    files::read(path).map_err(|error| Refused::Unreadable(path.to_owned(), error))
}

impl MapPaths {
    /// Both files.
    pub(crate) fn read(&self) -> Result<Texts, Refused> {
        Ok(Texts { routes: read(&self.routes)?, tenants: read(&self.tenants)? })
    }

    pub(crate) fn load(&self, texts: &Texts) -> Result<config::Loaded, Problems> {
        let routes = Source { path: &self.routes, text: &texts.routes };
        load_map(routes, Source { path: &self.tenants, text: &texts.tenants })
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [files::stamp(&self.routes), files::stamp(&self.tenants)]
    }
}

/// Keeps the plan in force up to date with its files.
pub(crate) struct Reloader {
    paths: MapPaths,
    preparer: Preparer,
    handle: Arc<SnapshotHandle>,
    /// What is in force.
    good: Texts,
    /// What was looked at last, so that a refused file is complained about once.
    seen: Texts,
    /// Likewise for files that cannot be read.
    unreadable: BTreeSet<PathBuf>,
    settings: SettingsWatch,
}

impl Reloader {
    pub(crate) fn new(
        paths: MapPaths,
        preparer: Preparer,
        handle: Arc<SnapshotHandle>,
        good: Texts,
        settings: SettingsWatch,
    ) -> Reloader {
        Reloader { paths, preparer, handle, seen: good.clone(), good, unreadable: BTreeSet::new(), settings }
    }

    /// Watches until told to stop. `now` asks for a look at once.
    pub(crate) async fn run(mut self, mut now: mpsc::Receiver<()>, stop: CancellationToken) {
        let (hint, mut hints) = mpsc::channel(1);
        let _watcher = watch(&self.paths, hint);
        let mut stamps = self.paths.stamps();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What changed between the first reading and the watch would otherwise go unnoticed.
        self.look();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = now.recv() => {}
                Some(()) = hints.recv() => settle(&mut hints).await,
                _ = look.tick() => {
                    self.settings.look();
                    let found = self.paths.stamps();
                    if found == stamps {
                        continue;
                    }
                    stamps = found;
                    settle(&mut hints).await;
                }
            }
            // Parsing a large map takes milliseconds that no request should wait for; this is not a worker's thread.
            self.look();
        }
    }

    fn look(&mut self) {
        let found = Texts {
            routes: self.read_or_keep(|paths| &paths.routes, |texts| &texts.routes),
            tenants: self.read_or_keep(|paths| &paths.tenants, |texts| &texts.tenants),
        };
        if self.seen == found {
            return;
        }
        self.seen = found.clone();
        if found == self.good {
            tracing::info!("the files are again what is in force");
            return;
        }
        let Err(refused) = self.take(found.clone()) else { return };
        tracing::error!("a change was refused, and what was in force stays:\n{refused}");
        // A broken map must not keep a revoked key alive, nor a broken tenants file stand in the way of a rollback.
        let with_good_routes = Texts { routes: self.good.routes.clone(), tenants: found.tenants.clone() };
        let with_good_tenants = Texts { routes: found.routes, tenants: self.good.tenants.clone() };
        for half in [with_good_routes, with_good_tenants] {
            if half != self.good && self.take(half).is_ok() {
                tracing::warn!("of the two files, the one without problems was taken");
                return;
            }
        }
    }

    /// A file's text, or, where it cannot be read, what is in force of it: the other file's changes still count.
    fn read_or_keep(
        &mut self,
        path: impl Fn(&MapPaths) -> &PathBuf,
        text: impl Fn(&Texts) -> &String,
    ) -> String {
        let path = path(&self.paths);
        match read(path) {
            Ok(found) => {
                self.unreadable.remove(path);
                found
            }
            Err(error) => {
                if self.unreadable.insert(path.clone()) {
                    tracing::error!("what was in force of a file stays, since it cannot be read: {error}");
                }
                text(&self.good).clone()
            }
        }
    }

    /// Puts a pair of files in force, or nothing.
    fn take(&mut self, texts: Texts) -> Result<(), Refused> {
        let loaded = self.paths.load(&texts)?;
        let tenants_version = loaded.tenants_version.clone();
        let before = self.handle.current();
        let snapshot = self.preparer.prepare(loaded, Some(&before))?;
        let version = snapshot.plan().route_version().to_owned();
        let changes = changes(before.plan(), snapshot.plan());
        self.handle.swap(snapshot);
        self.good = texts;
        let version_before = before.plan().route_version();
        tracing::info!("route map {version} is live (before: {version_before}; tenants {tenants_version})");
        for line in changes.iter().take(MOST_CHANGES) {
            tracing::info!("  {line}");
        }
        if changes.len() > MOST_CHANGES {
            tracing::info!("  and {} more", changes.len() - MOST_CHANGES);
        }
        Ok(())
    }
}

/// Waits until nothing has changed for a short while.
async fn settle(hints: &mut mpsc::Receiver<()>) {
    let latest = Instant::now() + LONGEST_WAIT;
    while let Ok(Some(())) = tokio::time::timeout(QUIET, hints.recv()).await {
        if Instant::now() >= latest {
            return;
        }
    }
}

/// Watches the directories of both files. Without a watch the stamps still notice.
fn watch(paths: &MapPaths, hint: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let notice = move |event: notify::Result<notify::Event>| {
        // Reading the files is an event too, and would never end.
        let is_access = matches!(&event, Ok(event) if event.kind.is_access());
        if !is_access {
            // One hint waiting is enough.
            hint.try_send(()).ok();
        }
    };
    let watched = notify::recommended_watcher(notice).and_then(|mut watcher| {
        for path in [&paths.routes, &paths.tenants] {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            watcher.watch(directory.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    match watched {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the configuration's directory cannot be watched; changes are looked for twice a second");
            None
        }
    }
}
