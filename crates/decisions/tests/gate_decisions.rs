//! What the gate decides, situation by situation: who is to blame, missing data, late news, clocks, tenants.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod any_event;
mod played;

use decisions::gate::words::{Sureness, standing};
use decisions::gate::{
    Action, Arm, Attempt, Decision, Event, Gate, GateRules, GateSettings, HoldCause, Mode, OnTrip, Outcome,
    Phase, Rate, Reason, Signal, Usage, Verdict,
};
use proptest::prelude::*;

use crate::any_event::any_event;
use crate::played::attempt;

/// A gate that hears one event each hundred milliseconds.
struct Table {
    rules: GateRules,
    gate: Gate,
    now_ms: u64,
    said: Vec<Verdict>,
}

impl Table {
    fn new(settings: GateSettings) -> Table {
        Table { rules: GateRules::new(settings).unwrap(), gate: Gate::new(), now_ms: 0, said: Vec::new() }
    }

    fn hear(&mut self, event: Event) -> Option<Verdict> {
        self.now_ms += 100;
        let verdict = self.gate.step(&self.rules, self.now_ms, &event);
        self.said.extend(verdict);
        verdict
    }

    fn canary(&mut self, outcome: Outcome) -> Option<Verdict> {
        let tenant = self.now_ms / 100 % 7;
        self.hear(Event::Attempt(attempt(Arm::Canary, outcome, tenant)))
    }

    fn primary(&mut self, outcome: Outcome) -> Option<Verdict> {
        self.hear(Event::Attempt(attempt(Arm::Primary, outcome, 0)))
    }

    /// Both well: nineteen of the primary's for each of the canary's.
    fn well(&mut self, rounds: u32) {
        for _ in 0..rounds {
            for _ in 0..19 {
                self.primary(Outcome::Good);
            }
            self.canary(Outcome::Good);
        }
    }

    fn wait(&mut self, seconds: u64) -> Option<Verdict> {
        let mut last = None;
        for _ in 0..seconds {
            self.now_ms += 900;
            last = self.hear(Event::Tick).or(last);
        }
        last
    }
}

fn failing(outcome: Outcome) -> Table {
    let mut table = Table::new(GateSettings::default());
    table.well(100);
    for _ in 0..10 {
        table.canary(outcome);
    }
    table
}

#[test]
fn a_canary_that_fails_alone_is_suspended_and_then_latched_by_its_primarys_good_attempts() {
    for outcome in [Outcome::HardFailure, Outcome::Timeout, Outcome::Malformed] {
        let mut table = failing(outcome);
        assert_eq!(table.said.last().unwrap().action, Action::Suspend, "{outcome:?}");
        assert!(!table.gate.serves(&table.rules));
        let heard = (0..200).find_map(|_| table.primary(Outcome::Good)).unwrap();
        assert_eq!((heard.decision, heard.action), (Decision::RollBack, Action::Latch));
        assert_eq!(heard.reason, Reason::PrimaryWell);
        assert!(heard.page && heard.acts && heard.control_failures == 0 && heard.control_n > 0);
        assert!(heard.failures >= 2 && heard.n >= 102, "{heard:?}");
    }
}

#[test]
fn errors_that_are_all_the_canarys_latch_it_without_a_look() {
    let mut table = Table::new(GateSettings::default());
    table.well(20);
    let verdict = (0..2_000).find_map(|n| {
        if n % 20 == 0 { table.canary(Outcome::HardFailure) } else { table.primary(Outcome::Good) }
            .filter(|verdict| verdict.action != Action::None)
    });
    let verdict = verdict.unwrap();
    assert!(verdict.failures <= 6, "{verdict:?}");
    if verdict.reason == Reason::OverLimitAndWorse {
        assert!(verdict.relative_e_value * verdict.alpha >= 1.0);
    }
    assert!(verdict.e_value * verdict.alpha >= 1.0);
}

