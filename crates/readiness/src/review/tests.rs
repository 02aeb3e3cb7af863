//! A route whose every check is on record, and what becomes of its readiness when one of them is taken away, spoilt or old.

use evidence::{Decision, Digest, Moment, Readiness, ReadinessState};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_795_262_400_000;
const HOUR: i64 = 3_600_000;

fn at(hours_ago: i64) -> Moment {
    Moment::from_ms(NOW - hours_ago * HOUR)
}

fn model(provider: &str, id: &str) -> Model {
    Model { provider: provider.to_owned(), model_id: id.to_owned() }
}

fn subject() -> Subject {
    Subject {
        route: "acme".to_owned(),
        check_id: "readiness-1".to_owned(),
        environment: Some("production".to_owned()),
        route_version: "2".to_owned(),
        config_sha256: Digest::of(b"map"),
        rollback_route_version: Some("1".to_owned()),
        no_way_back: None,
        current: vec![model("cometapi", "new")],
        rollback: vec![model("openai", "old")],
        rollback_there: vec![model("cometapi", "older")],
        fallback: Vec::new(),
        identities: vec!["5d1f".to_owned()],
        rollback_sha256: Some(Digest::of(b"back")),
        is_gated: true,
        vouched: None,
        ages: CheckAges::default(),
        approver: Some("kim".to_owned()),
        link: Some("https://tickets.example/7".to_owned()),
        store: "state/evidence".to_owned(),
    }
}

/// Everything that is needed, an hour old, the newest first.
fn records() -> Vec<Known> {
    let back = Digest::of(b"back").to_string();
    let catalog = |provider: &str, id: &str| json!({"provider": provider, "models": [{"model_id": id, "present": true}], "decision": "proceed"});
    let smoke = |asked: &str, model: &str, kind: &str| {
        json!({"model_asked": asked, "selected_model_id": model, "request_type": kind, "decision": "proceed",
            "check_id": format!("smoke-{asked}"), "request_id": "r-1"})
    };
    let mut said: Vec<(&str, Option<&str>, Value)> = vec![
        ("catalog_check", None, catalog("cometapi", "new")),
        ("catalog_check", None, catalog("openai", "old")),
        (
            "probe_summary",
            None,
            json!({"provider": "cometapi", "provider_model_id": "new", "decision": "proceed"}),
        ),
        ("smoke_check", Some("acme"), smoke("current", "new", "happy_path")),
        ("smoke_check", Some("acme"), smoke("current", "new", "error_path")),
        ("smoke_check", Some("acme"), smoke("rollback", "older", "happy_path")),
        (
            "drill",
            Some("acme"),
            json!({"identity": "5d1f", "rollback_config_sha256": back, "outcome": "passed",
            "by": "kim", "verdict": "proceed", "attempts": []}),
        ),
        ("rollforward_check", Some("acme"), json!({"check_id": "f-1", "decision": "proceed"})),
        (
            "rollback_note",
            Some("acme"),
            json!({"rollback_decision":
            {"watched_metric": "CanaryErrors", "may_revert": "platform-oncall"}}),
        ),
    ];
    for item in crate::probe::ITEMS {
        let body = json!({"provider": "cometapi", "worksheet": item.worksheet, "contract_item": item.name,
            "state": "verified"});
        said.push(("contract_item", None, body));
    }
    let known = |(sequence, (kind, route, body)): (u64, (&str, Option<&str>, Value))| Known {
        sequence,
        at: at(1),
        kind: kind.to_owned(),
        route: route.map(str::to_owned),
        body,
    };
    (1..).zip(said).map(known).collect()
}

fn reviewed(subject: &Subject, records: &[Known]) -> Readiness {
    review(subject, records, at(0))
}

fn state(readiness: &Readiness, check: &str) -> ReadinessState {
    readiness.checks.iter().find(|item| item.check.as_str() == check).unwrap().state
}

