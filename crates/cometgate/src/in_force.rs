//! What is in force: the pair of files that answers traffic, and how another takes its place.
//!
//! A pair is judged and prepared, which may fail; then it is swapped in, written to the state directory, and announced. A
//! disk that is slow or full keeps nothing from going live, the way back least of all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use jiff::Timestamp;
use proxy::{RouteGate, Snapshot, SnapshotHandle};

use crate::changes::changes;
use crate::drill_book::DrillBook;
use crate::gates::facts::MapFacts;
use crate::gates::keeper::Keeper;
use crate::going_live::{Before, Judge, Note, Standing};
use crate::map_files::{Known, MapPaths, Refused, Texts};
use crate::metrics::Reloads;
use crate::prepare::Preparer;
use crate::secrets::SecretFiles;
use crate::state::StateDir;
use crate::state::digest::Digest;
use crate::state::record::{Accepted, Why};
use crate::state::writer::Job;

/// Lines that say what a new map changes; a generated map may change thousands of routes at once.
const MOST_CHANGES: usize = 20;

/// Warnings of one map that are logged; `routes check` lists them all.
const MOST_WARNINGS: usize = 20;

/// How often a state directory that could not be used is tried again, in seconds.
const OPEN_STATE_EVERY: i64 = 5;

/// How long a start waits for its record to be on disk.
const LONGEST_FIRST_WRITE: Duration = Duration::from_secs(2);

/// How often a map with held routes is judged again, in seconds: what it lacks may have been supplied.
const JUDGE_HELD_EVERY: i64 = 5;

/// What it takes to put files in force.
pub(crate) struct Means {
    pub(crate) paths: MapPaths,
    /// The environment that this gateway is for.
    pub(crate) environment: Option<String>,
    /// The versions that were live; without it they are not kept.
    pub(crate) state: Option<StateDir>,
    /// Where they are kept, or would be.
    pub(crate) state_dir: PathBuf,
    /// The drills that were made.
    pub(crate) drills: DrillBook,
    pub(crate) preparer: Preparer,
    /// What is remembered of gates.
    pub(crate) gates: Arc<Keeper>,
    /// What becomes of changes is counted there.
    pub(crate) reloads: Arc<Reloads>,
}

/// What is in force, and what it takes to replace it.
pub(crate) struct InForce {
    means: Means,
    handle: Arc<SnapshotHandle>,
    /// As it was written down, or would have been.
    record: Accepted,
    texts: Texts,
    held: Vec<String>,
    /// The version to go back to.
    way_back: Option<String>,
    judge_again: Option<Timestamp>,
    secrets: SecretFiles,
}

impl InForce {
    /// Puts files in force when the process starts.
    pub(crate) fn begin(mut means: Means, ready: Ready) -> InForce {
        means.gates.set_map(ready.facts());
        let handle = Arc::new(SnapshotHandle::new(ready.snapshot, Arc::clone(&means.gates) as _));
        means.reloads.live(ready.record.why, ready.record.at);
        let record = ready.record.clone();
        let (written, is_written) = sync_channel(1);
        means.record(ready.record, &ready.texts, ready.way_back.as_deref(), move || {
            tell(&ready.notes);
            written.try_send(()).ok();
        });
        // Whoever reads that it serves may ask the commands what is in force. A slow disk does not keep it down.
        is_written.recv_timeout(LONGEST_FIRST_WRITE).ok();
        InForce {
            means,
            handle,
            record,
            texts: ready.texts,
            held: ready.held,
            way_back: ready.way_back,
            judge_again: ready.judge_again,
            secrets: ready.secrets,
        }
    }

    pub(crate) fn paths(&self) -> &MapPaths {
        &self.means.paths
    }

    pub(crate) fn handle(&self) -> Arc<SnapshotHandle> {
        Arc::clone(&self.handle)
    }

    pub(crate) fn reloads(&self) -> &Reloads {
        &self.means.reloads
    }

    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Puts a pair of files in force, or nothing.
    pub(crate) fn take(&mut self, texts: Texts, why: Why) -> Result<(), Refused> {
        let current = self.handle.current();
        let before = if texts.routes == self.texts.routes {
            Before::Same(&self.held)
        } else {
            Before::Other(current.plan())
        };
        let mut standing = self.means.judge().judge(texts, why, before)?;
        if matches!(before, Before::Other(_)) && self.is_going_back(&standing) {
            standing.why = Why::Rollback;
        }
        self.check_version(&standing, current.plan().route_version())?;
        self.put(standing)
    }

