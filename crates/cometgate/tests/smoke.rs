//! Runbook 4 on the command line: exactly the requests that it names, every field of its template, and a hold wherever something
//! is missing.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use evidence::Kind;
use hyper::http::Method;
use serde_json::{Value, json};
use support::admin::{CHECK_KEY, CHECKS};
use support::contract::{answer_as_cometapi, answer_happy, bodies};
use support::records::recorded;
use support::tls::write;
use support::world::{Setup, World};
use support::{CANARY_KEY, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Authority, Reply, Step};

/// Exit code, and what is printed as JSON.
async fn smoke(files: &Files, more: &[&str]) -> (i32, Value, String) {
    let asked = ["smoke", "the-canary", "--by", "kim", "--format", "json"];
    let (code, said, errors) = files.run(&[&asked, more].concat()).await;
    (code, serde_json::from_str(&said).unwrap_or(Value::Null), errors)
}

const REVIEWED: &[&str] = &["--docs-reviewed", "--link", "https://tickets.example/INC-1"];

#[tokio::test]
async fn one_request_in_order_and_one_that_is_not_with_every_field_of_the_template() {
    let world = World::staging(|_| ()).await;
    let (code, said, errors) = smoke(&world.files, REVIEWED).await;
    assert_eq!(
        (code, &said["decision"], &said["holds"]),
        (0, &json!("proceed"), &json!([])),
        "{said} {errors}"
    );
    // Exactly these, at the canary alone, bounded.
    assert_eq!((world.primary.count(), world.canary.count()), (0, 2));
    let [happy, invalid] = &bodies(&world.canary)[..] else { panic!() };
    assert_eq!(happy["model"], "gpt-canary");
    assert_eq!(happy["max_completion_tokens"], 128);
    assert_eq!(happy["messages"].as_array().unwrap().len(), 1);
    assert_eq!(*invalid, json!({"model": "gpt-canary", "max_completion_tokens": 128}));

    let records = recorded(&world.files, Kind::SmokeCheck);
    let [first, second] = &records[..] else { panic!("{} records", records.len()) };
    assert_eq!((&first["by"], &first["route"]), (&json!("kim"), &json!("the-canary")));
    let (first, second) = (&first["body"], &second["body"]);
    for (name, expected) in [
        ("operator", json!("kim")),
        ("environment", json!("staging")),
        ("endpoint_family", json!("chat_completions")),
        ("model_reference", json!("gpt-canary")),
        ("request_type", json!("happy_path")),
        ("status_class", json!("2xx")),
        ("response_id_present", json!("true")),
        ("response_object_type", json!("chat.completion")),
        ("usage_field_present", json!("true")),
        ("retry_decision", json!("no_retry")),
        ("fallback_decision", json!("route_canary")),
        (
            "evidence_links",
            json!(["https://apidoc.cometapi.com/api/text/chat", "https://tickets.example/INC-1"]),
        ),
        ("finish_state", json!("stop")),
        ("selected_model_id", json!("gpt-canary")),
        ("expected_model_selected", json!(true)),
        ("response_accepted", json!(true)),
        ("left_out", Value::Null),
        ("decisions_logged", json!(1)),
    ] {
        assert_eq!(first[name], expected, "{name}");
    }
    assert!(first["ts"].as_str().unwrap().starts_with(first["review_date"].as_str().unwrap()));
    assert_eq!(first["check_id"], second["check_id"]);
    let asserted: Vec<bool> =
        first["assertions"].as_array().unwrap().iter().map(|said| said["holds"] == true).collect();
    assert_eq!(asserted, [true; 5]);
    // A 500 by its status, a client's error by its body.
    for (name, expected) in [
        ("request_type", json!("error_path")),
        ("status_class", json!("5xx")),
        ("error_class", json!("validation")),
        ("left_out", json!("messages")),
        ("response_accepted", json!(false)),
        ("retry_decision", json!("no_retry")),
    ] {
        assert_eq!(second[name], expected, "{name}");
    }
    // For people, and as it is found again.
    let (_, text, _) = world.files.run(&["smoke", "the-canary", "--by", "kim"]).await;
    assert!(text.contains("decision: pause") && text.contains("documentation_not_reviewed"), "{text}");
    let (_, listed, _) = world.files.run(&["evidence", "list", "--kind", "smoke_check"]).await;
    assert!(listed.contains("happy_path 2xx"), "{listed}");
}

