//! What is told and what is known come back from numbers as they were, and nothing else is taken for them.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

use decisions::gate::{
    Arm, Attempt, Control, Event, GateRules, GateSettings, Mode, OnTrip, Outcome, Tenants, Usage,
};
use decisions::judged::{Judged, NotJudged, Told};
use decisions::rollout::{RolloutRules, RolloutSettings};
use proptest::prelude::*;

fn arm() -> impl Strategy<Value = Arm> {
    prop_oneof![Just(Arm::Canary), Just(Arm::Primary), Just(Arm::Mirror)]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    use Outcome::{Auth, Good, HardFailure, Malformed, NotCounted, Timeout};
    proptest::sample::select(vec![Good, HardFailure, Timeout, Malformed, Auth, NotCounted])
}

fn usage() -> impl Strategy<Value = Usage> {
    prop_oneof![Just(Usage::NotExpected), Just(Usage::Missing), any::<u64>().prop_map(Usage::Reported)]
}

prop_compose! {
    fn attempt()(
        arm in arm(), outcome in outcome(), tenant: u64, share_ppm: u32, first_token_us: Option<u32>, usage in usage(),
    ) -> Attempt {
        Attempt { arm, outcome, tenant, share_ppm, first_token_us, usage }
    }
}

fn told() -> impl Strategy<Value = Told> {
    let event = |event| Told::Event { event, features: 0 };
    prop_oneof![
        6 => (attempt(), any::<u16>())
            .prop_map(|(attempt, features)| Told::Event { event: Event::Attempt(attempt), features }),
        1 => (arm(), any::<u64>(), any::<bool>())
            .prop_map(move |(arm, tenant, pass)| event(Event::Accepted { arm, tenant, pass })),
        1 => any::<u32>().prop_map(move |depth| event(Event::Queue { depth })),
        1 => proptest::sample::select(vec![
            event(Event::Tick), event(Event::Expired), event(Event::Hold), event(Event::Resume), event(Event::RollBack),
            Told::Promote,
        ]),
        1 => (1..200_u32).prop_map(|ticks| Told::Quiet { ticks }),
        1 => (0..32_u32, any::<bool>()).prop_map(|(check, passed)| Told::Checked { check, passed }),
    ]
}

prop_compose! {
    fn rules()(
        observe: bool, alone: bool, single: bool, hold: bool, false_alarms in 0.0001..0.1, limit in 0.0001..0.3,
        budget: Option<u64>, unreported_answers: Option<u32>, queue_limit: Option<u32>, hold_limit_ms: Option<u64>,
    ) -> GateRules {
        let mut settings = GateSettings {
            mode: if observe { Mode::Observe } else { Mode::Act },
            control: if alone { Control::None } else { Control::Primary },
            tenants: if single { Tenants::Single } else { Tenants::Several },
            false_alarms,
            worse_than_primary: if hold { OnTrip::Hold } else { OnTrip::RollBack },
            budget,
            unreported_answers,
            queue_limit,
            hold_limit_ms,
            ..GateSettings::default()
        };
        settings.rates[1].limit = limit;
        GateRules::new(settings).unwrap()
    }
}

prop_compose! {
    fn steps()(
        observe: bool, dwell_ms: u64, timeout_ms: u64, features: u16, tenants in 1..16_u32, checks: u32,
        steps in proptest::collection::btree_set(1..=1_000_000_u32, 1..16),
    ) -> RolloutRules {
        let mode = if observe { Mode::Observe } else { Mode::Act };
        let settings = RolloutSettings { mode, dwell_ms, timeout_ms, features, tenants, checks, ..RolloutSettings::default() };
        RolloutRules::new(settings, &steps.into_iter().collect::<Vec<_>>()).unwrap()
    }
}

fn numbers(judged: &Judged) -> Vec<u64> {
    let mut numbers = Vec::new();
    judged.put_numbers(&mut numbers);
    numbers
}

proptest! {
    #[test]
    fn what_is_told_comes_back_from_its_words(told in told()) {
        prop_assert_eq!(Told::from_words(&told.to_words()), Some(told));
    }

    #[test]
    fn words_that_nothing_has_are_refused(words in any::<[u64; 4]>()) {
        if let Some(told) = Told::from_words(&words) {
            prop_assert_eq!(told.to_words(), words);
        }
        prop_assert_eq!(Told::from_words(&words[..3]), None);
    }

    #[test]
    fn what_is_known_comes_back_and_goes_on_as_it_was(
        rules in proptest::option::of(rules()), rollout_rules in proptest::option::of(steps()),
        first in proptest::collection::vec(told(), 0..40), then in proptest::collection::vec(told(), 0..40),
    ) {
        let mut judged = Judged { rules, rollout_rules, ..Judged::default() };
        for (at, told) in (0..).zip(&first) {
            judged.tell(at * 700, told);
        }
        let mut again = Judged::from_numbers(&numbers(&judged)).unwrap();
        prop_assert_eq!(again, judged);
        for (at, told) in (0..).zip(&then) {
            prop_assert_eq!(again.tell(30_000 + at * 700, told), judged.tell(30_000 + at * 700, told));
        }
        prop_assert_eq!(numbers(&again), numbers(&judged));
    }

    #[test]
    fn numbers_that_are_cut_or_too_many_are_refused(rules in proptest::option::of(rules()), cut in any::<prop::sample::Index>()) {
        let whole = numbers(&Judged { rules, ..Judged::default() });
        prop_assert_eq!(Judged::from_numbers(&whole[..cut.index(whole.len())]), Err(NotJudged));
        let longer: Vec<u64> = whole.iter().copied().chain([0]).collect();
        prop_assert_eq!(Judged::from_numbers(&longer), Err(NotJudged));
    }
}