    /// Does what has come due: a map expires, an override ends, a proof was supplied, a secret was rotated.
    pub(crate) fn look(&mut self) {
        let now = Timestamp::now();
        let is_due = self.judge_again.is_some_and(|at| at <= now);
        if is_due || (!self.held.is_empty() && now.as_second() % JUDGE_HELD_EVERY == 0) {
            self.judge_again = None;
            self.stand_again();
        }
        if self.means.state.is_none() && now.as_second() % OPEN_STATE_EVERY == 0 {
            self.open_state();
        }
        if self.secrets.have_changed() {
            self.read_secrets_again();
        }
    }

    /// What could not be used at the start may be in order now; until then no command can tell what is in force.
    fn open_state(&mut self) {
        let Ok(state) = StateDir::open(&self.means.state_dir) else { return };
        self.means.state = Some(state);
        let shown = self.means.state_dir.display().to_string();
        let announce = move || tracing::info!("versions are kept in {shown} from now on");
        self.means.record(self.record.clone(), &self.texts, self.way_back.as_deref(), announce);
    }

    fn stand_again(&mut self) {
        let judged = self.means.judge().judge(self.texts.clone(), Why::Lapsed, Before::Same(&self.held));
        let put = judged.and_then(|standing| {
            if standing.texts == self.texts && standing.held == self.held {
                self.judge_again = standing.judge_again;
                return Ok(());
            }
            self.put(standing)
        });
        if let Err(refused) = put {
            self.means.reloads.refused();
            tracing::error!("what has come due cannot be put in force:\n{refused}");
        }
    }

    /// The plan stays; what providers are shown is read anew. A secret that cannot be read changes nothing.
    fn read_secrets_again(&mut self) {
        let current = self.handle.current();
        let judged = self.means.judge().judge(self.texts.clone(), Why::Reload, Before::Same(&self.held));
        match judged.and_then(|standing| self.means.make_ready(standing, Some(&current))) {
            Ok(ready) => {
                self.handle.swap(ready.snapshot);
                self.secrets = ready.secrets;
                tracing::info!("a provider's key or certificate has changed and is in use");
            }
            Err(refused) => {
                self.secrets.look();
                tracing::error!(
                    "a provider's key or certificate has changed and cannot be used, so the old one stays:\n{refused}"
                );
            }
        }
    }

    /// To a version that was live once, or that the map in force names for it.
    fn is_going_back(&self, standing: &Standing) -> bool {
        let digest = Digest::of(&standing.texts.routes);
        let was_live = |state: &StateDir| state.history().iter().any(|record| record.routes == digest);
        standing.why == Why::Reload
            && (self.way_back.as_deref() == Some(standing.loaded.plan.route_version())
                || self.means.state.as_ref().is_some_and(was_live))
    }

    /// Also where no state directory remembers the version.
    fn check_version(&self, standing: &Standing, in_force: &str) -> Result<(), Refused> {
        let is_reused = standing.loaded.plan.route_version() == in_force;
        if is_reused && standing.texts.routes != self.texts.routes {
            let (path, version) = (self.means.paths.routes.clone(), in_force.to_owned());
            return Err(Refused::VersionReused { path, version, known: Known::InForce });
        }
        Ok(())
    }

