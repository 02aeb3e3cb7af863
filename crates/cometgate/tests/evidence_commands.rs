//! `cometgate evidence …` over a store that the test writes.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

#[path = "../../evidence/tests/support/mod.rs"]
mod records;
mod support;

use std::fs;
use std::process::Stdio;

use evidence::{Body, Digest, Entry, OperatorAction, Store};
use records::{gate_decision, operator_action};
use serde_json::Value;
use support::program::{command, output};
use support::{Files, Map, tenants};

fn files() -> Files {
    let map = Map::new("http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1", "5%").text();
    Files::new("", &map, &tenants())
}

fn about(minute: i64, route: &str, body: impl Into<Body>) -> Entry {
    Entry { route: Some(route.into()), ..records::entry(minute * 60_000, body) }
}

/// Five records: four decisions at 12:00 to 12:03, the third about another route, then an action by hand. The end of the chain.
fn write(files: &Files) -> String {
    let store = Store::open(&files.path().join("state/evidence")).unwrap();
    for (minute, route) in [(0, "the-canary"), (1, "the-canary"), (2, "other"), (3, "the-canary")] {
        store.append(&about(minute, route, gate_decision(9))).unwrap();
    }
    let by_hand = OperatorAction { reason: "answers look wrong \u{1b}[2J".into(), ..operator_action() };
    store.append(&about(4, "the-canary", by_hand)).unwrap().hash.to_string()
}

async fn ask(files: &Files, arguments: &[&str]) -> (i32, String, String) {
    files.run(&[&["evidence"], arguments].concat()).await
}

