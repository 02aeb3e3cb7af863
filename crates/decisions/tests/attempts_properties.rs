//! What the machine promises, whatever fails and whatever a route says; and what hints may contain.

mod scale;

use std::time::Duration;

use decisions::attempts::{
    Attempts, Failed, Ledger, MOST_ATTEMPTS, Next, Policy, RetryHint, Signs, Stop, classify, read_hint,
};
use decisions::{ClassSet, ErrorClass};
use proptest::prelude::*;

use crate::scale::scaled;

/// One that grants as it is told to, and counts.
struct Grants {
    answers: u32,
    withdrawn: u32,
}

impl Grants {
    fn answer(&mut self) -> bool {
        let granted = self.answers & 1 == 0;
        self.answers = self.answers.rotate_right(1);
        self.withdrawn += u32::from(granted);
        granted
    }
}

impl Ledger for Grants {
    fn withdraw_retry(&mut self, _target: u8) -> bool {
        self.answer()
    }

    fn withdraw_fallback(&mut self, _target: u8) -> bool {
        self.answer()
    }
}

fn class() -> impl Strategy<Value = ErrorClass> {
    prop::sample::select(ErrorClass::ALL.to_vec())
}

/// Any classes at all, also those that no map may name.
fn classes() -> impl Strategy<Value = ClassSet> {
    prop::collection::vec(class(), 0..12).prop_map(|classes| ClassSet::of(&classes))
}

fn policy() -> impl Strategy<Value = Policy> {
    (0..=2_u8, classes(), classes()).prop_map(|(retries, retry_on, fallback_on)| Policy {
        retries,
        retry_on,
        fallback_on,
    })
}

fn failure() -> impl Strategy<Value = Failed> {
    let after = prop::option::of((0..20_000_u64).prop_map(Duration::from_millis));
    let hint = (after, prop::option::weighted(0.2, any::<bool>()))
        .prop_map(|(after, should_retry)| RetryHint { after, should_retry });
    (class(), hint, prop::bool::weighted(0.1)).prop_map(|(class, hint, committed)| Failed {
        class,
        hint,
        committed,
    })
}

