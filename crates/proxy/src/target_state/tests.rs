//! The lock: whatever threads do at one time, no token and no place is given out twice.

use super::*;

const MILLIONTHS: usize = 1_000_000;
const THREADS: usize = 64;
const ROUNDS: usize = 1_000;
const NOW: Duration = Duration::from_secs(1_000);

fn state(budget: u32, max_concurrent: Option<u32>) -> TargetState {
    let key = Key {
        origin: None,
        role: Role::Primary,
        retry_budget: budget,
        fallback_budget: budget,
        max_concurrent,
    };
    TargetState::new(key, PROBE)
}

/// The sum of what each of the threads says.
fn hammer(one: impl Fn() -> usize + Sync) -> usize {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(&one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn sixty_four_threads_never_overdraw_the_budget_of_retries() {
    let state = state(350_000, None);
    let sent = hammer(|| {
        let rounds = 0..ROUNDS;
        rounds
            .filter(|round| {
                state.deposit_retry();
                let is_granted = state.withdraw_retry(NOW);
                // Every other one is not sent after all.
                if is_granted && round.is_multiple_of(2) {
                    state.give_back_retry();
                }
                is_granted && !round.is_multiple_of(2)
            })
            .count()
    });
    let paid = THREADS * ROUNDS * 350_000 + 10 * MILLIONTHS;
    assert!(sent * MILLIONTHS <= paid, "{sent}");
    assert!(sent > 0);
}

#[test]
fn sixty_four_threads_never_overdraw_the_budget_of_fallbacks() {
    let state = Arc::new(state(100_000, None));
    let targets =
        RouteTargets { primary: Arc::clone(&state), canary: None, fallback: None, elsewhere: state };
    // Without another target there is nothing to pay for.
    targets.deposit_fallbacks();
    let failed = hammer(|| (0..ROUNDS).filter(|_| targets.primary.withdraw_fallback(NOW)).count());
    assert_eq!(failed, 10);
    let with_fallback = RouteTargets { fallback: Some(Arc::clone(&targets.primary)), ..targets };
    let failed = hammer(|| {
        let rounds = 0..ROUNDS;
        rounds
            .filter(|_| {
                with_fallback.deposit_fallbacks();
                with_fallback.of(Role::Fallback).withdraw_fallback(NOW)
            })
            .count()
    });
    // One state stands for both here, so each success deposits twice.
    assert!(failed * MILLIONTHS <= 2 * THREADS * ROUNDS * 100_000, "{failed}");
    assert!(failed > 0);
}

#[test]
fn sixty_four_threads_never_have_more_places_than_there_are() {
    let state = state(0, Some(5));
    let held = std::sync::atomic::AtomicUsize::new(0);
    let admitted = hammer(|| {
        let rounds = 0..ROUNDS;
        rounds
            .filter(|_| {
                let Ok(admission) = state.admit(Criticality::Critical, NOW) else { return false };
                let beside = held.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                assert!(beside < 5, "{beside} beside it");
                held.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                state.report(admission, Seen::Success, NOW);
                state.release(admission, Sample::Ok, NOW);
                true
            })
            .count()
    });
    assert!(admitted > 0);
    assert_eq!(state.lock().limiter.in_flight(), 0);
}

#[test]
fn one_of_sixty_four_threads_is_the_probe() {
    let state = state(0, None);
    for _ in 0..5 {
        let admission = state.admit(Criticality::Critical, NOW).unwrap();
        state.report(admission, Seen::Failure, NOW);
        state.release(admission, Sample::Neutral, NOW);
    }
    let later = NOW + Duration::from_secs(10);
    let admit = || usize::from(state.admit(Criticality::Critical, later).is_ok());
    assert_eq!(hammer(admit), 1);
    assert_eq!(state.lock().limiter.in_flight(), 1, "who is turned away by the breaker takes no place");
}

/// Requests that hang hold every place; the breaker knows that there is no use in waiting for one.
#[test]
fn a_target_that_is_closed_and_full_is_closed() {
    let state = state(0, Some(6));
    let admissions: Vec<_> = (0..6).map(|_| state.admit(Criticality::Critical, NOW).unwrap()).collect();
    for admission in &admissions[..5] {
        state.report(*admission, Seen::Failure, NOW);
    }
    let turned_away = state.admit(Criticality::Critical, NOW).unwrap_err();
    assert!(matches!(turned_away, TurnedAway::Open { .. }), "{turned_away:?}");
    // A probe that finds no place is none.
    let later = NOW + Duration::from_secs(10);
    assert!(matches!(state.admit(Criticality::Critical, later), Err(TurnedAway::Full)));
    state.release(admissions[0], Sample::Neutral, later);
    assert!(state.admit(Criticality::Critical, later).unwrap().is_probe());
}
