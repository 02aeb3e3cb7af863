//! What a trip leads to: who is to blame decides.
//!
//! | the limit | the errors | the primary | so |
//! |---|---|---|---|
//! | is exceeded | are the canary's own | any | roll back |
//! | is exceeded | do not say | is ill as well | hold, and page: the fault is shared |
//! | is exceeded | do not say | seems well | suspend, and look at its next attempts |
//! | is exceeded | have nothing to be compared with | is not there | roll back |
//! | is kept | are the canary's own | any | hold; roll back where the settings say so |
//!
//! A rollback so needs two errors at once, of the limit's test and of the one that blames the canary. A canary that
//! keeps its limit is rolled back by mistake no oftener than the first test errs, and one whose primary has the same
//! trouble no oftener than the second does.

use super::control::{ControlTest, Finding};
use super::engine::{Gate, Phase};
use super::holds::HoldCause;
use super::outcome::Outcome;
use super::prior::real;
use super::settings::{Control, GateRules, OnTrip};
use super::signal::{Rate, Signal};
use super::verdict::{Action, Decision, Reason, Verdict};

/// For how long a limit is not judged after a fault that was shared; twice as long each time.
const FIRST_TRUCE_MS: u64 = 60_000;
const LONGEST_TRUCE_MS: u64 = 900_000;

/// The rate that a canary is suspended for.
pub(super) fn suspended(phase: Phase) -> Option<Rate> {
    match phase {
        Phase::Suspended(rate) => Some(rate),
        Phase::Serving | Phase::RolledBack => None,
    }
}

/// The place of a rate's counterpart among the primary's.
fn group_of(rate: Rate) -> usize {
    usize::from(rate == Rate::Malformed)
}

impl Gate {
    /// A rate has failed once more.
    pub(super) fn judge(&mut self, rules: &GateRules, rate: Rate) -> Option<Verdict> {
        let is_in_truce = self.is_in_truce(rate);
        let evidence = self.evidence(rate);
        let is_over = evidence >= rules.threshold(rate);
        let is_worse = self.relative_evidence(rate) >= rules.relative_threshold(rate);
        if is_worse && (is_over || is_in_truce) {
            return Some(self.trip(rules, rate, Reason::OverLimitAndWorse));
        }
        if is_in_truce {
            return None;
        }
        if is_over {
            return self.over_limit(rules, rate);
        }
        if is_worse {
            return match rules.settings().worse_than_primary {
                OnTrip::RollBack => Some(self.trip(rules, rate, Reason::Worse)),
                OnTrip::Hold => self.hold_for(rules, rate, HoldCause::WorseThanPrimary, true),
            };
        }
        // While the fault is shared there is nothing new in that.
        if evidence >= rules.suspicion(rate) && !self.holds.contains(HoldCause::SharedFault) {
            return self.hold_for(rules, rate, HoldCause::Suspicion, false);
        }
        None
    }

    fn over_limit(&mut self, rules: &GateRules, rate: Rate) -> Option<Verdict> {
        if rules.settings().rates[rate.index()].on_trip == OnTrip::Hold {
            return self.hold_for(rules, rate, HoldCause::Tripped, true);
        }
        let has_control = rules.settings().control == Control::Primary;
        if !has_control || !Rate::OF_OUTCOMES.contains(&rate) {
            return Some(self.trip(rules, rate, Reason::OverLimit));
        }
        let group = group_of(rate);
        if self.control[group].evidence() * rules.settings().false_alarms >= 1.0 {
            return self.call_truce(rules, rate);
        }
        self.tests += 1;
        // What all tests together may err is half of the budget: 1/2 + 1/6 + 1/12 + … = 1.
        let alpha = rules.settings().false_alarms / 2.0 / (real(self.tests) * (real(self.tests) + 1.0));
        let limit = rules.shared_limit(group);
        self.test = ControlTest::start(self.clock_ms, self.gap_ms, &self.runs[rate.index()], limit, alpha);
        self.decided_nothing = false;
        self.phase = Phase::Suspended(rate);
        self.holds.set(HoldCause::Suspended, true);
        let verdict = self.verdict(rules, Decision::Hold, Reason::LookingAtPrimary, Some(rate.signal()));
        Some(Verdict { action: Action::Suspend, page: true, ..verdict })
    }

    /// While suspended: one of the primary's attempts.
    pub(super) fn look_at_primary(
        &mut self,
        rules: &GateRules,
        rate: Rate,
        outcome: Outcome,
    ) -> Option<Verdict> {
        if self.decided_nothing {
            return None;
        }
        self.test.step(rules.shared_limit(group_of(rate)), rate.is_shared_by(outcome));
        self.conclude(rules, rate)
    }

    /// While suspended: what follows by now.
    pub(super) fn conclude(&mut self, rules: &GateRules, rate: Rate) -> Option<Verdict> {
        if self.decided_nothing {
            return None;
        }
        match self.test.finding(self.clock_ms)? {
            Finding::Canary => Some(self.trip(rules, rate, Reason::PrimaryWell)),
            Finding::NoControl => Some(self.trip(rules, rate, Reason::NoControl)),
            Finding::Shared => self.call_truce(rules, rate),
            Finding::Undecided => {
                self.decided_nothing = true;
                let signal = Some(rate.signal());
                let verdict = self.verdict(rules, Decision::Escalate, Reason::Undecided, signal);
                Some(Verdict { page: true, ..verdict })
            }
        }
    }

