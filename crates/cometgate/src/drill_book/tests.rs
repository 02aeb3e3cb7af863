//! Which drills count for whom, and that a store that cannot be read proves nothing.

use evidence::{Decision, Drill, Entry, Moment, Store};

use super::*;

const BACK: &str = "the text of the version to go back to";

fn book(directory: &std::path::Path) -> DrillBook {
    DrillBook { evidence: directory.join("evidence"), max_age: 100, known: Mutex::default() }
}

fn subject(route: &str, identity: u64, text: &str) -> Subject {
    Subject { route: route.to_owned(), identity: GateIdentity(identity), rollback: Digest::of(text) }
}

fn drill(second: i64, outcome: DrillOutcome, of: &Subject) -> Entry {
    let at = Moment::from_ms(second * 1_000 + 999);
    let drill = Drill {
        ts: at,
        check_id: "drill-1".into(),
        began_at: at,
        by: "kim".into(),
        link: None,
        environment: None,
        route_version: "2".into(),
        config_sha256: evidence::Digest::NONE,
        rollback_route_version: "1".into(),
        rollback_config_sha256: of.rollback.into(),
        role: "canary".into(),
        target: "cometapi/gpt".into(),
        prior_target: "openai/gpt".into(),
        identity: of.identity.to_string().into(),
        generation: 1,
        requests: 5,
        share_ppm: 200_000,
        while_live: false,
        rollback_model_id: None,
        outcome,
        verdict: Decision::Proceed,
        reason: "".into(),
        next: "".into(),
        stop_conditions: Vec::new(),
        steps: Vec::new(),
        changes: Vec::new(),
        routes: Vec::new(),
        queue_depth: 0,
        accepted_count: 0,
        rejected_count: 0,
        rollback_validation: Vec::new(),
        attempts: Vec::new(),
        attempts_left_out: 0,
    };
    let route = Some(of.route.as_str().into());
    Entry { at, route, route_version: None, map_sha256: None, by: "kim".into(), body: drill.into() }
}

fn known(passed_at: i64, failed_since: bool) -> Drills {
    Drills { passed_at: Some(UnixTime(passed_at)), failed_since }
}

#[test]
fn the_last_drill_of_a_target_counts_and_what_was_broken_off_does_not() {
    use DrillOutcome::{Failed, Interrupted, Passed};
    let directory = tempfile::tempdir().unwrap();
    let book = book(directory.path());
    let one = subject("r", 1, BACK);
    let told = |subject: &Subject| book.look().of_all(std::slice::from_ref(subject));
    assert_eq!(told(&one), Drills::default(), "there is no store");
    let store = Store::open(&directory.path().join("evidence")).unwrap();
    assert_eq!(told(&one), Drills::default(), "it is empty");
    for (second, outcome, expected) in [
        (10, Interrupted, Drills::default()),
        (11, Failed, Drills { passed_at: None, failed_since: true }),
        (12, Passed, known(12, false)),
        (13, Interrupted, known(12, false)),
        (14, Failed, known(12, true)),
        (15, Passed, known(15, false)),
    ] {
        store.append(&drill(second, outcome, &one)).unwrap();
        assert_eq!(told(&one), expected, "at {second}");
    }
    for other in [subject("s", 1, BACK), subject("r", 2, BACK), subject("r", 1, "another text")] {
        assert_eq!(told(&other), Drills::default(), "{other:?}");
    }
    // Two targets: the older of the two, and one that was not drilled spoils it.
    let two = subject("r", 2, BACK);
    store.append(&drill(20, Passed, &two)).unwrap();
    assert_eq!(book.look().of_all(&[one.clone(), two.clone()]), known(15, false));
    assert_eq!(book.look().of_all(&[one, two, subject("r", 3, BACK)]).passed_at, None);
    assert_eq!(book.look().of_all(&[]), Drills::default());
}

#[test]
fn a_store_that_was_moved_away_or_is_damaged_proves_nothing_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let (book, one) = (book(directory.path()), subject("r", 1, BACK));
    let told = || book.look().of_all(std::slice::from_ref(&one));
    let evidence = directory.path().join("evidence");
    let store = Store::open(&evidence).unwrap();
    store.append(&drill(10, DrillOutcome::Passed, &one)).unwrap();
    assert_eq!(told(), known(10, false));
    drop(store);
    std::fs::rename(&evidence, directory.path().join("away")).unwrap();
    assert_eq!(told(), Drills::default());
    // A new store, whose records have the same numbers.
    let store = Store::open(&evidence).unwrap();
    store.append(&drill(30, DrillOutcome::Failed, &one)).unwrap();
    assert_eq!(told(), Drills { passed_at: None, failed_since: true });
    store.append(&drill(31, DrillOutcome::Passed, &one)).unwrap();
    assert_eq!(told(), known(31, false));
    drop(store);
    std::fs::write(evidence.join("evidence.sqlite3"), vec![7; 8_192]).unwrap();
    assert_eq!(told(), Drills::default());
}
