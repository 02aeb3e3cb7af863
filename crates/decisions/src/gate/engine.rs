//! The state of one gate, and how each event changes it.
//!
//! Fixed in size and copied as it is: no window, no list, no clock, no lock. What a trip leads to is in
//! `judge`.

use std::ops::ControlFlow::{self, Break, Continue};

use super::change_point::{ChangePoint, Factors};
use super::control::{ControlTest, Run};
use super::first_token::Slowest;
use super::holds::{HoldCause, Holds};
use super::judge::suspended;
use super::outcome::{Arm, Attempt, Event, Outcome, Usage};
use super::prior::{part, real};
use super::relative::{Relative, Share};
use super::settings::{Control, GateRules, Tenants};
use super::signal::{Rate, Signal};
use super::tenants::TenantTable;
use super::verdict::{Decision, Reason, Verdict};

/// The most that one event moves the gate's own clock: a clock that is set forward, or a process that was stopped, is no
/// silence and ends no hold.
const LONGEST_STEP_MS: u64 = 10_000;

/// What the primary's evidence does not grow beyond, as a multiple of what says that it is ill: some hundred good
/// attempts wash it out.
const MOST_OF_PRIMARY: f64 = 10.0;

/// Whether the canary may have traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It may.
    #[default]
    Serving,
    /// Not now: a rate is above its limit, and the primary is looked at.
    Suspended(Rate),
    /// Never again.
    RolledBack,
}

/// The gate of one canary, or of one fallback target.
///
/// It belongs to what the latch belongs to (route, target, model, salt, generation) and lives as long as that: its budget for
/// false alarms is for the whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gate {
    pub(super) events: u64,
    pub(super) clock_ms: u64,
    /// What the caller's clock said last.
    pub(super) seen_ms: u64,
    pub(super) phase: Phase,
    /// It was rolled back by an operator or by the map's expiry, which counts in every mode.
    pub(super) by_order: bool,
    pub(super) holds: Holds,
    pub(super) held_since_ms: u64,
    /// The look at the primary that is under way while suspended; over when `decided_nothing`.
    pub(super) test: ControlTest,
    pub(super) decided_nothing: bool,
    /// How many such looks there were.
    pub(super) tests: u64,
    pub(super) attempts: u64,
    pub(super) failures: [u64; 5],
    pub(super) limits: [ChangePoint; 5],
    pub(super) runs: [Run; 3],
    pub(super) relative: [Relative; 3],
    /// Until when a limit is not judged, since the fault is shared; 0 where it is.
    pub(super) shared_until_ms: [u64; 3],
    pub(super) control_attempts: u64,
    pub(super) control_failures: [u64; 2],
    pub(super) control: [ChangePoint; 2],
    pub(super) share: Share,
    pub(super) configured_ppm: u32,
    pub(super) tenants: TenantTable,
    pub(super) aside: ChangePoint,
    pub(super) slowest: Slowest,
    pub(super) spent: u64,
    pub(super) unreported: u32,
    /// Since when the queue is too long; `None` while it is not.
    pub(super) queue_since_ms: Option<u64>,
    pub(super) last_attempt_ms: u64,
    /// The usual time between two attempts of the route, and when the last was.
    pub(super) gap_ms: f64,
    pub(super) last_any_ms: u64,
}

