//! What is seen of gated targets from one second to the next: how their traffic is shared out, and what is left on those
//! that were rolled back. Looked at by the control thread, and read by whoever asks for the status.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use decisions::RouteId;
use decisions::plan::Watched;
use proxy::{GateId, RouteGate, Snapshot};
use serde_json::Value;

use crate::gates::keeper::{Keeper, lock};
use crate::gates::minute::{EVERY_MS, Minute, Sample};
use crate::gates::proof::{News, Proof, sample};
use crate::gates::proof_words::{record, report, tell};
use crate::gates::ticking::GateClock;

/// Everything that is watched.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    clock: OnceLock<GateClock>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When it was last gone over all gates.
    sampled_ms: u64,
    minutes: HashMap<Arc<GateId>, Minute>,
    /// Of each target that was rolled back in the life of this process, in the order in which they were.
    proofs: Vec<Proof>,
}

impl Watcher {
    /// The clock that gates go by, once there is one.
    pub(crate) fn set_clock(&self, clock: GateClock) {
        self.clock.get_or_init(|| clock);
    }

    /// By the clock of gates, in milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.get().map_or(0, GateClock::now_ms)
    }

    /// Looks at everything.
    pub(super) fn look(&self, snapshot: &Snapshot, keeper: &Keeper, now_ms: u64) {
        self.go_over(snapshot, keeper, now_ms, Proof::look);
    }

    /// The last look before the process ends.
    pub(super) fn end(&self, snapshot: &Snapshot, keeper: &Keeper) {
        self.go_over(snapshot, keeper, self.now_ms(), Proof::end);
    }

    fn go_over(
        &self,
        snapshot: &Snapshot,
        keeper: &Keeper,
        now_ms: u64,
        look: impl Fn(&mut Proof, &Snapshot, u64) -> Option<News>,
    ) {
        let mut seen = lock(&self.seen);
        seen.sample_all(snapshot, now_ms);
        for proof in &mut seen.proofs {
            if let Some(news) = look(proof, snapshot, now_ms) {
                announce(proof, news, keeper);
            }
        }
    }

    /// What was seen of a target in about the last minute.
    pub(super) fn last_minute(&self, gate: &RouteGate) -> Option<Sample> {
        let now = sample(gate, self.now_ms());
        lock(&self.seen).minutes.get(gate.id()).map(|minute| minute.until(now))
    }

    /// How the proof of a target's rollback stands; nothing where it was not rolled back in the life of this process.
    pub(super) fn proof(&self, id: &GateId) -> Option<Value> {
        let seen = lock(&self.seen);
        seen.proofs.iter().find(|proof| is_same_target(&proof.id, id)).map(report)
    }
}

impl Seen {
    /// Goes over all gates that are in force.
    fn sample_all(&mut self, snapshot: &Snapshot, now_ms: u64) {
        let is_due = now_ms.saturating_sub(self.sampled_ms) >= EVERY_MS;
        let mut before = HashMap::new();
        if is_due {
            // Those that are gone are left out.
            (before, self.sampled_ms) = (std::mem::take(&mut self.minutes), now_ms);
        }
        for (route, _) in snapshot.plan().routes() {
            for gate in Watched::ALL.into_iter().filter_map(|watched| snapshot.gates().of(route, watched)) {
                if is_due || !self.minutes.contains_key(gate.id()) {
                    let now = sample(gate, now_ms);
                    let mut minute = before.remove(gate.id()).unwrap_or_else(|| Minute::new(now));
                    minute.note(now);
                    self.minutes.insert(Arc::clone(gate.id()), minute);
                }
                if gate.tally().rolled_back().is_some() {
                    self.begin_proof(snapshot, (route, gate), now_ms);
                }
            }
        }
    }

    fn begin_proof(&mut self, snapshot: &Snapshot, (route, gate): (RouteId, &Arc<RouteGate>), now_ms: u64) {
        let is_known = self.proofs.iter().any(|proof| is_same_target(&proof.id, gate.id()));
        let minute = self.minutes.get(gate.id()).filter(|_| !is_known);
        self.proofs.extend(minute.and_then(|minute| Proof::begin(snapshot, route, gate, *minute, now_ms)));
    }
}

/// Canary and fallback may be one target, which is then rolled back once.
fn is_same_target(one: &GateId, other: &GateId) -> bool {
    (&one.route, one.identity) == (&other.route, other.identity)
}

/// Says it, and has it kept.
fn announce(proof: &Proof, news: News, keeper: &Keeper) {
    tell(proof, news);
    // Nobody waits for the disk.
    drop(keeper.record(record(proof, keeper), None));
}