type Step = (Failed, u64, u64, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((failure(), 0..10_000_u64, any::<u64>(), prop::bool::weighted(0.1)), 8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(100_000)))]

    #[test]
    fn attempts_stay_within_every_limit(
        policy in policy(),
        targets in 1..=2_u8,
        callers_retries in 0..5_u32,
        answers: u32,
        steps in steps(),
    ) {
        let mut attempts = Attempts::new(policy, targets, callers_retries);
        let mut ledger = Grants { answers, withdrawn: 0 };
        let mut sent = [0_u8; 2];
        for (failed, remaining, jitter, refuses) in steps {
            if refuses {
                let (target, left) = (attempts.target(), attempts.left());
                prop_assert_eq!(attempts.pass_over(), target + 1 < targets);
                prop_assert_eq!(attempts.left(), left, "nothing is charged");
            }
            attempts.begin();
            let here = usize::from(attempts.target());
            sent[here] += 1;
            let remaining = Duration::from_millis(remaining);
            let (target, withdrawn) = (attempts.target(), ledger.withdrawn);
            let next = attempts.next(failed, remaining, jitter, &mut ledger);
            check_reason(next, failed, policy);
            match next {
                Next::Retry { after } => {
                    prop_assert!(after < remaining);
                    prop_assert!(failed.hint.after.is_none_or(|told| after >= told));
                    prop_assert!(failed.hint.should_retry != Some(false));
                    prop_assert_eq!((attempts.target(), ledger.withdrawn), (target, withdrawn + 1));
                }
                Next::Fallback => {
                    prop_assert!(!remaining.is_zero());
                    prop_assert_eq!((attempts.target(), ledger.withdrawn), (target + 1, withdrawn + 1));
                }
                Next::Stop(reason) => {
                    prop_assert_eq!(ledger.withdrawn, withdrawn, "nothing is taken for an attempt not made");
                    ledger.answers = 0;
                    let again = attempts.next(failed, Duration::from_secs(60), 0, &mut ledger);
                    prop_assert_eq!(again, Next::Stop(reason));
                    prop_assert_eq!((attempts.left(), attempts.pass_over()), (0, false));
                    break;
                }
            }
        }
        let limit = 3_u32.saturating_sub(callers_retries).max(1);
        prop_assert!(u32::from(attempts.made()) <= limit && attempts.made() <= MOST_ATTEMPTS);
        prop_assert_eq!(attempts.made(), sent[0] + sent[1]);
        prop_assert!(sent.iter().all(|sent| *sent <= policy.retries + 1));
        prop_assert!(targets == 2 || sent[1] == 0);
    }

    #[test]
    fn no_header_and_no_body_upsets_a_reader(
        values in prop::collection::vec(prop::option::of(header_value()), 7),
        now: u32,
        status in prop::option::of(any::<u16>()),
        message in ".{0,40}",
        is_error_object: bool,
    ) {
        let names = [
            "retry-after-ms", "retry-after", "x-should-retry", "x-ratelimit-reset-requests",
            "x-ratelimit-reset-tokens", "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens",
        ];
        let header = |name: &str| {
            let index = names.iter().position(|known| *known == name)?;
            values[index].as_deref()
        };
        let hint = read_hint(header, Duration::from_secs(u64::from(now)));
        prop_assert!(hint.after.is_none_or(|after| after <= Duration::from_secs(86_400)));
        let [code, kind, ..] = &values[..] else { unreachable!() };
        let signs = Signs {
            status, code: code.as_deref(), kind: kind.as_deref(), message: Some(&message), is_error_object,
        };
        let class = classify(&signs);
        prop_assert!(!matches!(class, ErrorClass::ClientGone | ErrorClass::TotalTimeout));
    }

    #[test]
    fn a_wait_in_seconds_is_read_as_it_was_written(milliseconds in 0..86_400_000_u64) {
        let written = format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000);
        let header = |name: &str| (name == "retry-after").then_some(written.as_str());
        let hint = read_hint(header, Duration::ZERO);
        prop_assert_eq!(hint.after, Some(Duration::from_millis(milliseconds)));
    }
}

/// Near misses of what is expected, and anything.
fn header_value() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[-+]?[0-9]{0,40}(\\.[0-9]{0,40})?(e[0-9]{1,3}|ms|s|m|h|µs)?[0-9]{0,3}[a-zµ]{0,2}",
        "0|true|false|NaN|inf|-inf|-0",
        "(Sun|Sunday)[, ]{0,2}[0-9]{1,2}[- ](Nov|Feb|Xyz)[- ][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} ?(GMT)?",
        "Sun Nov [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}",
    ]
}

fn check_reason(next: Next, failed: Failed, policy: Policy) {
    let class = failed.class;
    let never_again = [ErrorClass::ClientGone, ErrorClass::TotalTimeout];
    let refused = [ErrorClass::Auth, ErrorClass::Validation, ErrorClass::ContentPolicy];
    let silent = [ErrorClass::HeadTimeout, ErrorClass::FirstTokenTimeout, ErrorClass::IdleTimeout];
    if failed.committed {
        assert_eq!(next, Next::Stop(Stop::Committed));
    } else if never_again.contains(&class) || refused.contains(&class) {
        assert!(matches!(next, Next::Stop(_)), "{class:?}: {next:?}");
    }
    match next {
        Next::Retry { .. } => {
            let named = ErrorClass::BEFORE_SENDING.contains(class) || policy.retry_on.contains(class);
            assert!(named && !silent.contains(&class), "{class:?}");
        }
        Next::Fallback => assert!(policy.fallback_on.contains(class), "{class:?}"),
        Next::Stop(_) => {}
    }
}
