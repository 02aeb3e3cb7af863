//! Whole days of traffic, seeded: how often the gate is wrong, and how many requests fail until it is right.
//!
//! A tenth of the runs by default. With fixed seeds each figure is the same in every run of these tests.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod played;
mod scale;

use decisions::gate::simulation::{
    Draws, FixedKind, Played, Scenario, Script, Trial, Trouble, play, side_by_side,
};
use decisions::gate::{Arm, Event, Gate, GateRules, GateSettings, Outcome, Phase, Relative, Share};
use decisions::rollout::{Rollout, RolloutRules, RolloutSettings};

use crate::played::attempt;
use crate::scale::scaled;

const HOUR_MS: u64 = 3_600_000;

fn rules() -> GateRules {
    GateRules::new(GateSettings::default()).unwrap()
}

fn run(gate: Gate, scenario: &Scenario, seed: u64) -> Played {
    play(&rules(), gate, scenario, &mut Draws::new(seed), &mut |_, _, _| ())
}

/// A canary of half of the traffic, so many attempts in a second, beside a primary that is as usual.
fn half(canarys_per_second: f64, length_ms: u64) -> Scenario {
    Scenario {
        length_ms,
        per_second: canarys_per_second * 2.0,
        share_ppm: 500_000,
        canary: Script::steady(0.005),
        primary: Script::steady(0.005),
        tenants: 5,
    }
}

fn troubled(failing: f64, outcome: Outcome) -> Script {
    let trouble = Trouble { from_ms: 0, until_ms: u64::MAX, failing, outcome };
    Script { usually: 0.005, trouble: Some(trouble) }
}

#[test]
fn a_canary_at_exactly_its_limit_is_rolled_back_in_one_life_of_a_hundred_at_most() {
    // Attempts of the canary in a second for a day, and runs in full.
    for (per_second, runs) in [(0.02, 4_000), (0.1, 1_000), (0.5, 300), (2.0, 100), (10.0, 20)] {
        for primary in [0.0, 0.02] {
            let scenario = Scenario {
                canary: Script::steady(0.02),
                primary: Script::steady(primary),
                ..half(per_second, 24 * HOUR_MS)
            };
            let runs = scaled(runs);
            let latched =
                (0..runs).filter(|run_| run(Gate::new(), &scenario, (*run_).into()).latched.is_some());
            let latched = latched.count();
            assert!(latched * 100 <= runs as usize, "{per_second} {primary}: {latched} of {runs}");
        }
    }
}

#[test]
fn answers_refused_at_exactly_their_limit_roll_back_one_life_of_a_hundred_at_most() {
    // The part of the budget that acceptance has is a tenth of it: one life of a thousand.
    let runs = u64::from(scaled(10_000));
    let latched = (0..runs).filter(|seed| {
        let (mut gate, mut draws) = (Gate::new(), Draws::new(*seed));
        (0..5_000).any(|n| {
            let pass = draws.part() >= 0.05;
            let said = Event::Accepted { arm: Arm::Canary, tenant: n % 5, pass };
            gate.step(&rules(), n * 1_000, &said);
            gate.phase() == Phase::RolledBack
        })
    });
    let latched = latched.count() as u64;
    assert!(latched * 100 <= runs, "{latched} of {runs}");
}

/// A canary of nothing that gets a copy of each twentieth request, and fails at what its primary fails at.
#[test]
fn an_outage_of_both_is_not_blamed_on_a_canary_that_gets_copies_only() {
    let runs = u64::from(scaled(1_000));
    for failing in [0.05, 0.3, 1.0] {
        let blamed = (0..runs).filter(|seed| {
            let (mut gate, mut draws) = (Gate::new(), Draws::new(*seed));
            (0..20_000_u64).any(|n| {
                let rate = if n < 10_000 { 0.005 } else { failing };
                let arms =
                    if draws.part() < 0.05 { &[Arm::Primary, Arm::Mirror][..] } else { &[Arm::Primary] };
                for arm in arms {
                    let outcome = if draws.part() < rate { Outcome::HardFailure } else { Outcome::Good };
                    gate.step(&rules(), n * 100, &Event::Attempt(attempt(*arm, outcome, n % 5)));
                }
                if n % 10 == 0 {
                    gate.step(&rules(), n * 100, &Event::Tick);
                }
                gate.phase() == Phase::RolledBack
            })
        });
        let blamed = blamed.count() as u64;
        assert!(blamed * 100 <= runs, "{failing}: {blamed} of {runs}");
    }
}

