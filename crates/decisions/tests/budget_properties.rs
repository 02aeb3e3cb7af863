//! What a budget promises: no more than its successes pay for, and not less either, to the micro-token.

mod dice;
mod scale;

use std::time::Duration;

use decisions::attempts::Budget;
use proptest::prelude::*;

use crate::dice::Dice;
use crate::scale::scaled;

/// One token, in the unit of ratios.
const TOKEN: u128 = 1_000_000;

/// What the floor refill may have paid by then, in millionths of a token: one token in 30 s.
fn floor(elapsed: Duration) -> u128 {
    elapsed.as_nanos() / 30_000
}

#[test]
fn over_every_prefix_of_every_schedule_no_more_is_granted_than_is_paid_for() {
    for percent in 1..=100_u32 {
        for seed in 0..u64::from(scaled(100)) {
            let mut dice = Dice::new(seed * 101 + u64::from(percent));
            let mut budget = Budget::new(percent * 10_000);
            let start = Duration::from_nanos(dice.below(10_u64.pow(15)));
            let (mut now, mut earliest, mut latest) = (start, start, start);
            let (mut paid, mut granted) = (10 * TOKEN, 0_u128);
            let (eagerness, pace) = (1 + dice.below(9), 1 + dice.below(3_000_000_000));
            for _ in 0..400 {
                match dice.below(10) {
                    // The clock runs back.
                    0 => now = Duration::from_nanos(dice.below(10_u64.pow(15))).min(now),
                    draw if draw < eagerness => granted += u128::from(budget.withdraw(now)),
                    _ => {
                        budget.deposit();
                        paid += u128::from(percent) * TOKEN / 100;
                    }
                }
                (earliest, latest) = (earliest.min(now), latest.max(now));
                now += Duration::from_nanos(dice.below(pace));
                let bound = paid + floor(latest - earliest);
                assert!(granted * TOKEN <= bound, "{percent} %, seed {seed}: {granted} of {bound}");
            }
        }
    }
}

/// A known budget turns 0.35 into 0.5 and 0.6 into 1; here every ratio is itself.
#[test]
fn in_the_long_run_what_is_paid_for_is_granted_for_every_ratio() {
    for percent in 1..=100_u32 {
        let mut budget = Budget::new(percent * 10_000);
        let mut granted = 0_u128;
        let successes = 10_000_u128;
        for second in 0..successes {
            budget.deposit();
            let now = Duration::from_secs(u64::try_from(second).unwrap());
            while budget.withdraw(now) {
                granted += 1;
            }
        }
        // The last whole second is where the last withdrawal was tried.
        let paid = 10 * TOKEN
            + successes * u128::from(percent) * 10_000
            + floor(Duration::from_secs(u64::try_from(successes).unwrap() - 1));
        // The first deposit came to a full bucket.
        let paid = paid - u128::from(percent) * 10_000;
        assert_eq!(granted, paid / TOKEN, "{percent} %");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(2_560)))]

    #[test]
    fn the_balance_stays_within_the_cap_and_foretells_the_answer(
        ratio in 0..2_000_000_u32,
        steps in prop::collection::vec((0..4_u8, any::<u64>()), 0..100),
    ) {
        let mut budget = Budget::new(ratio);
        for (step, moment) in steps {
            let now = Duration::from_millis(moment % 1_000_000);
            let before = budget.balance(now);
            prop_assert!(before <= 10_000_000);
            match step {
                0 => budget.deposit(),
                1 => budget.give_back(),
                _ => {
                    let granted = budget.withdraw(now);
                    prop_assert_eq!(granted, before >= 1_000_000);
                    prop_assert_eq!(budget.balance(now), before - u64::from(granted) * 1_000_000);
                }
            }
            prop_assert!(ratio > 0 || budget.balance(Duration::MAX) == 0);
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again(ratio in 1..=1_000_000_u32, taken in 1..=10_u64) {
        let mut budget = Budget::new(ratio);
        let now = Duration::from_secs(5);
        for _ in 0..taken {
            prop_assert!(budget.withdraw(now));
        }
        let before = budget.balance(now);
        budget.give_back();
        prop_assert_eq!(budget.balance(now), before + 1_000_000);
    }
}