    /// The fault is shared: the canary serves on, and its limit is judged again after a while.
    fn call_truce(&mut self, rules: &GateRules, rate: Rate) -> Option<Verdict> {
        let was_suspended = suspended(self.phase).is_some();
        let shared = Reason::Held(HoldCause::SharedFault);
        let verdict = self.verdict(rules, Decision::Hold, shared, Some(rate.signal()));
        let times = u32::try_from(self.tests.saturating_sub(1)).unwrap_or(u32::MAX).min(4);
        let truce = (FIRST_TRUCE_MS << times).min(LONGEST_TRUCE_MS);
        for at in 0..self.shared_until_ms.len() {
            if group_of(Rate::OF_OUTCOMES[at]) == group_of(rate) {
                self.shared_until_ms[at] = self.clock_ms.saturating_add(truce);
                self.limits[at].forget();
            }
        }
        self.serve();
        let is_new = self.holds.set(HoldCause::SharedFault, true);
        let action = if was_suspended { Action::Restore } else { Action::None };
        (is_new || was_suspended).then_some(Verdict { action, page: is_new, ..verdict })
    }

    /// The truce ends by itself; what was counted in it is forgotten, since it was judged.
    fn is_in_truce(&mut self, rate: Rate) -> bool {
        let Some(until) = self.shared_until_ms.get_mut(rate.index()) else { return false };
        if *until == 0 {
            return false;
        }
        if self.clock_ms < *until {
            return true;
        }
        *until = 0;
        self.limits[rate.index()].forget();
        self.runs[rate.index()] = super::control::Run::default();
        false
    }

    pub(super) fn resume(&mut self, rules: &GateRules) -> Option<Verdict> {
        if self.holds.is_empty() {
            return None;
        }
        let was_suspended = suspended(self.phase);
        self.holds = super::holds::Holds::default();
        self.last_attempt_ms = self.clock_ms;
        self.aside.forget();
        for limit in &mut self.limits {
            limit.forget();
        }
        for relative in &mut self.relative {
            relative.bets = [0.0; 3];
        }
        self.serve();
        let verdict = self.verdict(rules, Decision::Hold, Reason::ByHand, was_suspended.map(Rate::signal));
        let action = if was_suspended.is_some() { Action::Restore } else { Action::None };
        Some(Verdict { action, ..verdict })
    }

    fn serve(&mut self) {
        self.phase = Phase::Serving;
        self.holds.set(HoldCause::Suspended, false);
        self.last_attempt_ms = self.clock_ms;
    }

    pub(super) fn clear_suspicion(&mut self, rules: &GateRules) {
        let is_gone = Rate::ALL.iter().all(|rate| self.evidence(*rate) < rules.suspicion(*rate) * 0.1);
        if is_gone {
            self.holds.set(HoldCause::Suspicion, false);
        }
    }

    fn trip(&mut self, rules: &GateRules, rate: Rate, reason: Reason) -> Verdict {
        self.latch(rules, reason, Some(rate.signal()))
    }

    pub(super) fn latch(&mut self, rules: &GateRules, reason: Reason, signal: Option<Signal>) -> Verdict {
        let verdict = self.verdict(rules, Decision::RollBack, reason, signal);
        self.phase = Phase::RolledBack;
        Verdict { action: Action::Latch, page: true, ..verdict }
    }

    /// By an operator, or since the map has expired: carried out also where the gate only observes.
    pub(super) fn latch_by_order(&mut self, rules: &GateRules, reason: Reason) -> Verdict {
        self.by_order = true;
        Verdict { acts: true, ..self.latch(rules, reason, None) }
    }

    fn hold_for(&mut self, rules: &GateRules, rate: Rate, cause: HoldCause, page: bool) -> Option<Verdict> {
        let verdict = self.hold(rules, cause, None, page)?;
        let numbers = self.verdict(rules, verdict.decision, verdict.reason, Some(rate.signal()));
        Some(Verdict { page, ..numbers })
    }

    /// The evidence that a rate's errors are the canary's own; nothing for rates that have no such test.
    #[must_use]
    pub fn relative_evidence(&self, rate: Rate) -> f64 {
        self.relative.get(rate.index()).map_or(0.0, super::relative::Relative::evidence)
    }

    /// A verdict with the numbers of now.
    pub(super) fn verdict(
        &self,
        rules: &GateRules,
        decision: Decision,
        reason: Reason,
        signal: Option<Signal>,
    ) -> Verdict {
        let rate = Rate::ALL.into_iter().find(|rate| Some(rate.signal()) == signal);
        let group = rate.map_or(0, group_of);
        let looked = suspended(self.phase).is_some();
        let control = if looked {
            (self.test.attempts, self.test.failures)
        } else {
            (self.control_attempts, self.control_failures[group])
        };
        let (n, failures) = rate.map_or((self.attempts, 0), |rate| self.counted(rate));
        Verdict {
            event: self.events,
            at_ms: self.clock_ms,
            decision,
            action: Action::None,
            acts: rules.acts(),
            page: false,
            reason,
            signal,
            e_value: rate.map_or(0.0, |rate| self.evidence(rate)),
            alpha: rate.map_or(0.0, |rate| rules.alpha(rate)),
            theta: rate.map_or(0.0, |rate| rules.limit(rate)),
            n,
            failures,
            control_n: control.0,
            control_failures: control.1,
            relative_e_value: rate.map_or(0.0, |rate| self.relative_evidence(rate)),
            share: self.share.estimate(self.configured_ppm),
            tenant: None,
        }
    }
}
