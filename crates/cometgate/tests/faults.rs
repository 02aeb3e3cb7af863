//! What a caller gets when a provider fails, and how often the providers are asked: the scenarios of docs/failures.md.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::fault::{LONG, World, begun, chunk, done, finish, role, said, words};
use support::world::Setup;
use support::{CANARY_KEY, PRIMARY_KEY};
use testkit::{Provider, Reply, Step};
use tokio::time::Instant;

const RETRY_429: &str = "retry_policy = { retries = 1, on = [\"rate_limit\"] }";

fn rate_limited() -> Reply {
    Reply::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down").header("retry-after", "2")
}

fn broken() -> Reply {
    Reply::error(500, "server_error", None, "it broke")
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_where_the_route_retries_it() {
    let world = World::with("", RETRY_429).await;
    world.primary.once("POST", "/v1/chat/completions", rate_limited());
    let began = Instant::now();
    let answer = world.chat().await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-attempts")), (200, "2"));
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(world.seen(), (2, 0));
}

#[tokio::test]
async fn a_rate_limit_falls_back_at_once_or_reaches_the_caller_with_its_pause() {
    let world = World::new("").await;
    world.primary(rate_limited());
    let answer = world.chat().await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-provider")), (200, "cometapi"));
    // It has asked for a pause: until then it is not asked again.
    assert_eq!(world.chat().await.header("x-cometgate-provider"), "cometapi");
    assert_eq!(world.seen(), (1, 2));

    let world = World::with("", "").await;
    world.primary(rate_limited());
    let answer = world.chat().await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "2"));
    assert_eq!(answer.error().0, "rate_limit_exceeded");
    assert_eq!(world.seen(), (1, 0));
    let paused = world.chat().await;
    assert_eq!((paused.status.as_u16(), paused.header("x-should-retry")), (429, ""));
    assert!(["1", "2"].contains(&paused.header("retry-after")), "{}", paused.header("retry-after"));
    assert_eq!((paused.error().0.as_str(), world.seen()), ("provider_paused", (1, 0)));
}

#[tokio::test]
async fn errors_of_a_server_fall_back_and_without_fallback_are_shown() {
    let world = World::new("").await;
    world.primary(broken());
    for _ in 0..3 {
        let answer = world.chat().await;
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-attempts")), (200, "2"));
        assert_eq!(answer.header("x-cometgate-provider"), "cometapi");
        assert_eq!(answer.header("x-cometgate-role"), "fallback");
    }
    assert_eq!(world.seen(), (3, 3));

    let world = World::with("", "").await;
    world.primary(broken());
    let answer = world.chat().await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"]["message"].as_str()), (500, Some("it broke")));
    assert_eq!(answer.header("x-should-retry"), "", "the caller's own client may try as it would without us");
}

#[tokio::test]
async fn an_overload_that_passes_is_retried_where_the_route_says_so() {
    let world = World::with("", "retry_policy = { retries = 2, on = [\"overloaded\"] }").await;
    let overloaded = || Reply::error(503, "service_unavailable_error", Some("server_is_overloaded"), "busy");
    world.primary.once("POST", "/v1/chat/completions", overloaded());
    world.primary.once("POST", "/v1/chat/completions", overloaded());
    let answer = world.chat().await;
    assert_eq!((answer.status.as_u16(), world.seen()), (200, (3, 0)));
}

