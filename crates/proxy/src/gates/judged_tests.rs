//! What applications say of answers, and what waits for an answer.

use std::time::Duration;

use decisions::gate::{GateRules, GateSettings, HoldCause, Rate};
use decisions::plan::{Plan, Route, Watched};
use decisions::{ErrorClass, Role};

use super::Gates;
use super::served::{JUDGED_WITHIN_MS, NotCounted};
use super::tests::{AWAY, HOME, ROUTE, finished, kept, latch, plan, with_fallback};
use crate::gates::Finished;

fn answers(plan: &Plan, gates: &Gates, role: Role, id: &[u8], at_ms: u64) {
    let provider = if role == Role::Primary { HOME } else { AWAY };
    let finished = Finished { request_id: Some(id), ..finished(provider, role, None) };
    gates.attempted(plan, &finished, Duration::from_millis(at_ms));
}

fn counted(gates: &Gates, watched: Watched) -> (u64, u64) {
    gates.of(ROUTE, watched).unwrap().state().judged.gate.counted(Rate::Acceptance)
}

#[test]
fn an_answer_is_judged_once_within_an_hour_by_its_own_id_also_after_a_reload() {
    let (_, keeper) = kept();
    let plan = plan(|_| ());
    let before = Gates::new(&plan, None, &keeper);
    for (id, at_ms) in [(b"a", 0), (b"b", 1_000)] {
        answers(&plan, &before, Role::Canary, id, at_ms);
    }
    let gates = Gates::new(&plan, Some(&before), &keeper);
    let judge = |id: &[u8], pass, at_ms| gates.judge(id, pass, at_ms).map(|(gate, _)| gate.id().watched);
    assert_eq!(judge(b"a", false, 2_000), Ok(Watched::Canary));
    for pass in [true, false] {
        assert_eq!(judge(b"a", pass, 3_000), Err(NotCounted::Before { pass: false }));
    }
    assert_eq!(judge(b"c", true, 3_000), Err(NotCounted::Unknown));
    assert_eq!(judge(b"b", true, 1_000 + JUDGED_WITHIN_MS - 1), Ok(Watched::Canary));
    assert_eq!(counted(&gates, Watched::Canary), (2, 1));
    answers(&plan, &gates, Role::Canary, b"d", 5_000);
    assert_eq!(judge(b"d", true, 5_000 + JUDGED_WITHIN_MS), Err(NotCounted::Unknown));
}

#[test]
fn only_good_answers_of_a_target_that_is_judged_so_can_be_judged() {
    let (_, keeper) = kept();
    let both = plan(with_fallback(AWAY));
    let gates = Gates::new(&both, None, &keeper);
    answers(&both, &gates, Role::Primary, b"home", 0);
    let failed =
        Finished { request_id: Some(b"bad"), ..finished(AWAY, Role::Canary, Some(ErrorClass::Server)) };
    gates.attempted(&both, &failed, Duration::ZERO);
    for id in [&b"home"[..], b"bad"] {
        assert_eq!(gates.judge(id, true, 1).err(), Some(NotCounted::Unknown));
    }
    answers(&both, &gates, Role::Fallback, b"out", 0);
    assert_eq!(gates.judge(b"out", false, 1).map(|(gate, _)| gate.id().watched), Ok(Watched::Fallback));
    assert_eq!((counted(&gates, Watched::Canary), counted(&gates, Watched::Fallback)), ((0, 0), (1, 1)));

    // Two requests with one ID.
    answers(&both, &gates, Role::Canary, b"same", 0);
    answers(&both, &gates, Role::Fallback, b"same", 1);
    assert_eq!(gates.judge(b"same", true, 2).err(), Some(NotCounted::Ambiguous));

    // Switched off meanwhile, gone, or rolled back.
    for id in [b"1", b"2", b"3"] {
        answers(&both, &gates, Role::Canary, id, 0);
    }
    let off = plan(|route| route.gates.canary = None);
    let reloaded = Gates::new(&off, Some(&gates), &keeper);
    assert_eq!(reloaded.judge(b"1", true, 1).err(), Some(NotCounted::NotJudged));
    let reloaded = Gates::new(&both, Some(&reloaded), &keeper);
    latch(&both, &reloaded);
    assert_eq!(reloaded.judge(b"2", true, 1).err(), Some(NotCounted::Out));

    let other = plan(|route| route.name = "another".to_owned());
    let first = Gates::new(&other, None, &keeper);
    answers(&other, &first, Role::Canary, b"left", 0);
    let next = Gates::new(&both, Some(&first), &keeper);
    drop(first);
    let last = Gates::new(&both, Some(&next), &keeper);
    drop(next);
    assert_eq!(last.judge(b"left", true, 1).err(), Some(NotCounted::Gone));
}

#[test]
fn what_is_remembered_does_not_grow_and_forgets_the_oldest_first() {
    let (_, keeper) = kept();
    let plan = plan(|_| ());
    let gates = Gates::new(&plan, None, &keeper);
    let id = |number: u32| number.to_le_bytes();
    for number in 0..100_000 {
        answers(&plan, &gates, Role::Canary, &id(number), u64::from(number));
    }
    let known = |numbers: std::ops::Range<u32>| {
        numbers.filter(|number| gates.judge(&id(*number), true, 100_000).is_ok()).count()
    };
    // Which of 4,096 sets of four an ID falls into is chance, anew in every process. What 90,000 came after stays where
    // fewer than four of those fell into its set: one in a million. Of what only 800 came after one in 100,000 is gone.
    assert!(known(0..10_000) <= 5);
    assert!(known(99_200..100_000) >= 795);
    assert!(known(10_000..99_200) <= 16_384);
}

#[test]
fn a_canary_whose_answers_wait_for_longer_than_they_may_is_held_and_then_rolled_back() {
    let (heard, keeper) = kept();
    let limited = plan(|route: &mut Route| {
        let settings = GateSettings { queue_limit: Some(2), ..GateSettings::default() };
        route.gates.canary = GateRules::new(settings).ok();
    });
    let gates = Gates::new(&limited, None, &keeper);
    let gate = gates.of(ROUTE, Watched::Canary).unwrap();
    let is_held = || gate.state().judged.gate.holds().contains(HoldCause::QueueDepth);
    let wait = || gates.waiting(Some(ROUTE), Role::Canary);
    assert!(gates.waiting(Some(ROUTE), Role::Primary).is_none());
    let mut waiting = vec![wait(), wait()];
    answers(&limited, &gates, Role::Canary, b"a", 0);
    gate.tick(1_000);
    assert!(!is_held());
    waiting.push(wait());
    gate.tick(2_000);
    assert!(is_held());
    waiting.pop();
    gate.tick(3_000);
    assert!(!is_held());
    waiting.push(wait());
    for second in 4..=64 {
        assert!(!gate.is_latched(), "{second}");
        gate.tick(second * 1_000);
    }
    assert!(gate.is_latched());
    let verdicts = heard.verdicts.lock().unwrap();
    assert_eq!(verdicts.last().unwrap().1.reason.as_str(), "queue_depth");
}