impl Gate {
    /// The gate of a canary that has not been tried.
    #[must_use]
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Tells the gate of one event, at `now_ms` milliseconds of any clock: only differences count, and those that go
    /// backwards or jump count as nothing.
    ///
    /// Whoever calls must tell a verdict that latches before it tells anything else that follows from it. After a latch
    /// no event changes anything.
    pub fn step(&mut self, rules: &GateRules, now_ms: u64, event: &Event) -> Option<Verdict> {
        let is_order = matches!(event, Event::RollBack | Event::Expired);
        let would_be_out = self.phase == Phase::RolledBack && self.serves(rules);
        if self.phase == Phase::RolledBack && !(is_order && would_be_out) {
            return None;
        }
        self.advance(now_ms);
        let had_holds = !self.holds.is_empty();
        let verdict = match event {
            Event::Attempt(attempt) => self.attempt(rules, attempt),
            Event::Accepted { arm, tenant, pass } => self.accepted(rules, *arm, *tenant, *pass),
            Event::Queue { depth } => self.queue(rules, *depth),
            Event::Tick => self.tick(rules),
            Event::Expired => Some(self.latch_by_order(rules, Reason::Expired)),
            Event::Hold => self.hold(rules, HoldCause::ByHand, None, false),
            Event::Resume => self.resume(rules),
            Event::RollBack => Some(self.latch_by_order(rules, Reason::ByHand)),
        };
        if !had_holds && !self.holds.is_empty() {
            self.held_since_ms = self.clock_ms;
        }
        verdict
    }

    /// Whether the canary may have traffic. Where the gate only observes, it may until an operator or the map's expiry ends
    /// it.
    #[must_use]
    pub fn serves(&self, rules: &GateRules) -> bool {
        self.phase == Phase::Serving || !(rules.acts() || self.by_order)
    }

    /// Whether it may serve, and whether for good.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What keeps the canary from growing.
    #[must_use]
    pub fn holds(&self) -> Holds {
        self.holds
    }

    /// The time by the gate's own clock, in milliseconds since its first event.
    #[must_use]
    pub fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// What the clock that it is told by said last.
    #[must_use]
    pub fn seen_ms(&self) -> u64 {
        self.seen_ms
    }

    /// How many events it was told, in its whole life.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether it differs from `before` in nothing but the time that it knows.
    pub(crate) fn has_only_aged(&self, before: &Gate) -> bool {
        let Gate { events, clock_ms, seen_ms, .. } = *self;
        Gate { events, clock_ms, seen_ms, ..*before } == *self
    }

    /// Attempts of the canary that counted as evidence, and those of them that failed by this rate.
    #[must_use]
    pub fn counted(&self, rate: Rate) -> (u64, u64) {
        (self.limits[rate.index()].seen, self.failures[rate.index()])
    }

    /// The evidence against a rate's limit: an e-value.
    #[must_use]
    pub fn evidence(&self, rate: Rate) -> f64 {
        self.limits[rate.index()].evidence()
    }

    /// How many failures in a row would trip a rate; `None` where none would.
    #[must_use]
    pub fn failures_to_trip(&self, rules: &GateRules, rate: Rate) -> Option<u32> {
        self.limits[rate.index()].failures_until(rules.factors(rate), rules.threshold(rate))
    }

    fn advance(&mut self, now_ms: u64) {
        let passed = if self.events == 0 { 0 } else { now_ms.saturating_sub(self.seen_ms) };
        self.events = self.events.saturating_add(1);
        self.seen_ms = now_ms;
        self.clock_ms = self.clock_ms.saturating_add(passed.min(LONGEST_STEP_MS));
    }

    fn attempt(&mut self, rules: &GateRules, attempt: &Attempt) -> Option<Verdict> {
        if attempt.arm != Arm::Primary
            && let Some(verdict) = self.usage(rules, attempt.usage)
        {
            return Some(verdict);
        }
        if attempt.outcome == Outcome::NotCounted {
            return None;
        }
        let gap = real(self.clock_ms.saturating_sub(self.last_any_ms));
        // The first gaps are averaged.
        let weight = if self.events < 16 { 1.0 / real(self.events) } else { 1.0 / 16.0 };
        self.gap_ms += (gap - self.gap_ms) * weight;
        self.last_any_ms = self.clock_ms;
        self.configured_ppm = attempt.share_ppm;
        match attempt.arm {
            Arm::Canary | Arm::Mirror => self.canary(rules, attempt),
            Arm::Primary => self.primary(rules, attempt),
        }
    }

