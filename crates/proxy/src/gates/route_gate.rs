//! One gate: the engine of `decisions` behind a short lock, and what requests read of it.
//!
//! Each event is taken under the lock, numbered, judged, shown to requests, and told to the keeper, in this order. So
//! a target that trips is out before anyone hears of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use decisions::Barred;
use decisions::bucket::Share;
use decisions::gate::{
    Action, Attempt, Event, Gate, GateRules, GateSettings, HoldCause, Mode, Phase, Rate, Verdict,
};
use decisions::plan::{self, Route, Watched};
use decisions::rollout::{Rollout, RolloutRules, StepVerdict};

use crate::gates::copies::Copies;
use crate::gates::exposure::Exposure;
use crate::gates::keeper::{GateId, GateKeeper, Restored};
use crate::gates::served::NotCounted;

/// The gate of one target of one route.
#[derive(Debug)]
pub struct RouteGate {
    id: Arc<GateId>,
    keeper: Arc<dyn GateKeeper>,
    exposure: Exposure,
    /// Attempts at its target whose answer has not begun.
    pub(super) waiting: AtomicU32,
    pub(super) copies: Copies,
    state: Mutex<GateState>,
}

/// All that a gate knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateState {
    /// The engine.
    pub gate: Gate,
    /// By what it judges; `None` where the map switches it off.
    pub rules: Option<GateRules>,
    /// Where the canary stands on its way up.
    pub rollout: Rollout,
    /// Its steps; `None` where it has none.
    pub rollout_rules: Option<RolloutRules>,
    /// The number of the last event that it was told of.
    pub sequence: u64,
    /// It is out of traffic for good.
    pub is_latched: bool,
    /// What it knows can be kept; else it is out until it can, unless it is [`spared`](GateState::is_spared).
    pub is_usable: bool,
    /// It was read, or known to be new, so no latch of it is unknown.
    pub was_read: bool,
    /// It is a way out for when the primary is ill, and nothing but an operator takes it out.
    pub is_spared: bool,
    /// What was remembered of it could not be read: it may have been latched, so it is out for good.
    pub is_damaged: bool,
    /// The map sends traffic to its target at once, and not only when another has failed. Only then does silence say
    /// something.
    pub is_exposed: bool,
}

/// What a plan says of a gate.
#[derive(Clone, Copy)]
pub(super) struct Ruling {
    rules: Option<GateRules>,
    rollout_rules: Option<RolloutRules>,
    is_exposed: bool,
    is_spared: bool,
}

/// What shows that a gate has something new to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events that it has been told.
    pub sequence: u64,
    /// The step that its canary is at.
    pub step: usize,
    /// What it knows can be kept.
    pub is_usable: bool,
}

impl Ruling {
    pub(super) fn of(route: &Route, watched: Watched) -> Ruling {
        let has_share = || route.canary.as_ref().is_some_and(|canary| canary.bucketing.share > Share::NONE);
        let is_sent = match watched {
            Watched::Canary => route.mode == plan::Mode::Canary && (has_share() || route.mirror.is_some()),
            Watched::Fallback => route.mode == plan::Mode::Fallback,
        };
        let rules = watched.rules(&route.gates).copied();
        let acts = rules.is_some_and(|rules| rules.settings().mode == Mode::Act);
        Ruling {
            rules,
            is_spared: watched == Watched::Fallback && !acts,
            rollout_rules: route.gates.rollout.filter(|_| watched == Watched::Canary),
            is_exposed: is_sent && !route.held,
        }
    }
}

impl GateState {
    fn new(ruling: Ruling) -> GateState {
        GateState {
            gate: Gate::new(),
            rules: ruling.rules,
            rollout: Rollout::new(),
            rollout_rules: ruling.rollout_rules,
            sequence: 0,
            is_latched: false,
            is_usable: true,
            was_read: false,
            is_spared: ruling.is_spared,
            is_damaged: false,
            is_exposed: ruling.is_exposed,
        }
    }

    /// Why the target serves no role.
    #[must_use]
    pub fn barred(&self) -> Option<Barred> {
        if self.is_latched {
            return Some(Barred::Latched);
        }
        let may_serve_unkept = self.is_spared && self.was_read;
        if !(self.is_usable || may_serve_unkept) || self.is_damaged {
            return Some(Barred::Unusable);
        }
        self.rules.as_ref().filter(|rules| !self.gate.serves(rules))?;
        let is_over = self.gate.phase() == Phase::RolledBack;
        Some(if is_over { Barred::Latched } else { Barred::Suspended })
    }