#[tokio::test]
async fn a_refused_connection_is_retried_once_and_then_falls_back() {
    let gone = Provider::builder("gone").start().await;
    let nowhere = gone.base_url();
    drop(gone);
    let fallback = Provider::builder("fallback").require_key(CANARY_KEY).start().await;
    let url = fallback.base_url();
    for (base_url, class) in [(nowhere.as_str(), "connect"), (url.as_str(), "tls")] {
        let base_url =
            if class == "tls" { base_url.replace("http://", "https://") } else { base_url.to_owned() };
        let map = support::Map {
            route: "fallback_provider = \"cometapi\"",
            ..support::Map::new(&base_url, &url, "0%")
        };
        let files = support::Files::new("", &map.text(), &support::tenants());
        let program = support::Program::serve(&files).await;
        let mut client = support::Client::connect(program.address).await;
        let answer = client.chat(support::ACME, r#"{"model":"summary"}"#).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-attempts")), (200, "3"), "{class}");
        assert_eq!(answer.header("x-cometgate-provider"), "cometapi");
    }
}

#[tokio::test]
async fn a_silent_provider_is_asked_once_and_not_again() {
    let world =
        World::new("primary_timeout_ms = 300\nretry_policy = { retries = 1, on = [\"reset\"] }").await;
    world.primary(Reply::hang_before_head());
    for ask in [false, true] {
        let answer = if ask { world.stream().await } else { world.chat().await };
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-provider")), (200, "cometapi"));
    }
    assert_eq!(world.seen(), (2, 2));
    world.primary.wait_aborted(2).await;
}

#[tokio::test]
async fn a_late_first_token_falls_back_also_when_roles_and_comments_came_in_time() {
    let world = World::new("first_token_timeout_ms = 300").await;
    let early = [role(), Step::chunk(": keep-alive\n\n"), Step::Pause(LONG)];
    world.primary(Reply::sse(early.into_iter().chain(words(1)).collect()));
    let answer = world.stream().await;
    let said = said(&answer);
    assert_eq!(answer.header("x-cometgate-provider"), "cometapi");
    assert!(said.is_done && said.content.contains("fallback"), "{}", said.content);
    assert_eq!(world.seen(), (1, 1));
}

#[tokio::test]
async fn a_cut_stream_ends_in_an_error_and_never_looks_complete() {
    let expected: String = (0..40).map(|at| format!("w{at} ")).collect();
    for then in [Step::Abort, Step::chunk("data: {\"id\":\"c\",\"cho")] {
        let world = World::new("").await;
        world.primary(begun(40, [then]));
        let answer = world.stream().await;
        let said = said(&answer);
        assert_eq!((said.content.as_str(), said.is_done), (expected.as_str(), false));
        assert_eq!(said.error.unwrap()["code"], "upstream_stream_interrupted");
        assert_eq!(world.seen(), (1, 0), "after the first content nothing else is tried");
    }
}

#[tokio::test]
async fn a_stream_that_stalls_ends_in_an_error_although_comments_go_on() {
    let world = World::new("idle_timeout_ms = 400").await;
    let comments = (0..200).flat_map(|_| [Step::Pause(Duration::from_millis(50)), Step::chunk(": ping\n\n")]);
    world.primary(begun(3, comments));
    let began = Instant::now();
    let answer = world.stream().await;
    let said = said(&answer);
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!((said.content.as_str(), said.is_done), ("w0 w1 w2 ", false));
    assert_eq!(said.error.unwrap()["code"], "upstream_stream_interrupted");
}

#[tokio::test]
async fn a_malformed_event_falls_back_before_content_and_is_passed_on_as_it_is_after() {
    let world = World::new("").await;
    world.primary(Reply::sse(vec![role(), Step::chunk("data: {nonsense\n\n"), Step::Pause(LONG)]));
    assert_eq!(world.stream().await.header("x-cometgate-provider"), "cometapi");

    world.primary(begun(
        2,
        [Step::chunk("data: {nonsense\n\n")].into_iter().chain(words(1)).chain([finish(), done()]),
    ));
    let answer = world.stream().await;
    assert!(said(&answer).is_done);
    assert!(String::from_utf8(answer.body.to_vec()).unwrap().contains("data: {nonsense\n\n"));
}

#[tokio::test]
async fn an_error_event_falls_back_before_content_and_without_fallback_gets_its_status() {
    let error = || {
        Step::chunk(
            "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"code\":\"server_is_overloaded\"}}\n\n",
        )
    };
    let bare = || {
        Step::chunk(
            "{\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"code\":\"server_is_overloaded\"}}\n",
        )
    };
    let world = World::new("").await;
    for event in [error(), bare()] {
        world.primary(Reply::sse(vec![role(), event]));
        assert_eq!(world.stream().await.header("x-cometgate-provider"), "cometapi");
    }
    let world = World::with("", "").await;
    world.primary(Reply::sse(vec![role(), error()]));
    let answer = world.stream().await;
    assert_eq!(
        (answer.status.as_u16(), answer.error()),
        (503, ("server_is_overloaded".into(), "busy".into()))
    );
    world.primary(begun(2, [error(), done()]));
    let said = said(&world.stream().await);
    assert_eq!((said.content.as_str(), said.is_done), ("w0 w1 ", false));
    assert_eq!(said.error.unwrap()["message"], "busy");
}

#[tokio::test]
async fn a_missing_done_is_mended_and_a_done_without_a_finish_is_no_end() {
    let world = World::new("").await;
    world.primary(begun(2, [finish()]));
    let whole = said(&world.stream().await);
    assert_eq!((whole.content.as_str(), whole.is_done, whole.error), ("w0 w1 ", true, None));
    world.primary(begun(2, [done()]));
    let cut = said(&world.stream().await);
    assert_eq!((cut.content.as_str(), cut.is_done), ("w0 w1 ", false));
    assert_eq!(cut.error.unwrap()["code"], "upstream_stream_interrupted");
}

#[tokio::test]
async fn what_is_wrong_with_the_request_itself_is_never_tried_elsewhere() {
    let world = World::new("retry_policy = { retries = 2, on = [\"server\", \"overloaded\"] }").await;
    for (status, kind, code, class) in [
        (400, "invalid_request_error", Some("content_filter"), 400),
        (400, "invalid_request_error", Some("context_length_exceeded"), 400),
        (400, "invalid_request_error", None, 400),
        (422, "invalid_request_error", None, 422),
        (500, "comet_api_error", Some("invalid_request"), 500),
    ] {
        world.primary(Reply::error(status, kind, code, "no"));
        let answer = world.chat().await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"]["message"].as_str()), (class, Some("no")));
    }
    assert_eq!(world.seen(), (5, 0));
    let world = World::new("fallback_on = [\"context_length\"]").await;
    world.primary(Reply::error(400, "invalid_request_error", Some("context_length_exceeded"), "too long"));
    assert_eq!(world.chat().await.header("x-cometgate-provider"), "cometapi");
}

#[tokio::test]
async fn a_fallback_that_rejects_does_not_hide_the_first_failure() {
    let world = World::new("").await;
    world.primary(broken());
    world.fallback(Reply::error(400, "invalid_request_error", None, "no prefill here"));
    let answer = world.chat().await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"]["message"].as_str()), (500, Some("it broke")));
    assert_eq!((answer.header("x-cometgate-attempts"), answer.header("x-should-retry")), ("2", "false"));
    assert_eq!(world.seen(), (1, 1));
}

#[tokio::test]
async fn a_flapping_primary_is_passed_over_and_returned_to() {
    let world = World::new("").await;
    world.primary(broken());
    for _ in 0..15 {
        assert_eq!(world.chat().await.status, 200);
    }
    assert_eq!(world.seen(), (5, 15), "after five failures the breaker is open");
    world.primary(Reply::standard());
    let healed = async {
        while world.chat().await.header("x-cometgate-provider") != "openai" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), healed).await.unwrap();
    assert_eq!(world.chat().await.header("x-cometgate-provider"), "openai");
}

