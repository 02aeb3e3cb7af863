//! The seconds of gates, on the thread that controls: silence, dwell and the length of holds are noticed here, and what
//! gates know is handed on to be saved.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use decisions::gate::Event;
use proxy::{GateId, Progress, RouteGate, SnapshotHandle};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::gates::keeper::Keeper;

/// How often gates are told of the time.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// A gate that heard of nothing but the time is saved once in so many ticks.
const SAVE_IDLE_AFTER: u64 = 600;

/// The clock that the request path tells gates by, read elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateClock {
    started: Instant,
    at_ms: u64,
}

impl GateClock {
    /// It shows `at_ms` now.
    pub(crate) fn new(at_ms: u64) -> GateClock {
        GateClock { started: Instant::now(), at_ms }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at_ms.saturating_add(passed)
    }
}

/// Tells the time to all gates of what is in force, until told to stop; then has all that they know saved.
pub(crate) async fn tick_gates(
    handle: Arc<SnapshotHandle>,
    keeper: Arc<Keeper>,
    clock: GateClock,
    stop: CancellationToken,
) {
    keeper.watcher.set_clock(clock);
    let mut ticks = tokio::time::interval(TICK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticking = Ticking { keeper, clock, seen: HashMap::new() };
    loop {
        tokio::select! {
            _ = ticks.tick() => ticking.tick(&handle),
            () = stop.cancelled() => return,
        }
    }
}

/// Has everything saved that gates know now.
pub(crate) fn save_all(handle: &SnapshotHandle, keeper: &Keeper) {
    let snapshot = handle.current();
    keeper.save(snapshot.gates().all().cloned());
}

/// Has written down what is left on targets that were rolled back, where that was not done yet.
pub(crate) fn end_proofs(handle: &SnapshotHandle, keeper: &Keeper) {
    keeper.watcher.end(&handle.current(), keeper);
}

/// What was seen of a gate when it was last handed on to be saved.
struct Seen {
    gate: Arc<RouteGate>,
    sequence: u64,
    /// Since then.
    ticks: u64,
    /// Of the rollout; a step by hand is no event of the gate.
    step: usize,
}

struct Ticking {
    keeper: Arc<Keeper>,
    clock: GateClock,
    seen: HashMap<Arc<GateId>, Seen>,
}

impl Ticking {
    fn tick(&mut self, handle: &SnapshotHandle) {
        let now_ms = self.clock.now_ms();
        for gate in self.keeper.take_expired() {
            gate.tell(now_ms, &Event::Expired);
        }
        let snapshot = handle.current();
        let mut left = std::mem::take(&mut self.seen);
        for gate in snapshot.gates().all() {
            let before = left.remove(gate.id()).filter(|seen| Arc::ptr_eq(&seen.gate, gate));
            self.tick_one(gate, before, now_ms);
        }
        // Those that another map has left out: what they know is kept for whoever comes back to them.
        self.keeper.save(left.into_values().map(|seen| seen.gate));
        self.keeper.watcher.look(&snapshot, &self.keeper, now_ms);
    }

    fn tick_one(&mut self, gate: &Arc<RouteGate>, before: Option<Seen>, now_ms: u64) {
        self.agree_with_the_disk(gate);
        let earlier = gate.progress().sequence;
        gate.tick(now_ms);
        let Progress { sequence, step, .. } = gate.progress();
        let new = || Seen { gate: Arc::clone(gate), sequence: earlier, ticks: 0, step };
        let mut seen = before.unwrap_or_else(new);
        seen.ticks += sequence.saturating_sub(earlier).min(1);
        let heard_more = sequence.saturating_sub(seen.sequence) > seen.ticks;
        if heard_more || step != seen.step || seen.ticks >= SAVE_IDLE_AFTER {
            self.keeper.save([Arc::clone(gate)]);
            (seen.sequence, seen.ticks, seen.step) = (sequence, 0, step);
        }
        self.seen.insert(Arc::clone(gate.id()), seen);
    }

    /// What is out for good is so here and there; what cannot be kept is out of traffic until it can.
    fn agree_with_the_disk(&self, gate: &RouteGate) {
        let id = gate.id();
        if gate.is_latched() {
            if self.keeper.is_usable() && !self.keeper.is_latch_stored(id) {
                self.keeper.store_again(id);
            }
            return;
        }
        if self.keeper.knows_latched(id) {
            tracing::warn!(
                "{} of {} is out of traffic for good: its latch was stored by another gateway, or in its other role",
                id.watched.as_str(),
                id.route
            );
            gate.latch_from_outside();
            return;
        }
        let is_usable = self.keeper.is_usable();
        if gate.progress().is_usable == is_usable {
            return;
        }
        if is_usable && self.keeper.is_unread(id) {
            gate.take_restored(&proxy::GateKeeper::restore(&*self.keeper, id));
        } else {
            gate.set_usable(is_usable);
        }
    }
}
