//! Hears what gates decide, and says what is remembered of them.
//!
//! It is called while a request waits, so it only puts things where the writer finds them: a verdict, or the wish of a
//! gate to be saved. What cannot be written takes its target out of traffic, since a restart would bring it back.

mod hearing;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use decisions::plan::Watched;
use evidence::gate_log;
use evidence::{Acts, Body, Entry, GateAction, Name};
use proxy::{GateId, RouteGate};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::gates::facts::MapFacts;
use crate::gates::files::{GateFiles, gate_name};
use crate::gates::inbox::{Inbox, Latch, Record};
use crate::gates::log::{Logs, Offset};
use crate::gates::recent::Recent;
use crate::gates::records::{Done, Operator, entry, operator_action};
use crate::gates::watcher::Watcher;
use crate::metrics::EvidenceCounts;

/// What is remembered of gates.
pub(crate) struct Keeper {
    pub(super) files: GateFiles,
    pub(super) inbox: Inbox,
    map: Mutex<Arc<MapFacts>>,
    logs: Logs,
    offset: Offset,
    /// The name of this machine.
    replica: String,
    /// Why decisions are not recorded, where what is in the store keeps them out.
    unrecorded: Mutex<Option<String>>,
    evidence_counts: Arc<EvidenceCounts>,
    /// The record that says why, of each gate that was latched since the start: its number and its `check_id`.
    latched_by: Mutex<HashMap<String, (u64, Name)>>,
    /// Who is telling a gate something at this moment.
    operators: Mutex<HashMap<GateId, Operator>>,
    /// Everything can be written.
    is_usable: AtomicBool,
    /// No other gateway keeps the numbers and answers commands here.
    has_turn: AtomicBool,
    /// This gateway ends, and the next one may have the turn.
    is_handed_over: AtomicBool,
    /// Gates of which nothing could be read.
    unread: Mutex<HashSet<GateId>>,
    /// Gates whose file cannot be taken at its word: it is left as it is.
    damaged: Mutex<HashSet<GateId>>,
    /// The names of targets that are out for good, in memory or on disk.
    latched: Mutex<HashSet<String>>,
    on_disk: Mutex<HashSet<String>>,
    pub(super) recent: Mutex<Recent>,
    /// Gates whose map has expired, to be told so.
    expired: Mutex<Vec<Arc<RouteGate>>>,
    /// What is seen of targets.
    pub(super) watcher: Watcher,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Looks at what is there. Where nothing can be written, no gated target serves until it can.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn open(state_dir: &Path) -> Result<Arc<Keeper>, evidence::Error> {
        let files = GateFiles::new(state_dir);
        let is_usable = match files.probe() {
            Ok(()) => true,
            Err(error) => {
                tell_unusable(&files, &error);
                false
            }
        };
        let latched = files.all_latches().unwrap_or_default();
        let recent = Recent::read(files.evidence());
        let logs = Logs::open(files.evidence(), gate_log::Settings::default())?;
        Ok(Arc::new(Keeper {
            files,
            inbox: Inbox::default(),
            map: Mutex::default(),
            logs,
            offset: Offset::default(),
            replica: replica(),
            unrecorded: Mutex::default(),
            evidence_counts: Arc::default(),
            latched_by: Mutex::default(),
            operators: Mutex::default(),
            is_usable: AtomicBool::new(is_usable),
            has_turn: AtomicBool::new(false),
            is_handed_over: AtomicBool::new(false),
            unread: Mutex::default(),
            damaged: Mutex::default(),
            on_disk: Mutex::new(latched.clone()),
            latched: Mutex::new(latched),
            recent: Mutex::new(recent),
            expired: Mutex::default(),
            watcher: Watcher::default(),
        }))
    }

    /// From now on decisions are made under this map.
    pub(crate) fn set_map(&self, map: MapFacts) {
        *lock(&self.map) = Arc::new(map);
    }

    pub(crate) fn map(&self) -> Arc<MapFacts> {
        Arc::clone(&lock(&self.map))
    }

    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Why decisions are not recorded, where what is in the store keeps them out.
    pub(crate) fn unrecorded(&self) -> Option<String> {
        lock(&self.unrecorded).clone()
    }

    /// What became of records that were to be written beside or by the gates.
    pub(crate) fn evidence_counts(&self) -> &Arc<EvidenceCounts> {
        &self.evidence_counts
    }

    /// What is told when that begins, and when it ends.
    pub(super) fn set_unrecorded(&self, found: Option<&evidence::Error>) {
        let why = found.map(ToString::to_string);
        let before = std::mem::replace(&mut *lock(&self.unrecorded), why.clone());
        match why {
            Some(why) if before.as_ref() != Some(&why) => tracing::error!(
                "what gates decide is not recorded; they act all the same, and rollbacks are stored: {why}"
            ),
            None if before.is_some() => tracing::info!("what gates decide is recorded again"),
            _ => {}
        }
    }

    /// A record is in the store.
    pub(super) fn recorded(&self, entry: &Entry, sequence: u64) {
        if let Body::GateDecision(said) = &entry.body
            && (said.action, said.mode) == (GateAction::Latch, Acts::Act)
            && let Some(gate) = &said.gate
        {
            lock(&self.latched_by).insert(gate.as_str().to_owned(), (sequence, said.check_id.clone()));
        }
    }

    /// The record that says why a gate was latched, if that was recorded since the start: its number and its `check_id`.
    pub(super) fn latched_by(&self, id: &GateId) -> Option<(u64, Name)> {
        lock(&self.latched_by).get(&gate_name(id)).cloned()
    }

