//! What a running gateway does about its providers' catalogs by itself: it asks, says, records and holds; it routes as before.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::net::SocketAddr;

use evidence::Kind;
use hyper::http::Method;
use serde_json::{Value, json};
use support::client::request;
use support::metrics::{Series, read};
use support::records::recorded;
use support::{CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Provider, Reply};

const SETTINGS: &str = "[catalog]\ninterval = \"1s\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";

/// An ID that no map names.
const UNNAMED: &str = "CATMARK-of-the-account";

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
    program: Program,
    admin: SocketAddr,
}

fn list(provider: &Provider, ids: &[&str]) {
    let data: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    provider.on("GET", "/v1/models", Reply::json(200, &json!({ "data": data })));
}

const ALL: [&str; 3] = ["gpt-canary", "gpt-other", UNNAMED];

async fn world(change: impl FnOnce(&mut Map<'_>)) -> World {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let canary = Provider::builder("canary").require_key(CANARY_KEY).start().await;
    list(&primary, &["gpt-primary", "gpt-other"]);
    list(&canary, &ALL);
    let (home, away) = (primary.base_url(), canary.base_url());
    let mut map = Map { sticky_by: "steps = [\"1%\", \"50%\"]", ..Map::new(&home, &away, "50%") };
    change(&mut map);
    let files = Files::new(SETTINGS, &map.text(), &tenants());
    let (program, admin) = Program::serve_with_probes(&files).await;
    World { primary, canary, files, program, admin }
}

impl World {
    async fn scrape(&self) -> (Series, String) {
        let mut client = Client::connect(self.admin).await;
        let answer = client.send(request(Method::GET, "/metrics", "", "")).await.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        (read(&text), text)
    }

    async fn status(&self) -> Value {
        let (code, said, errors) = self.files.run(&["status", "--format", "json"]).await;
        assert_eq!(code, 0, "{errors}");
        serde_json::from_str(&said).unwrap()
    }

    /// Waits until another round of checks is over.
    async fn another_round(&self) {
        // The first may have been under way; the second has begun after this, and the third says that it is over.
        self.canary.wait_requests(self.canary.count() + 3).await;
    }
}

fn of_canary(status: &Value) -> &Value {
    let catalogs = status["catalogs"].as_array().unwrap();
    catalogs.iter().find(|catalog| catalog["provider"] == "cometapi").unwrap()
}

fn lacks_checks(status: &Value) -> bool {
    status["routes"][0]["targets"][0]["step"]["missing"].as_array().unwrap().contains(&json!("checks"))
}

#[tokio::test]
async fn a_model_that_is_gone_twice_holds_its_canary_until_it_is_back() {
    let mut world = world(|_| {}).await;
    world.another_round().await;
    let status = world.status().await;
    assert!(!lacks_checks(&status), "{status}");
    assert_eq!(
        (&of_canary(&status)["outcome"], &of_canary(&status)["identifiers"]),
        (&json!("ok"), &json!(3))
    );
    let share = |status: &Value| status["routes"][0]["targets"][0]["share_ppm"].clone();
    let before = share(&status);

    list(&world.canary, &["gpt-other", UNNAMED]);
    let first = world.program.logged("configured models are not listed: gpt-canary").await;
    assert!(first.contains("severity=\"medium\""), "{first}");
    let second = world.program.logged("configured models are not listed: gpt-canary").await;
    assert!(second.contains("severity=\"high\""), "{second}");
    world.another_round().await;
    let status = world.status().await;
    assert!(lacks_checks(&status), "{status}");
    assert_eq!(share(&status), before, "it holds, and takes nothing away");
    let catalog = of_canary(&status);
    assert_eq!(catalog["alerts"], json!([{ "signal": "configured_missing", "severity": "high" }]));
    assert_eq!(
        (&catalog["holds_canaries_of"], &catalog["configured_missing"]),
        (&json!(["the-canary"]), &json!(1))
    );
    let (_, said, _) = world.files.run(&["status"]).await;
    let line = "models of cometapi: ok, 2 IDs, 1 configured missing, at ";
    assert!(said.contains(line) && said.contains("; holds the canary of the-canary"), "{said}");
    let (series, text) = world.scrape().await;
    let of = |name: &str, labels: &str| series.of(&format!("cometgate_{name}{{{labels}}}"));
    let canary = "provider=\"cometapi\"";
    assert_eq!(of("catalog_configured_missing", canary), Some(1.0));
    assert_eq!(of("catalog_identifiers", canary), Some(2.0));
    assert_eq!(of("catalog_request_success", canary), Some(1.0));
    assert!(of("catalog_request_seconds", canary).is_some_and(|seconds| seconds < 60.0));
    assert_eq!(
        of("catalog_alert", &format!("{canary},signal=\"configured_missing\",severity=\"high\"")),
        Some(1.0)
    );
    assert_eq!(of("catalog_holds_canary", &format!("llm_route=\"the-canary\",{canary}")), Some(1.0));
    assert_eq!(of("catalog_identifier_changes_total", &format!("{canary},change=\"removed\"")), Some(1.0));
    assert_eq!(of("catalog_configured_missing", "provider=\"openai\""), Some(0.0));
    assert!(!text.contains(UNNAMED) && !text.contains("gpt-"), "{text}");

    list(&world.canary, &ALL);
    world.program.logged("catalog: this is over").await;
    world.another_round().await;
    let status = world.status().await;
    assert!(!lacks_checks(&status), "{status}");
    assert_eq!(
        (&of_canary(&status)["alerts"], &of_canary(&status)["holds_canaries_of"]),
        (&json!([]), &json!([]))
    );
    let drifts = recorded(&world.files, Kind::CatalogDrift);
    let gone: Vec<&Value> = drifts.iter().map(|drift| &drift["body"]["gone_in_use"]).collect();
    assert_eq!(gone, [&json!(["gpt-canary"]), &json!([])]);
    let checks = recorded(&world.files, Kind::CatalogCheck);
    assert!(
        checks.iter().all(|check| check["by"] == "gateway" && check["body"]["command"] == "cometgate serve")
    );
    assert!(!format!("{drifts:?}{checks:?}").contains(UNNAMED));
}

#[tokio::test]
async fn silence_and_emptiness_hold_nothing_and_forget_nothing() {
    let mut world = world(|_| {}).await;
    world.another_round().await;
    let seen =
        || std::fs::read_to_string(world.files.path().join("state/catalog/cometapi.seen.json")).unwrap();
    assert!(seen().contains(UNNAMED));
    world.canary.on("GET", "/v1/models", Reply::json(200, &json!({ "data": [] })));
    let line = world.program.logged("signal=\"zero_ids\"").await;
    assert!(line.contains("severity=\"medium\""), "{line}");
    let line = world.program.logged("signal=\"zero_ids\"").await;
    assert!(line.contains("severity=\"high\""), "{line}");
    world.canary.on("GET", "/v1/models", Reply::error(401, "e", None, "no"));
    world.program.logged("signal=\"auth_failure\"").await;
    let line = world.program.logged("signal=\"auth_failure\"").await;
    assert!(line.contains("severity=\"high\""), "{line}");
    world.canary.on("GET", "/v1/models", Reply::bytes(200, "text/html", "<html>"));
    let line = world.program.logged("signal=\"schema_failure\"").await;
    assert!(line.contains("severity=\"medium\""), "{line}");
    world.canary.on("GET", "/v1/models", Reply::error(503, "e", None, "no"));
    world.another_round().await;
    let status = world.status().await;
    assert!(!lacks_checks(&status), "{status}");
    assert_eq!(
        (&of_canary(&status)["outcome"], &of_canary(&status)["configured_missing"]),
        (&json!("service"), &json!(0))
    );
    assert!(seen().contains(UNNAMED), "an empty list replaces nothing");
    let (series, _) = world.scrape().await;
    let of = |name: &str| series.of(&format!("cometgate_{name}{{provider=\"cometapi\"}}")).unwrap();
    assert!(of("catalog_auth_failures_total") >= 2.0 && of("catalog_schema_failures_total") >= 1.0);
    assert_eq!(of("catalog_request_success"), 0.0);
    assert_eq!(of("catalog_identifiers"), 0.0);
}

#[tokio::test]
async fn what_is_in_force_is_checked_and_not_what_was_refused_and_callers_keys_are_not_there_to_be_used() {
    let mut world = world(|map| map.primary_credential = "\"client\"").await;
    world.another_round().await;
    assert_eq!(world.primary.count(), 0, "nobody's key is at hand");
    let status = world.status().await;
    assert_eq!(status["catalogs"][1]["provider"], "openai");
    assert_eq!(status["catalogs"][1]["outcome"], "no_key");
    let (series, _) = world.scrape().await;
    assert_eq!(series.of("cometgate_catalog_request_success{provider=\"openai\"}"), None);
    world.files.write("routes.toml", "this is no map");
    world.program.logged("a change was refused").await;
    world.another_round().await;
    assert_eq!(of_canary(&world.status().await)["outcome"], "ok");
}

#[tokio::test]
async fn a_check_by_hand_is_told_to_the_canary_that_waits_for_it() {
    let steps = "steps = [\"1%\", \"50%\"]\nstep_needs = { checks = [\"models\"] }";
    let listing = support::catalog::listing("", |map| map.sticky_by = steps).await;
    let _program = Program::serve(&listing.files).await;
    let lacks = async || {
        let (code, said, errors) = listing.files.run(&["status", "--format", "json"]).await;
        assert_eq!(code, 0, "{errors}");
        let status: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(status["catalogs"], json!([]), "it asks for nothing by itself");
        lacks_checks(&status)
    };
    assert!(lacks().await, "nobody has checked");
    assert_eq!(listing.check(&[]).await.0, 0);
    assert!(!lacks().await);
    listing.list(&json!([{"id": "gpt-other"}]));
    let (code, _, said) = listing.check(&[]).await;
    assert!(code == 4 && said.contains("The rollout of the-canary has heard of it."), "{said}");
    assert!(lacks().await);
    // A look at another provider says nothing of this one.
    listing.files.run(&["models", "check", "--provider", "openai"]).await;
    assert!(lacks().await);
    listing.canary.clear_script();
    assert_eq!(listing.check(&[]).await.0, 0);
    assert!(!lacks().await);
    listing.canary.on("GET", "/v1/models", Reply::error(500, "e", None, "no"));
    assert_eq!(listing.check(&[]).await.0, 4);
    assert!(lacks().await, "no result is no pass");
}

#[tokio::test]
async fn no_log_at_any_level_has_a_key_or_a_model_that_the_map_does_not_name() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let canary = Provider::builder("canary").require_key(CANARY_KEY).start().await;
    list(&canary, &ALL);
    let map = Map::new(&primary.base_url(), &canary.base_url(), "50%").text();
    let files = Files::new(SETTINGS, &map, &tenants());
    let (mut program, _) = Program::serve_and_tell_all(&files, &[]).await;
    let [mut log, _] = program.take_lines();
    canary.wait_requests(2).await;
    list(&canary, &["gpt-other", "CATMARK-another"]);
    canary.wait_requests(5).await;
    program.terminate();
    assert_eq!(program.ended().await, 0);
    let mut all = String::new();
    while let Some(line) = log.recv().await {
        all.push_str(&line);
    }
    assert!(all.contains("the catalog was checked") && all.contains("gpt-canary"), "{all}");
    for marker in ["CATMARK", CANARY_KEY, PRIMARY_KEY] {
        assert!(!all.contains(marker), "{marker} was logged");
    }
}
