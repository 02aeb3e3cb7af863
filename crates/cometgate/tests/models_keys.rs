//! What `cometgate models check` says of keys: drifts are found by mark and source, and no key is ever made up.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use evidence::Kind;
use serde_json::{Value, json};
use support::catalog::{listing, provider};
use support::program::command;
use support::records::recorded;
use support::{CANARY_KEY, Files, Map, PRIMARY_KEY, tenants};
use testkit::Reply;

#[tokio::test]
async fn drifts_of_keys_are_found_by_mark_and_source_and_never_by_value() {
    let world = listing("", |_| {}).await;
    let check = |environment: Vec<(&'static str, &'static str)>| {
        let settings = world.files.settings();
        async move {
            let arguments =
                ["models", "check", "--provider", "cometapi", "--format", "json", "--config", &settings];
            let output = command(&arguments).envs(environment).output().await.unwrap();
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            said["providers"][0].clone()
        }
    };
    let good = check(vec![]).await;
    assert_eq!((&good["auth_drift"], &good["request_outcome"]), (&json!([]), &json!("ok")));
    let rotated = check(vec![("CANARY_KEY", "sk-KEYMARK-of-another")]).await;
    assert_eq!(
        (&rotated["auth_drift"], &rotated["request_outcome"]),
        (&json!(["rotated_in_one_place_only"]), &json!("auth"))
    );
    assert_ne!(good["credential_mark"], rotated["credential_mark"]);
    let again = check(vec![]).await;
    assert_eq!((&again["auth_drift"], &again["credential_mark"]), (&json!([]), &good["credential_mark"]));
    world.canary.on("GET", "/v1/models", Reply::error(401, "e", None, "no"));
    let refused = check(vec![]).await;
    assert_eq!(
        (&refused["auth_drift"], &refused["decision"]),
        (&json!(["token_suddenly_refused"]), &json!("escalate"))
    );
    world.list(&json!([{"id": "gpt-other"}]));
    assert_eq!(check(vec![]).await["auth_drift"], json!(["token_accepted_expected_ids_missing"]));
    let third = provider(CANARY_KEY, &["gpt-canary"]).await;
    let staging =
        Files::new("", &Map::new(&world.primary.base_url(), &third.base_url(), "5%").text(), &tenants());
    world.canary.on("GET", "/v1/models", Reply::error(401, "e", None, "no"));
    let (_, printed, said) = world.check(&["--compare", &staging.settings()]).await;
    assert!(
        printed["auth_drift"].as_array().unwrap().contains(&json!("other_environment_accepted_this_refused")),
        "{said}"
    );
    let mut kept = String::new();
    for entry in std::fs::read_dir(world.files.path().join("state/catalog")).unwrap() {
        kept.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let records = format!("{:?}{kept}", recorded(&world.files, Kind::CatalogCheck));
    assert!(!records.contains("KEYMARK") && !records.contains(CANARY_KEY), "{records}");
}

#[tokio::test]
async fn a_provider_that_takes_the_callers_key_pauses_until_a_key_is_named() {
    let world = listing("", |map| map.primary_credential = "\"client\"").await;
    let settings = world.files.settings();
    let ask = ["models", "check", "--provider", "openai", "--format", "json"];
    let (code, said, _) = world.files.run(&ask).await;
    let printed: Value = serde_json::from_str(&said).unwrap();
    let record = &printed["providers"][0];
    assert_eq!((code, &record["request_outcome"], world.primary.count()), (4, &json!("no_key"), 0), "{said}");
    assert!(record["next"][0].as_str().unwrap().contains("--client-key-env"), "{said}");
    let (code, _, complained) = world.files.run(&[&ask[..], &["--client-key-env", "NOT_SET"]].concat()).await;
    assert!(code == 3 && complained.contains("NOT_SET"), "{complained}");
    let named = [&ask[..], &["--client-key-env", "CHECK_KEY", "--config", &settings]].concat();
    let output = command(&named).env("CHECK_KEY", PRIMARY_KEY).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let (code, _, complained) = world.files.run(&["models", "check", "--provider", "nobody"]).await;
    assert!(code == 3 && complained.contains("openai, cometapi"), "{complained}");
}