#[tokio::test]
async fn our_own_credential_that_is_refused_is_not_the_callers_fault() {
    let world = World::new("").await;
    // Some say it with a 200.
    for status in [401, 403, 200] {
        world.primary(Reply::error(
            status,
            "invalid_request_error",
            Some("invalid_api_key"),
            "Incorrect key sk-prim***",
        ));
        let answer = world.chat().await;
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (502, "provider_auth"));
        assert!(!answer.body.windows(3).any(|bytes| bytes == b"sk-"));
    }
    assert_eq!(world.seen(), (3, 0));
}

#[tokio::test]
async fn an_answer_that_is_a_page_or_a_redirect_or_lacks_its_end_falls_back() {
    let world = World::new("").await;
    let page = Reply::bytes(200, "text/html", "<html>maintenance</html>");
    let redirect = Reply::new(302).header("location", "http://127.0.0.1:9/elsewhere");
    let half =
        Reply::steps(200, "application/json", vec![Step::chunk("{\"id\":\"c\",\"choices\":["), Step::Abort]);
    let cut_json = Reply::bytes(200, "application/json", "{\"id\":\"c\",\"choices\":[");
    let error = Reply::json(200, &json!({"error": {"message": "x", "type": "server_error"}}));
    for reply in [page, redirect, half, cut_json, error] {
        world.primary(reply);
        let answer = world.chat().await;
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-provider")), (200, "cometapi"));
        // Never enough in a row to open the breaker.
        world.primary(Reply::standard());
        assert_eq!(world.chat().await.header("x-cometgate-provider"), "openai");
    }
}

