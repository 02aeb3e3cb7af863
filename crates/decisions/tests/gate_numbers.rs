//! A gate is a function of what it was told: replayed, interrupted and rebuilt it says the same, to the bit.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod any_event;
mod played;

use decisions::gate::simulation::{Draws, Scenario, Script, Trouble, play};
use decisions::gate::{Event, Gate, GateRules, GateSettings, NotAGate, Outcome, Verdict};
use decisions::rollout::{ROLLOUT_NUMBERS, Rollout, RolloutRules, RolloutSettings};
use proptest::prelude::*;

use crate::any_event::any_event;

fn rules() -> GateRules {
    let settings =
        GateSettings { budget: Some(1_000_000), queue_limit: Some(100), ..GateSettings::default() };
    GateRules::new(settings).unwrap()
}

/// Two verdicts that were made of the same bits read the same, and `==` would not tell 0.0 from -0.0.
fn bits(verdict: &Verdict) -> String {
    let floats = [verdict.e_value, verdict.alpha, verdict.theta, verdict.relative_e_value, verdict.share];
    format!("{:?} {verdict:?}", floats.map(f64::to_bits))
}

proptest! {
    #[test]
    fn a_gate_rebuilt_from_its_numbers_goes_on_as_if_nothing_had_been(
        log in prop::collection::vec((0_u64..20_000, any_event()), 1..300),
        cut in 0_usize..300,
    ) {
        let rules = rules();
        let (mut whole, mut broken) = (Gate::new(), Gate::new());
        let mut now_ms = 0;
        for (at, (gap_ms, event)) in log.iter().enumerate() {
            now_ms += gap_ms;
            if at == cut.min(log.len() - 1) {
                broken = Gate::from_numbers(&broken.to_numbers()).unwrap();
            }
            let said = whole.step(&rules, now_ms, event);
            let again = broken.step(&rules, now_ms, event);
            prop_assert_eq!(said.as_ref().map(bits), again.as_ref().map(bits));
        }
        // A field that the list of numbers forgot would differ here.
        prop_assert_eq!(whole, broken);
        prop_assert_eq!(whole.to_numbers(), broken.to_numbers());
    }
}

#[test]
fn a_recorded_day_replays_to_the_bit() {
    let rules = rules();
    let trouble = Trouble { from_ms: 3_600_000, until_ms: u64::MAX, failing: 0.2, outcome: Outcome::Timeout };
    let scenario = Scenario {
        length_ms: 7_200_000,
        per_second: 2.0,
        share_ppm: 250_000,
        canary: Script { usually: 0.01, trouble: Some(trouble) },
        primary: Script::steady(0.005),
        tenants: 4,
    };
    let mut log: Vec<(u64, Event, Option<String>)> = Vec::new();
    let played = play(&rules, Gate::new(), &scenario, &mut Draws::new(1), &mut |now_ms, event, verdict| {
        log.push((now_ms, *event, verdict.map(bits)));
    });
    assert!(log.iter().any(|(_, _, verdict)| verdict.is_some()));
    let mut again = Gate::new();
    for (now_ms, event, verdict) in &log {
        assert_eq!(again.step(&rules, *now_ms, event).as_ref().map(bits), *verdict);
    }
    assert_eq!(again.to_numbers(), played.gate.to_numbers());
}

#[test]
fn damaged_numbers_are_refused() {
    let good = Gate::new().to_numbers();
    assert_eq!(Gate::from_numbers(&good), Ok(Gate::new()));
    assert_eq!(Gate::from_numbers(&good[1..]), Err(NotAGate));
    assert_eq!(Gate::from_numbers(&[]), Err(NotAGate));
    for (at, value) in [(0, 2), (4, 9), (5, 2), (6, 1 << 40), (39, f64::NAN.to_bits())] {
        let mut damaged = good;
        damaged[at] = value;
        assert_eq!(Gate::from_numbers(&damaged), Err(NotAGate), "{at}");
    }
}

#[test]
fn a_rollout_is_read_back() {
    let rules = RolloutRules::new(RolloutSettings::default(), &[10_000, 1_000_000]).unwrap();
    let mut rollout = Rollout::new();
    for tenant in 0..5 {
        rollout.attempt(&rules, &played::attempt(decisions::gate::Arm::Canary, Outcome::Good, tenant), 5);
    }
    rollout.checked(3, true);
    rollout.checked(31, false);
    let numbers = rollout.to_numbers();
    assert_eq!(Rollout::from_numbers(&numbers), Ok(rollout));
    assert!(Rollout::from_numbers(&numbers[..ROLLOUT_NUMBERS - 1]).is_err());
    assert!(Rollout::from_numbers(&[0; ROLLOUT_NUMBERS]).is_err());
}
