//! Judging and deciding are total, and a pass has to be seen.

use std::time::Duration;

use decisions::{ClassSet, Endpoint};
use proptest::prelude::*;

use super::*;
use crate::probe::checks::{RetryFacts, checks};
use crate::probe::judge::judge;
use crate::probe::matrix::matrix;
use crate::probe::plan::plan;
use crate::probe::plan::tests::{options, target};
use crate::probe::run::concerning;
use crate::probe::seen::{Ending, Seen, Shape, Usage};

fn any_seen() -> impl Strategy<Value = Seen> {
    let endings = [
        Ending::Unsent,
        Ending::Unanswered,
        Ending::NoHead,
        Ending::NoEnd,
        Ending::Cut,
        Ending::Left,
        Ending::Whole,
    ];
    let shapes = [Shape::None, Shape::Json, Shape::EventStream, Shape::Html, Shape::Empty, Shape::Other];
    let words = prop::option::of(prop::sample::select(&["stop", "length", "incomplete", "other"][..]));
    (
        prop::sample::select(endings.to_vec()),
        prop::option::of(prop::sample::select(&ErrorClass::ALL[..])),
        prop::sample::select(shapes.to_vec()),
        prop::option::of(100..600_u16),
        words,
        any::<(bool, bool, Option<bool>, Option<(u16, u16)>)>(),
    )
        .prop_map(|(ending, class, shape, status, finish, (flag, done, closed, usage))| {
            let mut seen = Seen::nothing(ending, class, Duration::from_millis(5));
            (seen.shape, seen.status, seen.finish) = (shape, status, finish);
            (seen.has_tool_call, seen.has_logprobs, seen.done, seen.is_complete) = (flag, done, done, flag);
            seen.connection_closed = closed;
            seen.models = flag.then_some(3);
            seen.usage = usage.map(|(input, output)| Usage {
                input: input.into(),
                output: output.into(),
                total: u64::from(input) + u64::from(output),
            });
            seen
        })
}

fn routes() -> Vec<RetryFacts> {
    let retried = ErrorClass::BEFORE_SENDING;
    vec![RetryFacts { route: "r".to_owned(), retried, fallback_on: ErrorClass::FALLS_BACK, counted: None }]
}

/// A run in which everything is as it should be.
fn good_run() -> Vec<Found> {
    let plan = plan(&[target(0, Some(decisions::plan::FeatureSet::EMPTY))], &options());
    let found = plan.probes.into_iter().map(|planned| {
        let question = planned.question;
        let mut seen = Seen::nothing(Ending::Whole, None, Duration::from_millis(5));
        (seen.status, seen.shape, seen.finish) = (Some(200), Shape::Json, Some("stop"));
        seen.usage = Some(Usage { input: 1, output: 1, total: 2 });
        seen.models = Some(1);
        match question {
            Question::ShortTimeout => (seen.ending, seen.connection_closed) = (Ending::NoHead, Some(true)),
            Question::Cancelled => (seen.ending, seen.connection_closed) = (Ending::Left, Some(true)),
            Question::InvalidRequest => (seen.status, seen.class) = (Some(500), Some(ErrorClass::Validation)),
            Question::UnknownModel => (seen.status, seen.class) = (Some(503), Some(ErrorClass::NotFound)),
            Question::UnknownPath | Question::ModelsUnknown => {
                (seen.status, seen.class) = (Some(404), Some(ErrorClass::NotFound));
            }
            question if question.is_to_be_refused() => {
                (seen.status, seen.class) = (Some(401), Some(ErrorClass::Auth));
            }
            _ => {}
        }
        found(planned, seen)
    });
    found.collect()
}

fn found(planned: crate::probe::plan::Planned, seen: Seen) -> Found {
    let (result, note) = judge(&planned, &seen);
    Found { planned, seen: Some(seen), result, note, overrun: None, record: None }
}

fn decided(found: &[Found]) -> (Decision, Vec<PreCutoverCheck>) {
    let target = target(0, Some(decisions::plan::FeatureSet::EMPTY));
    let of_it = concerning(found, std::slice::from_ref(&target), 0);
    let checks = checks(&of_it, &routes(), false);
    let plan = plan(std::slice::from_ref(&target), &options());
    let matrix = matrix(0, &target, &plan, &of_it);
    let decision = decide(&of_it, &checks, &matrix, false);
    let next = next_steps(&target, &of_it, (&checks, &matrix), decision);
    assert!(!next.is_empty(), "there is always something to do");
    (decision, checks)
}

/// Whether anything is in the way is open then; that something was sent is not.
#[test]
fn a_run_that_met_nothing_but_silence_does_not_say_that_nothing_was_sent() {
    let egress = |found: &[Found]| {
        let of_it =
            decided(found).1.into_iter().find(|check| check.check.as_str() == "dns_and_egress").unwrap();
        (of_it.passed, of_it.result.as_str().to_owned())
    };
    let mut silent = good_run();
    for one in &mut silent {
        one.seen =
            Some(Seen::nothing(Ending::NoHead, Some(ErrorClass::HeadTimeout), Duration::from_secs(30)));
    }
    let (passed, said) = egress(&silent);
    assert!(passed.is_none() && said.contains("none was answered (head_timeout)"), "{said}");
    for one in &mut silent {
        one.seen = None;
    }
    assert_eq!(egress(&silent), (None, "nothing was sent".to_owned()));
}

