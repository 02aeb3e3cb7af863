//! Who remembers gates: the way out of the request path to a store, and back in after a restart.

use std::fmt::Debug;
use std::sync::Arc;

use decisions::gate::{Event, GateRules, Verdict};
use decisions::plan::{GateIdentity, Watched};
use decisions::rollout::{RolloutRules, StepVerdict};

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
/// All but `restore` are called under the lock of one gate, so that it hears of everything in the order of `sequence`,
/// most of them on the request path: an implementation must neither block nor allocate without a bound, and must not
/// call the gate.
pub trait GateKeeper: Debug + Send + Sync + 'static {
    /// What is remembered of a gate that is new in this process. Called when a plan goes live, on no worker.
    fn restore(&self, id: &GateId) -> Restored;

    /// From the event after `sequence` on the gate judges by these rules; `None` where it is switched off.
    fn ruled(
        &self,
        id: &Arc<GateId>,
        sequence: u64,
        rules: Option<&GateRules>,
        rollout: Option<&RolloutRules>,
    );

    /// The gate was told of an event, the one with this number, at `at_ms` milliseconds of the gateway's own clock;
    /// `features` has a bit for each feature that the attempt's request used.
    fn stepped(&self, id: &Arc<GateId>, sequence: u64, at_ms: u64, event: &Event, features: u16);

    /// That event led to a verdict. If it acts, the target's traffic has changed already; it may be announced as final
    /// once it is stored.
    fn decided(&self, id: &Arc<GateId>, sequence: u64, verdict: &Verdict);

    /// After that event the canary climbed a step, or would have.
    fn climbed(&self, id: &Arc<GateId>, sequence: u64, verdict: &StepVerdict);
}

/// Remembers nothing: gates live as long as the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeeper;

impl GateKeeper for NoKeeper {
    fn restore(&self, _: &GateId) -> Restored {
        Restored::nothing()
    }

    fn ruled(&self, _: &Arc<GateId>, _: u64, _: Option<&GateRules>, _: Option<&RolloutRules>) {}

    fn stepped(&self, _: &Arc<GateId>, _: u64, _: u64, _: &Event, _: u16) {}

    fn decided(&self, _: &Arc<GateId>, _: u64, _: &Verdict) {}

    fn climbed(&self, _: &Arc<GateId>, _: u64, _: &StepVerdict) {}
}
