//! Who remembers gates: the way out of the request path to a store, and back in after a restart.

use std::fmt::Debug;
use std::sync::Arc;

use decisions::gate::Verdict;
use decisions::judged::{Judged, Told};
use decisions::plan::{GateIdentity, Watched};
use decisions::rollout::StepVerdict;

use crate::gates::GateState;

/// What a gate, its latch and its budget belong to.
///
/// Canary and fallback of a route have one identity where they are one target. Then they have one latch: whoever stores
/// it stores it for route and identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GateId {
    /// The route's name in the map.
    pub route: String,
    /// A hash of the target, its model, the salt and the generation.
    pub identity: GateIdentity,
    /// In which role the gate watches it.
    pub watched: Watched,
}

/// What is remembered of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// As [`Gate::to_numbers`](decisions::gate::Gate::to_numbers) gave them; `None` where it was never tried.
    pub gate: Option<Vec<u64>>,
    /// As [`Rollout::to_numbers`](decisions::rollout::Rollout::to_numbers) gave them.
    pub rollout: Option<Vec<u64>>,
    /// The number of the last event that those numbers know of.
    pub sequence: u64,
    /// Route and identity are latched, whatever the numbers say.
    pub is_latched: bool,
    /// `false` where the store cannot be used: nobody knows then whether it is latched, so it is out until
    /// [`RouteGate::set_usable`](super::RouteGate::set_usable).
    pub may_serve: bool,
}

impl Restored {
    /// Nothing is remembered, for certain: a new try.
    #[must_use]
    pub fn nothing() -> Restored {
        Restored { gate: None, rollout: None, sequence: 0, is_latched: false, may_serve: true }
    }
}

/// Remembers gates.
///
/// All but `restore` and `log` are called under the lock of one gate, so that it hears of everything in order, most of them
/// on the request path: an implementation must neither block nor allocate without a bound, and must not call the gate.
pub trait GateKeeper: Debug + Send + Sync + 'static {
    /// What is remembered of a gate that is new in this process. Called when a plan goes live, on no worker.
    fn restore(&self, id: &GateId) -> Restored;

    /// Where all that a gate is told is written down. Called as `restore` is.
    fn log(&self, id: &GateId) -> Box<dyn GateLog>;

    /// The gate has decided, and this is its state now; `event` is the number under which its log has what led to it. If
    /// it acts, the target's traffic has changed already; it may be announced as final once it is stored.
    fn decided(&self, id: &Arc<GateId>, event: Option<u64>, state: &GateState, verdict: &Verdict);

    /// The canary has climbed a step, or would have.
    fn climbed(&self, id: &Arc<GateId>, event: Option<u64>, state: &GateState, verdict: &StepVerdict);
}

/// Writes down what one gate is told, so that its decisions can be reproduced.
///
/// Called under the gate's lock, in the order in which it is told, and most of it on the request path: it must neither
/// block nor allocate without a bound.
pub trait GateLog: Debug + Send {
    /// It is told this at `now_ms` milliseconds of [`Gateway::now_ms`](crate::Gateway::now_ms), and `before` is what it
    /// knew. Returns the number of this event; `None` where it is not written down.
    fn told(&mut self, now_ms: u64, told: &Told, before: &Judged) -> Option<u64>;

    /// It was told a tick that led to nothing.
    fn ticked(&mut self, now_ms: u64, before: &Judged);

    /// What it knows, or its rules, have changed in another way.
    fn changed(&mut self);
}

/// Remembers nothing: gates live as long as the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeeper;

impl GateKeeper for NoKeeper {
    fn restore(&self, _: &GateId) -> Restored {
        Restored::nothing()
    }

    fn log(&self, _: &GateId) -> Box<dyn GateLog> {
        Box::new(NoKeeper)
    }

    fn decided(&self, _: &Arc<GateId>, _: Option<u64>, _: &GateState, _: &Verdict) {}

    fn climbed(&self, _: &Arc<GateId>, _: Option<u64>, _: &GateState, _: &StepVerdict) {}
}

impl GateLog for NoKeeper {
    fn told(&mut self, _: u64, _: &Told, _: &Judged) -> Option<u64> {
        None
    }

    fn ticked(&mut self, _: u64, _: &Judged) {}

    fn changed(&mut self) {}
}