#[test]
fn a_good_run_proceeds_and_one_that_lacks_anything_does_not() {
    let good = good_run();
    assert_eq!(decided(&good).0, Decision::Proceed, "{:?}", decided(&good).1);
    assert_eq!(decided(&[]).0, Decision::Pause);
    for (at, lacking) in good.iter().enumerate() {
        let question = lacking.planned.question;
        let counts = question.is_of_the_set()
            || question.is_of_keys()
            || matches!(question, Question::ShortTimeout | Question::Cancelled);
        let mut run = good.clone();
        (run[at].seen, run[at].result) = (None, ProbeResult::NotTried);
        assert_eq!(decided(&run).0 == Decision::Proceed, !counts, "without {question:?}");
    }
}

#[test]
fn what_was_never_sent_is_no_good_answer() {
    let mut run = good_run();
    for found in &mut run {
        if !found.planned.question.is_to_be_refused() {
            let unsent = Seen::nothing(Ending::Unsent, None, Duration::ZERO);
            (found.result, found.note) = judge(&found.planned, &unsent);
            found.seen = Some(unsent);
        }
    }
    let (decision, checks) = decided(&run);
    let passed = |name: &str| checks.iter().find(|check| check.check.as_str() == name).unwrap().passed;
    assert_eq!((decision, passed("auth_success")), (Decision::Pause, None));
}

#[test]
fn rules_that_retry_what_must_not_be_are_found() {
    let good = good_run();
    let of_it: Vec<&Found> = good.iter().collect();
    let passed = |retried: ClassSet, fallback_on: ClassSet| {
        let route = RetryFacts { route: "r".to_owned(), retried, fallback_on, counted: None };
        checks(&of_it, &[route], false)[5].passed
    };
    assert_eq!(passed(ErrorClass::RETRYABLE, ErrorClass::MAY_FALL_BACK), Some(true));
    assert_eq!(passed(ClassSet::of(&[ErrorClass::Validation]), ClassSet::EMPTY), Some(false));
    assert_eq!(passed(ClassSet::EMPTY, ClassSet::of(&[ErrorClass::Auth])), Some(false));
    assert_eq!(checks(&of_it, &[], false)[5].passed, None, "no route, no answer");
    assert_eq!(checks(&of_it, &routes(), true)[6].passed, Some(false));
}

proptest! {
    /// Whatever was seen has a result; an error is never what works where an answer was wanted, nor an answer where it had
    /// to be refused; what was not sent is not tried.
    #[test]
    fn judging_is_total(at in 0..1_000_usize, seen in any_seen()) {
        let probes = plan(&[target(0, None)], &options()).probes;
        let planned = &probes[at % probes.len()];
        let (result, note) = judge(planned, &seen);
        prop_assert!(!note.is_empty());
        let is_of_time = matches!(planned.question, Question::ShortTimeout | Question::Cancelled);
        if seen.ending == Ending::Unsent {
            prop_assert_eq!(result, ProbeResult::NotTried);
        } else if !is_of_time && result == ProbeResult::Works {
            prop_assert_eq!(seen.class.is_some(), planned.question.is_to_be_refused());
        }
        if seen.connection_closed == Some(false) && is_of_time {
            prop_assert_ne!(result, ProbeResult::Works);
        }
    }

    /// One probe that went otherwise: the decision exists, and is no better than before.
    #[test]
    fn nothing_that_goes_wrong_makes_it_better(at in 0..1_000_usize, seen in any_seen()) {
        let mut run = good_run();
        let at = at % run.len();
        let planned = run[at].planned.clone();
        run[at] = found(planned, seen);
        let (decision, checks) = decided(&run);
        prop_assert_eq!(checks.len(), 8);
        let is_wrong = run[at].planned.question.is_of_the_set() && run[at].result != ProbeResult::Works;
        prop_assert!(!is_wrong || decision != Decision::Proceed, "{:?} {}", run[at].planned.question, run[at].note);
    }

    /// In an order that nobody planned, too.
    #[test]
    fn every_run_is_decided(seen in prop::collection::vec(any_seen(), 0..60), leaks: bool) {
        let target = target(0, None);
        let plan = plan(std::slice::from_ref(&target), &options());
        let run: Vec<Found> = plan.probes.iter().cloned().zip(seen).map(|(planned, seen)| found(planned, seen)).collect();
        let of_it = concerning(&run, std::slice::from_ref(&target), 0);
        let checks = checks(&of_it, &routes(), leaks);
        let matrix = matrix(0, &target, &plan, &of_it);
        let decision = decide(&of_it, &checks, &matrix, leaks);
        if decision == Decision::Proceed {
            prop_assert!(!leaks && checks.iter().all(|check| check.passed == Some(true)));
            let answered = run.iter().filter(|found| found.planned.endpoint == Some(Endpoint::Chat));
            prop_assert!(answered.filter(|found| found.planned.question.is_of_the_set()).all(|found| found.result == ProbeResult::Works));
        }
    }
}