#[test]
fn a_fault_that_the_primary_shares_restores_the_canary_and_holds_it() {
    let mut table = failing(Outcome::Timeout);
    assert_eq!(table.gate.phase(), Phase::Suspended(Rate::Timeout));
    // Connections fail here and time out there.
    let heard = (0..10).find_map(|_| table.primary(Outcome::HardFailure)).unwrap();
    assert_eq!((heard.decision, heard.action), (Decision::Hold, Action::Restore));
    assert_eq!(heard.reason, Reason::Held(HoldCause::SharedFault));
    assert!(heard.page && table.gate.serves(&table.rules));
    // The next trip needs no look: the primary is known to be ill.
    for _ in 0..2_000 {
        table.primary(Outcome::HardFailure);
        table.canary(Outcome::Timeout);
    }
    assert!(table.gate.serves(&table.rules) && table.gate.holds().contains(HoldCause::SharedFault));
    assert_eq!(table.said.iter().filter(|verdict| verdict.page).count(), 2, "one for each news");
    // The primary mends, the canary does not.
    for _ in 0..3_000 {
        for _ in 0..10 {
            table.primary(Outcome::Good);
        }
        table.canary(Outcome::Timeout);
    }
    assert_eq!(table.gate.phase(), Phase::RolledBack);
}

#[test]
fn what_the_primary_cannot_tell_stays_suspended_and_calls_someone() {
    let mut table = failing(Outcome::HardFailure);
    for _ in 0..3 {
        table.primary(Outcome::Good);
    }
    let verdict = table.wait(61).unwrap();
    assert_eq!((verdict.decision, verdict.reason), (Decision::Escalate, Reason::Undecided));
    for _ in 0..1_000 {
        assert_eq!(table.primary(Outcome::Good), None);
        assert_eq!(table.canary(Outcome::HardFailure), None, "under way when it was suspended");
    }
    assert!(!table.gate.serves(&table.rules));
    let resumed = table.hear(Event::Resume).unwrap();
    assert_eq!((resumed.action, resumed.reason), (Action::Restore, Reason::ByHand));
    assert!(table.gate.serves(&table.rules) && table.gate.holds().is_empty());
}

#[test]
fn without_control_traffic_the_canary_is_rolled_back() {
    let mut table = failing(Outcome::HardFailure);
    let verdict = table.wait(61).unwrap();
    assert_eq!((verdict.decision, verdict.reason), (Decision::RollBack, Reason::NoControl));
    let mut fallback = Table::new(GateSettings::fallback());
    for _ in 0..100 {
        fallback.canary(Outcome::Good);
    }
    let outcome = |n| if n % 4 == 0 { Outcome::HardFailure } else { Outcome::Good };
    let said: Vec<_> = (0..100).filter_map(|n| fallback.canary(outcome(n))).collect();
    let decisions: Vec<_> = said.iter().map(|verdict| (verdict.decision, verdict.reason)).collect();
    let suspicion = (Decision::Hold, Reason::Held(HoldCause::Suspicion));
    assert_eq!(decisions, [suspicion, (Decision::RollBack, Reason::OverLimit)], "stops, then rolls back");
}

#[test]
fn a_canary_within_its_limit_but_worse_than_its_primary_is_held_or_rolled_back_as_set() {
    for (set, decision) in [(OnTrip::Hold, Decision::Hold), (OnTrip::RollBack, Decision::RollBack)] {
        let mut table = Table::new(GateSettings { worse_than_primary: set, ..GateSettings::default() });
        for _ in 0..20 {
            table.well(99);
            table.canary(Outcome::HardFailure);
        }
        let last = table.said.last().unwrap();
        assert_eq!(last.decision, decision);
        assert!(last.e_value < 1.0 && last.relative_e_value >= 500.0, "{last:?}");
    }
}