#[tokio::test]
async fn whole_delivery_mends_what_streaming_can_only_report() {
    let world = World::new("delivery = \"whole\"\nidle_timeout_ms = 400").await;
    let cut = begun(40, [Step::Abort]);
    let stalled = begun(3, [Step::Pause(LONG)]);
    let malformed = begun(3, [Step::chunk("data: {nonsense\n\n"), finish(), done()]);
    let unfinished = begun(3, [done()]);
    for reply in [cut, stalled, unfinished, malformed] {
        world.primary(reply);
        let answer = world.stream().await;
        let said = said(&answer);
        assert_eq!((answer.header("x-cometgate-provider"), said.is_done), ("cometapi", true));
        assert!(said.content.contains("fallback") && !said.content.contains("w0"), "{}", said.content);
        world.primary(Reply::standard());
        assert_eq!(world.stream().await.header("x-cometgate-provider"), "openai");
    }
}

#[tokio::test]
async fn a_caller_that_waits_long_gets_heartbeats_and_then_the_answer_or_an_error_event() {
    let world = World::with(
        "[limits]\nheartbeat_ms = 100\n",
        "fallback_provider = \"cometapi\"\nprimary_timeout_ms = 700",
    )
    .await;
    world.primary(Reply::hang_before_head());
    let answer = world.stream().await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.starts_with(": ping\n: ping\n"), "{text}");
    assert!(text.contains(": served by cometapi as fallback, attempts 2\n"), "{text}");
    assert!(said(&answer).is_done);

    world.fallback(
        Reply::error(400, "invalid_request_error", Some("odd"), "no").delayed(Duration::from_millis(300)),
    );
    let answer = world.stream().await;
    let said = said(&answer);
    assert_eq!((answer.status.as_u16(), said.is_done), (200, false));
    assert_eq!(said.error.unwrap()["code"], "provider_timeout", "the first failure is shown");
}

#[tokio::test]
async fn responses_fall_back_before_content_and_end_in_their_own_error_event_after() {
    let event = |name: &str, more: &str| {
        Step::chunk(format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":4{more}}}\n\n"))
    };
    let created =
        || event("response.created", ",\"response\":{\"id\":\"resp_primary\",\"status\":\"in_progress\"}");
    let delta = || event("response.output_text.delta", ",\"delta\":\"w0 \"");
    let world = World::new("").await;
    let on = |reply| world.primary.on("POST", "/v1/responses", reply);
    on(Reply::sse(vec![created(), Step::Abort]));
    let answer = world.responses(true).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.header("x-cometgate-provider"), "cometapi");
    assert!(!text.contains("resp_primary") && text.contains("response.completed"), "{text}");

    on(Reply::sse(vec![created(), delta(), Step::Abort]));
    let text = String::from_utf8(world.responses(true).await.body.to_vec()).unwrap();
    assert!(text.contains("resp_primary") && !text.contains("response.completed"), "{text}");
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let json: serde_json::Value = serde_json::from_str(last.split_once("data: ").unwrap().1).unwrap();
    assert!(last.starts_with("event: error\n"));
    assert_eq!((json["type"].as_str(), json["sequence_number"].as_u64()), (Some("error"), Some(5)));
    assert_eq!(
        (&json["code"], &json["error"]["code"]),
        (&json!("upstream_stream_interrupted"), &json!("upstream_stream_interrupted"))
    );

    on(Reply::json(
        200,
        &json!({"id": "resp_primary", "status": "failed", "error": {"code": "server_error", "message": "x"}}),
    ));
    assert_eq!(world.responses(false).await.header("x-cometgate-provider"), "cometapi");
}

