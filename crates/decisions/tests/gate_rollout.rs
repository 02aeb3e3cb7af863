//! A canary climbs when everything asked for is there, and not before.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod any_event;
mod played;

use decisions::gate::{Arm, Event, Gate, GateRules, GateSettings, Mode, Outcome};
use decisions::rollout::{BadRollout, Requirement, Rollout, RolloutRules, RolloutSettings, StepVerdict};
use proptest::prelude::*;

use crate::any_event::any_event;
use crate::played::attempt;

const STEPS: [u32; 4] = [10_000, 50_000, 250_000, 1_000_000];
const STREAM_AND_TOOLS: u16 = 0b11;

struct Canary {
    gate_rules: GateRules,
    rules: RolloutRules,
    gate: Gate,
    rollout: Rollout,
    now_ms: u64,
}

impl Canary {
    fn new(settings: RolloutSettings) -> Canary {
        Canary {
            gate_rules: GateRules::new(GateSettings::default()).unwrap(),
            rules: RolloutRules::new(settings, &STEPS).unwrap(),
            gate: Gate::new(),
            rollout: Rollout::new(),
            now_ms: 0,
        }
    }

    fn hear(&mut self, event: &Event, features: u16) -> Option<StepVerdict> {
        self.gate.step(&self.gate_rules, self.now_ms, event);
        if let Event::Attempt(attempt) = event {
            self.rollout.attempt(&self.rules, attempt, features);
        }
        self.rollout.tick(&self.rules, &self.gate)
    }

    /// One attempt in a second.
    fn serve(&mut self, outcome: Outcome, tenant: u64, features: u16) -> Option<StepVerdict> {
        self.now_ms += 1_000;
        self.hear(&Event::Attempt(attempt(Arm::Canary, outcome, tenant)), features)
    }

    fn missing(&self) -> Vec<Requirement> {
        self.rollout.missing(&self.rules, &self.gate).iter().collect()
    }
}

fn asking_for_all() -> RolloutSettings {
    RolloutSettings {
        features: STREAM_AND_TOOLS,
        checks: 0b101,
        timeout_ms: 360_000,
        ..RolloutSettings::default()
    }
}

#[test]
fn each_requirement_alone_keeps_it_where_it_is() {
    let mut canary = Canary::new(asking_for_all());
    canary.rollout.checked(0, true);
    canary.rollout.checked(2, true);
    let all = [Requirement::Dwell, Requirement::Evidence, Requirement::Features, Requirement::Tenants];
    assert_eq!(canary.missing(), all);
    for n in 0..719 {
        assert_eq!(canary.serve(Outcome::Good, n % 2, 0b01), None);
    }
    assert_eq!(canary.missing(), [Requirement::Dwell, Requirement::Features, Requirement::Tenants]);
    assert_eq!(canary.rollout.uncovered_features(&canary.rules), 0b10);
    assert_eq!(canary.serve(Outcome::Good, 3, 0), None);
    assert_eq!(canary.serve(Outcome::Good, 3, 0), None, "twice the timeout is twelve minutes");
    assert_eq!(canary.missing(), [Requirement::Features]);
    for _ in 0..4 {
        assert_eq!(canary.serve(Outcome::Good, 0, STREAM_AND_TOOLS), None);
    }
    canary.rollout.checked(0, false);
    assert_eq!(canary.serve(Outcome::Good, 0, STREAM_AND_TOOLS), None);
    assert_eq!(canary.missing(), [Requirement::Checks], "one that fails is missing again");
    canary.rollout.checked(0, true);
    let verdict = canary.serve(Outcome::Good, 0, 0).unwrap();
    assert_eq!(
        (verdict.from_ppm, verdict.to_ppm, verdict.acts, verdict.by_hand),
        (10_000, 50_000, true, false)
    );
    assert!(verdict.missing.is_empty() && verdict.e_value * verdict.alpha >= 1.0);
    assert_eq!(canary.rollout.share_ppm(&canary.rules), 50_000);
    assert!(canary.missing().contains(&Requirement::Evidence), "what was shown is to be shown again");
}

#[test]
fn it_reaches_the_top_and_stays_there() {
    let mut canary = Canary::new(RolloutSettings::default());
    let mut shares = Vec::new();
    for n in 0..3_000 {
        shares.extend(canary.serve(Outcome::Good, n % 3, 0).map(|verdict| verdict.to_ppm));
    }
    assert_eq!(shares, STEPS[1..]);
    assert_eq!(canary.rollout.promote_by_hand(&canary.rules, &canary.gate), None);
}

#[test]
fn nothing_served_well_is_no_evidence() {
    let mut canary = Canary::new(RolloutSettings { tenants: 1, ..RolloutSettings::default() });
    for _ in 0..5_000 {
        assert_eq!(canary.serve(Outcome::NotCounted, 1, 0), None);
    }
    assert!(canary.missing().contains(&Requirement::Evidence));
    assert_eq!(canary.rollout.good_to_go(&canary.rules), Some(167));
}

