//! A provider that is gone, a thousand requests a second, and what the gateway adds to them.

mod dice;
mod scale;

use std::time::Duration;

use decisions::ErrorClass;
use decisions::attempts::{
    Attempts, Breaker, BreakerSettings, Budget, Failed, Ledger, Next, Policy, RetryHint, Seen,
};

use crate::dice::Dice;
use crate::scale::scaled;

const RATIO: u32 = 100_000;

/// Both targets of a route, each with its budgets and its breaker.
struct World {
    retries: [Budget; 2],
    fallbacks: [Budget; 2],
    breakers: Option<[Breaker; 2]>,
    now: Duration,
    requests: u64,
    sent: u64,
}

impl Ledger for World {
    fn withdraw_retry(&mut self, target: u8) -> bool {
        self.retries[usize::from(target)].withdraw(self.now)
    }

    fn withdraw_fallback(&mut self, target: u8) -> bool {
        self.fallbacks[usize::from(target)].withdraw(self.now)
    }
}

impl World {
    fn new(with_breakers: bool) -> World {
        let breaker = Breaker::new(BreakerSettings::primary());
        World {
            retries: [Budget::new(RATIO); 2],
            fallbacks: [Budget::new(RATIO); 2],
            breakers: with_breakers.then_some([breaker; 2]),
            now: Duration::ZERO,
            requests: 0,
            sent: 0,
        }
    }

    /// One request, each of whose attempts fails with this likelihood in a thousand.
    fn request(&mut self, targets: u8, failing: u64, dice: &mut Dice) {
        let policy = Policy { retries: 2, retry_on: ErrorClass::RETRYABLE, ..Policy::of(None) };
        let mut attempts = Attempts::new(policy, targets, 0);
        self.requests += 1;
        loop {
            let target = usize::from(attempts.target());
            let permit = match &mut self.breakers {
                Some(breakers) => match breakers[target].admit(self.now) {
                    Ok(permit) => Some((target, permit)),
                    Err(_) if attempts.pass_over() => continue,
                    Err(_) => return,
                },
                None => None,
            };
            attempts.begin();
            self.sent += 1;
            let fails = dice.below(1_000) < failing;
            let seen = if fails { Seen::Failure } else { Seen::Success };
            if let (Some(breakers), Some((target, permit))) = (&mut self.breakers, permit) {
                breakers[target].report(permit, seen, self.now, dice.any());
            }
            if !fails {
                self.retries[target].deposit();
                self.fallbacks[target].deposit();
                return;
            }
            let failed = Failed { class: ErrorClass::Connect, hint: RetryHint::default(), committed: false };
            if let Next::Stop(_) = attempts.next(failed, Duration::from_secs(30), dice.any(), self) {
                return;
            }
        }
    }

    fn run(&mut self, seconds: u64, targets: u8, failing: u64, dice: &mut Dice) {
        for _ in 0..seconds * 1_000 {
            self.now += Duration::from_millis(1);
            self.request(targets, failing, dice);
        }
    }
}

#[test]
fn a_total_outage_is_not_amplified() {
    for with_breakers in [true, false] {
        for targets in [1, 2] {
            for seed in 0..u64::from(scaled(10)) {
                let mut dice = Dice::new(seed);
                let mut world = World::new(with_breakers);
                world.run(60, targets, 0, &mut dice);
                (world.requests, world.sent) = (0, 0);
                world.run(120, targets, 1_000, &mut dice);
                assert!(
                    world.sent * 10 <= world.requests * 11 + 100,
                    "{} attempts for {} requests, {targets} targets",
                    world.sent,
                    world.requests
                );
                if with_breakers {
                    assert!(
                        world.sent * 100 <= world.requests,
                        "open breakers keep them away: {}",
                        world.sent
                    );
                }
            }
        }
    }
}

#[test]
fn at_no_rate_of_failures_does_one_target_get_more_than_a_tenth_on_top() {
    for failing in (0..=1_000).step_by(50) {
        let mut dice = Dice::new(failing);
        let mut world = World::new(false);
        world.run(60, 1, failing, &mut dice);
        // The first stock of ten, and what the floor pays in a minute.
        assert!(world.sent * 10 <= world.requests * 11 + 120, "{failing}: {} {}", world.sent, world.requests);
    }
}

#[test]
fn after_the_outage_requests_go_through_again() {
    let mut dice = Dice::new(3);
    let mut world = World::new(true);
    world.run(60, 1, 1_000, &mut dice);
    world.run(300, 1, 0, &mut dice);
    (world.requests, world.sent) = (0, 0);
    world.run(10, 1, 0, &mut dice);
    assert_eq!(world.sent, world.requests);
}
