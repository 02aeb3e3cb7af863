//! `cometgate gates simulate` as an operator types it: the same for one seed, within the bars that docs/gates.md names, and a
//! picture that any viewer reads.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;

use serde_json::Value;
use support::program::output;
use support::{Files, Map, tenants};

fn map(share: &str) -> String {
    Map::new("http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1", share).text()
}

/// Runs `gates simulate …` on the files: exit code, standard output, standard error.
async fn simulate(files: &Files, arguments: &[&str]) -> (i32, String, String) {
    files.run(&[&["gates", "simulate"], arguments].concat()).await
}

fn gate<'v>(simulated: &'v Value, name: &str) -> &'v Value {
    let gates = simulated["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["gate"].as_str().unwrap().contains(name)).unwrap()
}

#[tokio::test]
async fn our_gate_is_within_its_bars_and_beside_the_others() {
    let files = Files::new("", &map("50%"), &tenants());
    // The bars are for harm within the first hour (docs/gates.md).
    for (failing, bar) in [("100%", 6), ("30%", 11), ("10%", 22)] {
        let asked = ["the-canary", "--rps", "1", "--fail", failing, "--runs", "60", "--format", "json"];
        let (code, said, _) = simulate(&files, &asked).await;
        assert_eq!(code, 0, "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (&said["share_ppm"], &said["runs"], &said["limit"]),
            (&500_000.into(), &60.into(), &0.02.into())
        );
        let ours = gate(&said, "this gate");
        let failed = ours["failed_requests_median"].as_u64().unwrap();
        assert!((2..=bar).contains(&failed) && ours["tripped"] == 60, "{failing}: {ours}");
        assert!(ours["failed_requests_p90"].as_u64().unwrap() >= failed, "{ours}");
        assert_eq!(
            (&ours["tripped_before_trouble"], &ours["wrongly_tripped"]),
            (&0.into(), &0.into()),
            "{ours}"
        );
        // What five minutes of waiting cost, and what a ratio over so few requests is worth.
        let waits = gate(&said, "for: 5m");
        assert!(waits["failed_requests_median"].as_u64().unwrap() > failed, "{waits}");
        assert!(waits["ms_to_trip_median"].as_u64().unwrap() >= 300_000, "{waits}");
        assert!(gate(&said, "ratio over 5 min")["wrongly_tripped"].as_u64().unwrap() > 50, "{said}");
    }
}

#[tokio::test]
async fn one_seed_is_one_result_and_another_is_another() {
    let files = Files::new("", &map("5%"), &tenants());
    let asked = |seed| {
        ["the-canary", "--rps", "2", "--fail", "30%", "--runs", "15", "--seed", seed, "--format", "json"]
    };
    let (seven, eight) = (asked("7"), asked("8"));
    let (first, second, other) =
        tokio::join!(simulate(&files, &seven), simulate(&files, &seven), simulate(&files, &eight));
    assert_eq!(first.0, 0, "{}", first.2);
    assert_eq!(first.1, second.1);
    let gates = |said: &str| serde_json::from_str::<Value>(said).unwrap()["gates"].clone();
    assert_ne!(gates(&first.1), gates(&other.1));
}