    /// The canary's share of requests now, in parts per million; `None` for a fallback, which has none.
    pub(super) fn share_of(&self, gate: &RouteGate) -> Option<u32> {
        match gate.shown() {
            _ if gate.id().watched == Watched::Fallback => None,
            (Some(_), _) => Some(0),
            (None, share) => {
                share.map(|share| share.ppm()).or_else(|| self.map().target(gate.id())?.share_ppm)
            }
        }
    }

    /// Their map has expired; the next tick tells them.
    pub(crate) fn expire(&self, gates: impl Iterator<Item = Arc<RouteGate>>) {
        lock(&self.expired).extend(gates);
    }

    pub(super) fn take_expired(&self) -> Vec<Arc<RouteGate>> {
        std::mem::take(&mut lock(&self.expired))
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.is_usable.load(Ordering::Acquire)
    }

    /// The first time that something cannot be written is told, and when it can be again.
    pub(super) fn set_usable(&self, found: &std::io::Result<()>) {
        let was = self.is_usable.swap(found.is_ok(), Ordering::AcqRel);
        match found {
            Err(error) if was => tell_unusable(&self.files, error),
            Ok(()) if !was => tracing::info!(
                "gates are kept in {} again: what is not rolled back is in traffic",
                self.files.directory().display()
            ),
            _ => {}
        }
    }

    pub(crate) fn has_turn(&self) -> bool {
        self.has_turn.load(Ordering::Acquire)
    }

    pub(super) fn set_turn(&self, has_turn: bool) {
        self.has_turn.store(has_turn, Ordering::Release);
    }

    /// This gateway ends: another may answer commands and keep numbers.
    pub(crate) fn hand_over(&self) {
        self.is_handed_over.store(true, Ordering::Release);
        self.inbox.wake();
    }

    pub(super) fn is_handed_over(&self) -> bool {
        self.is_handed_over.load(Ordering::Acquire)
    }

    /// Whether this target is out for good, as far as anybody knows.
    pub(super) fn knows_latched(&self, id: &GateId) -> bool {
        lock(&self.latched).contains(&GateFiles::latch_name(id))
    }

    pub(super) fn is_latch_stored(&self, id: &GateId) -> bool {
        lock(&self.on_disk).contains(&GateFiles::latch_name(id))
    }

    /// What the disk says now: another gateway may have added some.
    pub(super) fn found_latches(&self, found: HashSet<String>) {
        lock(&self.latched).extend(found.iter().cloned());
        *lock(&self.on_disk) = found;
    }

    pub(super) fn stored_latch(&self, name: &str) {
        lock(&self.on_disk).insert(name.to_owned());
    }

    pub(super) fn is_unread(&self, id: &GateId) -> bool {
        lock(&self.unread).contains(id)
    }

    /// Whether its numbers may be written over.
    pub(super) fn may_save(&self, id: &GateId) -> bool {
        !self.is_unread(id) && !lock(&self.damaged).contains(id)
    }

    pub(crate) fn recent(&self, route: &str) -> Vec<Value> {
        lock(&self.recent).of(route)
    }

    /// What a latch says of itself.
    pub(super) fn latch(&self, id: &GateId) -> Option<Value> {
        self.files.read_latch(id)
    }

    /// What is told to a gate within `tell` is told by this person.
    pub(super) fn acting<T>(&self, id: &GateId, operator: &Operator, tell: impl FnOnce() -> T) -> T {
        lock(&self.operators).insert(id.clone(), operator.clone());
        let told = tell();
        lock(&self.operators).remove(id);
        told
    }

    /// Records what somebody asked for; the answer says whether it, and all before it, is on disk.
    pub(super) fn record_action(
        &self,
        gate: &Arc<RouteGate>,
        done: &Done,
        operator: &Operator,
    ) -> oneshot::Receiver<bool> {
        let (map, id) = (self.map(), gate.id());
        let action = operator_action(&map, id, done, operator);
        let save = done.changed.then(|| Arc::clone(gate));
        self.record(entry(&map, &id.route, "operator", action), save)
    }

    /// Has this recorded, and then `save` saved; the answer says whether it, and all before it, is on disk. Never waits.
    pub(super) fn record(&self, entry: Entry, save: Option<Arc<RouteGate>>) -> oneshot::Receiver<bool> {
        let (ack, answer) = oneshot::channel();
        self.push(Record { entry: Some(entry), save, ack: Some(ack), ..Record::default() });
        answer
    }

    /// A target is out for good, and nothing on disk says so. Why is in the store, or was lost with the file.
    pub(super) fn store_again(&self, id: &GateId) {
        let map = self.map();
        let text = json!({
            "at": jiff::Timestamp::now().to_string(),
            "gate": gate_name(id),
            "route_version": map.route_version,
            "reason": "latched_before",
        });
        let latch = Some(Latch { name: GateFiles::latch_name(id), text });
        self.push(Record { latch, ..Record::default() });
    }

    /// What these know is to be written when there is time.
    pub(super) fn save(&self, gates: impl IntoIterator<Item = Arc<RouteGate>>) {
        self.inbox.save(gates);
    }

    fn push(&self, record: Record) {
        if let Some(entry) = &record.entry {
            lock(&self.recent).add(entry);
        }
        self.inbox.push(record);
    }
}

/// What this machine is called, as far as it says.
fn replica() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}

fn tell_unusable(files: &GateFiles, error: &std::io::Error) {
    tracing::error!(
        "gates cannot be kept, so canaries are out of traffic, and fallbacks whose gate acts: {error}\n  help: make {} \
         a directory that the gateway may write to; it is tried again every second",
        files.directory().display()
    );
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
