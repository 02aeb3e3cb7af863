//! What leaves the store: lines that anybody can check without it, and a page for a ticket.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use evidence::{Filter, Kind, Store};
use sha2::{Digest as _, Sha256};
use support::{entry, gate_decision, one_of_each};

fn export_of_all(store: &Store) -> String {
    let mut lines = Vec::new();
    store.reader().unwrap().export(&Filter::default(), &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

fn store_with_one_of_each(directory: &std::path::Path) -> Store {
    let store = Store::open(directory).unwrap();
    for entry in one_of_each() {
        store.append(&entry).unwrap();
    }
    store
}

/// As docs/evidence.md says it, and with nothing of this crate: no JSON, only text.
fn chain_of(export: &str) -> Result<String, String> {
    let mut previous = "0".repeat(64);
    for (number, line) in (1..).zip(export.lines()) {
        let (rest, hash) = line.rsplit_once(",\"hash\":\"").ok_or("no hash")?;
        let hash = hash.strip_suffix("\"}").ok_or("no end")?;
        let canonical = format!("{rest}}}");
        let computed: String =
            Sha256::digest(canonical.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if computed != hash {
            return Err(format!("record {number}: hash"));
        }
        if !canonical.starts_with(&format!("{{\"evidence\":1,\"sequence\":{number},\"at\":\"")) {
            return Err(format!("record {number}: number"));
        }
        if !canonical.contains(&format!(",\"previous_hash\":\"{previous}\",\"body\":{{")) {
            return Err(format!("record {number}: link"));
        }
        previous = computed;
    }
    Ok(previous)
}

#[test]
fn another_implementation_computes_the_same_chain() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_with_one_of_each(directory.path());
    let export = export_of_all(&store);
    assert_eq!(chain_of(&export), Ok(store.head().unwrap().hash.to_string()));
    assert_eq!(chain_of(&export.replace("\"dana\"", "\"dina\"")), Err("record 3: hash".to_owned()));
}

#[test]
#[cfg(target_os = "linux")]
fn the_commands_of_the_documentation_check_an_export() {
    let page = include_str!("../../../docs/evidence.md");
    let script = page.split("```sh verify\n").nth(1).unwrap().split("```").next().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = store_with_one_of_each(&directory.path().join("store"));
    let export = export_of_all(&store);
    let run = |lines: &str| {
        std::fs::write(directory.path().join("evidence.jsonl"), lines).unwrap();
        let output =
            std::process::Command::new("sh").args(["-c", script]).current_dir(&directory).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let head = store.head().unwrap();
    assert_eq!(run(&export), (true, format!("sound; head {}\n", head.hash)));
    let (is_sound, said) = run(&export.replace("\"n\":167", "\"n\":168"));
    assert!(!is_sound && said.starts_with("line 2 is damaged"), "{said}");
    let without_third: String =
        export.lines().enumerate().filter(|(at, _)| *at != 2).map(|(_, line)| format!("{line}\n")).collect();
    let (is_sound, said) = run(&without_third);
    assert!(!is_sound && said.starts_with("line 3 is not chained"), "{said}");
}

#[test]
fn an_export_takes_the_same_filters_and_begins_with_the_oldest() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.append_all(one_of_each().iter().take(6)).unwrap();
    store.append(&entry(7, gate_decision(9))).unwrap();
    let export = |filter| {
        let mut lines = Vec::new();
        assert_eq!(store.reader().unwrap().export(&filter, &mut lines).unwrap(), 2);
        let lines = String::from_utf8(lines).unwrap();
        lines.lines().map(|line| line[..26].to_owned()).collect::<Vec<_>>()
    };
    let of_kind = Filter { kind: Some(Kind::GateDecision), ..Filter::default() };
    assert_eq!(
        export(of_kind),
        ["{\"evidence\":1,\"sequence\":1,", "{\"evidence\":1,\"sequence\":7,"]
            .map(|line| line[..26].to_owned())
    );
    let newest = Filter { limit: Some(2), ..Filter::default() };
    assert_eq!(
        export(newest),
        ["{\"evidence\":1,\"sequence\":6,", "{\"evidence\":1,\"sequence\":7,"]
            .map(|line| line[..26].to_owned())
    );
}

#[test]
fn numbers_come_back_bit_for_bit() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let mut bits: u64 = 0x9E37_79B9_7F4A_7C15;
    for n in 0..50 {
        bits = bits.wrapping_mul(0xD129_0DDC_53C4_3E49).wrapping_add(1);
        let mut decision = gate_decision(n);
        decision.e_value = f64::from_bits(bits).into();
        let body = evidence::Body::from(decision);
        let head = store.append(&entry(0, body.clone())).unwrap();
        let record = store.reader().unwrap().get(head.sequence).unwrap().unwrap();
        assert_eq!(record.body().unwrap(), body);
    }
}

#[test]
fn a_page_shows_the_fields_of_the_runbooks_and_nothing_in_them_is_markup() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_with_one_of_each(directory.path());
    let mut records = store.reader().unwrap().list(&Filter::default()).unwrap();
    records.reverse();
    let page = evidence::markdown(&records);
    for expected in [
        "## 1 · gate_decision · acme-summaries\n",
        "| verdict | rollback |\n",
        "| e_value | 1.3 |\n",
        "| relative_e_value | Infinity |\n",
        "| rollback_route_version | 2026-11-21.1 |\n",
        "| features | feature: streaming, passed: 20, required: 20 |\n",
        "| items | item: in_flight, state: remaining, expected: 0.0, observed: 3.0, unit: requests |\n",
        "| What model ID are we rolling back from? | gpt-5.4 |\n",
        "| Who has permission to revert the rollback? | not answered |\n",
        "| reason | answers look &#124; wrong&#92;u{a}&#60;script&#62; |\n",
        "| until | 2026-11-21T13:00:00.000Z |\n",
    ] {
        assert!(page.contains(expected), "{expected}\nis not in\n{page}");
    }
    assert_eq!(page.matches("| hash | ").count(), records.len());
    // One of seven is answered by the operator who acted, none of the readiness, one of a note.
    assert_eq!(page.matches("not answered").count(), 6 + 7 + 6);
}
