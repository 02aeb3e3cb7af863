//! One rule after the other; all of them together under random failures stand in `tests/attempts_properties.rs`.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Budgets that grant all or nothing, and what was asked of them.
struct Purse {
    grants: bool,
    asked: Vec<(&'static str, u8)>,
}

impl Ledger for Purse {
    fn withdraw_retry(&mut self, target: u8) -> bool {
        self.asked.push(("retry", target));
        self.grants
    }

    fn withdraw_fallback(&mut self, target: u8) -> bool {
        self.asked.push(("fallback", target));
        self.grants
    }
}

fn purse(grants: bool) -> Purse {
    Purse { grants, asked: Vec::new() }
}

fn failed(class: ErrorClass) -> Failed {
    Failed { class, hint: RetryHint::default(), committed: false }
}

fn policy(retries: u8) -> Policy {
    Policy { retries, retry_on: ErrorClass::RETRYABLE, fallback_on: ErrorClass::FALLS_BACK }
}

/// Fails one attempt after the other as `class`, with the longest waits, until there is a stop.
fn run(mut attempts: Attempts, class: ErrorClass, ledger: &mut Purse) -> (Vec<u8>, Stop) {
    let mut sent = Vec::new();
    loop {
        attempts.begin();
        sent.push(attempts.target());
        if let Next::Stop(reason) = attempts.next(failed(class), MINUTE, u64::MAX, ledger) {
            return (sent, reason);
        }
    }
}

#[test]
fn retries_come_first_the_last_attempt_is_the_fallbacks_and_three_are_all() {
    for (retries, targets, callers, expected, reason) in [
        (0, 1, 0, vec![0], Stop::LimitReached),
        (1, 1, 0, vec![0, 0], Stop::LimitReached),
        (0, 2, 0, vec![0, 1], Stop::LimitReached),
        (1, 2, 0, vec![0, 0, 1], Stop::LimitReached),
        (2, 2, 0, vec![0, 0, 1], Stop::LimitReached),
        (1, 2, 1, vec![0, 1], Stop::LimitReached),
        (1, 2, 2, vec![0], Stop::LimitReached),
        (2, 2, u32::MAX, vec![0], Stop::LimitReached),
    ] {
        let attempts = Attempts::new(policy(retries), targets, callers);
        let outcome = run(attempts, ErrorClass::Overloaded, &mut purse(true));
        assert_eq!(outcome, (expected, reason), "{retries} retries, {targets} targets, {callers} before");
    }
}

#[test]
fn where_no_route_applies_only_what_was_not_sent_is_tried_again() {
    let attempts = Attempts::new(Policy::of(None), 1, 0);
    let (sent, _) = run(attempts, ErrorClass::Connect, &mut purse(true));
    assert_eq!(sent, [0, 0]);
    assert_eq!(run(attempts, ErrorClass::Overloaded, &mut purse(true)), (vec![0], Stop::NoTarget));
    assert_eq!(run(attempts, ErrorClass::ContextLength, &mut purse(true)), (vec![0], Stop::NotNamed));
}

#[test]
fn a_silent_target_is_left_for_the_next_one() {
    let everything = ClassSet::of(&ErrorClass::ALL);
    let policy = Policy { retries: 2, retry_on: everything, fallback_on: everything };
    for class in [ErrorClass::HeadTimeout, ErrorClass::FirstTokenTimeout, ErrorClass::IdleTimeout] {
        let outcome = run(Attempts::new(policy, 2, 0), class, &mut purse(true));
        assert_eq!(outcome, (vec![0, 1], Stop::NoTarget));
    }
    for class in [ErrorClass::Auth, ErrorClass::Validation, ErrorClass::ContentPolicy] {
        let outcome = run(Attempts::new(policy, 2, 0), class, &mut purse(true));
        assert_eq!(outcome, (vec![0], Stop::NotNamed));
    }
}

#[test]
fn the_reason_is_the_one_that_was_nearest_to_another_attempt() {
    let told_not_to = RetryHint { should_retry: Some(false), ..RetryHint::default() };
    let told_to_wait = RetryHint { after: Some(MINUTE), ..RetryHint::default() };
    let overloaded = failed(ErrorClass::Overloaded);
    for (failed, remaining, grants, reason) in [
        (Failed { committed: true, ..overloaded }, MINUTE, true, Stop::Committed),
        (failed(ErrorClass::Auth), MINUTE, true, Stop::NotNamed),
        (failed(ErrorClass::ClientGone), MINUTE, true, Stop::NotNamed),
        (failed(ErrorClass::HeadTimeout), MINUTE, true, Stop::NoTarget),
        (Failed { hint: told_not_to, ..overloaded }, MINUTE, true, Stop::ToldNotTo),
        (Failed { hint: told_to_wait, ..overloaded }, MINUTE, true, Stop::NoTime),
        (failed(ErrorClass::TotalTimeout), MINUTE, true, Stop::NoTime),
        (overloaded, Duration::ZERO, true, Stop::NoTime),
        (overloaded, MINUTE, false, Stop::BudgetSpent),
    ] {
        let mut attempts = Attempts::new(policy(1), 1, 0);
        attempts.begin();
        let next = attempts.next(failed, remaining, 0, &mut purse(grants));
        assert_eq!(next, Next::Stop(reason), "{failed:?}");
        assert_eq!(attempts.next(overloaded, MINUTE, 0, &mut purse(true)), next, "a stop is final");
    }
}

#[test]
fn who_is_told_not_to_retry_may_still_fall_back() {
    let hint = RetryHint { should_retry: Some(false), after: Some(MINUTE) };
    let mut attempts = Attempts::new(policy(1), 2, 0);
    attempts.begin();
    let mut purse = purse(true);
    let next = attempts.next(Failed { hint, ..failed(ErrorClass::RateLimit) }, MINUTE, 0, &mut purse);
    assert_eq!((next, attempts.target(), purse.asked), (Next::Fallback, 1, vec![("fallback", 1)]));
}

#[test]
fn a_wait_is_the_longer_of_the_drawn_one_and_the_told_one() {
    for (told_ms, jitter, waits_ms) in [(100, u64::MAX, 250), (100, 0, 100), (0, 0, 0)] {
        let hint = RetryHint { after: Some(Duration::from_millis(told_ms)), should_retry: None };
        let mut attempts = Attempts::new(policy(1), 2, 0);
        attempts.begin();
        let failed = Failed { hint, ..failed(ErrorClass::RateLimit) };
        let next = attempts.next(failed, MINUTE, jitter, &mut purse(true));
        assert_eq!(next, Next::Retry { after: Duration::from_millis(waits_ms) });
    }
}

#[test]
fn passing_over_a_target_costs_nothing() {
    let mut attempts = Attempts::new(policy(1), 2, 0);
    assert!(attempts.pass_over());
    assert_eq!((attempts.target(), attempts.made(), attempts.left()), (1, 0, 3));
    assert!(!attempts.pass_over());
    let (sent, reason) = run(attempts, ErrorClass::Reset, &mut purse(true));
    assert_eq!((sent, reason), (vec![1, 1], Stop::LimitReached));
}

#[test]
fn names_are_distinct() {
    for stop in Stop::ALL {
        assert_eq!(Stop::ALL.iter().filter(|other| other.as_str() == stop.as_str()).count(), 1);
    }
}