#[test]
fn one_refused_credential_latches_and_over_the_budget_is_over() {
    let mut table = Table::new(GateSettings::default());
    let verdict = table.canary(Outcome::Auth).unwrap();
    assert_eq!((verdict.decision, verdict.signal), (Decision::RollBack, Some(Signal::Auth)));
    let mut table = Table::new(GateSettings { budget: Some(1_000), ..GateSettings::default() });
    let usage = |usage| Event::Attempt(Attempt { usage, ..attempt(Arm::Canary, Outcome::NotCounted, 1) });
    assert_eq!(table.hear(usage(Usage::Reported(1_000))), None);
    let verdict = table.hear(usage(Usage::Reported(1))).unwrap();
    assert_eq!((verdict.reason, verdict.signal), (Reason::OverBudget, Some(Signal::Usage)));
}

#[test]
fn usage_that_is_not_reported_holds_until_it_is() {
    let mut table = Table::new(GateSettings::default());
    let usage = |usage| Event::Attempt(Attempt { usage, ..attempt(Arm::Canary, Outcome::Good, 1) });
    let said: Vec<_> = (0..20).filter_map(|_| table.hear(usage(Usage::Missing))).collect();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].reason, Reason::Held(HoldCause::UsageUnreported));
    table.hear(usage(Usage::Reported(5)));
    assert!(table.gate.holds().is_empty());
}

#[test]
fn a_queue_that_is_too_long_holds_and_then_rolls_back() {
    let mut table = Table::new(GateSettings { queue_limit: Some(10), ..GateSettings::default() });
    assert_eq!(table.hear(Event::Queue { depth: 10 }), None);
    for _ in 0..590 {
        table.hear(Event::Queue { depth: 11 });
    }
    assert!(table.gate.holds().contains(HoldCause::QueueDepth) && table.said.len() == 1);
    table.hear(Event::Queue { depth: 9 });
    assert!(table.gate.holds().is_empty());
    let verdict = (0..700).find_map(|_| {
        table.hear(Event::Queue { depth: 11 }).filter(|verdict| verdict.decision == Decision::RollBack)
    });
    assert_eq!(verdict.unwrap().signal, Some(Signal::QueueDepth));
}

#[test]
fn a_slow_first_token_holds_and_answers_that_applications_refuse_roll_back() {
    let timed = |arm, first_token_us| {
        Event::Attempt(Attempt { first_token_us: Some(first_token_us), ..attempt(arm, Outcome::Good, 1) })
    };
    let mut table = Table::new(GateSettings::default());
    for n in 0..2_000 {
        table.hear(timed(Arm::Primary, 200_000 + n % 100 * 1_000));
        if n % 20 == 0 {
            table.hear(timed(Arm::Canary, 200_000 + n % 100 * 1_000));
        }
    }
    assert!(table.said.is_empty());
    for _ in 0..20 {
        table.hear(timed(Arm::Canary, 900_000));
    }
    let reasons: Vec<_> = table.said.iter().map(|verdict| (verdict.reason, verdict.signal)).collect();
    assert!(reasons.contains(&(Reason::Held(HoldCause::Tripped), Some(Signal::FirstToken))), "{reasons:?}");
    assert!(table.gate.serves(&table.rules));
    let refused = Event::Accepted { arm: Arm::Canary, tenant: 1, pass: false };
    let verdict =
        (0..20).find_map(|_| table.hear(refused).filter(|verdict| verdict.decision == Decision::RollBack));
    assert_eq!(verdict.unwrap().signal, Some(Signal::Acceptance));
}

#[test]
fn one_tenants_application_does_not_decide_alone_while_others_can_use_their_answers() {
    let mut table = Table::new(GateSettings::default());
    let judged = |tenant, pass| Event::Accepted { arm: Arm::Canary, tenant, pass };
    for n in 0..400 {
        table.hear(judged(n % 4, true));
        table.hear(judged(9, n % 2 == 0));
    }
    assert!(table.gate.serves(&table.rules), "{:?}", table.said.last());
    let held: Vec<_> = table.said.iter().map(|verdict| (verdict.reason, verdict.tenant)).collect();
    assert_eq!(held, [(Reason::Held(HoldCause::OneTenant), Some(9))]);
    // What several tenants' applications refuse counts whole.
    let refused =
        (0..60).find_map(|n| table.hear(judged(n % 4, false)).filter(|said| said.action == Action::Latch));
    assert_eq!(refused.unwrap().signal, Some(Signal::Acceptance));
}

