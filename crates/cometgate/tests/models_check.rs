//! `cometgate models check` against providers that answer in every way: each is classified, recorded, and changes no route.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use evidence::Kind;
use serde_json::{Value, json};
use support::catalog::{UNNAMED, listing, provider};
use support::records::recorded;
use support::{CANARY_KEY, Files, Map, PRIMARY_KEY, tenants};
use testkit::Reply;

fn state<'v>(record: &'v Value, check: &str) -> &'v str {
    let checks = record["checks"].as_array().unwrap();
    checks.iter().find(|item| item["check"] == check).unwrap()["state"].as_str().unwrap()
}

#[tokio::test]
async fn a_list_with_everything_proceeds_and_says_nothing_of_other_models() {
    let world = listing("", |_| {}).await;
    let (code, said, complained) =
        world.files.run(&["models", "check", "--by", "kim", "--link", "REL-7"]).await;
    assert_eq!(code, 0, "{said} {complained}");
    for part in [
        "openai: ok",
        "cometapi: ok",
        "listed   canary    gpt-canary (routes the-canary)",
        "decision: proceed",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let records = recorded(&world.files, Kind::CatalogCheck);
    assert_eq!(records.len(), 2);
    let body = &records[1]["body"];
    for (field, expected) in [
        ("request_outcome", json!("ok")),
        ("status", json!(200)),
        ("identifier_count", json!(3)),
        ("duplicate_count", json!(0)),
        ("configured_ids_missing", json!(0)),
        ("environment", json!("development")),
        ("credential_source", json!("env CANARY_KEY")),
        ("command_owner", json!("kim")),
        ("evidence_location", json!("REL-7")),
        ("decision", json!("proceed")),
        ("next", json!([])),
    ] {
        assert_eq!(body[field], expected, "{field} in {body}");
    }
    assert_eq!(body["endpoint"], json!(format!("GET {}/models", world.canary.base_url())));
    assert!(body["config_source"].as_str().unwrap().ends_with("routes.toml"));
    assert!(body["response_sha256"].is_string() && body["identifiers_sha256"].is_string());
    let states: Vec<&str> =
        ["Current ID exists", "Rollback ID exists", "Fallback ID exists", "Config parity", "Evidence saved"]
            .map(|check| state(body, check))
            .to_vec();
    assert_eq!(states, ["pass", "not_needed", "not_needed", "not_needed", "pass"]);
    let everything = format!("{said}{complained}{records:?}");
    for marker in [UNNAMED, "CATMARK", CANARY_KEY, PRIMARY_KEY] {
        assert!(!everything.contains(marker), "{marker} is in\n{everything}");
    }
}

/// What was answered, and as what it counts: the class, the detail, the status.
type Case = (&'static str, Reply, &'static str, Value, Option<u16>);

/// With a 200, for better or worse.
fn lists() -> Vec<Case> {
    let json = |body: Value| Reply::json(200, &body);
    let text = |body: &str| Reply::bytes(200, "application/json", body.to_owned());
    let huge = format!("{{\"data\":[],\"x\":\"{}\"}}", "x".repeat(5 << 20));
    let full =
        json!([{"id": "gpt-canary", "x": [1]}, {"id": "gpt-other", "owned_by": null}, {"id": "gpt-other"}]);
    vec![
        (
            "extra keys, a duplicate",
            json(json!({"data": full, "success": true, "y": {}})),
            "ok",
            Value::Null,
            Some(200),
        ),
        (
            "no id",
            json(json!({"data": [{"id": "a"}, {"object": "model"}]})),
            "unparsable",
            json!("missing_id"),
            Some(200),
        ),
        (
            "an id that is a number",
            json(json!({"data": [{"id": 7}]})),
            "unparsable",
            json!("non_string_id"),
            Some(200),
        ),
        ("an empty id", json(json!({"data": [{"id": ""}]})), "unparsable", json!("empty_id"), Some(200)),
        ("an empty list", json(json!({"data": []})), "empty", Value::Null, Some(200)),
        (
            "a page of several",
            json(json!({"data": [{"id": "a"}], "has_more": true})),
            "ok",
            json!("partial"),
            Some(200),
        ),
        ("too much", text(&huge), "unparsable", json!("too_large"), Some(200)),
        (
            "a page of a proxy",
            Reply::bytes(200, "text/html", "<html>sign in</html>"),
            "unparsable",
            json!("html"),
            Some(200),
        ),
        ("no JSON", text("{\"data\":["), "unparsable", json!("invalid_json"), Some(200)),
        ("a list at the top", json(json!([{"id": "a"}])), "unparsable", json!("other_top_level"), Some(200)),
        ("another container", json(json!({"models": []})), "unparsable", json!("no_container"), Some(200)),
        (
            "an error with a 200",
            json(json!({"error": {"message": "no"}})),
            "unparsable",
            json!("error_object"),
            Some(200),
        ),
    ]
}

/// With another status, or none.
fn refusals() -> Vec<Case> {
    let error = |status: u16| Reply::error(status, "e", None, "no");
    vec![
        (
            "a redirect",
            Reply::new(301).header("location", "/v1/models2"),
            "path_or_method",
            json!("redirect"),
            Some(301),
        ),
        ("401", error(401), "auth", Value::Null, Some(401)),
        ("403", error(403), "auth", Value::Null, Some(403)),
        ("404", error(404), "path_or_method", Value::Null, Some(404)),
        ("405", error(405), "path_or_method", Value::Null, Some(405)),
        ("400", error(400), "other_status", Value::Null, Some(400)),
        ("429", error(429), "rate_limited", Value::Null, Some(429)),
        ("500", error(500), "service", Value::Null, Some(500)),
        ("503", error(503), "service", Value::Null, Some(503)),
        ("slow", Reply::hang_before_head(), "timeout", json!("answer"), None),
        ("broken off", Reply::abort_before_head(), "network", json!("no_answer"), None),
    ]
}

#[tokio::test]
async fn each_answer_has_its_class_and_none_changes_a_route() {
    let world = listing("[catalog]\ninterval = \"off\"\ntimeout_ms = 300\n", |_| {}).await;
    let files = ["routes.toml", "tenants.toml", "cometgate.toml"];
    let read = || files.map(|name| std::fs::read(world.files.path().join(name)).unwrap());
    let before = read();
    for (what, reply, class, detail, status) in lists().into_iter().chain(refusals()) {
        world.canary.on("GET", "/v1/models", reply);
        let asked = world.canary.count();
        let (code, printed, said) = world.check(&[]).await;
        let of = |name: &str| printed[name].clone();
        assert_eq!(
            (of("request_outcome"), of("outcome_detail"), of("status")),
            (json!(class), detail, json!(status)),
            "{what}: {said}"
        );
        let expected = match class {
            "ok" if printed["outcome_detail"].is_null() => 0,
            "timeout" | "network" => 5,
            _ => 4,
        };
        assert_eq!(code, expected, "{what}: {said}");
        assert_eq!(printed["decision"] == json!("proceed"), expected == 0, "{what}: {said}");
        assert_eq!(printed["next"].as_array().unwrap().is_empty(), expected == 0, "{what}: {said}");
        assert_eq!(world.last(), printed, "{what}");
        // Asked once: nothing is followed, and nothing is tried again.
        assert_eq!(world.canary.count(), asked + 1, "{what}");
        if class != "ok" {
            assert_eq!(printed["configured_ids_missing"], 0, "{what} is no data");
            assert_eq!(state(&printed, "Current ID exists"), "unknown", "{what}");
        }
    }
    assert_eq!(read(), before);
}

#[tokio::test]
async fn a_provider_that_is_not_reached_is_told_from_one_that_fails_at_tls() {
    let world = listing("[catalog]\ninterval = \"off\"\ntimeout_ms = 60000\n", |_| {}).await;
    let plain = world.canary.address();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    // A name that never is one (RFC 6761). Where nobody can be asked the resolver takes its time to say so.
    let nowhere = "http://cometgate.invalid/v1".to_owned();
    for (url, class, detail) in [
        (format!("https://{plain}/v1"), "tls", Value::Null),
        (format!("http://{closed}/v1"), "network", json!("connect")),
        (nowhere, "network", json!("dns")),
    ] {
        let home = world.primary.base_url();
        world.files.write("routes.toml", &Map::new(&home, &url, "5%").text());
        let (code, printed, said) = world.check(&[]).await;
        assert_eq!(
            (&printed["request_outcome"], &printed["outcome_detail"]),
            (&json!(class), &detail),
            "{said}"
        );
        assert_eq!((code, &printed["decision"]), (5, &json!("pause")), "{said}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named_and_what_is_nearly_it_is_shown_to_people_alone() {
    let world = listing("", |map| map.route = "fallback_provider = \"cometapi\"").await;
    world.list(&json!([{"id": "GPT-Canary"}, {"id": "gpt-\u{43e}ther"}, {"id": UNNAMED}]));
    let (code, printed, said) = world.check(&[]).await;
    assert_eq!((code, &printed["decision"]), (4, &json!("pause")), "{said}");
    assert_eq!(printed["configured_ids_missing"], 2);
    let models = printed["models"].as_array().unwrap();
    let of = |id: &str, used: &str| {
        models.iter().find(|model| model["model_id"] == id && model["used_as"] == used).unwrap()
    };
    assert_eq!(of("gpt-canary", "canary")["case_near_miss"], true);
    assert_eq!(of("gpt-other", "unrouted")["look_alike"], true);
    assert_eq!(
        (state(&printed, "Current ID exists"), state(&printed, "Fallback ID exists")),
        ("fail", "fail")
    );
    assert!(!said.contains("GPT-Canary"), "{said}");
    let (code, said, complained) = world.files.run(&["models", "check", "--provider", "cometapi"]).await;
    assert!(
        said.contains("MISSING  canary    gpt-canary (routes the-canary); only the case differs: GPT-Canary"),
        "{said}"
    );
    assert!(said.contains("Pause rollout; check typo, account access, or model availability"), "{said}");
    assert!(said.contains("escalate to the platform owner"), "a second check without it:\n{said}");
    assert!(code == 4 && complained.contains("escalate because of cometapi"), "{complained}");
    let records = format!("{:?}", recorded(&world.files, Kind::CatalogCheck));
    assert!(!records.contains("GPT-Canary") && !records.contains(UNNAMED) && !said.contains(UNNAMED));

    // A person may go on all the same, and says why.
    let (code, _, complained) = world.files.run(&["models", "check", "--override", "INC-9"]).await;
    assert_eq!(code, 2, "{complained}");
    let by = ["--override", "INC-9", "--reason", "the account is being moved", "--by", "dana"];
    // Whoever asks whether the route is ready is told of it, unless one provider alone was asked.
    let one = world.check(&by).await;
    let state_after_one = models_in_readiness(&world.files).await;
    let all = world.files.run(&[&["models", "check"], &by[..]].concat()).await;
    assert_eq!((one.0, all.0), (0, 0), "{} {}", one.2, all.2);
    let said = recorded(&world.files, Kind::Override);
    let said: Vec<_> = said.iter().map(|one| (&one["body"]["what"], &one["body"]["incident"])).collect();
    let incident = json!("INC-9");
    assert_eq!(said, [(&json!("models at cometapi"), &incident), (&json!("models"), &incident)]);
    assert_eq!(state_after_one, "failed");
    assert_eq!(models_in_readiness(&world.files).await, "overridden");
}

/// What `readiness` says of the models of the canary's route.
async fn models_in_readiness(files: &Files) -> String {
    let (_, printed, said) = files.run(&["readiness", "the-canary", "--format", "json"]).await;
    assert!(!printed.is_empty(), "{said}");
    let found: Value = serde_json::from_str(&printed).unwrap();
    state(&found["routes"][0]["readiness"], "models").to_owned()
}

#[tokio::test]
async fn the_version_to_go_back_to_is_checked_as_what_is_in_force_is() {
    let world = listing("", |map| {
        (map.environment, map.top) = ("production", "rollback_route_version = \"test.0\"");
    })
    .await;
    let (code, printed, said) = world.check(&[]).await;
    assert_eq!(
        (code, state(&printed, "Rollback ID exists")),
        (4, "fail"),
        "there is no such version: {said}"
    );
    let (home, away) = (world.primary.base_url(), world.canary.base_url());
    let before = Map { version: "test.0", ..Map::new(&home, &away, "1%") }.text();
    std::fs::create_dir(world.files.path().join("versions")).unwrap();
    for (id, expected) in [("gpt-canary", "pass"), ("gpt-before", "fail")] {
        world.files.write("versions/test.0.toml", &before.replace("gpt-canary", id));
        let (_, printed, said) = world.check(&[]).await;
        assert_eq!(state(&printed, "Rollback ID exists"), expected, "{said}");
        assert_eq!(state(&printed, "Current ID exists"), "pass", "{said}");
    }
}

#[tokio::test]
async fn approved_and_blocked_models_are_sets_of_their_own() {
    let world = listing("", |_| {}).await;
    let routes = std::fs::read_to_string(world.files.path().join("routes.toml")).unwrap();
    let key = "credential = { env = \"CANARY_KEY\" }";
    let approved = |ids: &str| routes.replace(key, &format!("{key}\napproved_models = [{ids}]"));
    world.files.write("routes.toml", &approved("\"gpt-canary\", \"gpt-other\", \"gpt-gone\""));
    let (code, printed, said) = world.check(&[]).await;
    assert_eq!((code, &printed["approved_not_listed"]), (0, &json!(1)), "{said}");
    assert_eq!(printed["approved_not_listed_changed"], Value::Null, "there is none to compare with");
    world.files.write("routes.toml", &approved("\"gpt-canary\", \"gpt-other\"").replace("test.1", "test.2"));
    assert_eq!(world.check(&[]).await.1["approved_not_listed_changed"], true);
    assert_eq!(world.check(&[]).await.1["approved_not_listed_changed"], false);
    // The map to go back to names one that this map does not approve, and one that it blocks.
    let back = routes
        .replace("test.1", "test.0")
        .replace("gpt-canary", "gpt-old")
        .replace("cometapi = \"gpt-other\"", "cometapi = \"gpt-bad\"");
    std::fs::create_dir(world.files.path().join("versions")).unwrap();
    world.files.write("versions/test.0.toml", &back);
    let named = approved("\"gpt-canary\", \"gpt-other\"\n]\nblocked_models = [\"gpt-bad\"");
    world.files.write(
        "routes.toml",
        &format!("rollback_route_version = \"test.0\"\n{}", named.replace("test.1", "test.3")),
    );
    world.list(&json!([{"id": "gpt-canary"}, {"id": "gpt-other"}, {"id": "gpt-old"}, {"id": "gpt-bad"}]));
    let (code, printed, said) = world.check(&[]).await;
    assert_eq!(
        (&printed["configured_not_approved"], &printed["blocked_configured"]),
        (&json!(2), &json!(1)),
        "{said}"
    );
    assert_eq!((code, &printed["decision"]), (4, &json!("escalate")), "{said}");
}

#[tokio::test]
async fn what_must_fail_is_tried_and_told_apart() {
    let world = listing("", |_| {}).await;
    world.canary.on("POST", "/v1/models", Reply::error(405, "e", None, "no"));
    world.canary.on("GET", "/v1/cometgate-check-of-a-wrong-path/models", Reply::error(404, "e", None, "no"));
    let (code, printed, said) = world.check(&["--negative"]).await;
    assert_eq!(code, 0, "{said}");
    let came = |printed: &Value| -> Vec<(String, String)> {
        let tried = printed["negative"].as_array().unwrap().iter();
        tried
            .map(|tried| {
                (tried["case"].as_str().unwrap().to_owned(), tried["came"].as_str().unwrap().to_owned())
            })
            .collect()
    };
    let expected = [
        ("omitted_token", "auth"),
        ("invalid_token", "auth"),
        ("wrong_method", "path_or_method"),
        ("wrong_base_path", "path_or_method"),
        ("forced_timeout", "timeout"),
    ];
    assert_eq!(came(&printed), expected.map(|(case, came)| (case.to_owned(), came.to_owned())));
    // A provider that takes anybody's token and serves a page at any path.
    world.list(&json!([{"id": "gpt-canary"}, {"id": "gpt-other"}]));
    world.canary.on(
        "GET",
        "/v1/cometgate-check-of-a-wrong-path/models",
        Reply::bytes(200, "text/html", "<html>"),
    );
    let (code, printed, said) = world.check(&["--negative"]).await;
    assert_eq!((code, &printed["decision"]), (4, &json!("pause")), "{said}");
    let odd: Vec<String> = came(&printed).into_iter().map(|(_, came)| came).collect();
    assert_eq!(odd, ["ok", "ok", "path_or_method", "unparsable", "timeout"]);
    assert_eq!(printed["request_outcome"], "ok");
}

#[tokio::test]
async fn environments_are_compared_and_an_empty_list_is_triaged() {
    let world = listing("", |_| {}).await;
    let (home, away) = (world.primary.base_url(), world.canary.base_url());
    let staging = Files::new("", &Map::new(&home, &away, "5%").text(), &tenants());
    let other = ["--compare", &staging.settings()];
    let (code, printed, said) = world.check(&other).await;
    assert_eq!((code, state(&printed, "Config parity")), (0, "pass"), "{said}");
    staging.write("routes.toml", &Map::new(&home, &away, "5%").text().replace("gpt-canary", "gpt-staging"));
    let (code, printed, said) = world.check(&other).await;
    assert_eq!(
        (code, state(&printed, "Config parity"), &printed["config_differences"]),
        (4, "fail", &json!(1)),
        "{said}"
    );
    let (_, said, _) = world.files.run(&[&["models", "check"][..], &other].concat()).await;
    assert!(said.contains("differs  summary at cometapi: gpt-canary here, gpt-staging in"), "{said}");

    // Here the list is empty; the other environment has a provider of its own, which still lists all.
    let third = provider(CANARY_KEY, &["gpt-canary", "gpt-other"]).await;
    staging.write("routes.toml", &Map::new(&home, &third.base_url(), "5%").text());
    world.canary.on(
        "GET",
        "/v1/models",
        Reply::json(200, &json!({"data": []})).header("x-request-id", "req-77"),
    );
    let (code, printed, said) = world.check(&other).await;
    assert_eq!((code, &printed["decision"]), (4, &json!("escalate")), "{said}");
    let found: Vec<&str> =
        printed["triage"].as_array().unwrap().iter().map(|step| step["found"].as_str().unwrap()).collect();
    assert_eq!(
        found,
        [
            "status 200",
            "`data` is a list, with 0 IDs; before: 3",
            "it is the one that an earlier list came with",
            "the other environment sees 2",
            "give the request ID req-77 and the time of this record",
        ]
    );
    assert_eq!(printed["provider_request_id"], "req-77");
}

#[tokio::test]
async fn the_path_is_the_maps() {
    let world = listing("", |_| {}).await;
    let routes = std::fs::read_to_string(world.files.path().join("routes.toml")).unwrap();
    let key = "credential = { env = \"CANARY_KEY\" }";
    world
        .files
        .write("routes.toml", &routes.replace(key, &format!("{key}\npaths = {{ models = \"/catalog\" }}")));
    let list = json!({"data": [{"id": "gpt-canary"}, {"id": "gpt-other"}]});
    world.canary.on("GET", "/v1/catalog", Reply::json(200, &list));
    let (code, printed, said) = world.check(&[]).await;
    assert_eq!(code, 0, "{said}");
    assert!(printed["endpoint"].as_str().unwrap().ends_with("/v1/catalog"), "{said}");
}