#[tokio::test]
async fn the_table_and_the_picture_say_what_was_played() {
    let files = Files::new("", &map("0%"), &tenants());
    let picture = files.path().join("gate.svg");
    let path = picture.to_str().unwrap();
    let asked =
        ["the-canary", "--rps", "0.5", "--fail", "100%", "--share", "5%", "--runs", "20", "--svg", path];
    let (code, said, complained) = simulate(&files, &asked).await;
    assert_eq!(code, 0, "{complained}");
    for part in
        ["the-canary: canary at cometapi, 5% of 0.5 requests", "evidence (this gate)", "Flagger", "20 runs"]
    {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    // At one request in forty seconds Flagger takes empty minutes for failures.
    assert!(said.contains("0%*") && said.contains("*: in other runs"), "{said}");
    let svg = fs::read_to_string(&picture).unwrap();
    let texts = texts_of(&svg);
    for part in ["evidence (this gate)", "1 min ratio > 2 %, for: 5m", "out while well", "1 min"] {
        assert!(texts.iter().any(|text| text == part), "{part:?} is not in {texts:?}");
    }
    assert!(svg.matches("<rect").count() > 6, "it has bars");
}

#[tokio::test]
async fn the_rules_of_the_route_are_played() {
    let strict = "[routes.gates]\nhard_failure = \"0.5%\"\nmode = \"observe\"";
    let files = Files::new(
        "",
        &Map {
            share: "20%",
            sticky_by: strict,
            ..Map::new("http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1", "")
        }
        .text(),
        &tenants(),
    );
    let asked = ["the-canary", "--rps", "1", "--fail", "10%", "--runs", "20", "--format", "json"];
    let (code, said, complained) = simulate(&files, &asked).await;
    assert_eq!(code, 0, "{complained}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["limit"], &said["acts"]), (&0.005.into(), &false.into()));
    assert_eq!(gate(&said, "this gate")["tripped"], 20, "what it would do is played");

    files.write("routes.toml", &map("20%").replace("# end", "[routes.gates]\nmode = \"off\"\n# end"));
    let (code, _, complained) = simulate(&files, &asked).await;
    assert!(code == 0 && complained.contains("switched off"), "{complained}");
}

#[tokio::test]
async fn what_cannot_be_played_is_said_with_what_to_do() {
    let files = Files::new("", &map("0%"), &tenants());
    for (arguments, expected, part) in [
        (&["the-canry", "--rps", "1", "--fail", "30%"][..], 3, "did you mean \"the-canary\"?"),
        (&["the-canary", "--rps", "1", "--fail", "30%"], 3, "--share"),
        (&["the-canary", "--rps", "1", "--fail", "30"], 3, "ends in `%`"),
        (&["the-canary", "--rps", "1", "--fail", "0%"], 3, "nothing to play"),
        (&["the-canary", "--rps", "-1", "--fail", "30%"], 2, ""),
        (&["the-canary", "--rps", "nan", "--fail", "30%"], 2, "between"),
        (&["the-canary", "--fail", "30%"], 2, "--rps"),
        (&["the-canary", "--rps", "1", "--fail", "30%", "--runs", "0"], 2, "--runs"),
        (
            &["the-canary", "--rps", "0.01", "--fail", "1%", "--share", "5%", "--runs", "1"],
            0,
            "within the limit",
        ),
        (
            &[
                "the-canary",
                "--rps",
                "1",
                "--fail",
                "9%",
                "--share",
                "5%",
                "--runs",
                "1",
                "--svg",
                "/nowhere/x.svg",
            ],
            3,
            "/nowhere/x.svg cannot be written",
        ),
    ] {
        let (code, _, said) = simulate(&files, arguments).await;
        assert!(code == expected && said.contains(part), "{arguments:?}: {code} {said}");
    }
    let text = map("5%");
    let (without, _) = text.split_once("[routes.canary]").unwrap();
    files.write("routes.toml", &format!("{}# end test.1\n", without.replace("\"canary\"", "\"primary\"")));
    let (code, _, said) = simulate(&files, &["the-canary", "--rps", "1", "--fail", "30%"]).await;
    assert!(code == 3 && said.contains("has no canary"), "{code} {said}");
    let (code, help, _) = output(&["gates", "simulate", "--help"]).await;
    assert!(code == 0 && help.contains("Examples:") && help.contains("--svg"), "{help}");
}

/// The texts of an XML document's elements; fails where the document is not well-formed.
fn texts_of(xml: &str) -> Vec<String> {
    let (mut open, mut texts, mut rest) = (Vec::new(), Vec::new(), xml);
    while let Some((text, behind)) = rest.split_once('<') {
        assert!(
            !text.contains('>') && (!open.is_empty() || text.trim().is_empty()),
            "text outside: {text:?}"
        );
        if !text.trim().is_empty() {
            texts.push(unescape(text));
        }
        let (tag, behind) = behind.split_once('>').unwrap();
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closes another element");
            continue;
        }
        let (tag, is_closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        check_attributes(attributes);
        assert!(!open.is_empty() || (name == "svg" && texts.is_empty()), "a second root, {name}");
        if !is_closed {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} stay open; {rest:?}");
    texts
}

/// `name="value"`, any number of times, each name once.
fn check_attributes(mut rest: &str) {
    let mut names = Vec::new();
    while !rest.trim().is_empty() {
        let (name, behind) = rest.split_once("=\"").unwrap();
        let (value, behind) = behind.split_once('"').unwrap();
        let name = name.trim();
        assert!(
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphabetic() || byte == b'-' || byte.is_ascii_digit())
        );
        assert!(!names.contains(&name) && !value.contains('<'), "{name}={value}");
        names.push(name);
        rest = behind;
    }
}

fn unescape(text: &str) -> String {
    for part in text.split('&').skip(1) {
        assert!(["lt;", "gt;", "amp;"].iter().any(|name| part.starts_with(name)), "{text:?}");
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