#[test]
fn a_route_whose_checks_are_all_there_may_proceed_and_has_every_field_of_the_runbook() {
    let readiness = reviewed(&subject(), &records());
    assert_eq!(readiness.decision, Decision::Proceed, "{}", readiness.reason);
    let names: Vec<&str> = readiness.checks.iter().map(|item| item.check.as_str()).collect();
    assert_eq!(names, CHECKS);
    assert_eq!((readiness.current.present, readiness.rollback.present), (Some(true), Some(true)));
    assert_eq!(readiness.fallback, ReadinessModel::default(), "it has none");
    assert!(readiness.models_endpoint_checked && readiness.canary_completed);
    assert!(readiness.evidence_location.as_str().contains("https://tickets.example/7"));
    assert_eq!(readiness.approver.as_ref().map(Name::as_str), Some("kim"));
    let said = &readiness.rollback_decision;
    assert_eq!(unanswered(said).count(), 0);
    let text = |answer: &Option<Name>| answer.as_ref().unwrap().as_str().to_owned();
    assert_eq!(text(&said.rolling_back_from), "new at cometapi");
    assert_eq!(text(&said.rolling_back_to), "old at openai");
    assert_eq!(text(&said.mapping_approved_by), "kim (drill, record 7)");
    assert_eq!(said.canary_request.as_ref().unwrap().as_str(), "request r-1, record 4");
    assert!(said.rollback_id_last_confirmed.as_ref().unwrap().as_str().ends_with("record 2"));
}

/// What is changed of the records or of the route, which check shows it, how, and what follows.
type Case = (&'static str, fn(&mut Subject, &mut Vec<Known>), &'static str, ReadinessState, Decision);

fn body<'r>(records: &'r mut [Known], kind: &str) -> &'r mut Value {
    &mut records.iter_mut().find(|record| record.kind == kind).unwrap().body
}

