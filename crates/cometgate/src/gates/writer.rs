//! The one thread that waits for the disk on behalf of gates.
//!
//! A latch is stored, then recorded, then announced. One that cannot be stored is out of traffic all the same, stays
//! unannounced, and is tried again every second. What led to a decision is in the log of its gate before the decision is
//! recorded, so that every decision in the store can be replayed.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use decisions::gate::GATE_NUMBERS;
use evidence::{Entry, GateLogSegment};
use proxy::RouteGate;
use tokio::time::Instant;

use crate::clock::now;
use crate::gates::files::{Numbers, route_of};
use crate::gates::inbox::{Next, Record};
use crate::gates::keeper::Keeper;
use crate::gates::recording::Recording;

/// Between two looks at the directory.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The thread. Dropping it waits until everything is written.
#[derive(Debug)]
pub(crate) struct GateWriter {
    keeper: Arc<Keeper>,
    thread: Option<JoinHandle<()>>,
}

impl GateWriter {
    pub(crate) fn start(keeper: &Arc<Keeper>) -> io::Result<GateWriter> {
        let mut writing = Writing::new(Arc::clone(keeper));
        // Whoever reads that the gateway serves may send it commands, and finds a store.
        writing.take_turn();
        writing.write_waiting();
        let thread = std::thread::Builder::new().name("gates".to_owned()).spawn(move || writing.run())?;
        Ok(GateWriter { keeper: Arc::clone(keeper), thread: Some(thread) })
    }
}

impl Drop for GateWriter {
    fn drop(&mut self) {
        self.keeper.inbox.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported there.
            drop(thread.join());
        }
    }
}

struct Writing {
    keeper: Arc<Keeper>,
    turn: Option<File>,
    /// Latches that could not be stored, by the name of their file.
    unstored: HashMap<String, Record>,
    recording: Recording,
    next_look: Instant,
}

impl Writing {
    fn new(keeper: Arc<Keeper>) -> Writing {
        let next_look = Instant::now() + LOOK_EVERY;
        let recording =
            Recording::new(keeper.files.evidence().to_owned(), Arc::clone(keeper.evidence_counts()));
        Writing { keeper, turn: None, unstored: HashMap::new(), recording, next_look }
    }

    fn run(mut self) {
        loop {
            let patience = self.next_look.saturating_duration_since(Instant::now());
            match self.keeper.inbox.next(patience) {
                Next::Write(records) => self.write(records),
                Next::Save(gate) => self.save(&gate),
                Next::Look => {
                    self.look();
                    self.next_look = Instant::now() + LOOK_EVERY;
                }
                Next::Stop => return self.end(),
            }
        }
    }

    /// Latches first, then what led to all of it, then the records; then it is told.
    fn write(&mut self, records: VecDeque<Record>) {
        let records = records.into_iter().filter_map(|record| self.store_latch(record)).collect();
        self.record_and_tell(records);
    }

    /// The record, unless it has to wait for its latch.
    fn store_latch(&mut self, record: Record) -> Option<Record> {
        let Some(latch) = &record.latch else { return Some(record) };
        let is_found_again = record.line.is_none();
        if is_found_again && self.unstored.contains_key(&latch.name) {
            return None;
        }
        let stored = self.keeper.files.write_latch(&latch.name, &format!("{:#}\n", latch.text));
        self.keeper.set_usable(&stored);
        match stored {
            Ok(()) => {
                self.keeper.stored_latch(&latch.name);
                Some(record)
            }
            Err(error) => {
                tracing::error!(
                    "a target is out of traffic for good and that cannot be stored yet: {error}\n  help: it is tried \
                     again every second; a restart before that may not know of it"
                );
                self.unstored.insert(latch.name.clone(), record);
                None
            }
        }
    }

    fn record_and_tell(&mut self, mut records: Vec<Record>) {
        let entries: Vec<Entry> = records.iter_mut().filter_map(|record| record.entry.take()).collect();
        if !entries.is_empty() {
            // What cannot be written there is said by the log itself, and by a replay.
            self.keeper.logs().sync().ok();
            entries.into_iter().for_each(|entry| self.recording.push(entry));
            self.write_waiting();
            if !self.recording.is_empty() {
                tracing::error!("what gates have decided waits to be recorded; `cometgate status` says why");
            }
        }
        for record in records {
            if let Some(line) = record.line {
                line.tell();
            }
            if let Some(gate) = record.save {
                self.save(&gate);
            }
            if let Some(ack) = record.ack {
                // Whoever asked may have gone.
                let is_stored =
                    self.keeper.is_usable() && self.unstored.is_empty() && self.recording.is_empty();
                ack.send(is_stored).ok();
            }
        }
    }

    /// Records what waits; says whether the disk takes it. A store that takes nothing more for another reason bars no
    /// target: gates act and latches are stored without it, and it is mended by a person.
    fn write_waiting(&mut self) -> bool {
        let keeper = &self.keeper;
        match self.recording.write(|entry, sequence| keeper.recorded(entry, sequence)) {
            Ok(()) => {
                keeper.set_unrecorded(None);
                true
            }
            Err(error) if error.is_of_the_disk() => {
                keeper.set_usable(&Err(io::Error::other(error)));
                false
            }
            Err(error) => {
                keeper.set_unrecorded(Some(&error));
                true
            }
        }
    }

    fn record_segments(&mut self, finished: Vec<GateLogSegment>) {
        for segment in finished {
            let route = route_of(segment.gate.as_str()).map(Into::into);
            let at = now();
            let (by, body) = ("gate".into(), segment.into());
            self.recording.push(Entry { at, route, route_version: None, map_sha256: None, by, body });
        }
    }

    fn save(&mut self, gate: &RouteGate) {
        if self.turn.is_none() && self.keeper.is_handed_over() {
            // At the end: unless another has begun to keep them.
            self.turn = self.keeper.files.turn();
        }
        if self.turn.is_none() || !self.keeper.may_save(gate.id()) {
            return;
        }
        let state = gate.state();
        let numbers: [u64; GATE_NUMBERS] = state.judged.gate.to_numbers();
        let rollout = state.judged.rollout.to_numbers().to_vec();
        let numbers = Numbers::new(gate.id(), state.sequence, numbers.to_vec(), rollout);
        let written = self.keeper.files.write_numbers(gate.id(), &numbers);
        if written.is_err() {
            self.keeper.set_usable(&written);
        }
    }

    fn look(&mut self) {
        let probed = self.keeper.files.probe().and_then(|()| self.keeper.files.all_latches());
        match probed {
            Ok(found) => {
                self.keeper.found_latches(found);
                self.take_turn();
                self.store_again();
                self.record_segments(self.keeper.logs().take_finished());
                if self.write_waiting() && self.unstored.is_empty() {
                    self.keeper.set_usable(&Ok(()));
                }
            }
            Err(error) => self.keeper.set_usable(&Err(error)),
        }
    }

    fn take_turn(&mut self) {
        if self.keeper.is_handed_over() {
            self.turn = None;
        } else if self.turn.is_none() {
            self.turn = self.keeper.files.turn();
        }
        self.keeper.set_turn(self.turn.is_some());
    }

    /// The last try for what could not be stored.
    fn end(mut self) {
        self.store_again();
        self.record_segments(self.keeper.logs().close());
        self.write_waiting();
        for name in self.unstored.keys() {
            tracing::error!(
                "the rollback of {name} is not stored: raise or lower its share before the next start"
            );
        }
    }

    fn store_again(&mut self) {
        let unstored = std::mem::take(&mut self.unstored);
        self.write(unstored.into_values().collect());
    }
}
