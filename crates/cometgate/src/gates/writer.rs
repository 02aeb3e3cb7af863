//! The one thread that waits for the disk on behalf of gates.
//!
//! A latch is stored, then written into the journal, then announced. One that cannot be stored is out of traffic all the
//! same, stays unannounced, and is tried again every second.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use decisions::gate::GATE_NUMBERS;
use proxy::RouteGate;
use tokio::time::Instant;

use crate::gates::files::Numbers;
use crate::gates::journal::append;
use crate::gates::keeper::{Keeper, Next, Record};

/// Between two looks at the directory.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Lines that wait for a disk at most.
const MOST_LINES: usize = 4096;

/// The thread. Dropping it waits until everything is written.
#[derive(Debug)]
pub(crate) struct GateWriter {
    keeper: Arc<Keeper>,
    thread: Option<JoinHandle<()>>,
}

impl GateWriter {
    pub(crate) fn start(keeper: &Arc<Keeper>) -> io::Result<GateWriter> {
        let mut writing = Writing::new(Arc::clone(keeper));
        // Whoever reads that the gateway serves may send it commands.
        writing.take_turn();
        let thread = std::thread::Builder::new().name("gates".to_owned()).spawn(move || writing.run())?;
        Ok(GateWriter { keeper: Arc::clone(keeper), thread: Some(thread) })
    }
}

impl Drop for GateWriter {
    fn drop(&mut self) {
        self.keeper.stop();
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
    unstored: HashMap<String, Box<Record>>,
    /// Lines that could not be written.
    waiting: VecDeque<String>,
    next_look: Instant,
}

impl Writing {
    fn new(keeper: Arc<Keeper>) -> Writing {
        let next_look = Instant::now() + LOOK_EVERY;
        Writing { keeper, turn: None, unstored: HashMap::new(), waiting: VecDeque::new(), next_look }
    }

    fn run(mut self) {
        loop {
            let patience = self.next_look.saturating_duration_since(Instant::now());
            match self.keeper.next(patience) {
                Next::Write(record) => self.write(record),
                Next::Save(gate) => self.save(&gate),
                Next::Look => {
                    self.look();
                    self.next_look = Instant::now() + LOOK_EVERY;
                }
                Next::Stop => return self.end(),
            }
        }
    }

    fn write(&mut self, mut record: Box<Record>) {
        let (ack, save) = (record.ack.take(), record.save.take());
        if let Some(name) = record.latch.clone() {
            self.write_latch(name, record);
        } else {
            self.write_line(&record);
            if let Some(line) = record.line {
                line.tell();
            }
        }
        if let Some(gate) = save {
            self.save(&gate);
        }
        if let Some(ack) = ack {
            // Whoever asked may have gone.
            let is_stored = self.keeper.is_usable() && self.unstored.is_empty() && self.waiting.is_empty();
            ack.send(is_stored).ok();
        }
    }

    fn write_latch(&mut self, name: String, record: Box<Record>) {
        let is_found_again = record.line.is_none();
        if is_found_again && self.unstored.contains_key(&name) {
            return;
        }
        let stored = self.keeper.files.write_latch(&name, &format!("{:#}\n", record.entry));
        self.keeper.set_usable(&stored);
        match stored {
            Ok(()) => {
                self.keeper.stored_latch(&name);
                self.write_line(&record);
                if let Some(line) = record.line {
                    line.tell();
                }
            }
            Err(error) => {
                tracing::error!(
                    "a target is out of traffic for good and that cannot be stored yet: {error}\n  help: it is tried \
                     again every second; a restart before that may not know of it"
                );
                self.unstored.insert(name, record);
            }
        }
    }

    fn write_line(&mut self, record: &Record) {
        if self.waiting.len() < MOST_LINES {
            self.waiting.push_back(format!("{}\n", record.entry));
        }
        self.write_waiting();
    }

    fn write_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let lines: String = self.waiting.iter().map(String::as_str).collect();
        let written = append(&self.keeper.files.journal(), &lines);
        if written.is_ok() {
            self.waiting.clear();
        }
        self.keeper.set_usable(&written);
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
        let numbers: [u64; GATE_NUMBERS] = state.gate.to_numbers();
        let rollout = state.rollout.to_numbers().to_vec();
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
                self.write_waiting();
                if self.unstored.is_empty() && self.waiting.is_empty() {
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
        self.write_waiting();
        for name in self.unstored.keys() {
            tracing::error!(
                "the rollback of {name} is not stored: raise or lower its share before the next start"
            );
        }
    }

    fn store_again(&mut self) {
        for (name, record) in std::mem::take(&mut self.unstored) {
            self.write_latch(name, record);
        }
    }
}