fn without(records: &mut Vec<Known>, kind: &str) {
    records.retain(|record| record.kind != kind);
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn each_thing_that_is_missing_stale_or_failed_shows_where_it_is_and_says_what_to_do() {
    use Decision::{Escalate, Pause, Proceed};
    use ReadinessState::{Failed, Fresh, Missing, NotNeeded, Overridden, Stale};
    let cases: Vec<Case> = vec![
        (
            "no version to go back to",
            |s, _| s.no_way_back = Some(("none".into(), "name one".into())),
            "way_back",
            Missing,
            Pause,
        ),
        ("nobody asked", |_, r| without(r, "catalog_check"), "models", Missing, Pause),
        (
            "one model was not probed, and another calls for somebody",
            |s, r| {
                s.current.insert(0, model("cometapi", "unprobed"));
                body(r, "probe_summary")["decision"] = json!("escalate");
            },
            "probe",
            Failed,
            Escalate,
        ),
        ("asked yesterday", |_, r| r[0].at = at(24), "models", Stale, Pause),
        ("just within a day", |_, r| r[0].at = at(23), "models", Fresh, Proceed),
        (
            "the new ID is gone",
            |_, r| r[0].body["models"][0]["present"] = json!(false),
            "models",
            Failed,
            Pause,
        ),
        (
            "the rollback ID is gone",
            |_, r| r[1].body["models"][0]["present"] = json!(false),
            "models",
            Failed,
            Escalate,
        ),
        ("nobody can tell", |_, r| r[1].body["models"][0]["present"] = json!(null), "models", Missing, Pause),
        (
            "another ID, by its case",
            |_, r| r[0].body["models"][0]["model_id"] = json!("NEW"),
            "models",
            Missing,
            Pause,
        ),
        (
            "a fallback that was not asked for",
            |s, _| s.fallback = vec![model("third", "x")],
            "models",
            Missing,
            Pause,
        ),
        ("a line of the contract is open", |_, r| drop(r.pop()), "contract", Missing, Pause),
        (
            "a line is refuted",
            |_, r| body(r, "contract_item")["state"] = json!("refuted"),
            "contract",
            Failed,
            Pause,
        ),
        ("a contract of last year", |_, r| r.last_mut().unwrap().at = at(91 * 24), "contract", Stale, Pause),
        ("no probe", |_, r| without(r, "probe_summary"), "probe", Missing, Pause),
        (
            "a probe that says pause",
            |_, r| body(r, "probe_summary")["decision"] = json!("pause"),
            "probe",
            Failed,
            Pause,
        ),
        (
            "a probe that escalates",
            |_, r| body(r, "probe_summary")["decision"] = json!("escalate"),
            "probe",
            Failed,
            Escalate,
        ),
        (
            "a probe of another model",
            |_, r| body(r, "probe_summary")["provider_model_id"] = json!("x"),
            "probe",
            Missing,
            Pause,
        ),
        ("no gate", |s, _| s.is_gated = false, "gate", Missing, Pause),
        ("no smoke test", |_, r| r.retain(|r| r.body["model_asked"] != "current"), "smoke", Missing, Pause),
        ("its error path failed", |_, r| r[4].body["decision"] = json!("pause"), "smoke", Failed, Pause),
        ("it got another model", |_, r| r[3].body["selected_model_id"] = json!("x"), "smoke", Stale, Pause),
        (
            "the rollback's ID was not tried",
            |_, r| r.retain(|r| r.body["model_asked"] != "rollback"),
            "smoke_rollback_id",
            Missing,
            Pause,
        ),
        (
            "it is the same model",
            |s, r| {
                s.rollback_there = s.current.clone();
                r.retain(|r| r.body["model_asked"] != "rollback");
            },
            "smoke_rollback_id",
            NotNeeded,
            Proceed,
        ),
        ("no drill", |_, r| without(r, "drill"), "drill", Missing, Pause),
        ("a drill that failed", |_, r| body(r, "drill")["outcome"] = json!("failed"), "drill", Failed, Pause),
        (
            "whose way back failed",
            |_, r| *body(r, "drill") = json!({"outcome": "failed", "verdict": "escalate", "identity": "5d1f", "rollback_config_sha256": Digest::of(b"back").to_string()}),
            "drill",
            Failed,
            Escalate,
        ),
        (
            "a drill that was broken off",
            |_, r| body(r, "drill")["outcome"] = json!("interrupted"),
            "drill",
            Missing,
            Pause,
        ),
        ("of another try", |_, r| body(r, "drill")["identity"] = json!("other"), "drill", Missing, Pause),
        (
            "back to another text",
            |s, _| s.rollback_sha256 = Some(Digest::of(b"other")),
            "drill",
            Missing,
            Pause,
        ),
        ("a month ago", |_, r| r[6].at = at(30 * 24), "drill", Stale, Pause),
        (
            "a second target was not drilled",
            |s, _| s.identities.push("other".into()),
            "drill",
            Missing,
            Pause,
        ),
        (
            "vouched for in the map",
            |s, r| {
                without(r, "drill");
                s.vouched = Some(("dana".into(), at(-1)));
            },
            "drill",
            Overridden,
            Proceed,
        ),
        (
            "vouched for until now",
            |s, r| {
                without(r, "drill");
                s.vouched = Some(("dana".into(), at(0)));
            },
            "drill",
            Missing,
            Pause,
        ),
        ("no rollforward", |_, r| without(r, "rollforward_check"), "rollforward", Missing, Pause),
        ("a question is open", |_, r| without(r, "rollback_note"), "rollback_decision", Missing, Pause),
    ];
    for (name, change, check, expected, decision) in cases {
        let (mut subject, mut records) = (subject(), records());
        change(&mut subject, &mut records);
        let readiness = reviewed(&subject, &records);
        assert_eq!(state(&readiness, check), expected, "{name}: {}", readiness.reason);
        assert_eq!(readiness.decision, decision, "{name}: {}", readiness.reason);
        let is_open = !matches!(expected, Fresh | NotNeeded | Overridden);
        assert_eq!(readiness.reason.as_str().contains(check), is_open, "{name}: {}", readiness.reason);
        assert!(readiness.next.iter().all(|next| !next.as_str().is_empty()), "{name}: {:?}", readiness.next);
    }
}

#[test]
fn an_override_lets_pass_until_its_end_and_nothing_but_what_it_names() {
    let overriding = |what: &str, until: Moment| Known {
        sequence: 99,
        at: at(1),
        kind: "override".to_owned(),
        route: Some("acme".to_owned()),
        body: json!({"what": what, "by": "dana", "until": until.to_string()}),
    };
    for (what, until, decision) in [
        ("smoke", at(-1), Decision::Proceed),
        ("smoke", at(0), Decision::Pause),
        ("drill", at(-1), Decision::Pause),
    ] {
        let mut records = records();
        records.retain(|record| record.body["model_asked"] != "current");
        records.insert(0, overriding(what, until));
        assert_eq!(reviewed(&subject(), &records).decision, decision, "{what} until {until}");
    }
}

#[test]
fn an_override_of_a_whole_map_counts_for_its_routes_and_for_no_other_map() {
    for (map, decision) in [("map", Decision::Proceed), ("another", Decision::Pause)] {
        let mut records = records();
        records[0].body["models"][0]["present"] = json!(false);
        let of_map = Digest::of(map.as_bytes());
        let body =
            json!({"what": "models", "by": "dana", "until": at(-1).to_string(), "config_sha256": of_map});
        let overriding = Known { sequence: 99, at: at(1), kind: "override".to_owned(), route: None, body };
        records.insert(0, overriding);
        assert_eq!(reviewed(&subject(), &records).decision, decision, "{map}");
    }
}

#[test]
fn the_newest_record_counts_and_the_last_answer_of_a_person() {
    let mut records = records();
    let mut newer = records[2].clone();
    newer.body["decision"] = json!("pause");
    records.insert(0, newer);
    assert_eq!(state(&reviewed(&subject(), &records), "probe"), ReadinessState::Failed);
    let mut note = records.iter().find(|record| record.kind == "rollback_note").unwrap().clone();
    note.body = json!({"rollback_decision": {"may_revert": "kim alone", "canary_request": "by hand"}});
    records.insert(0, note);
    let said = reviewed(&subject(), &records).rollback_decision;
    assert_eq!(said.may_revert.unwrap().as_str(), "kim alone");
    assert_eq!(said.canary_request.unwrap().as_str(), "by hand");
    assert_eq!(said.watched_metric.unwrap().as_str(), "CanaryErrors", "what was not said again stays");
}

#[test]
fn a_question_is_answered_by_its_name_alone() {
    for (field, _) in QUESTIONS {
        let said = answer(field, "x").unwrap();
        assert_eq!(unanswered(&said).count(), 6);
        assert!(unanswered(&said).all(|(open, _)| open != field));
    }
    assert!(answer("no_such_question", "x").is_none());
}

proptest! {
    /// Less on record, or older, never makes anything ready.
    #[test]
    fn records_that_are_missing_or_older_never_help(
        gone in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        older in proptest::collection::vec((any::<prop::sample::Index>(), 1_i64..3_000), 0..6),
    ) {
        let mut few = records();
        for (index, hours) in older {
            index.get_mut(&mut few).at = at(hours);
        }
        for index in gone {
            few.remove(index.index(few.len()));
        }
        let (all, few) = (reviewed(&subject(), &records()), reviewed(&subject(), &few));
        prop_assert!(all.decision <= few.decision);
        for (before, after) in all.checks.iter().zip(&few.checks) {
            let is_fresh = |item: &ReadinessItem| item.state == ReadinessState::Fresh;
            prop_assert!(is_fresh(before) || !is_fresh(after), "{:?}", after.check);
        }
    }
}