#[test]
fn what_applications_say_counts_only_where_it_is_judged_and_of_the_canarys_answers() {
    let mut off = GateSettings::default();
    off.rates[Rate::Acceptance.index()].part = 0.0;
    for (settings, arm) in [(off, Arm::Canary), (GateSettings::default(), Arm::Primary)] {
        let mut table = Table::new(settings);
        for _ in 0..100 {
            table.hear(Event::Accepted { arm, tenant: 1, pass: false });
        }
        assert!(table.said.is_empty() && table.gate.counted(Rate::Acceptance) == (0, 0));
    }
}

#[test]
fn nothing_heard_is_a_hold_and_neither_pass_nor_failure() {
    let cancelled = |table: &mut Table| (0..600).for_each(|_| _ = table.canary(Outcome::NotCounted));
    for silence in [None, Some(cancelled as fn(&mut Table))] {
        let mut table = Table::new(GateSettings::default());
        for _ in 0..60 {
            table.wait(60);
            if let Some(silence) = silence {
                silence(&mut table);
            }
        }
        let said: Vec<_> = table.said.iter().map(|verdict| (verdict.decision, verdict.reason)).collect();
        assert_eq!(said, [(Decision::Hold, Reason::Held(HoldCause::NoData))]);
        assert!(table.gate.serves(&table.rules) && table.gate.counted(Rate::HardFailure) == (0, 0));
        table.canary(Outcome::Good);
        assert!(table.gate.holds().is_empty(), "the first attempt that counts ends it");
    }
}

#[test]
fn a_hold_does_not_last_for_ever() {
    let settings = GateSettings { hold_limit_ms: Some(3_600_000), ..GateSettings::default() };
    let mut table = Table::new(settings);
    table.hear(Event::Hold);
    table.wait(3_500);
    assert!(table.gate.serves(&table.rules));
    let verdict = table.wait(200).unwrap();
    assert_eq!((verdict.decision, verdict.reason), (Decision::RollBack, Reason::HoldLimit));
    let mut table = Table::new(GateSettings::default());
    let verdict = table.hear(Event::Expired).unwrap();
    assert_eq!((verdict.decision, verdict.reason), (Decision::RollBack, Reason::Expired));
}

#[test]
fn a_clock_that_jumps_decides_nothing() {
    for jump in [u64::MAX, 0, 86_400_000 * 365] {
        let mut table = failing(Outcome::HardFailure);
        table.gate.step(&table.rules, jump, &Event::Tick);
        assert_eq!(table.gate.phase(), Phase::Suspended(Rate::HardFailure));
        table.gate.step(&table.rules, 0, &Event::Tick);
        assert_eq!(table.gate.phase(), Phase::Suspended(Rate::HardFailure));
        let mut idle = Table::new(GateSettings::default());
        idle.well(10);
        idle.gate.step(&idle.rules, jump, &Event::Tick);
        assert!(idle.gate.holds().is_empty());
    }
}

#[test]
fn one_noisy_tenant_does_not_decide_for_the_others() {
    let mut table = Table::new(GateSettings::default());
    for n in 0..400_u64 {
        // Every third is the noisy one's.
        let (tenant, outcome) = if n % 3 == 0 { (99, Outcome::HardFailure) } else { (n % 5, Outcome::Good) };
        table.hear(Event::Attempt(attempt(Arm::Canary, outcome, tenant)));
        for _ in 0..10 {
            table.primary(Outcome::Good);
        }
    }
    assert!(table.gate.serves(&table.rules), "{:?}", table.said);
    let told =
        table.said.iter().find(|verdict| verdict.reason == Reason::Held(HoldCause::OneTenant)).unwrap();
    assert_eq!((told.decision, told.tenant, told.page), (Decision::Escalate, Some(99), true));
}