#[tokio::test]
async fn responses_are_tested_where_somebody_or_the_route_says_so() {
    let said_by_route = World::staging(|map| map.route = "endpoint = \"responses\"").await;
    let by_flag = World::staging(|_| ()).await;
    for (world, flag, because) in [
        (&by_flag, &["--endpoint", "responses"][..], "`--endpoint responses` says so"),
        (&said_by_route, &[], "the route serves"),
    ] {
        let (code, said, errors) = smoke(&world.files, &[REVIEWED, flag].concat()).await;
        assert_eq!(code, 0, "{said} {errors}");
        assert_eq!(said["endpoint_family"], "responses");
        assert!(said["endpoint_family_because"].as_str().unwrap().contains(because), "{said}");
        let requests = world.canary.requests();
        assert!(requests.iter().all(|request| request.path() == "/v1/responses"));
        assert_eq!(
            bodies(&world.canary)[1],
            json!({"model": "gpt-canary", "max_output_tokens": 128, "store": false})
        );
        assert_eq!(said["records"][0]["response_object_type"], "response");
        assert_eq!(said["records"][0]["finish_state"], "completed");
    }
    let (code, _, errors) = smoke(&said_by_route.files, &["--endpoint", "chat"]).await;
    assert_eq!(code, 3);
    assert!(errors.contains("serves `responses` only"), "{errors}");
}

