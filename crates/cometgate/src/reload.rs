//! A changed file becomes the plan in force, or changes nothing and says why.
//!
//! Events are hints only: the directories are watched, not the files, because editors and Kubernetes replace files;
//! and a stamp is looked at twice a second, because network mounts send no events and a link may change further up.
//! What was read is compared byte for byte, so that one change is taken once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use config::Watch;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::caller_tls::CallerTlsFiles;
use crate::in_force::InForce;
use crate::map_files::{MapPaths, Texts, directory_of, read};
use crate::settings_watch::SettingsWatch;
use crate::state::record::Why;

/// A file counts as written once nothing has happened for this long.
const QUIET: Duration = Duration::from_millis(50);

/// But a change is looked at after this long, even if writing goes on.
const LONGEST_WAIT: Duration = Duration::from_millis(300);

/// How often the stamps are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Keeps the plan in force up to date with its files.
pub(crate) struct Reloader {
    in_force: InForce,
    /// What was looked at last, so that a refused file is complained about once.
    seen: Texts,
    /// Likewise for files that cannot be read.
    unreadable: BTreeSet<PathBuf>,
    settings: SettingsWatch,
    caller_tls: Option<CallerTlsFiles>,
    watch: Watch,
}

impl Reloader {
    /// `seen` is what the files said when the process started.
    pub(crate) fn new(
        in_force: InForce,
        seen: Option<Texts>,
        settings: SettingsWatch,
        caller_tls: Option<CallerTlsFiles>,
        watch: Watch,
    ) -> Reloader {
        let seen = seen.unwrap_or_else(|| in_force.texts().clone());
        Reloader { in_force, seen, unreadable: BTreeSet::new(), settings, caller_tls, watch }
    }

    /// Watches until told to stop. `now` asks for a look at once.
    pub(crate) async fn run(mut self, mut now: mpsc::Receiver<()>, stop: CancellationToken) {
        let (hint, mut hints) = mpsc::channel(1);
        let _watcher = match self.watch {
            Watch::Events => watch(self.in_force.paths(), hint.clone()),
            Watch::Poll => None,
        };
        let mut stamps = self.in_force.paths().stamps();
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
                    self.in_force.look();
                    self.tell_difference();
                    if let Some(tls) = &mut self.caller_tls {
                        tls.look();
                    }
                    let found = self.in_force.paths().stamps();
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
        self.take_changes();
        self.tell_difference();
    }

    fn tell_difference(&self) {
        let differ = self.seen != *self.in_force.texts() || !self.unreadable.is_empty();
        self.in_force.reloads().files_differ(differ);
    }

    fn take_changes(&mut self) {
        let found = Texts {
            routes: self.read_or_keep(|paths| &paths.routes, |texts| &texts.routes),
            tenants: self.read_or_keep(|paths| &paths.tenants, |texts| &texts.tenants),
        };
        if self.seen == found {
            return;
        }
        self.seen = found.clone();
        if found == *self.in_force.texts() {
            tracing::info!("the files are again what is in force");
            return;
        }
        let Err(refused) = self.in_force.take(found.clone(), Why::Reload) else { return };
        self.in_force.reloads().refused();
        // Whoever reads of it in the log sees it in the metrics too.
        self.tell_difference();
        tracing::error!("a change was refused, and what was in force stays:\n{refused}");
        // A broken map must not keep a revoked key alive, nor a broken tenants file stand in the way of a rollback.
        let good = self.in_force.texts().clone();
        let with_good_routes = Texts { routes: good.routes.clone(), tenants: found.tenants };
        let with_good_tenants = Texts { routes: found.routes, tenants: good.tenants.clone() };
        for half in [with_good_routes, with_good_tenants] {
            if half != good && self.in_force.take(half, Why::Reload).is_ok() {
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
        let path = path(self.in_force.paths());
        match read(path) {
            Ok(found) => {
                self.unreadable.remove(path);
                found
            }
            Err(error) => {
                if self.unreadable.insert(path.clone()) {
                    self.in_force.reloads().refused();
                    tracing::error!("what was in force of a file stays, since it cannot be read: {error}");
                }
                text(self.in_force.texts()).clone()
            }
        }
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
            watcher.watch(directory_of(path), RecursiveMode::NonRecursive)?;
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
