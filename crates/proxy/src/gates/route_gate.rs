//! One gate: the engine of `decisions` behind a short lock, and what requests read of it.
//!
//! Each event is taken under the lock, written down, judged, shown to requests, and what it leads to is told to the keeper,
//! in this order. So a target that trips is out before anyone hears of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use decisions::Barred;
use decisions::bucket::Share;
use decisions::gate::{Action, Attempt, Event, Gate, GateRules, Mode, Phase, Verdict};
use decisions::judged::{Answer, Judged, Told};
use decisions::plan::{self, GateIdentity, Route, Watched};
use decisions::rollout::{Rollout, RolloutRules, StepVerdict};

use crate::gates::exposure::Exposure;
use crate::gates::keeper::{GateId, GateKeeper, GateLog, Restored};
use crate::gates::tally::Tally;

/// The gate of one target of one route.
#[derive(Debug)]
pub struct RouteGate {
    id: Arc<GateId>,
    keeper: Arc<dyn GateKeeper>,
    exposure: Exposure,
    tallies: Tallies,
    held: Mutex<Held>,
}

/// The counts of a gate's target, and of the primary of its route.
#[derive(Debug)]
pub(super) struct Tallies {
    pub(super) own: Arc<Tally>,
    pub(super) prior: Arc<Tally>,
}

impl Tallies {
    /// Beside the other gates of its route: one target has one tally, in whatever role, and a route's primary has one,
    /// whatever becomes of its other targets.
    pub(super) fn beside<'g>(
        identity: GateIdentity,
        others: impl Iterator<Item = &'g Arc<RouteGate>>,
    ) -> Tallies {
        let mut tallies = Tallies { own: Arc::default(), prior: Arc::default() };
        for other in others {
            tallies.prior = Arc::clone(&other.tallies.prior);
            if other.id.identity == identity {
                tallies.own = Arc::clone(&other.tallies.own);
            }
        }
        tallies
    }
}

/// What the lock holds.
#[derive(Debug)]
struct Held {
    state: GateState,
    log: Box<dyn GateLog>,
}

/// All that a gate knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateState {
    /// The engine, with the steps of a canary and the rules of both.
    pub judged: Judged,
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
            Watched::Canary => route.mode == plan::Mode::Canary && has_share(),
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
            judged: Judged { rules: ruling.rules, rollout_rules: ruling.rollout_rules, ..Judged::default() },
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
        let Judged { gate, rules, .. } = &self.judged;
        rules.as_ref().filter(|rules| !gate.serves(rules))?;
        let is_over = gate.phase() == Phase::RolledBack;
        Some(if is_over { Barred::Latched } else { Barred::Suspended })
    }

    /// The canary's share where a rollout sets it; one that only observes sets none.
    #[must_use]
    pub fn share(&self) -> Option<Share> {
        let acts = |rules: &&RolloutRules| rules.settings().mode == Mode::Act;
        let Judged { rollout, rollout_rules, .. } = &self.judged;
        Share::from_ppm(rollout.share_ppm(rollout_rules.as_ref().filter(acts)?))
    }

    /// No event changes anything any more.
    fn is_over(&self) -> bool {
        self.is_latched || self.judged.gate.phase() == Phase::RolledBack
    }

    fn take(&mut self, restored: &Restored) {
        let gate = restored.gate.as_deref().map(Gate::from_numbers).transpose();
        let rollout = restored.rollout.as_deref().map(Rollout::from_numbers).transpose();
        self.is_damaged = gate.is_err() || rollout.is_err();
        self.judged.gate = gate.ok().flatten().unwrap_or_default();
        self.judged.rollout = rollout.ok().flatten().unwrap_or_default();
        self.sequence = restored.sequence;
        self.is_latched |= restored.is_latched;
        self.is_usable = restored.may_serve;
        self.was_read |= restored.may_serve;
    }
}

impl RouteGate {
    pub(super) fn restore(
        id: GateId,
        ruling: Ruling,
        keeper: Arc<dyn GateKeeper>,
        tallies: Tallies,
    ) -> RouteGate {
        let mut state = GateState::new(ruling);
        state.take(&keeper.restore(&id));
        let (log, id) = (keeper.log(&id), Arc::new(id));
        if state.is_damaged {
            tracing::error!(
                route = id.route,
                target = id.watched.as_str(),
                "what was kept of a gate cannot be read: its target is out of traffic until its generation is raised"
            );
        }
        let exposure = Exposure::new(state.barred(), state.share());
        RouteGate { id, keeper, exposure, tallies, held: Mutex::new(Held { state, log }) }
    }

    /// Another plan has this gate: what it knows goes on under other rules.
    pub(super) fn rule(&self, ruling: Ruling) {
        let Held { state, log } = &mut *self.lock();
        let Ruling { rules, rollout_rules, is_exposed, is_spared } = ruling;
        (state.is_exposed, state.is_spared) = (is_exposed, is_spared);
        if (rules, rollout_rules) != (state.judged.rules, state.judged.rollout_rules) {
            (state.judged.rules, state.judged.rollout_rules) = (rules, rollout_rules);
            log.changed();
        }
        self.show(state);
    }

    /// What it belongs to.
    #[must_use]
    pub fn id(&self) -> &Arc<GateId> {
        &self.id
    }