    /// The canary's share where a rollout sets it; one that only observes sets none.
    #[must_use]
    pub fn share(&self) -> Option<Share> {
        let acts = |rules: &&RolloutRules| rules.settings().mode == Mode::Act;
        Share::from_ppm(self.rollout.share_ppm(self.rollout_rules.as_ref().filter(acts)?))
    }

    /// Whether what an application says of an answer is evidence now.
    fn takes_judgements(&self) -> Result<(), NotCounted> {
        match &self.rules {
            Some(rules) if rules.judges(Rate::Acceptance) => {}
            _ => return Err(NotCounted::NotJudged),
        }
        if self.is_latched || self.gate.phase() != Phase::Serving { Err(NotCounted::Out) } else { Ok(()) }
    }

    /// No event changes anything any more.
    fn is_over(&self) -> bool {
        self.is_latched || self.gate.phase() == Phase::RolledBack
    }

    fn take(&mut self, restored: &Restored) {
        let gate = restored.gate.as_deref().map(Gate::from_numbers).transpose();
        let rollout = restored.rollout.as_deref().map(Rollout::from_numbers).transpose();
        self.is_damaged = gate.is_err() || rollout.is_err();
        self.gate = gate.ok().flatten().unwrap_or_default();
        self.rollout = rollout.ok().flatten().unwrap_or_default();
        self.sequence = restored.sequence;
        self.is_latched |= restored.is_latched;
        self.is_usable = restored.may_serve;
        self.was_read |= restored.may_serve;
    }
}

impl RouteGate {
    pub(super) fn restore(id: GateId, ruling: Ruling, keeper: Arc<dyn GateKeeper>) -> RouteGate {
        let mut state = GateState::new(ruling);
        state.take(&keeper.restore(&id));
        let id = Arc::new(id);
        if state.is_damaged {
            tracing::error!(
                route = id.route,
                target = id.watched.as_str(),
                "what was kept of a gate cannot be read: its target is out of traffic until its generation is raised"
            );
        }
        keeper.ruled(&id, state.sequence, state.rules.as_ref(), state.rollout_rules.as_ref());
        let exposure = Exposure::new(state.barred(), state.share());
        RouteGate {
            id,
            keeper,
            exposure,
            waiting: AtomicU32::new(0),
            copies: Copies::default(),
            state: Mutex::new(state),
        }
    }

    /// Another plan has this gate: what it knows goes on under other rules.
    pub(super) fn rule(&self, ruling: Ruling) {
        let mut state = self.lock();
        let Ruling { rules, rollout_rules, is_exposed, is_spared } = ruling;
        (state.is_exposed, state.is_spared) = (is_exposed, is_spared);
        if (rules, rollout_rules) != (state.rules, state.rollout_rules) {
            (state.rules, state.rollout_rules) = (rules, rollout_rules);
            self.keeper.ruled(&self.id, state.sequence, state.rules.as_ref(), state.rollout_rules.as_ref());
        }
        self.show(&state);
    }

    /// What it belongs to.
    #[must_use]
    pub fn id(&self) -> &Arc<GateId> {
        &self.id
    }

    /// A copy of all that it knows.
    #[must_use]
    pub fn state(&self) -> GateState {
        *self.lock()
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let state = self.lock();
        Progress { sequence: state.sequence, step: state.rollout.step(), is_usable: state.is_usable }
    }

    /// Whether its target is out for good.
    #[must_use]
    pub fn is_latched(&self) -> bool {
        self.shown().0 == Some(Barred::Latched)
    }

    /// Why its target serves no role now, and the canary's share where a rollout sets it.
    #[must_use]
    pub fn shown(&self) -> (Option<Barred>, Option<Share>) {
        self.exposure.shown()
    }

    /// An attempt has ended. One that ends after the latch changes nothing. Whether applications may judge its answer.
    pub(super) fn attempted(&self, now_ms: u64, attempt: Attempt, features: u16) -> bool {
        let mut state = self.lock();
        if state.rules.is_some() {
            self.step(&mut state, now_ms, &Event::Attempt(attempt), features);
        }
        state.takes_judgements().is_ok()
    }

    pub(super) fn takes_judgements(&self) -> Result<(), NotCounted> {
        self.lock().takes_judgements()
    }

    /// Tells it of something else than an attempt, at `now_ms` milliseconds of [`Gateway::now_ms`](crate::Gateway::now_ms).
    ///
    /// What an operator says counts also where the map switches the gate off, or lets it observe only.
    /// `None` where nothing is decided; where it is latched already, nothing ever is.
    pub fn tell(&self, now_ms: u64, event: &Event) -> Option<Verdict> {
        self.step(&mut self.lock(), now_ms, event, 0)
    }

