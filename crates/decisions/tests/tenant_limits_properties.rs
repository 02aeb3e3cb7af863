//! What the limits of a tenant promise: over any time no more than the rate gives and one bucket full, in the long run
//! exactly the rate, and never more at one time than may be.

mod dice;
mod scale;

use std::time::Duration;

use decisions::tenant_limits::{Limited, MOST_CHARGED, TenantLimits, TenantUse};
use proptest::prelude::*;

use crate::dice::Dice;
use crate::scale::scaled;

const MINUTE: u128 = 60_000_000_000;

fn requests(limit: u64) -> TenantUse {
    TenantUse::new(TenantLimits { requests_per_minute: Some(limit), ..TenantLimits::default() })
}

fn tokens(limit: u64) -> TenantUse {
    TenantUse::new(TenantLimits { tokens_per_minute: Some(limit), ..TenantLimits::default() })
}

/// Every window of every schedule, not only those that begin at the start.
#[test]
fn in_no_window_more_is_admitted_than_the_rate_gives_and_one_bucket_full() {
    for seed in 0..u64::from(scaled(2_000)) {
        let mut dice = Dice::new(seed);
        let limit = 1 + dice.below([3, 60, 1_000, 1_000_000][usize::try_from(seed % 4).unwrap()]);
        let mut used = requests(limit);
        let mut now = Duration::from_nanos(dice.below(10_u64.pow(15)));
        let pace = 1 + dice.below(4 * 60_000_000_000 / limit);
        let (mut latest, mut admitted): (Duration, Vec<Duration>) = (Duration::ZERO, Vec::new());
        for _ in 0..600 {
            // The clock runs back, to before the first request even; what counts is the latest moment so far.
            let seen = if dice.below(20) == 0 {
                Duration::from_nanos(dice.below(10_u64.pow(15))).min(now)
            } else {
                now
            };
            latest = latest.max(seen);
            if used.begin(seen).is_ok() {
                admitted.push(latest);
                used.end();
            }
            now += Duration::from_nanos(dice.below(pace));
        }
        for (first, from) in admitted.iter().enumerate() {
            for (last, to) in admitted.iter().enumerate().skip(first) {
                let count = (last - first + 1) as u128;
                let window = (*to - *from).as_nanos();
                assert!(
                    count * MINUTE <= window * u128::from(limit) + u128::from(limit) * MINUTE,
                    "seed {seed}: {count} in {window} ns at {limit} a minute"
                );
            }
        }
    }
}

/// Asked at every moment that could matter, a year's worth of minutes is admitted to the request.
#[test]
fn in_the_long_run_the_rate_is_the_limit_exactly() {
    for limit in (1..200).chain([997, 9_973, 65_537]) {
        let mut used = requests(limit);
        let mut now = Duration::from_secs(7);
        let mut admitted = 0_u128;
        let wanted = 3 * u128::from(limit) + 10;
        while admitted < wanted {
            match used.begin(now) {
                Ok(()) => {
                    admitted += 1;
                    used.end();
                }
                Err(over) => now += over.after,
            }
        }
        // The last one came in the very nanosecond in which the rate gave it.
        let earned_after = (admitted - u128::from(limit)) * MINUTE;
        let passed = (now - Duration::from_secs(7)).as_nanos();
        let exact = earned_after.div_ceil(u128::from(limit));
        assert_eq!(passed, exact, "{admitted} at {limit} a minute");
    }
}

/// Whatever the answers cost: what was charged beyond the first bucket is paid for by time, to the token.
#[test]
fn over_every_prefix_tokens_are_paid_for_but_for_the_last_answer() {
    for seed in 0..u64::from(scaled(2_000)) {
        let mut dice = Dice::new(seed);
        let limit = 1 + dice.below(100_000);
        let mut used = tokens(limit);
        let start = Duration::from_nanos(dice.below(10_u64.pow(15)));
        let mut now = start;
        let (mut charged, mut since_full) = (0_u128, start);
        for _ in 0..300 {
            let before = used.tokens_left(now).unwrap();
            match used.begin(now) {
                Ok(()) => {
                    if before.reset.is_zero() {
                        (charged, since_full) = (0, now);
                    }
                    let earned = (now - since_full).as_nanos() * u128::from(limit);
                    let bound = earned + u128::from(limit) * MINUTE;
                    assert!(charged * MINUTE < bound, "seed {seed}: admitted without anything left");
                    let cost = dice.below(3 * limit);
                    used.charge(cost, now);
                    charged += u128::from(cost.min(MOST_CHARGED));
                    used.end();
                }
                Err(over) => {
                    assert_eq!(over.limited, Limited::Tokens);
                    assert_eq!(before.remaining, 0);
                    let earned = (now - since_full).as_nanos() * u128::from(limit);
                    assert!(
                        charged * MINUTE >= earned + u128::from(limit) * MINUTE,
                        "seed {seed}: refused too early"
                    );
                }
            }
            now += Duration::from_nanos(dice.below(90_000_000_000));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(2_560)))]

    /// A refused request that comes back when it was told to is admitted, and not a nanosecond earlier.
    #[test]
    fn the_time_to_come_back_is_exact(
        limit in 1..1_000_000_u64,
        costs in prop::collection::vec(0..3_000_000_u64, 0..4),
        taken in 0..50_u64,
        at in 0..10_u64.pow(15),
    ) {
        let mut used = TenantUse::new(TenantLimits {
            requests_per_minute: Some(limit),
            tokens_per_minute: Some(limit),
            max_concurrent_requests: None,
        });
        let now = Duration::from_nanos(at);
        for _ in 0..taken {
            let _refused = used.begin(now);
        }
        for cost in costs {
            used.charge(cost, now);
        }
        if let Err(over) = used.clone().begin(now) {
            prop_assert!(used.clone().begin(now + over.after - Duration::from_nanos(1)).is_err());
            prop_assert!(used.clone().begin(now + over.after).is_ok());
        }
        for left in [used.requests_left(now).unwrap(), used.tokens_left(now).unwrap()] {
            prop_assert!(left.remaining <= left.limit);
            prop_assert_eq!(left.reset.is_zero(), left.remaining == left.limit);
        }
        let reset = used.tokens_left(now).unwrap().reset;
        prop_assert_eq!(used.tokens_left(now + reset).unwrap().remaining, limit);
    }

    #[test]
    fn never_more_at_one_time_than_may_be(
        most in 1..20_u32,
        steps in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        let limits = TenantLimits { max_concurrent_requests: Some(most), ..TenantLimits::default() };
        let mut used = TenantUse::new(limits);
        let mut under_way = 0;
        for begins in steps {
            if begins {
                prop_assert_eq!(used.begin(Duration::ZERO).is_ok(), under_way < most);
                under_way = most.min(under_way + 1);
            } else if under_way > 0 {
                used.end();
                under_way -= 1;
            }
            prop_assert_eq!(used.under_way(), under_way);
        }
    }

    #[test]
    fn no_moment_and_no_limit_is_too_large(
        limit in any::<u64>(),
        moments in prop::collection::vec((any::<u64>(), 0..1_000_000_000_u32), 0..10),
        cost in any::<u64>(),
    ) {
        let mut used = TenantUse::new(TenantLimits {
            requests_per_minute: Some(limit),
            tokens_per_minute: Some(limit),
            max_concurrent_requests: Some(1),
        });
        for (seconds, nanoseconds) in moments {
            let now = Duration::new(seconds, nanoseconds);
            if used.begin(now).is_ok() {
                used.charge(cost, now);
                used.end();
            }
            prop_assert!(used.tokens_left(now).unwrap().remaining <= limit);
        }
    }
}