    /// A copy of all that it knows.
    #[must_use]
    pub fn state(&self) -> GateState {
        self.lock().state
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let state = &self.lock().state;
        Progress { sequence: state.sequence, step: state.judged.rollout.step(), is_usable: state.is_usable }
    }

    /// The attempts at its target, in whatever role of the route.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tallies.own
    }

    /// The attempts at the primary of its route.
    #[must_use]
    pub fn prior(&self) -> &Arc<Tally> {
        &self.tallies.prior
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

    /// An attempt has ended. One that ends after the latch changes nothing.
    pub(super) fn attempted(&self, now_ms: u64, attempt: Attempt, features: u16) {
        let mut held = self.lock();
        if held.state.judged.rules.is_some() {
            self.step(&mut held, now_ms, Event::Attempt(attempt), features);
        }
    }

    /// Tells it of something else than an attempt, at `now_ms` milliseconds of [`Gateway::now_ms`](crate::Gateway::now_ms).
    ///
    /// What an operator says counts also where the map switches the gate off, or lets it observe only.
    /// `None` where nothing is decided; where it is latched already, nothing ever is.
    pub fn tell(&self, now_ms: u64, event: &Event) -> Option<Verdict> {
        self.step(&mut self.lock(), now_ms, *event, 0)
    }

    /// Time has passed: to be called about every second. Silence of a target that gets no traffic by its map says
    /// nothing: it is a fallback, or its route is in another mode.
    pub fn tick(&self, now_ms: u64) {
        let Held { state, log } = &mut *self.lock();
        if !state.is_exposed || state.judged.rules.is_none() || state.is_over() {
            return;
        }
        let before = state.judged;
        let answer = state.judged.tell(now_ms, &Told::TICK);
        state.sequence += 1;
        if answer.is_nothing() && state.judged.has_only_aged(&before) {
            log.ticked(now_ms, &before);
        } else {
            let event = log.told(now_ms, &Told::TICK, &before);
            self.hear(state, (now_ms, event), &answer);
        }
    }

    /// An operator promotes the canary by one step, at `now_ms` as in [`tell`](RouteGate::tell). `None` where it has no
    /// further step or is out of traffic.
    pub fn promote_by_hand(&self, now_ms: u64) -> Option<StepVerdict> {
        let mut held = self.lock();
        if held.state.barred().is_some() {
            return None;
        }
        self.write_and_hear(&mut held, now_ms, &Told::Promote).climbed
    }

    /// A check that the next step may require has run, at `now_ms` as in [`tell`](RouteGate::tell): `check` is its place among
    /// those of the rollout.
    pub fn checked(&self, now_ms: u64, check: u32, passed: bool) {
        self.write_and_hear(&mut self.lock(), now_ms, &Told::Checked { check, passed });
    }

    /// Whether what it knows can be kept. A target whose gate cannot be kept is out of traffic until it can.
    pub fn set_usable(&self, is_usable: bool) {
        let state = &mut self.lock().state;
        state.is_usable = is_usable;
        state.was_read |= is_usable;
        self.show(state);
    }

    /// What is remembered of it has turned up after the plan went live: takes the place of what it has learnt since.
    pub fn take_restored(&self, restored: &Restored) {
        let Held { state, log } = &mut *self.lock();
        state.take(restored);
        log.changed();
        self.show(state);
    }

    /// Its target was latched before, or elsewhere.
    pub fn latch_from_outside(&self) {
        let state = &mut self.lock().state;
        let is_news = state.barred() != Some(Barred::Latched);
        state.is_latched = true;
        self.show(state);
        if is_news {
            self.tallies.own.roll_back(None, &self.tallies.prior);
        }
    }

    fn step(&self, held: &mut Held, now_ms: u64, event: Event, features: u16) -> Option<Verdict> {
        // What only would have been rolled back still can be, by order.
        let is_order = matches!(event, Event::RollBack | Event::Expired);
        if held.state.is_latched || (held.state.is_over() && !is_order) {
            return None;
        }
        held.state.sequence += 1;
        self.write_and_hear(held, now_ms, &Told::Event { event, features }).verdict
    }

    fn write_and_hear(&self, held: &mut Held, now_ms: u64, told: &Told) -> Answer {
        let Held { state, log } = held;
        let event = log.told(now_ms, told, &state.judged);
        let answer = state.judged.tell(now_ms, told);
        self.hear(state, (now_ms, event), &answer);
        answer
    }

    /// Requests see what was decided before anybody else does.
    fn hear(&self, state: &mut GateState, (now_ms, event): (u64, Option<u64>), answer: &Answer) {
        let latches = |verdict: &Verdict| verdict.acts && verdict.action == Action::Latch;
        let is_latched = answer.verdict.as_ref().is_some_and(latches);
        state.is_latched |= is_latched;
        if !answer.is_nothing() {
            self.show(state);
        }
        if is_latched {
            self.tallies.own.roll_back(Some(now_ms), &self.tallies.prior);
        }
        if let Some(verdict) = &answer.verdict {
            self.keeper.decided(&self.id, event, state, verdict);
        }
        if let Some(step) = &answer.climbed {
            self.keeper.climbed(&self.id, event, state, step);
        }
    }

    fn show(&self, state: &GateState) {
        self.exposure.show(state.barred(), state.share());
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing between lock and unlock can panic half-way through a change.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