#[tokio::test]
async fn a_canary_that_fails_sends_its_request_home() {
    let Setup { primary, canary } = Setup::new().await;
    canary.on("POST", "/v1/chat/completions", broken());
    let urls = (primary.base_url(), canary.base_url());
    let files =
        support::Files::new("", &support::Map::new(&urls.0, &urls.1, "100%").text(), &support::tenants());
    let program = support::Program::serve(&files).await;
    let mut client = support::Client::connect(program.address).await;
    for _ in 0..20 {
        let answer = client.chat(support::ACME, r#"{"model":"summary"}"#).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "primary"));
    }
    // Its breaker would open after twelve: the gate sees them first.
    assert!((1..=10).contains(&canary.count()), "{}", canary.count());
}

#[tokio::test]
async fn a_callers_own_retries_and_its_patience_count() {
    let world = World::new("retry_policy = { retries = 2, on = [\"server\"] }").await;
    world.primary(broken());
    world.fallback(broken());
    let send = async |header: &str, value: &str| {
        let mut request = support::client::request(
            hyper::Method::POST,
            "/v1/chat/completions",
            support::ACME,
            r#"{"model":"summary"}"#,
        );
        let name = hyper::header::HeaderName::try_from(header).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        support::Client::connect(world.program.address).await.send(request).await.unwrap()
    };
    let answer = send("x-stainless-retry-count", "2").await;
    assert_eq!((answer.header("x-cometgate-attempts"), world.seen()), ("1", (1, 0)));
    assert_eq!(answer.header("x-should-retry"), "false");

    let world_seen = world.seen();
    world.primary(Reply::hang_before_head());
    let began = Instant::now();
    let answer = send("x-stainless-timeout", "1").await;
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (504, "deadline_exceeded"));
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(world.seen(), (world_seen.0 + 1, world_seen.1));
}

#[tokio::test]
async fn a_required_field_that_is_missing_makes_an_answer_malformed() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let fallback = Provider::builder("fallback").require_key(CANARY_KEY).start().await;
    let urls = (primary.base_url(), fallback.base_url());
    let map = support::Map {
        route: "fallback_provider = \"cometapi\"",
        ..support::Map::new(&urls.0, &urls.1, "0%")
    };
    let text = map.text().replace(
        "[aliases.summary]\n",
        "[aliases.summary]\nrequired_fields = [\"choices\", \"usage.total_tokens\"]\n",
    );
    let files = support::Files::new("", &text, &support::tenants());
    let program = support::Program::serve(&files).await;
    let mut client = support::Client::connect(program.address).await;
    for (reply, provider) in [
        (json!({"choices": []}), "cometapi"),
        (json!({"choices": [], "usage": {}}), "cometapi"),
        (json!({"choices": [], "usage": {"total_tokens": null}}), "openai"),
    ] {
        primary.on("POST", "/v1/chat/completions", Reply::json(200, &reply));
        let answer = client.chat(support::ACME, r#"{"model":"summary"}"#).await;
        assert_eq!(answer.header("x-cometgate-provider"), provider, "{reply}");
    }
}

#[tokio::test]
async fn tool_calls_reasoning_and_refusals_are_content() {
    for delta in [
        json!({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]}),
        json!({"reasoning_content": "hm"}),
        json!({"refusal": "no"}),
    ] {
        let world = World::new("").await;
        world.primary(Reply::sse(vec![role(), chunk(&delta, None), Step::Abort]));
        let answer = world.stream().await;
        assert_eq!((answer.header("x-cometgate-provider"), world.seen()), ("openai", (1, 0)), "{delta}");
        assert!(!said(&answer).is_done);
    }
}