#[test]
fn a_canary_whose_only_caller_fails_is_a_bad_canary() {
    let mut table = Table::new(GateSettings::default());
    table.well(30);
    for _ in 0..400 {
        table.hear(Event::Attempt(attempt(Arm::Canary, Outcome::Good, 99)));
    }
    for _ in 0..10 {
        table.hear(Event::Attempt(attempt(Arm::Canary, Outcome::HardFailure, 99)));
    }
    assert!(!table.gate.serves(&table.rules));
}

#[test]
fn what_the_gate_says_of_itself_comes_true() {
    let mut table = Table::new(GateSettings::fallback());
    let mut surest = Sureness::NoSign;
    for _ in 0..50 {
        table.canary(Outcome::Good);
    }
    loop {
        let standing = standing(&table.gate, &table.rules, Rate::HardFailure);
        assert!(standing.sureness >= surest && standing.trips_at == 250.0, "{standing:?}");
        surest = standing.sureness;
        let announced = standing.failures_to_trip.unwrap();
        let trips =
            table.canary(Outcome::HardFailure).is_some_and(|said| said.decision == Decision::RollBack);
        assert_eq!(trips, announced == 1, "{standing:?}");
        if trips {
            break;
        }
    }
    assert_eq!(standing(&table.gate, &table.rules, Rate::HardFailure).sureness, Sureness::Tripped);
    assert_eq!(standing(&table.gate, &table.rules, Rate::Timeout).sureness, Sureness::NoSign);
}

#[test]
fn an_observing_gate_says_what_it_would_do_and_does_nothing() {
    let mut table = Table::new(GateSettings { mode: Mode::Observe, ..GateSettings::default() });
    table.well(10);
    for _ in 0..200 {
        table.canary(Outcome::HardFailure);
        table.primary(Outcome::Good);
    }
    assert!(table.said.iter().any(|verdict| verdict.decision == Decision::RollBack));
    assert!(table.said.iter().all(|verdict| !verdict.acts));
    assert!(table.gate.serves(&table.rules));
    let verdict = table.hear(Event::RollBack).unwrap();
    assert!(verdict.acts && !table.gate.serves(&table.rules), "an operator is obeyed in every mode");
    assert_eq!(table.hear(Event::RollBack), None);
}

proptest! {
    #[test]
    fn after_a_latch_no_event_changes_anything(
        events in prop::collection::vec((0_u64..100_000, any_event()), 1..100),
    ) {
        let mut table = Table::new(GateSettings::default());
        table.well(5);
        table.canary(Outcome::Auth);
        let latched = table.gate;
        for (gap_ms, event) in events {
            table.now_ms += gap_ms;
            prop_assert_eq!(table.hear(event), None);
            prop_assert_eq!(table.gate, latched);
            prop_assert!(!table.gate.serves(&table.rules));
        }
    }

    #[test]
    fn no_verdict_names_numbers_that_do_not_bear_it_out(
        events in prop::collection::vec((0_u64..5_000, any_event()), 1..400),
    ) {
        let mut table = Table::new(GateSettings::default());
        for (gap_ms, event) in events {
            table.now_ms += gap_ms;
            let Some(verdict) = table.hear(event) else { continue };
            prop_assert!(verdict.failures <= verdict.n && verdict.control_failures <= verdict.control_n);
            let tripped = matches!(verdict.reason, Reason::LookingAtPrimary | Reason::OverLimit);
            prop_assert!(!tripped || verdict.e_value * verdict.alpha >= 1.0);
            prop_assert_eq!(verdict.action == Action::Latch, verdict.decision == Decision::RollBack);
        }
    }
}