    fn canary(&mut self, rules: &GateRules, attempt: &Attempt) -> Option<Verdict> {
        if attempt.outcome == Outcome::Auth {
            return Some(self.latch(rules, Reason::Auth, Some(Signal::Auth)));
        }
        if suspended(self.phase).is_some() {
            // Under way when it was suspended. It changes nothing: the question is about the primary now.
            return None;
        }
        self.last_attempt_ms = self.clock_ms;
        self.holds.set(HoldCause::NoData, false);
        let is_failure = attempt.outcome != Outcome::Good;
        if let Break(verdict) = self.of_tenant(rules, attempt.tenant, rules.aside_factors(), is_failure) {
            return verdict;
        }
        self.attempts = self.attempts.saturating_add(1);
        // By what was known before this attempt.
        let share = if is_failure { self.share.estimate(attempt.share_ppm) } else { 0.0 };
        self.share.count(true);
        let mut verdict = None;
        let part = part(self.limits[0].seen);
        for (at, rate) in Rate::OF_OUTCOMES.into_iter().enumerate() {
            let failed = rate.fails(attempt.outcome);
            self.limits[at].step_by(part, rules.factors(rate), failed);
            self.runs[at].step(rules.run_factors(rate), failed);
            if failed {
                self.failures[at] = self.failures[at].saturating_add(1);
                self.relative[at].step(share, true);
                verdict = self.judge(rules, rate);
            }
        }
        if !is_failure && self.holds.contains(HoldCause::Suspicion) {
            self.clear_suspicion(rules);
        }
        verdict.or_else(|| self.first_token(rules, attempt))
    }

    /// Counts what one tenant contributes; where that is enough of it, the observation is set aside, and what was set aside
    /// by now may hold the canary.
    fn of_tenant(
        &mut self,
        rules: &GateRules,
        tenant: u64,
        aside_factors: &Factors,
        failed: bool,
    ) -> ControlFlow<Option<Verdict>> {
        if rules.settings().tenants == Tenants::Single {
            return Continue(());
        }
        let known = self.tenants.find(tenant);
        let is_aside = self.tenants.sets_aside(known);
        self.tenants.count(known, tenant, failed && !is_aside);
        if !is_aside {
            return Continue(());
        }
        self.aside.step(aside_factors, failed);
        let is_much = self.aside.evidence() * rules.settings().false_alarms >= 1.0;
        Break(if is_much { self.hold(rules, HoldCause::OneTenant, Some(tenant), true) } else { None })
    }

    fn primary(&mut self, rules: &GateRules, attempt: &Attempt) -> Option<Verdict> {
        if rules.settings().control == Control::None {
            return None;
        }
        self.control_attempts = self.control_attempts.saturating_add(1);
        if let Some(microseconds) = attempt.first_token_us {
            self.slowest.count(microseconds);
        }
        let part = part(self.control[0].seen);
        for (group, rate) in [Rate::HardFailure, Rate::Malformed].into_iter().enumerate() {
            let failed = rate.is_shared_by(attempt.outcome);
            self.control[group].step_below(
                part,
                rules.shared_factors(group),
                failed,
                MOST_OF_PRIMARY / rules.settings().false_alarms,
            );
            self.control_failures[group] = self.control_failures[group].saturating_add(u64::from(failed));
        }
        if let Some(rate) = suspended(self.phase) {
            return self.look_at_primary(rules, rate, attempt.outcome);
        }
        let is_failure = attempt.outcome != Outcome::Good;
        let share = if is_failure { self.share.estimate(attempt.share_ppm) } else { 0.0 };
        self.share.count(false);
        if !is_failure {
            return None;
        }
        for (at, rate) in Rate::OF_OUTCOMES.into_iter().enumerate() {
            if rate.is_shared_by(attempt.outcome) {
                self.relative[at].step(share, false);
            }
        }
        None
    }

