//! What waits for the writer: decisions, in the order in which they were made, and gates that are to be saved.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use evidence::Entry;
use proxy::{GateId, RouteGate};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::gates::keeper::lock;
use crate::gates::lines::Line;

/// Decisions that wait for the disk at most. Of more, latches are found again by the next tick, and all else is only
/// counted.
const MOST_WAITING: usize = 4096;

/// What is to be written.
#[derive(Default)]
pub(super) struct Record {
    /// For the store.
    pub(super) entry: Option<Entry>,
    /// The target that it takes out for good.
    pub(super) latch: Option<Latch>,
    /// Told once it is written, or for all but latches, once it is clear that it cannot be.
    pub(super) line: Option<Line>,
    /// What it knows is saved before `ack` is told.
    pub(super) save: Option<Arc<RouteGate>>,
    /// Told whether everything up to here is on disk.
    pub(super) ack: Option<oneshot::Sender<bool>>,
}

/// The file that takes a target out for good.
pub(super) struct Latch {
    pub(super) name: String,
    pub(super) text: Value,
}

/// What the writer is to do next.
pub(super) enum Next {
    Write(VecDeque<Record>),
    Save(Arc<RouteGate>),
    Look,
    Stop,
}

/// Filled by whoever has something to write, which never waits, and emptied by one thread.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<Record>,
    /// One entry for each gate, so never more than there are gates.
    to_save: HashMap<Arc<GateId>, Arc<RouteGate>>,
    lost: u64,
    is_over: bool,
}

impl Inbox {
    pub(super) fn push(&self, record: Record) {
        let mut waiting = lock(&self.waiting);
        if waiting.records.len() >= MOST_WAITING {
            waiting.lost += 1;
            return;
        }
        waiting.records.push_back(record);
        drop(waiting);
        self.wake();
    }

    /// What these know is to be written when there is time.
    pub(super) fn save(&self, gates: impl IntoIterator<Item = Arc<RouteGate>>) {
        lock(&self.waiting).to_save.extend(gates.into_iter().map(|gate| (Arc::clone(gate.id()), gate)));
        self.wake();
    }

    /// Nothing more comes: what waits is written, and then the writer ends.
    pub(super) fn stop(&self) {
        lock(&self.waiting).is_over = true;
        self.wake();
    }

    /// The writer looks around.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Decisions first, then what is to be saved, then a look around; one of them within `patience`.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let is_idle = |waiting: &mut Waiting| {
            waiting.records.is_empty() && waiting.to_save.is_empty() && !waiting.is_over
        };
        let waited = self.wake.wait_timeout_while(lock(&self.waiting), patience, is_idle);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !waiting.records.is_empty() {
            return Next::Write(std::mem::take(&mut waiting.records));
        }
        let lost = std::mem::take(&mut waiting.lost);
        if lost > 0 {
            tracing::error!(
                "{lost} decisions of gates came faster than they could be written, and are not kept"
            );
        }
        if patience.is_zero() && !waiting.is_over {
            return Next::Look;
        }
        let first = waiting.to_save.keys().next().cloned();
        match first.and_then(|id| waiting.to_save.remove(&id)) {
            Some(gate) => Next::Save(gate),
            None if waiting.is_over => Next::Stop,
            None => Next::Look,
        }
    }
}
