//! Runbook 5 on the command line: exactly two attempts, every field of its template, and each of its reasons to hold.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use evidence::Kind;
use hyper::http::Method;
use serde_json::{Value, json};
use support::admin::CHECK_KEY;
use support::contract::bodies;
use support::records::recorded;
use support::world::World;
use support::{ACME, CANARY_KEY, Client, PRIMARY_KEY};
use testkit::{Provider, RecordedRequest, Reply};

const REVIEW: &str = "https://tickets.example/INC-7";

async fn rollforward(world: &World, more: &[&str]) -> (i32, Value, String) {
    let asked = ["rollforward", "the-canary", "--by", "kim", "--review-link", REVIEW, "--format", "json"];
    let (code, said, errors) = world.files.run(&[&asked, more].concat()).await;
    (code, serde_json::from_str(&said).unwrap_or(Value::Null), errors)
}

/// Answers a key of nobody so, and all else as ever.
fn answer_strangers(provider: &Provider, reply: Reply) {
    provider.on_call("POST", "*", move |request: &RecordedRequest| {
        let is_ours = request.header("authorization").is_some_and(|shown| shown.ends_with(CANARY_KEY));
        if is_ours { Reply::standard() } else { reply.clone() }
    });
}

#[tokio::test]
async fn two_attempts_with_every_field_of_the_template() {
    let world = World::staging(|_| ()).await;
    let (code, said, errors) = rollforward(&world, &[]).await;
    assert_eq!(
        (code, &said["decision"], &said["holds"]),
        (0, &json!("proceed"), &json!([])),
        "{said} {errors}"
    );
    assert_eq!((world.canary.count(), world.primary.count()), (2, 0));
    // They differ in the credential alone.
    let [good, twin] = &world.canary.requests()[..] else { panic!() };
    assert_eq!(good.body, twin.body);
    assert_eq!(bodies(&world.canary)[0]["max_completion_tokens"], 128);
    assert_eq!(good.header("authorization"), Some(format!("Bearer {CANARY_KEY}").as_str()));
    assert!(!twin.header("authorization").unwrap().contains(CANARY_KEY));

    let records = recorded(&world.files, Kind::RollforwardCheck);
    let [happy, refused] = &records[..] else { panic!("{} records", records.len()) };
    let (happy, refused) = (&happy["body"], &refused["body"]);
    let id = happy["check_id"].as_str().unwrap();
    let digits = id.strip_prefix("route-rollforward-check-").unwrap().split_once('-').unwrap();
    assert_eq!((digits.0.len(), digits.1.len()), (8, 4), "{id}");
    for (name, expected) in [
        ("check_id", [json!(id), json!(id)]),
        ("route_label", [json!("the-canary"), json!("the-canary")]),
        ("request_family", [json!("chat"), json!("chat")]),
        ("http_status_class", [json!("2xx"), json!("4xx")]),
        ("response_shape_seen", [json!("expected"), json!("expected")]),
        ("fallback_decision", [json!("promote"), json!("promote")]),
        ("retry_count", [json!(0), json!(0)]),
        ("operator_result", [json!("pass"), json!("pass")]),
        ("review_link", [json!(REVIEW), json!(REVIEW)]),
        ("request_type", [json!("happy_path"), json!("error_path")]),
        ("intended_upstream", [json!("canary cometapi"), json!("canary cometapi")]),
        ("selected_upstream", [json!("canary cometapi"), json!("canary cometapi")]),
        ("error_class", [Value::Null, json!("auth")]),
        ("completion_marker", [json!("stop"), json!("not_returned")]),
        ("response_id_present", [json!("true"), json!("false")]),
        ("usage_field_present", [json!("true"), json!("false")]),
    ] {
        assert_eq!([&happy[name], &refused[name]], [&expected[0], &expected[1]], "{name}");
    }
    assert_eq!(
        (happy["decisions_logged"].as_array().unwrap().len(), happy["http_status"].as_u64()),
        (1, Some(200))
    );
    let all_hold =
        |record: &Value| record["assertions"].as_array().unwrap().iter().all(|said| said["holds"] == true);
    assert!(all_hold(happy) && all_hold(refused), "{said}");
    let (_, listed, _) = world.files.run(&["evidence", "list", "--kind", "rollforward_check"]).await;
    assert!(listed.contains("pass canary cometapi: error_path 4xx"), "{listed}");
}

#[tokio::test]
async fn what_serves_stays_and_what_does_not_is_promoted() {
    let serving = World::staging(|map| map.share = "20%").await;
    let (code, said, _) = rollforward(&serving, &[]).await;
    assert_eq!((code, &said["fallback_decision"]), (0, &json!("stay")));
    // The route itself has moved nothing, and a caller's gate has heard nothing.
    let mut client = Client::connect(serving.program.address).await;
    let chat = r#"{"model":"summary","messages":[],"user":"u"}"#;
    assert_eq!(client.chat(ACME, chat).await.status, 200);
    let (_, status) = serving.files.admin(Method::GET, "/status", &Value::Null).await;
    assert_eq!(status["checks"], json!([]));
    let signal = &status["routes"][0]["targets"][0]["signals"][0];
    assert!(signal["failures"].as_u64().unwrap_or_default() == 0, "{status}");
}