    fn first_token(&mut self, rules: &GateRules, attempt: &Attempt) -> Option<Verdict> {
        let is_slower = self.slowest.is_slower(attempt.first_token_us?)?;
        self.rare(rules, Rate::FirstToken, is_slower)
    }

    /// One tenant's application may be at fault as its requests may be, so the same rule keeps it from deciding alone.
    fn accepted(&mut self, rules: &GateRules, arm: Arm, tenant: u64, pass: bool) -> Option<Verdict> {
        if arm != Arm::Canary || self.phase != Phase::Serving || !rules.judges(Rate::Acceptance) {
            return None;
        }
        match self.of_tenant(rules, tenant, rules.factors(Rate::Acceptance), !pass) {
            Break(verdict) => verdict,
            Continue(()) => self.rare(rules, Rate::Acceptance, !pass),
        }
    }

    /// One observation of a rate that not every attempt speaks of.
    fn rare(&mut self, rules: &GateRules, rate: Rate, failed: bool) -> Option<Verdict> {
        let at = rate.index();
        self.limits[at].step(rules.factors(rate), failed);
        self.failures[at] = self.failures[at].saturating_add(u64::from(failed));
        if failed { self.judge(rules, rate) } else { None }
    }

    fn usage(&mut self, rules: &GateRules, usage: Usage) -> Option<Verdict> {
        match usage {
            Usage::NotExpected => None,
            Usage::Reported(amount) => {
                self.spent = self.spent.saturating_add(amount);
                self.unreported = 0;
                self.holds.set(HoldCause::UsageUnreported, false);
                let is_over = rules.settings().budget.is_some_and(|budget| self.spent > budget);
                is_over.then(|| self.latch(rules, Reason::OverBudget, Some(Signal::Usage)))
            }
            Usage::Missing => {
                self.unreported = self.unreported.saturating_add(1);
                let is_too_many =
                    rules.settings().unreported_answers.is_some_and(|most| self.unreported >= most);
                if is_too_many { self.hold(rules, HoldCause::UsageUnreported, None, true) } else { None }
            }
        }
    }

    fn queue(&mut self, rules: &GateRules, depth: u32) -> Option<Verdict> {
        let is_over = rules.settings().queue_limit.is_some_and(|limit| depth > limit);
        if !is_over {
            self.queue_since_ms = None;
            self.holds.set(HoldCause::QueueDepth, false);
            return None;
        }
        let since = *self.queue_since_ms.get_or_insert(self.clock_ms);
        if self.clock_ms.saturating_sub(since) >= rules.settings().queue_patience_ms {
            return Some(self.latch(rules, Reason::QueueDepth, Some(Signal::QueueDepth)));
        }
        self.hold(rules, HoldCause::QueueDepth, None, false)
    }

    fn tick(&mut self, rules: &GateRules) -> Option<Verdict> {
        let held_for = self.clock_ms.saturating_sub(self.held_since_ms);
        let is_too_long = rules.settings().hold_limit_ms.is_some_and(|limit| held_for >= limit);
        if !self.holds.is_empty() && is_too_long {
            return Some(self.latch(rules, Reason::HoldLimit, None));
        }
        if let Some(rate) = suspended(self.phase) {
            return self.conclude(rules, rate);
        }
        let silent_for = self.clock_ms.saturating_sub(self.last_attempt_ms);
        if silent_for >= rules.settings().silence_ms {
            return self.hold(rules, HoldCause::NoData, None, false);
        }
        None
    }

    /// A hold begins, or goes on unsaid.
    pub(super) fn hold(
        &mut self,
        rules: &GateRules,
        cause: HoldCause,
        tenant: Option<u64>,
        page: bool,
    ) -> Option<Verdict> {
        let is_new = self.holds.set(cause, true);
        let decision = if cause == HoldCause::OneTenant { Decision::Escalate } else { Decision::Hold };
        is_new.then(|| Verdict { tenant, page, ..self.verdict(rules, decision, Reason::Held(cause), None) })
    }
}
