//! Events for gates at random.

use decisions::gate::{Arm, Attempt, Event, Outcome, Usage};
use proptest::prelude::*;

use crate::played::attempt;

const OUTCOMES: [Outcome; 6] = [
    Outcome::Good,
    Outcome::Good,
    Outcome::HardFailure,
    Outcome::Timeout,
    Outcome::Malformed,
    Outcome::NotCounted,
];

/// Anything that does not end the canary by itself.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    let arm = prop_oneof![3 => Just(Arm::Canary), 3 => Just(Arm::Primary), 1 => Just(Arm::Mirror)];
    let usage = prop_oneof![
        3 => Just(Usage::NotExpected),
        1 => (0_u64..50).prop_map(Usage::Reported),
        1 => Just(Usage::Missing),
    ];
    let time = prop::option::of(100_000_u32..2_000_000);
    let attempt = (arm.clone(), prop::sample::select(&OUTCOMES[..]), 0_u64..12, time, usage).prop_map(
        |(arm, outcome, tenant, first_token_us, usage)| {
            Event::Attempt(Attempt { first_token_us, usage, ..attempt(arm, outcome, tenant) })
        },
    );
    prop_oneof![
        20 => attempt,
        2 => Just(Event::Tick),
        1 => (arm, 0_u64..12, any::<bool>())
            .prop_map(|(arm, tenant, pass)| Event::Accepted { arm, tenant, pass }),
        1 => (0_u32..200).prop_map(|depth| Event::Queue { depth }),
        1 => Just(Event::Resume),
        1 => Just(Event::Hold),
    ]
}