#[test]
fn a_hold_restarts_the_dwell_and_a_latch_ends_the_climb() {
    let mut canary = Canary::new(RolloutSettings::default());
    for n in 0..590 {
        canary.serve(Outcome::Good, n % 3, 0);
    }
    canary.hear(&Event::Hold, 0);
    for n in 0..100 {
        assert_eq!(canary.serve(Outcome::Good, n % 3, 0), None);
    }
    assert!(canary.missing().contains(&Requirement::Released));
    canary.hear(&Event::Resume, 0);
    for n in 0..590 {
        assert_eq!(canary.serve(Outcome::Good, n % 3, 0), None);
    }
    assert_eq!(canary.missing(), [Requirement::Dwell]);
    canary.hear(&Event::RollBack, 0);
    for n in 0..2_000 {
        assert_eq!(canary.serve(Outcome::Good, n % 3, 0), None);
    }
    assert_eq!(canary.rollout.promote_by_hand(&canary.rules, &canary.gate), None, "not even by hand");
}

#[test]
fn by_hand_it_grows_at_once_and_the_record_says_what_was_missing() {
    let mut canary = Canary::new(RolloutSettings::default());
    canary.serve(Outcome::Good, 1, 0);
    let verdict = canary.rollout.promote_by_hand(&canary.rules, &canary.gate).unwrap();
    assert!(verdict.by_hand && verdict.missing.contains(Requirement::Evidence));
    assert_eq!(canary.rollout.step(), 1);
}

#[test]
fn an_observing_rollout_says_where_it_would_be() {
    let mut canary = Canary::new(RolloutSettings { mode: Mode::Observe, ..RolloutSettings::default() });
    let said: Vec<_> = (0..3_000).filter_map(|n| canary.serve(Outcome::Good, n % 3, 0)).collect();
    assert!(said.len() == 3 && said.iter().all(|verdict| !verdict.acts));
}

#[test]
fn steps_that_do_not_rise_are_refused() {
    let rules = |steps: &[u32]| RolloutRules::new(RolloutSettings::default(), steps);
    for steps in [&[][..], &[0], &[50_000, 50_000], &[50_000, 10_000], &[1_000_001]] {
        assert_eq!(rules(steps), Err(BadRollout::Steps), "{steps:?}");
    }
    let none = RolloutSettings { tenants: 0, ..RolloutSettings::default() };
    assert_eq!(RolloutRules::new(none, &STEPS), Err(BadRollout::Tenants));
    assert!(rules(&[1_000_000]).is_ok());
}

proptest! {
    #[test]
    fn no_step_is_skipped_and_none_is_taken_back(
        events in prop::collection::vec((0_u64..9_000, any_event(), any::<u16>()), 1..300),
    ) {
        let mut canary = Canary::new(RolloutSettings::default());
        let mut at = 0;
        for (gap_ms, event, features) in events {
            canary.now_ms += gap_ms;
            if let Some(verdict) = canary.hear(&event, features) {
                prop_assert_eq!((verdict.from_ppm, verdict.to_ppm), (STEPS[at], STEPS[at + 1]));
                at += 1;
            }
            prop_assert_eq!(canary.rollout.share_ppm(&canary.rules), STEPS[at]);
        }
    }
}

#[test]
fn a_check_that_did_not_pass_holds_whoever_asked_for_it_and_over_steps() {
    let settings = RolloutSettings { features: 0, checks: 0, tenants: 1, ..RolloutSettings::default() };
    let mut canary = Canary::new(settings);
    canary.rollout.checked(1, false);
    for _ in 0..2_000 {
        assert_eq!(canary.serve(Outcome::Good, 0, 0), None);
    }
    assert_eq!(canary.missing(), [Requirement::Checks]);
    let by_hand = canary.rollout.promote_by_hand(&canary.rules, &canary.gate).unwrap();
    assert_eq!(by_hand.missing.iter().collect::<Vec<_>>(), [Requirement::Checks]);
    for _ in 0..2_000 {
        assert_eq!(canary.serve(Outcome::Good, 0, 0), None, "at the next step it holds still");
    }
    canary.rollout.checked(1, true);
    assert!(canary.serve(Outcome::Good, 0, 0).is_some());
}

#[test]
fn copies_lift_a_canary_no_step_and_count_against_it() {
    let mut canary = Canary::new(RolloutSettings { features: 0, checks: 0, ..RolloutSettings::default() });
    let copy = |canary: &mut Canary, outcome, tenant| {
        canary.now_ms += 1_000;
        canary.hear(&Event::Attempt(attempt(Arm::Mirror, outcome, tenant)), 0)
    };
    for n in 0..5_000 {
        assert_eq!(copy(&mut canary, Outcome::Good, n % 7), None);
    }
    assert_eq!(canary.missing(), [Requirement::Evidence, Requirement::Tenants]);
    let tripped = (0..40).find(|n| {
        copy(&mut canary, Outcome::HardFailure, n % 7);
        !canary.gate.serves(&canary.gate_rules)
    });
    assert!(tripped.is_some());
}