    /// Live first: a slow disk must not keep traffic from going home. Then it is written, and then announced.
    fn put(&mut self, standing: Standing) -> Result<(), Refused> {
        let before = self.handle.current();
        let ready = self.means.make_ready(standing, Some(&before))?;
        let changes = changes(before.plan(), ready.snapshot.plan());
        if ready.record.why == Why::Expired {
            // No hold outlasts the map that it is of.
            let is_held = |gate: &&Arc<RouteGate>| !gate.state().judged.gate.holds().is_empty();
            self.means.gates.expire(before.gates().all().filter(is_held).cloned());
        }
        self.means.gates.set_map(ready.facts());
        self.handle.swap(ready.snapshot);
        self.means.reloads.live(ready.record.why, ready.record.at);
        self.record = ready.record.clone();
        let (version, tenants) = (ready.record.route_version.clone(), ready.record.tenants_version.clone());
        let version_before = before.plan().route_version().to_owned();
        self.means.record(ready.record, &ready.texts, ready.way_back.as_deref(), move || {
            tracing::info!("route map {version} is live (before: {version_before}; tenants {tenants})");
            for line in changes.iter().take(MOST_CHANGES) {
                tracing::info!("  {line}");
            }
            if changes.len() > MOST_CHANGES {
                tracing::info!("  and {} more", changes.len() - MOST_CHANGES);
            }
            tell(&ready.notes);
        });
        (self.texts, self.held, self.way_back) = (ready.texts, ready.held, ready.way_back);
        (self.judge_again, self.secrets) = (ready.judge_again, ready.secrets);
        Ok(())
    }
}

/// A pair of files that was judged and prepared: putting it in force cannot fail.
pub(crate) struct Ready {
    snapshot: Snapshot,
    record: Accepted,
    /// The version to go back to, whose text must not be given up.
    way_back: Option<String>,
    texts: Texts,
    held: Vec<String>,
    judge_again: Option<Timestamp>,
    secrets: SecretFiles,
    notes: Vec<Note>,
}

impl Ready {
    pub(crate) fn record(&self) -> &Accepted {
        &self.record
    }

    fn facts(&self) -> MapFacts {
        MapFacts::new(self.snapshot.plan(), self.record.routes.into(), self.way_back.as_deref())
    }
}

impl Means {
    pub(crate) fn judge(&self) -> Judge<'_> {
        let environment = self.environment.as_deref();
        let (paths, state, drills) = (&self.paths, self.state.as_ref(), Some(&self.drills));
        Judge { paths, environment, state, drills, now: Timestamp::now() }
    }

    pub(crate) fn make_ready(
        &mut self,
        standing: Standing,
        previous: Option<&Snapshot>,
    ) -> Result<Ready, Refused> {
        let loaded = &standing.loaded;
        let record = Accepted {
            at: Timestamp::now(),
            why: standing.why,
            environment: loaded.environment.clone(),
            route_version: loaded.plan.route_version().to_owned(),
            routes: Digest::of(&standing.texts.routes),
            tenants_version: loaded.tenants_version.clone(),
            tenants: Digest::of(&standing.texts.tenants),
            held: standing.held.clone(),
            and_more: 0,
        };
        let mut notes = standing.notes;
        let dated = loaded.warnings_at(record.at);
        notes.extend(loaded.warnings.iter().chain(&dated).take(MOST_WARNINGS).map(Note::from));
        Ok(Ready {
            way_back: loaded.rollback_route_version.clone(),
            // Before the secrets are read: what changes in between is then read again.
            secrets: self.preparer.secret_files(loaded),
            snapshot: self.preparer.prepare(standing.loaded, previous)?,
            record,
            texts: standing.texts,
            held: standing.held,
            judge_again: standing.judge_again,
            notes,
        })
    }

    /// Has it written down, and announced afterwards.
    fn record(
        &mut self,
        record: Accepted,
        texts: &Texts,
        way_back: Option<&str>,
        announce: impl FnOnce() + Send + 'static,
    ) {
        let Some(state) = &mut self.state else { return announce() };
        let version = record.route_version.clone();
        let announce = move |written: std::io::Result<()>| {
            announce();
            if let Err(error) = written {
                tracing::error!(
                    "route map {version} is live and is not kept: {error}\n  help: make the state directory writable, it is tried again every \
                     second; until then a restart with a broken map has nothing to go back to"
                );
            }
        };
        state.accept_later(Job {
            record,
            routes: texts.routes.as_str().into(),
            tenants: texts.tenants.as_str().into(),
            pinned: way_back.map(str::to_owned).into_iter().collect(),
            announce: Box::new(announce),
        });
    }
}

fn tell(notes: &[Note]) {
    for note in notes {
        if note.is_warning {
            tracing::warn!("{}", note.text);
        } else {
            tracing::info!("{}", note.text);
        }
    }
}
