//! Smoke test and rollforward check: only what has been shown is a pass, each thing that is wrong has its own name, and the pages for
//! operators have all of them.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

use std::collections::BTreeSet;

use decisions::Role;
use evidence::{Decision, Digest, EndpointFamily, ModelAsked, Moment, Presence, RequestType};
use proptest::prelude::*;
use readiness::route_check::shape::Shape;
use readiness::route_check::{Choice, Facts, Subject};
use readiness::{rollforward, smoke};

fn subject() -> Subject {
    Subject {
        route: "r".to_owned(),
        route_version: "1".to_owned(),
        map_sha256: "aa".to_owned(),
        environment: Some("staging".to_owned()),
        role: Role::Canary,
        provider: "cometapi".to_owned(),
        alias: "a".to_owned(),
        model_id: "m".to_owned(),
        choice: Choice { family: EndpointFamily::ChatCompletions, because: "said so".to_owned() },
        is_bearer_from_secret: true,
        is_serving: false,
        retries: 1,
    }
}

fn good() -> Facts {
    Facts {
        status: Some(200),
        shape: Shape {
            is_object: true,
            has_error: false,
            id: Presence::True,
            object: "chat.completion",
            usage: Presence::True,
            end: "stop",
        },
        error_class: None,
        is_accepted: true,
        is_malformed: false,
        logged: 1,
        decisions: vec!["done".to_owned()],
        is_one_request: true,
        route: Some("r".to_owned()),
        endpoint: Some("chat".to_owned()),
        target: Some("canary cometapi".to_owned()),
        model_id: Some("m".to_owned()),
        is_same_map: true,
        request_id: Some("id".to_owned()),
    }
}

fn refused(class: &str, status: u16) -> Facts {
    Facts {
        status: Some(status),
        shape: Shape { has_error: true, id: Presence::False, object: "not_returned", ..good().shape },
        error_class: Some(class.to_owned()),
        is_accepted: false,
        decisions: vec!["not_retryable".to_owned()],
        ..good()
    }
}

/// Everything that can be wrong with one attempt, whatever it was.
const WRONG: usize = 8;

fn spoil(facts: &Facts, at: usize) -> Facts {
    let facts = facts.clone();
    let other = || Some("other".to_owned());
    match at {
        0 => Facts { route: None, ..facts },
        1 => Facts { endpoint: other(), ..facts },
        2 => Facts { target: other(), ..facts },
        3 => Facts { model_id: None, ..facts },
        4 => Facts { is_same_map: false, ..facts },
        5 => Facts { is_one_request: false, ..facts },
        6 => Facts { logged: 3, decisions: vec!["retry".to_owned(); 3], ..facts },
        7 => Facts::none(),
        _ => facts,
    }
}

fn smoke_of(happy: Facts, invalid: Facts) -> Vec<smoke::Found> {
    let asked = |request| smoke::Asked { request, model: ModelAsked::Current, model_id: "m".to_owned() };
    [(RequestType::HappyPath, happy), (RequestType::ErrorPath, invalid)]
        .map(|(request, facts)| smoke::Found { asked: asked(request), facts })
        .into()
}

fn rollforward_of(happy: Facts, refused: Facts) -> Vec<rollforward::Found> {
    [(RequestType::HappyPath, happy), (RequestType::ErrorPath, refused)]
        .map(|(request, facts)| rollforward::Found { request, facts })
        .into()
}

const BEFORE: smoke::Before = smoke::Before { docs_reviewed: true, rollback_id_unknown: false };

#[test]
fn what_has_shown_everything_proceeds() {
    // Whatever status a client's error comes with.
    for status in [400, 422, 500] {
        let found = smoke_of(good(), refused("validation", status));
        let judged = smoke::judge(&subject(), BEFORE, &found);
        assert_eq!((judged.decision, judged.holds), (Decision::Proceed, vec![]));
    }
    for status in [401, 403] {
        let judged = rollforward::judge(&subject(), &rollforward_of(good(), refused("auth", status)));
        assert_eq!((judged.decision, judged.holds), (Decision::Proceed, vec![]));
    }
}