#[tokio::test]
async fn each_reason_to_hold_is_found_and_named() {
    let chat =
        json!({"id": "c", "object": "chat.completion", "choices": [{"finish_reason": "stop"}], "usage": {}});
    let chat = Reply::json(200, &chat);
    let page = Reply::bytes(200, "text/html", "<html>completion-marker</html>");
    for (name, happy, strangers, holds) in [
        ("a page", Some(page), None, json!(["response_unparseable", "happy_path_failed"])),
        (
            "a failure",
            Some(Reply::error(503, "server_error", None, "no")),
            None,
            json!(["happy_path_failed"]),
        ),
        (
            "another form",
            Some(Reply::json(200, &json!({"object": "list"}))),
            None,
            json!(["response_unparseable"]),
        ),
        ("anybody's key", None, Some(chat), json!(["error_path_not_captured"])),
        (
            "a refusal that is none",
            None,
            Some(Reply::error(500, "server_error", None, "no")),
            json!(["error_path_not_captured"]),
        ),
        (
            "a refusal that is a page",
            None,
            Some(Reply::new(301).header("location", "/x")),
            json!(["response_unparseable", "error_path_not_captured"]),
        ),
    ] {
        let world = World::staging(|_| ()).await;
        if let Some(reply) = happy {
            world.canary.on_call("POST", "*", move |request: &RecordedRequest| {
                let is_ours =
                    request.header("authorization").is_some_and(|shown| shown.ends_with(CANARY_KEY));
                if is_ours { reply.clone() } else { Reply::error(401, "auth", None, "no") }
            });
        }
        if let Some(reply) = strangers {
            answer_strangers(&world.canary, reply);
        }
        let (code, said, errors) = rollforward(&world, &[]).await;
        assert_eq!((code, &said["holds"]), (4, &holds), "{name}: {said} {errors}");
        assert_eq!(
            (&said["fallback_decision"], &said["decision"]),
            (&json!("hold"), &json!("pause")),
            "{name}"
        );
        assert_eq!(recorded(&world.files, Kind::RollforwardCheck).len(), 2, "{name}");
        assert!(!said.to_string().contains("completion-marker"), "{name}");
    }
}

#[tokio::test]
async fn retries_are_counted_and_held_only_beyond_what_the_route_allows() {
    let world = World::staging(|map| map.route = "retry_policy = { retries = 1, on = [\"server\"] }").await;
    world.canary.once("POST", "*", Reply::error(500, "server_error", None, "once"));
    let (code, said, errors) = rollforward(&world, &[]).await;
    assert_eq!((code, &said["records"][0]["retry_count"]), (0, &json!(1)), "{said} {errors}");
    assert_eq!(said["records"][0]["decisions_logged"], json!(["retry", "done"]));
    // A key that is refused as an ill server would refuse it is tried again: that is what would make an outage worse.
    answer_strangers(&world.canary, Reply::error(500, "server_error", None, "no"));
    let (code, said, _) = rollforward(&world, &[]).await;
    assert_eq!(
        (code, &said["holds"]),
        (4, &json!(["retries_unbounded", "error_path_not_captured"])),
        "{said}"
    );
    assert_eq!(said["records"][1]["operator_result"], "fail");
    assert_eq!(said["records"][0]["operator_result"], "pass");
}

#[tokio::test]
async fn nothing_is_shown_without_a_gateway_or_of_an_own_key_that_is_refused() {
    let mut world = World::staging(|_| ()).await;
    world.canary.on("POST", "*", Reply::error(401, "comet_api_error", None, "no"));
    let (code, said, _) = rollforward(&world, &[]).await;
    assert_eq!(
        (code, &said["decision"], &said["fallback_decision"]),
        (4, &json!("escalate"), &json!("hold"))
    );
    world.program.terminate();
    world.program.ended().await;
    let (code, said, errors) = rollforward(&world, &[]).await;
    assert_eq!((code, &said["holds"]), (5, &json!(["decision_not_logged"])), "{said}");
    assert!(errors.contains("No gateway runs"), "{errors}");
    let records = recorded(&world.files, Kind::RollforwardCheck);
    assert_eq!(records.len(), 4);
    assert_eq!(
        (&records[3]["body"]["route_label"], &records[3]["body"]["retry_count"]),
        (&json!("not_seen"), &Value::Null)
    );
    let (code, ..) = world.files.run(&["rollforward", "the-canary", "--by", "kim"]).await;
    assert_eq!(code, 2, "the review has to be named");
}

#[tokio::test]
async fn no_secret_is_in_any_record_or_output() {
    let world = World::staging(|_| ()).await;
    world.canary.on_call("POST", "*", |request: &RecordedRequest| {
        let shown = request.header("authorization").unwrap_or_default().to_owned();
        let body = json!({"id": shown, "object": shown, "error": {"message": shown, "type": "completion-marker", "code": shown}});
        Reply::json(401, &body).header("x-request-id", &shown)
    });
    let (_, said, errors) = rollforward(&world, &[]).await;
    let (_, exported, _) = world.files.run(&["evidence", "export"]).await;
    let all = format!("{said}{errors}{exported}");
    for secret in ["completion-marker", CANARY_KEY, PRIMARY_KEY, CHECK_KEY, "Answer with the one word"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}
