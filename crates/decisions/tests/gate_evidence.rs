//! What makes the evidence worth its name: it is not expected to grow within the limit, and more failures never weigh less.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod played;

use decisions::gate::{
    Arm, Attempt, ChangePoint, Event, Factors, Gate, GateRules, GateSettings, Outcome, Phase, Tenants,
};
use proptest::prelude::*;

use crate::played::attempt;

/// The mean of the evidence over all sequences of so many attempts.
fn expected(evidence: ChangePoint, factors: &Factors, rate: f64, attempts: u32) -> f64 {
    if attempts == 0 {
        return evidence.evidence();
    }
    let next = |failed| {
        let mut next = evidence;
        next.step(factors, failed);
        expected(next, factors, rate, attempts - 1)
    };
    rate * next(true) + (1.0 - rate) * next(false)
}

#[test]
fn within_the_limit_the_evidence_is_not_expected_to_exceed_one() {
    for limit in [0.001, 0.02, 0.1] {
        let factors = Factors::of_limit(limit);
        let mut last = 0.0;
        for attempts in 0..14 {
            let at_the_limit = expected(ChangePoint::default(), &factors, limit, attempts);
            assert!(at_the_limit >= last && at_the_limit < 1.0, "{limit} {attempts}: {at_the_limit}");
            assert!(expected(ChangePoint::default(), &factors, limit / 2.0, attempts) <= at_the_limit);
            last = at_the_limit;
        }
        // And above it, it is.
        assert!(expected(ChangePoint::default(), &factors, 0.9, 10) > 1_000.0);
    }
}

#[test]
fn whatever_was_seen_the_next_attempts_are_not_expected_to_add_more_than_their_parts() {
    let factors = Factors::of_limit(0.02);
    let mut evidence = ChangePoint::default();
    for n in 0..500 {
        evidence.step(&factors, n % 37 == 0);
        let parts = expected(ChangePoint::default(), &factors, 0.02, 6);
        let ahead = expected(evidence, &factors, 0.02, 6);
        assert!(ahead <= evidence.evidence() + parts + 1e-9, "{n}: {ahead} {}", evidence.evidence());
    }
}

/// The mean of a batch's evidence over all counts of failures.
fn expected_of_batch(factors: &Factors, rate: f64, attempts: u64) -> f64 {
    let mut likelihood = (1.0 - rate).powi(attempts as i32);
    let mut mean = 0.0;
    for failures in 0..=attempts {
        let mut batch = ChangePoint::default();
        batch.step_all(factors, attempts, failures);
        mean += likelihood * batch.evidence();
        likelihood *= rate / (1.0 - rate) * (attempts - failures) as f64 / (failures + 1) as f64;
    }
    mean
}

#[test]
fn a_batch_counts_whatever_its_order_and_is_as_fair() {
    for limit in [0.001, 0.02] {
        let factors = Factors::of_limit(limit);
        for attempts in [1, 10, 100, 1_000] {
            let mean = expected_of_batch(&factors, limit, attempts);
            assert!(mean <= 1.0, "{limit} {attempts}: {mean}");
        }
        let mut harm = ChangePoint::default();
        harm.step_all(&factors, 100, 50);
        assert!(harm.evidence() > 1e6);
    }
}

/// When a gate without control latched, among these attempts.
fn latched_at(rules: &GateRules, failed: &[bool]) -> usize {
    let mut gate = Gate::new();
    for (at, failed) in failed.iter().enumerate() {
        let outcome = if *failed { Outcome::HardFailure } else { Outcome::Good };
        let event = Event::Attempt(Attempt { ..attempt(Arm::Canary, outcome, 1) });
        gate.step(rules, at as u64 * 100, &event);
        if gate.phase() == Phase::RolledBack {
            return at;
        }
    }
    usize::MAX
}

proptest! {
    #[test]
    fn one_failure_more_never_helps_a_canary(
        mut failed in prop::collection::vec(prop::bool::weighted(0.1), 1..400),
        more in 0_usize..400,
    ) {
        let settings = GateSettings { tenants: Tenants::Single, ..GateSettings::fallback() };
        let rules = GateRules::new(settings).unwrap();
        let before = latched_at(&rules, &failed);
        let at = more % failed.len();
        failed[at] = true;
        prop_assert!(latched_at(&rules, &failed) <= before);
    }

    #[test]
    fn evidence_stays_a_number_whatever_comes(
        limit in 0.0001_f64..0.3,
        stretches in prop::collection::vec((any::<bool>(), 1_u64..100_000), 1..20),
    ) {
        let factors = Factors::of_limit(limit);
        let mut evidence = ChangePoint::default();
        for (failing, attempts) in stretches {
            evidence.step_all(&factors, attempts, if failing { attempts } else { 0 });
            for _ in 0..100 {
                evidence.step(&factors, failing);
            }
            prop_assert!(evidence.evidence().is_finite() && evidence.evidence() >= 0.0);
        }
    }
}