    /// Time has passed: to be called about every second. Silence of a target that gets no traffic by its map says
    /// nothing: it is a fallback, or its route is in another mode.
    pub fn tick(&self, now_ms: u64) {
        let mut state = self.lock();
        if !state.is_exposed || state.rules.is_none() || state.is_over() {
            return;
        }
        self.step(&mut state, now_ms, &Event::Tick, 0);
        self.tell_queue(&mut state, now_ms);
        let GateState { gate, rollout, rollout_rules, .. } = &mut *state;
        let climbed = rollout_rules.as_ref().and_then(|rules| rollout.tick(rules, gate));
        self.tell_climbed(&state, climbed);
    }

    /// How many wait is told while that is more than may, and once more when it no longer is.
    fn tell_queue(&self, state: &mut GateState, now_ms: u64) {
        let depth = self.waiting.load(Ordering::Relaxed);
        let limit = state.rules.as_ref().and_then(|rules| rules.settings().queue_limit);
        let is_news = limit.is_some_and(|limit| depth > limit);
        if is_news || state.gate.holds().contains(HoldCause::QueueDepth) {
            self.step(state, now_ms, &Event::Queue { depth }, 0);
        }
    }

    /// An operator promotes the canary by one step. `None` where it has no further step or is out of traffic.
    pub fn promote_by_hand(&self) -> Option<StepVerdict> {
        let mut state = self.lock();
        if state.barred().is_some() {
            return None;
        }
        let GateState { gate, rollout, rollout_rules, .. } = &mut *state;
        let climbed = rollout.promote_by_hand(rollout_rules.as_ref()?, gate);
        self.tell_climbed(&state, climbed);
        climbed
    }

    /// A check that the next step may require has run: `check` is its place among those of the rollout.
    pub fn checked(&self, check: usize, passed: bool) {
        self.lock().rollout.checked(check, passed);
    }

    /// Whether what it knows can be kept. A target whose gate cannot be kept is out of traffic until it can.
    pub fn set_usable(&self, is_usable: bool) {
        let mut state = self.lock();
        state.is_usable = is_usable;
        state.was_read |= is_usable;
        self.show(&state);
    }

    /// What is remembered of it has turned up after the plan went live: takes the place of what it has learnt since.
    pub fn take_restored(&self, restored: &Restored) {
        let mut state = self.lock();
        state.take(restored);
        self.show(&state);
    }

    /// Its target was latched before, or elsewhere.
    pub fn latch_from_outside(&self) {
        let mut state = self.lock();
        state.is_latched = true;
        self.show(&state);
    }

    fn step(&self, state: &mut GateState, now_ms: u64, event: &Event, features: u16) -> Option<Verdict> {
        // What only would have been rolled back still can be, by order.
        let is_order = matches!(event, Event::RollBack | Event::Expired);
        if state.is_latched || (state.is_over() && !is_order) {
            return None;
        }
        let GateState { gate, rules, rollout, rollout_rules, .. } = state;
        let verdict = match rules {
            Some(rules) => gate.step(rules, now_ms, event),
            None => step_unjudged(gate, now_ms, event),
        };
        if let (Event::Attempt(attempt), Some(rules)) = (event, rollout_rules) {
            rollout.attempt(rules, attempt, features);
        }
        state.sequence += 1;
        if let Some(verdict) = &verdict {
            state.is_latched |= verdict.acts && verdict.action == Action::Latch;
            self.show(state);
        }
        self.keeper.stepped(&self.id, state.sequence, now_ms, event, features);
        if let Some(verdict) = &verdict {
            self.keeper.decided(&self.id, state.sequence, verdict);
        }
        verdict
    }

    fn tell_climbed(&self, state: &GateState, climbed: Option<StepVerdict>) {
        let Some(verdict) = climbed else { return };
        self.show(state);
        self.keeper.climbed(&self.id, state.sequence, &verdict);
    }

    fn show(&self, state: &GateState) {
        self.exposure.show(state.barred(), state.share());
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        // Nothing between lock and unlock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the map switches the gate off, what an operator says is taken by the usual rules.
#[cold]
fn step_unjudged(gate: &mut Gate, now_ms: u64, event: &Event) -> Option<Verdict> {
    let usual = GateRules::new(GateSettings::default()).ok()?;
    gate.step(&usual, now_ms, event)
}