/// The median of the failed requests until the canary was out of traffic, after so much time without trouble.
fn median_harm(per_second: f64, before_ms: u64, failing: f64, pasts: u32, futures: u32) -> u64 {
    let mut harm = Vec::new();
    for past in 0..pasts {
        let past = run(Gate::new(), &half(per_second, before_ms), past.into());
        assert_eq!(past.gate.phase(), Phase::Serving);
        for future in 0..futures {
            let scenario = Scenario {
                canary: troubled(failing, Outcome::HardFailure),
                ..half(per_second, 240 * HOUR_MS)
            };
            // Time begins anew, which the gate takes for a clock that was set back.
            let played = run(past.gate, &scenario, 1_000 + u64::from(future));
            assert!(played.out_ms.is_some(), "it is noticed");
            harm.push(played.failures_in_trouble);
        }
    }
    harm.sort_unstable();
    harm[harm.len() / 2]
}

#[test]
fn a_handful_of_requests_fails_before_a_bad_canary_is_out() {
    for per_second in [0.02, 0.1, 0.5, 2.0, 10.0] {
        for (failing, bar) in [(1.0, 6), (0.3, 11), (0.1, 22)] {
            let median = median_harm(per_second, HOUR_MS, failing, scaled(30), 20);
            assert!(median <= bar, "{per_second} a second, {failing}: {median}");
        }
    }
}

#[test]
fn after_a_day_of_ten_a_second_hardly_more_fail() {
    for (failing, bar) in [(1.0, 7), (0.3, 13), (0.1, 27)] {
        let median = median_harm(10.0, 24 * HOUR_MS, failing, scaled(10), 60);
        assert!(median <= bar, "{failing}: {median}");
    }
}

#[test]
fn of_ten_canary_requests_a_second_ten_fail_at_most() {
    for before_ms in [1, 60_000, 600_000] {
        for seed in 0..u64::from(scaled(300)) {
            let at_five_percent =
                |length_ms| Scenario { per_second: 200.0, share_ppm: 50_000, ..half(1.0, length_ms) };
            let past = run(Gate::new(), &at_five_percent(before_ms), seed);
            let canary = troubled(1.0, Outcome::HardFailure);
            let played = run(past.gate, &Scenario { canary, ..at_five_percent(60_000) }, seed + 1_000);
            assert!(played.out_ms.is_some() && played.failures_in_trouble <= 10, "{played:?}");
        }
    }
}

#[test]
fn an_outage_of_both_is_blamed_on_the_canary_once_in_a_hundred_at_most() {
    let runs = scaled(200);
    for (per_second, outage_ms) in
        [(0.02, 6 * HOUR_MS), (0.1, 2 * HOUR_MS), (1.0, HOUR_MS), (10.0, HOUR_MS / 2)]
    {
        let mut all = 0;
        for share_ppm in [10_000, 50_000, 250_000, 500_000, 900_000] {
            for failing in [0.05, 0.1, 0.3, 1.0] {
                let route = |length_ms| Scenario { per_second, share_ppm, ..half(1.0, length_ms) };
                // It ends, so that the canary may trip in its last moments and the primary be well a moment later.
                let trouble = Trouble { from_ms: 0, until_ms: outage_ms, failing, outcome: Outcome::Timeout };
                let outage = Script { usually: 0.005, trouble: Some(trouble) };
                let scenario = Scenario { canary: outage, primary: outage, ..route(outage_ms + HOUR_MS / 4) };
                let blamed = (0..u64::from(runs)).filter(|seed| {
                    let past = run(Gate::new(), &route(HOUR_MS / 4), *seed).gate;
                    run(past, &scenario, seed + 10_000).latched.is_some()
                });
                let blamed = blamed.count();
                // A tenth of the runs cannot show one in a hundred of each kind; all kinds together can.
                assert!(
                    blamed * 100 <= runs.max(100) as usize,
                    "{per_second} {share_ppm} {failing}: {blamed}"
                );
                all += blamed;
            }
        }
        assert!(all * 100 <= 20 * runs as usize, "{per_second}: {all} of {}", 20 * runs);
    }
}

#[test]
fn errors_that_follow_the_share_blame_nobody_however_the_share_moves() {
    let runs = scaled(2_000);
    // The share of attempts follows the configured one, or a caller wakes up and the configured one does not know.
    for is_known in [true, false] {
        let mut blamed = 0;
        for seed in 0..u64::from(runs) {
            let mut draws = Draws::new(seed);
            let (mut share, mut relative) = (Share::default(), Relative::default());
            let mut ppm: u32 = 50_000;
            for n in 0..4_000 {
                if n % 500 == 0 {
                    ppm = [10_000, 50_000, 250_000, 900_000][(draws.any() % 4) as usize];
                }
                let is_canarys = draws.any() % 1_000_000 < u64::from(ppm);
                let estimate = share.estimate(if is_known { ppm } else { 10_000 });
                share.count(is_canarys);
                if draws.part() < 0.05 {
                    relative.step(estimate, is_canarys);
                }
                if relative.evidence() >= 500.0 {
                    blamed += 1;
                    break;
                }
            }
        }
        assert!(blamed * 100 <= runs, "{is_known}: {blamed} of {runs}");
    }
}