#[tokio::test]
async fn the_rollbacks_model_id_is_tested_too_and_one_that_nobody_knows_is_a_hold() {
    let world = World::staging(|map| map.top = "rollback_route_version = \"0\"").await;
    let (code, said, _) = smoke(&world.files, &[REVIEWED, &["--rollback-id"]].concat()).await;
    assert_eq!((code, &said["holds"]), (4, &json!(["rollback_id_unknown"])), "{said}");
    assert!(
        said["records"][0]["notes"]
            .as_str()
            .unwrap()
            .contains("rollback_route_version 0 is neither in versions"),
        "{said}"
    );
    let urls = (world.primary.base_url(), world.canary.base_url());
    let before = Map { version: "0", ..Map::new(&urls.0, &urls.1, "0%") }.text();
    std::fs::create_dir_all(world.files.path().join("versions")).unwrap();
    world.files.write("versions/0.toml", &before.replace("gpt-canary", "gpt-before"));
    world.canary.clear();
    let (code, said, errors) = smoke(&world.files, &[REVIEWED, &["--rollback-id"]].concat()).await;
    assert_eq!(code, 0, "{said} {errors}");
    let asked: Vec<Value> = bodies(&world.canary).iter().map(|body| body["model"].clone()).collect();
    assert_eq!(asked, ["gpt-canary", "gpt-canary", "gpt-before", "gpt-before"]);
    let records = said["records"].as_array().unwrap();
    let of = |name: &str| records.iter().map(|record| record[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("model_asked"), ["current", "current", "rollback", "rollback"]);
    assert_eq!(of("model_reference"), ["gpt-canary", "gpt-canary", "gpt-before", "gpt-before"]);
    assert_eq!(of("expected_model_selected"), [true; 4]);
}

#[tokio::test]
async fn whatever_the_provider_does_wrong_is_classed_recorded_and_never_tried_again() {
    let page = Reply::bytes(200, "text/html", "<html>completion-marker</html>");
    let unknown = json!({"error": {"code": "model_not_found", "message": "No available channel for model", "type": "comet_api_error"}});
    let relayed = json!({"error": {"message": "bad", "type": "upstream_error", "param": "", "code": "bad_response_status_code"}});
    let cut =
        Reply::steps(200, "application/json", vec![Step::chunk("{\"id\":\"c\",\"object\":"), Step::Abort]);
    for (name, reply, decision, holds, class) in [
        ("model_not_found", Reply::json(503, &unknown), "pause", json!(["happy_path_failed"]), "not_found"),
        ("a relayed failure", Reply::json(502, &relayed), "pause", json!(["happy_path_failed"]), "server"),
        (
            "a redirect",
            Reply::new(301).header("location", "/x"),
            "pause",
            json!(["happy_path_failed", "shape_unexpected"]),
            "malformed",
        ),
        ("a page", page, "pause", json!(["happy_path_failed", "shape_unexpected"]), "malformed"),
        (
            "401",
            Reply::error(401, "comet_api_error", None, "no"),
            "escalate",
            json!(["happy_path_failed"]),
            "auth",
        ),
        ("a cut answer", cut, "pause", json!(["happy_path_failed"]), "reset"),
        (
            "no choice of a chat",
            Reply::json(200, &json!({"object": "list"})),
            "pause",
            json!(["shape_unexpected"]),
            "",
        ),
    ] {
        let world = World::staging(|map| map.route = "retry_policy = { retries = 2, on = [\"server\", \"malformed\", \"reset\", \"truncated\"] }\nfallback_provider = \"cometapi\"").await;
        answer_happy(&world.canary, reply);
        let (code, said, errors) = smoke(&world.files, REVIEWED).await;
        assert_eq!((code, &said["decision"]), (4, &json!(decision)), "{name}: {said} {errors}");
        assert_eq!(said["holds"], holds, "{name}: {said}");
        assert_eq!(
            (world.canary.count(), world.primary.count()),
            (2, 0),
            "{name}: something was tried again"
        );
        let found = said["records"][0]["error_class"].as_str().unwrap_or_default();
        assert!(found == class || class == "reset" && found == "truncated", "{name}: {found}");
        assert_eq!(recorded(&world.files, Kind::SmokeCheck).len(), 2, "{name}");
        let (_, exported, _) = world.files.run(&["evidence", "export"]).await;
        assert!(!format!("{said}{errors}{exported}").contains("marker"), "{name}");
    }
}

#[tokio::test]
async fn an_invalid_request_that_is_accepted_or_fails_unclearly_is_a_hold() {
    for (reply, hold) in [
        (Reply::standard(), "error_path_accepted"),
        (Reply::error(500, "server_error", None, "overloaded?"), "error_path_unclassed"),
        (Reply::abort_before_head(), "error_path_unclassed"),
    ] {
        let world = World::staging(|_| ()).await;
        world.canary.on_call("POST", "/v1/chat/completions", move |request: &testkit::RecordedRequest| {
            if support::contract::is_without(request, "messages") { reply.clone() } else { Reply::standard() }
        });
        let (code, said, _) = smoke(&world.files, REVIEWED).await;
        assert_eq!((code, &said["holds"]), (4, &json!([hold])), "{said}");
        assert_eq!(world.canary.count(), 2);
        assert_eq!(said["fallback_decision"], "keep_primary");
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_recorded_and_exits_with_5() {
    let mut world = World::staging(|map| {
        map.share = "50%";
        map.canary = "http://127.0.0.1:9/v1";
    })
    .await;
    let (code, said, errors) = smoke(&world.files, REVIEWED).await;
    assert_eq!(code, 5, "{said} {errors}");
    assert_eq!(said["records"][0]["status_class"], "network_error");
    // It serves, and cannot: what it has is to be taken back.
    assert_eq!((&said["fallback_decision"], &said["decision"]), (&json!("roll_back"), &json!("pause")));
    world.program.terminate();
    world.program.ended().await;
    let (code, said, errors) = smoke(&world.files, REVIEWED).await;
    assert_eq!(code, 5, "{errors}");
    assert_eq!(said["holds"], json!(["not_logged"]), "{said}");
    let records = recorded(&world.files, Kind::SmokeCheck);
    assert_eq!(records.len(), 4);
    assert!(records[3]["body"]["notes"].as_str().unwrap().contains("not made"), "{}", records[3]);
}

#[tokio::test]
async fn what_is_missing_is_said_with_what_to_add() {
    let world = World::staging(|map| map.environment = "production").await;
    let asks = async |more: &[&str]| {
        let asked = [&["--by", "kim"], more].concat();
        let (code, _, errors) = world.files.run(&[&["smoke"], &asked[..]].concat()).await;
        (code, errors)
    };
    let (code, errors) = asks(&["nowhere"]).await;
    assert!(code == 3 && errors.contains("no route \"nowhere\""), "{errors}");
    let (code, errors) = asks(&["the-canary", "--role", "fallback"]).await;
    assert!(code == 3 && errors.contains("has no fallback"), "{errors}");
    let (code, errors) = asks(&["the-canary", "--model", "other"]).await;
    assert!(code == 3 && errors.contains("does not serve \"other\", but \"summary\""), "{errors}");
    let settings = std::fs::read_to_string(world.files.path().join("cometgate.toml")).unwrap();
    world.files.write("cometgate.toml", &settings.replace(CHECKS, ""));
    let (code, errors) = asks(&["the-canary"]).await;
    assert!(code == 3 && errors.contains("[checks]") && errors.contains("checks.key"), "{errors}");
}

#[tokio::test]
async fn a_map_that_is_not_the_one_in_force_is_a_hold() {
    let settings = format!("environment = \"staging\"\n{CHECKS}");
    let mut world = World::start(&settings, |map| map.environment = "staging").await;
    answer_as_cometapi(&world.canary);
    let map = std::fs::read_to_string(world.files.path().join("routes.toml")).unwrap();
    // The same version with other bytes, for another environment than the gateway's: it is refused.
    world.files.write("routes.toml", &map.replace("\"staging\"", "\"elsewhere\""));
    world.program.logged("a change was refused").await;
    let (code, said, errors) = smoke(&world.files, REVIEWED).await;
    assert_eq!((code, &said["holds"]), (4, &json!(["map_differs"])), "{said} {errors}");
}

#[tokio::test]
async fn no_secret_is_in_any_record_or_output() {
    let world = World::staging(|_| ()).await;
    // What it is sent comes back wherever a provider can put it.
    world.canary.on_call("POST", "*", |request: &testkit::RecordedRequest| {
        let shown = request.header("authorization").unwrap_or_default().to_owned();
        let body = json!({"id": "completion-marker", "object": shown, "status": shown, "usage": {"x": "completion-marker"},
            "choices": [{"finish_reason": shown, "message": {"content": "completion-marker"}}]});
        Reply::json(200, &body).header("x-request-id", &shown).header("x-oneapi-request-id", "completion-marker")
    });
    let (_, said, errors) = smoke(&world.files, REVIEWED).await;
    let (_, text, more) = world.files.run(&["smoke", "the-canary", "--by", "kim"]).await;
    let (_, exported, _) = world.files.run(&["evidence", "export"]).await;
    let (_, page, _) = world.files.run(&["evidence", "export", "--markdown"]).await;
    let all = format!("{said}{errors}{text}{more}{exported}{page}");
    for secret in ["completion-marker", CANARY_KEY, PRIMARY_KEY, CHECK_KEY, "Answer with the one word"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert_eq!(said["records"][0]["response_object_type"], "other");
}

#[tokio::test]
async fn a_rollout_that_waits_for_it_hears_of_it_and_a_failure_takes_it_back() {
    let world = World::staging(|map| {
        map.share = "100%";
        map.sticky_by = "steps = [\"50%\", \"100%\"]\nstep_needs = { checks = [\"smoke\"] }";
    })
    .await;
    let misses = async || world.files.canary_status().await["step"]["missing"].to_string().contains("checks");
    assert!(misses().await);
    let (code, _, errors) = smoke(&world.files, REVIEWED).await;
    assert_eq!(code, 0);
    assert!(errors.contains("The rollout of the-canary has heard of it"), "{errors}");
    assert!(!misses().await);
    let (code, ..) = smoke(&world.files, &[]).await;
    assert_eq!(code, 4);
    assert!(misses().await);
    // Nothing is lent any more.
    let (_, status) = world.files.admin(Method::GET, "/status", &Value::Null).await;
    assert_eq!(status["checks"], json!([]));
}

#[tokio::test]
async fn a_gateway_with_tls_is_called_by_its_own_certificate_alone() {
    let Setup { primary, canary } = Setup::new().await;
    answer_as_cometapi(&canary);
    let urls = (primary.base_url(), canary.base_url());
    let map = Map { environment: "staging", ..Map::new(&urls.0, &urls.1, "0%") };
    let tls = "[tls]\ncertificate = \"gateway.pem\"\nkey = \"gateway.key\"\n";
    let files = Files::new(&format!("{CHECKS}{tls}"), &map.text(), &tenants());
    files.write_check_key();
    let authority = Authority::new().unwrap();
    write(&files, &authority.certify("gateway.test").unwrap());
    let _program = Program::serve(&files).await;
    let (code, said, errors) = smoke(&files, REVIEWED).await;
    assert_eq!(code, 0, "{said} {errors}");
    // Whoever else answers there does not get the key: here the file has another certificate than the listener.
    let other = authority.certify("gateway.test").unwrap();
    let listening = files.path().join("other.pem");
    std::fs::write(&listening, &other.certificate).unwrap();
    let settings = std::fs::read_to_string(files.path().join("cometgate.toml")).unwrap();
    files.write("cometgate.toml", &settings.replace("gateway.pem", "other.pem"));
    let (code, said, _) = smoke(&files, REVIEWED).await;
    assert_eq!((code, &said["holds"]), (4, &json!(["not_logged"])), "{said}");
    assert_eq!(canary.count(), 2);
    files.write("clients.pem", &authority.pem());
    let required = format!("{settings}client_ca = \"clients.pem\"\nclient_certificates = \"required\"\n");
    files.write("cometgate.toml", &required);
    let (code, _, errors) = smoke(&files, REVIEWED).await;
    assert!(code == 3 && errors.contains("checks have none"), "{errors}");
}

#[tokio::test]
async fn the_demo_and_a_first_configuration_can_be_checked_as_they_are() {
    let mut demo = Program::demo(&["--listen", "127.0.0.1:0", "--share", "0%"]).await;
    let line = demo.printed("smoke acme-chat").await;
    let config = line.split_whitespace().last().unwrap().to_owned();
    let asked = ["smoke", "acme-chat", "--by", "kim", "--docs-reviewed", "--config", &config];
    let (code, said, errors) = support::program::output(&asked).await;
    assert_eq!(code, 0, "{said} {errors}");
    assert!(said.contains("decision: proceed"), "{said}");
    demo.terminate();
    assert_eq!(demo.ended().await, 0);

    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("gateway");
    let init = [
        "init",
        target.to_str().unwrap(),
        "--primary",
        "http://127.0.0.1:9/v1",
        "--canary",
        "http://127.0.0.1:10/v1",
    ];
    let (code, _, errors) = support::program::output(&init).await;
    assert_eq!(code, 0, "{errors}");
    let key = std::fs::metadata(target.join("checks.key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    assert!(errors.contains("checks.key"), "{errors}");
}