/// The numbers of the records in what a list prints as JSON.
fn numbers(list: &str) -> Vec<u64> {
    let list: Value = serde_json::from_str(list).unwrap();
    list.as_array().unwrap().iter().map(|record| record["sequence"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_list_is_newest_first_and_holds_what_was_asked_for() {
    let files = files();
    write(&files);
    let (code, said, _) = ask(&files, &["list"]).await;
    assert_eq!(code, 0);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    assert!(
        lines[0].contains("operator_action") && lines[0].contains("rollback cometapi/gpt-5.4 by dana"),
        "{said}"
    );
    assert!(
        lines[4].contains("rollback cometapi/gpt-5.4: hard_failure, over_limit, 4 of 9 failed"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "a terminal would obey it");
    for (filter, expected) in [
        (&[][..], &[5, 4, 3, 2, 1][..]),
        (&["--last", "2"], &[5, 4]),
        (&["--route", "other"], &[3]),
        (&["--kind", "gate_decision", "--route", "the-canary"], &[4, 2, 1]),
        (&["--since", "2026-11-21T12:03:00Z"], &[5, 4]),
        (&["--since", "2026-11-21T12:01:00Z", "--until", "2026-11-21T12:03:00Z"], &[3, 2]),
        (&["--kind", "override"], &[]),
    ] {
        let (code, said, complained) = ask(&files, &[&["list", "--format", "json"], filter].concat()).await;
        assert_eq!((code, numbers(&said)), (0, expected.to_vec()), "{filter:?} {complained}");
    }
    let (code, said, complained) = ask(&files, &["list", "--route", "nobody"]).await;
    assert!(code == 0 && said.is_empty() && complained.contains("no record"), "{said} {complained}");
}

#[tokio::test]
async fn a_record_is_shown_with_all_that_it_says() {
    let files = files();
    write(&files);
    let (code, said, _) = ask(&files, &["show", "5"]).await;
    assert_eq!(code, 0);
    for part in [
        "5 operator_action about the-canary",
        "from_share_ppm            50000",
        "\\u{1b}[2J",
        "not answered",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let (code, said, _) = ask(&files, &["show", "1", "--format", "json"]).await;
    let record: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &record["body"]["e_value"]), (0, &9.3.into()), "{said}");
    let (code, _, said) = ask(&files, &["show", "9"]).await;
    assert!(code == 3 && said.contains("there is no record 9"), "{said}");
}

#[tokio::test]
async fn an_export_is_chained_and_a_page_is_markdown() {
    let files = files();
    let head = write(&files);
    let (code, said, _) = ask(&files, &["export"]).await;
    assert_eq!(code, 0);
    let mut previous = "0".repeat(64);
    for line in said.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let hash = record["hash"].as_str().unwrap();
        assert_eq!(record["previous_hash"], previous.as_str());
        let stored = line.replace(&format!(",\"hash\":\"{hash}\""), "");
        assert_eq!(Digest::of(stored.as_bytes()).to_string(), hash);
        previous = hash.to_owned();
    }
    assert_eq!((said.lines().count(), &previous), (5, &head));
    let (code, said, _) = ask(&files, &["export", "--last", "2"]).await;
    assert!(
        code == 0 && said.starts_with("{\"evidence\":1,\"sequence\":4,") && said.lines().count() == 2,
        "{said}"
    );
    let (code, said, _) = ask(&files, &["export", "--markdown", "--kind", "operator_action"]).await;
    assert!(
        code == 0 && said.starts_with("# Evidence\n") && said.contains("## 5 · operator_action"),
        "{said}"
    );

    // A pipe that nobody reads is nobody's error; a full disk is.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let settings = files.settings();
    let export = ["evidence", "export", "--config", &settings];
    let ended = command(&export).stdout(writer).spawn().unwrap().wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(0));
    if cfg!(target_os = "linux") {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let ended =
            command(&export).stdout(Stdio::from(full)).spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(String::from_utf8(ended.stderr).unwrap().contains("No space left"));
    }
}

#[tokio::test]
async fn verification_finds_damage_and_says_so_by_its_exit_code() {
    let files = files();
    let head = write(&files);
    let (code, said, _) = ask(&files, &["verify"]).await;
    assert!(
        code == 0 && said.contains("sound: 5 records") && said.contains(&format!("head {head}")),
        "{said}"
    );
    let (code, said, _) = ask(&files, &["verify", "--head", &head, "--format", "json"]).await;
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &found["sound"], &found["expected_at"], &found["head"]["hash"]),
        (0, &true.into(), &5.into(), &head.as_str().into())
    );
    let (code, said, _) = ask(&files, &["verify", "--head", &"ab".repeat(32)]).await;
    assert!(code == 4 && said.contains("cut off or exchanged"), "{code} {said}");
    let (code, _, said) = ask(&files, &["verify", "--head", "abc"]).await;
    assert!(code == 2 && said.contains("64 hexadecimal digits"), "{said}");

    // A letter of the third record is changed in the file, as whoever means to deceive would.
    let path = files.path().join("state/evidence/evidence.sqlite3");
    let mut bytes = fs::read(&path).unwrap();
    // Everywhere: pages that were split still hold what they held.
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, b"\"route\":\"other\"").collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at + 9] = b'a');
    fs::write(&path, &bytes).unwrap();
    let (code, said, complained) = ask(&files, &["verify"]).await;
    assert!(
        code == 4 && said.contains("record 3:") && complained.contains("not as it was written"),
        "{said} {complained}"
    );
    let (code, said, _) = ask(&files, &["verify", "--format", "json"]).await;
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &found["sound"], &found["findings"][0]["sequence"]),
        (4, &false.into(), &3.into()),
        "{said}"
    );
    let (code, _, said) = ask(&files, &["list"]).await;
    assert!(code == 3 && said.contains("cometgate evidence verify"), "{said}");

    fs::write(&path, vec![7; 4_096]).unwrap();
    let (code, said, _) = ask(&files, &["verify", "--format", "json"]).await;
    assert!(code == 4 && serde_json::from_str::<Value>(&said).unwrap()["sound"] == false, "{said}");
}

#[tokio::test]
async fn a_store_that_is_not_there_is_no_damage_and_is_not_made() {
    let files = files();
    for arguments in [&["list"][..], &["show", "1"], &["export"], &["verify"]] {
        let (code, _, said) = ask(&files, arguments).await;
        assert!(
            code == 3 && said.contains("there is no evidence in") && said.contains("help:"),
            "{arguments:?} {said}"
        );
    }
    assert!(!files.path().join("state").exists());
    for (arguments, part) in [(["--kind", "gate"], "gate_decision"), (["--since", "soon"], "how long ago")] {
        let (code, _, said) = ask(&files, &[&["list"][..], &arguments].concat()).await;
        assert!(code == 2 && said.contains(part), "{said}");
    }
    for asked in ["list", "show", "export", "verify"] {
        let (code, help, _) = output(&["evidence", asked, "--help"]).await;
        assert!(code == 0 && help.contains("Example"), "{help}");
    }
}
