//! The judges by themselves, on anything.

use std::time::Duration;

use bytes::Bytes;
use decisions::bucket::{Share, contains};
use decisions::plan::{Bucketing, StickyBy};
use decisions::rolled_back::Connections;
use decisions::{Endpoint, Role};
use proptest::prelude::*;
use serde_json::Value;

use crate::drill::*;
use crate::gateway::SeenAttempt;

#[test]
fn limits_apply_to_the_number_that_is_planned() {
    let limits = |cohort| Limits { requests: 1, tokens: 1, time: Duration::from_secs(1), cohort };
    for (cohort, failures, timeouts) in [(10, 0, 0), (49, 0, 0), (50, 1, 0), (100, 2, 1), (200, 4, 2)] {
        assert_eq!((limits(cohort).failures(), limits(cohort).timeouts()), (failures, timeouts), "{cohort}");
    }
    assert_eq!(limits(50).lines().len(), 7);
}

#[test]
fn a_faulty_request_is_faulty_in_its_form_alone() {
    for endpoint in Endpoint::ALL {
        let (valid, faulty) = (body(endpoint, "m", None), faulty_body(endpoint, "m"));
        assert_eq!(valid.is_some(), faulty.is_some(), "{endpoint:?}");
        let (Some(valid), Some(faulty)) = (valid, faulty) else { continue };
        let read = |text: &Bytes| serde_json::from_slice::<Value>(text).unwrap();
        assert_eq!((&read(&valid)["model"], &read(&faulty)["model"]), (&"m".into(), &"m".into()));
        assert_ne!(valid, faulty);
    }
}

proptest! {
    #[test]
    fn keys_are_on_both_sides_and_each_is_where_the_published_function_says(
        ppm in 1_000_u32..999_000, count in 2_usize..120, seed in "[a-z]{1,12}", salt in "[a-z]{1,12}",
    ) {
        let split = Bucketing {
            share: Share::from_ppm(ppm).unwrap(),
            sticky_by: vec![StickyBy::SafetyIdentifier],
            salt,
        };
        let keys = keys(&split, split.share, count, &seed, "t");
        prop_assert_eq!(keys.len(), count);
        let inside = keys.iter().filter(|key| key.is_in == Some(true)).count();
        prop_assert!(inside >= 1 && inside < count);
        let ideal = count as f64 * f64::from(ppm) / 1e6;
        prop_assert!((inside as f64 - ideal).abs() <= 1.0, "{inside} of {count} at {ppm}");
        for key in &keys {
            prop_assert_eq!(key.is_in, Some(contains(split.share, &split.salt, key.value.as_bytes())));
        }
        let mut values: Vec<&str> = keys.iter().map(|key| key.value.as_str()).collect();
        values.sort_unstable();
        values.dedup();
        prop_assert_eq!(values.len(), count, "no key twice");
    }

    /// Whatever came before: one attempt more that fails never turns a stop into none.
    #[test]
    fn more_trouble_never_makes_a_drill_go_on(
        classes in proptest::collection::vec(0_usize..7, 0..120), more in 1_usize..7, cohort in 1_u64..300,
    ) {
        const CLASSES: [Option<&str>; 7] = [
            None, Some("server"), Some("head_timeout"), Some("malformed"), Some("auth"), Some("validation"),
            Some("a class of another version"),
        ];
        let limits = Limits { requests: 1_000, tokens: u64::MAX, time: Duration::from_secs(1), cohort };
        let attempt = |class: usize| SeenAttempt {
            role: if class.is_multiple_of(2) { "canary" } else { "primary" }.to_owned(),
            error_class: CLASSES[class].map(str::to_owned),
            ..SeenAttempt::default()
        };
        let mut tally = Tally::default();
        let mut was_stopped = false;
        for class in classes.into_iter().chain([more]) {
            tally.note(&attempt(class), false);
            let is_stopped = limits.reached(&tally, Duration::ZERO).is_some();
            prop_assert!(is_stopped || !was_stopped);
            was_stopped = is_stopped;
        }
        let malformed_or_auth = tally.there.malformed + tally.there.auth > 0;
        prop_assert!(was_stopped || !malformed_or_auth);
        prop_assert_eq!(
            was_stopped,
            malformed_or_auth
                || tally.there.failures > limits.failures()
                || tally.there.timeouts > limits.timeouts()
                || tally.prior.ill() > limits.failures()
        );
    }

    /// A request that has to be home is only in order where no attempt of it was anywhere else, and one that has to be
    /// there only where it began there.
    #[test]
    fn where_a_request_went_is_judged_by_its_attempts_alone(
        roles in proptest::collection::vec(0_usize..3, 0..4), home in any::<bool>(),
    ) {
        const ROLES: [&str; 3] = ["primary", "canary", "fallback"];
        let attempts: Vec<SeenAttempt> = roles.iter().map(|role| SeenAttempt {
            route: Some("r".to_owned()),
            role: ROLES[*role].to_owned(),
            ..SeenAttempt::default()
        }).collect();
        let expected = if home { Expected::Home } else { Expected::There };
        let sent = Sent {
            step: Step::CanaryCohort, expected, key: None, request_id: None, status: Some(200), failure: None,
            model: None, acceptance: Acceptance::NotAsked, attempts,
        };
        let is_fine = judge(&sent, Role::Canary, "r").is_none();
        let wanted = if home { roles.iter().all(|role| *role == 0) } else { roles.first() == Some(&1) };
        prop_assert_eq!(is_fine, wanted && !roles.is_empty());
        prop_assert!(judge(&sent, Role::Canary, "another route").is_some());
    }

    #[test]
    fn a_way_back_is_proven_only_where_nothing_began_there_since_and_enough_was_answered(
        before in 0_usize..60, home in 0_usize..60, astray in 0_usize..3, in_flight in 0_u64..2, open in 0_u64..2,
    ) {
        let attempt = |role: &str| SeenAttempt { role: role.to_owned(), kind: "first".to_owned(), ..SeenAttempt::default() };
        let first: Vec<SeenAttempt> =
            std::iter::repeat_n(attempt("primary"), before).chain([attempt("canary")]).collect();
        let then = std::iter::repeat_n(attempt("primary"), home)
            .chain(std::iter::repeat_n(attempt("canary"), astray));
        let all: Vec<SeenAttempt> = first.iter().cloned().chain(then).collect();
        let findings = judge_way_back(counts(&first, 0), counts(&all, in_flight), Connections::Own(open));
        let is_proven = findings.iter().all(|finding| finding.is_proven);
        prop_assert_eq!(is_proven, home >= 30 && astray == 0 && in_flight == 0 && open == 0);
    }
}