#[test]
fn a_canary_at_its_limit_is_promoted_in_one_try_of_twenty_at_most() {
    let settings = RolloutSettings { tenants: 1, ..RolloutSettings::default() };
    let rollout_rules = RolloutRules::new(settings, &[10_000, 1_000_000]).unwrap();
    let runs = scaled(4_000);
    let mut promoted = 0;
    for seed in 0..u64::from(runs) {
        let mut rollout = Rollout::new();
        let scenario = Scenario {
            share_ppm: 1_000_000,
            canary: Script::steady(0.02),
            per_second: 1.0,
            ..half(1.0, 2 * HOUR_MS)
        };
        let mut stands = false;
        let rules = rules();
        play(&rules, Gate::new(), &scenario, &mut Draws::new(seed), &mut |_, event, _| {
            if let decisions::gate::Event::Attempt(attempt) = event {
                rollout.attempt(&rollout_rules, attempt, 0);
            }
            let missing = rollout.missing(&rollout_rules, &Gate::new());
            stands |= !missing.contains(decisions::rollout::Requirement::Evidence);
        });
        promoted += u32::from(stands);
    }
    assert!(promoted * 20 <= runs, "{promoted} of {runs}");
    assert!(promoted > 0, "a test that can fail");
}

#[test]
fn beside_the_fixed_gates_fewer_requests_fail_and_a_healthy_canary_stays() {
    let trial = Trial { runs: scaled(300), seed: 7 };
    let bad = troubled(1.0, Outcome::HardFailure);
    let rows = side_by_side(&rules(), &Scenario { canary: bad, ..half(0.5, 2 * HOUR_MS) }, trial);
    let harm = |gate| rows.iter().find(|row| row.gate == gate).unwrap();
    let (ours, prometheus) = (harm("evidence (this gate)"), harm(FixedKind::ForFiveMinutes.as_str()));
    assert!(ours.tripped == ours.runs && ours.failed_requests <= 6, "{ours:?}");
    assert!(prometheus.failed_requests > 100, "{prometheus:?}");
    let rows = side_by_side(&rules(), &half(0.1, 24 * HOUR_MS), trial);
    let wrong = |gate| rows.iter().find(|row| row.gate == gate).unwrap().share_tripped();
    assert!(wrong("evidence (this gate)") <= 0.01);
    assert!(wrong(FixedKind::Ratio.as_str()) > 0.9 && wrong(FixedKind::Flagger.as_str()) > 0.9);
}

#[test]
fn a_trip_before_the_trouble_is_told_apart_from_one_in_it() {
    let trouble =
        Trouble { from_ms: HOUR_MS, until_ms: u64::MAX, failing: 1.0, outcome: Outcome::HardFailure };
    let canary = Script { usually: 0.0, trouble: Some(trouble) };
    let trial = Trial { runs: 20, seed: 3 };
    // Seldom enough for minutes without a request, which Flagger takes for failures.
    let rows = side_by_side(&rules(), &Scenario { canary, ..half(0.01, 24 * HOUR_MS) }, trial);
    for row in &rows {
        let is_flagger = row.gate == FixedKind::Flagger.as_str();
        assert_eq!(row.tripped_before > 0, is_flagger, "{row:?}");
        assert!(row.failed_requests_p90 >= row.failed_requests, "{row:?}");
        assert!(row.runs == 20 && row.tripped + row.tripped_before <= 20, "{row:?}");
    }
    let ours = rows[0];
    assert!(ours.tripped == 20 && ours.failed_requests >= 2 && ours.after_ms > 60_000, "{ours:?}");
}

#[test]
fn the_first_attempts_of_a_canary_judge_it_too() {
    let attempt = played::attempt(Arm::Canary, Outcome::HardFailure, 1);
    let (mut gate, rules) = (Gate::new(), rules());
    let failures = (1..10).find(|n| {
        let event = decisions::gate::Event::Attempt(attempt);
        gate.step(&rules, n * 100, &event).is_some_and(|verdict| verdict.page)
    });
    assert!(failures.unwrap() <= 4);
}