#[test]
fn every_reason_to_hold_is_reached_by_what_it_is_about() {
    let mut smoked = BTreeSet::new();
    let mut rolled = BTreeSet::new();
    let accepted_elsewhere = Facts { shape: Shape { object: "other", ..good().shape }, ..good() };
    let spoiled = (0..WRONG).map(|at| (spoil(&good(), at), refused("validation", 400), refused("auth", 401)));
    let others = [
        (refused("server", 500), good(), good()),
        (accepted_elsewhere, refused("server", 500), refused("server", 500)),
    ];
    for (happy, invalid, key) in spoiled.chain(others) {
        smoked.extend(smoke::judge(&subject(), BEFORE, &smoke_of(happy.clone(), invalid)).holds);
        rolled.extend(rollforward::judge(&subject(), &rollforward_of(happy, key)).holds);
    }
    let before = smoke::Before { docs_reviewed: false, rollback_id_unknown: true };
    let bare = Subject { environment: None, is_bearer_from_secret: false, ..subject() };
    smoked.extend(smoke::judge(&bare, before, &smoke_of(good(), refused("validation", 400))).holds);
    assert_eq!(smoked.into_iter().collect::<Vec<_>>(), smoke::Hold::ALL);
    assert_eq!(rolled.into_iter().collect::<Vec<_>>(), rollforward::Hold::ALL);
}

#[test]
fn no_attempt_is_no_pass() {
    assert_eq!(smoke::judge(&subject(), BEFORE, &[]).decision, Decision::Pause);
    assert_eq!(rollforward::judge(&subject(), &[]).decision, Decision::Pause);
    let one = rollforward_of(good(), refused("auth", 401)).into_iter().take(1).collect::<Vec<_>>();
    assert_eq!(rollforward::judge(&subject(), &one).holds, [rollforward::Hold::DecisionNotLogged]);
}

proptest! {
    #[test]
    fn whatever_is_wrong_in_either_attempt_nothing_proceeds(which in 0..2_usize, at in 0..WRONG, role in 0..3_usize, serving: bool) {
        let role = [Role::Primary, Role::Canary, Role::Fallback][role];
        let subject = Subject { role, is_serving: serving, ..subject() };
        let there = |facts: Facts| Facts { target: Some(format!("{} cometapi", role.as_str())), ..facts };
        let mut smoked = [there(good()), there(refused("validation", 400))];
        let mut rolled = [there(good()), there(refused("auth", 401))];
        let clean = smoke::judge(&subject, BEFORE, &smoke_of(smoked[0].clone(), smoked[1].clone()));
        prop_assert_eq!(clean.decision, Decision::Proceed);
        smoked[which] = spoil(&smoked[which], at);
        rolled[which] = spoil(&rolled[which], at);
        let [happy, invalid] = smoked;
        prop_assert_ne!(smoke::judge(&subject, BEFORE, &smoke_of(happy, invalid)).decision, Decision::Proceed);
        let [happy, key] = rolled;
        prop_assert_ne!(rollforward::judge(&subject, &rollforward_of(happy, key)).decision, Decision::Proceed);
    }
}

/// The words that stand in code on a page.
fn words_of(page: &str) -> BTreeSet<&str> {
    page.split('`').skip(1).step_by(2).collect()
}

fn page(name: &str) -> String {
    let path = format!("{}/../../docs/runbooks/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_pages_name_every_field_assertion_and_reason() {
    let at = Moment::from_ms(0);
    let (smoked, rolled) =
        (smoke_of(good(), refused("validation", 400)), rollforward_of(good(), refused("auth", 401)));
    let judged = smoke::judge(&subject(), BEFORE, &smoked);
    let about =
        smoke::About { check_id: "c", by: "kim", links: &[], map_sha256: Digest::NONE, before: BEFORE };
    let found: Vec<_> = smoked.into_iter().map(|found| (at, found, String::new())).collect();
    let smoke_record = serde_json::to_value(&smoke::records(&subject(), &about, &found, &judged)[0]).unwrap();
    let judged = rollforward::judge(&subject(), &rolled);
    let about = rollforward::About { check_id: "c", by: "kim", review_link: "l", map_sha256: Digest::NONE };
    let found: Vec<_> = rolled.into_iter().map(|found| (at, found, String::new())).collect();
    let rollforward_record =
        serde_json::to_value(&rollforward::records(&subject(), &about, &found, &judged)[0]).unwrap();
    for (name, record, holds) in [
        ("4-fallback-smoke-test.md", smoke_record, smoke::Hold::ALL.map(smoke::Hold::as_str).to_vec()),
        (
            "5-rollforward-check.md",
            rollforward_record,
            rollforward::Hold::ALL.map(rollforward::Hold::as_str).to_vec(),
        ),
    ] {
        let page = page(name);
        let words = words_of(&page);
        let fields = record.as_object().unwrap().keys().map(String::as_str);
        let asserted =
            record["assertions"].as_array().unwrap().iter().map(|said| said["assertion"].as_str().unwrap());
        for word in fields.chain(asserted).chain(holds) {
            assert!(words.contains(word), "{name} does not name `{word}`");
        }
        assert!(
            record["assertions"].as_array().unwrap().iter().all(|said| said["holds"] == true),
            "{record}"
        );
    }
}
