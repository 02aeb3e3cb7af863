//! What is lent to a check is for its own requests alone: callers, gates, breakers, budgets and counts are as if it had not
//! been there, and nothing keeps it from the target that it looks at.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::http::Method;
use serde_json::{Value, json};
use support::admin::{CHECK_KEY, CHECKS, LEASE, check, leased};
use support::client::request;
use support::metrics;
use support::world::Setup;
use support::{ACME, CANARY_KEY, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply, Step};

const CHAT: &str =
    r#"{"model":"summary","messages":[{"role":"user","content":"prompt-marker"}],"user":"u-1"}"#;

struct World {
    primary: Provider,
    canary: Provider,
    program: Program,
    probes: SocketAddr,
    files: Files,
    client: Client,
}

impl World {
    async fn start(change: impl FnOnce(&mut Map<'_>)) -> World {
        let Setup { primary, canary } = Setup::new().await;
        let urls = (primary.base_url(), canary.base_url());
        let mut map = Map::new(&urls.0, &urls.1, "0%");
        change(&mut map);
        let settings = format!("{CHECKS}[admin]\nlisten = \"127.0.0.1:0\"\n");
        let files = Files::new(&settings, &map.text(), &tenants());
        files.write_check_key();
        let (program, probes) = Program::serve_with_probes(&files).await;
        let client = Client::connect(program.address).await;
        World { primary, canary, program, probes, files, client }
    }

    async fn check(&mut self, lease: &str) -> support::client::Answer {
        check(&mut self.client, lease, CHAT).await
    }

    async fn page(&self) -> metrics::Series {
        let page = Client::connect(self.probes).await;
        let page = { page }.send(request(Method::GET, "/metrics", "", "")).await.unwrap();
        metrics::read(std::str::from_utf8(&page.body).unwrap())
    }

    /// All series but those of checks, of the process, and of what comes and goes.
    async fn series(&self) -> BTreeMap<String, f64> {
        let read = self.page().await;
        let is_of_callers = |name: &str| {
            !["check_", "requests_by_version", "in_flight", "buffered"].iter().any(|part| name.contains(part))
        };
        read.0.into_iter().filter(|(name, _)| is_of_callers(name)).collect()
    }

    /// How the gates stand, without the time and the checks.
    async fn status(&self) -> Value {
        let (_, mut status) = self.files.admin(Method::GET, "/status", &Value::Null).await;
        for name in ["at", "checks"] {
            status.as_object_mut().unwrap().remove(name);
        }
        // What was seen in the last minute ages by itself.
        for route in status["routes"].as_array_mut().unwrap() {
            for target in route["targets"].as_array_mut().unwrap() {
                target.as_object_mut().unwrap().remove("observed");
            }
        }
        status
    }
}

fn fails(provider: &Provider) {
    provider.on("POST", "*", Reply::error(500, "server_error", None, "completion-marker"));
}

#[tokio::test]
async fn two_hundred_failing_attempts_of_a_check_change_nothing_for_anybody() {
    let mut world = World::start(|map| map.share = "50%").await;
    for _ in 0..20 {
        assert_eq!(world.client.chat(ACME, CHAT).await.status, 200);
    }
    let before = (world.status().await, world.series().await);
    let lease = world.files.lease(json!({"share": "100%", "retries": 1})).await;
    for _ in 0..10 {
        assert_eq!(world.check(&lease).await.status.as_u16(), 200);
    }
    fails(&world.canary);
    fails(&world.primary);
    let begun = world.canary.count();
    for _ in 0..100 {
        assert_eq!(world.check(&lease).await.status.as_u16(), 500);
    }
    let seen = world.files.seen(&lease).await;
    assert!(
        seen["attempts"].as_array().unwrap().len() >= 200,
        "{}",
        seen["attempts"].as_array().unwrap().len()
    );
    assert!(world.canary.count() >= begun + 100);
    // Gate, breaker, budgets and every series of a route or a target.
    assert_eq!((world.status().await, world.series().await), before);
    // One attempt of a caller's shows that there is something to see.
    assert_eq!(world.client.chat(ACME, CHAT).await.status.as_u16(), 500);
    assert_ne!((world.status().await, world.series().await), before);
}

#[tokio::test]
async fn a_check_goes_where_its_lease_says_whatever_share_the_map_has() {
    let mut world = World::start(|_| ()).await;
    assert_eq!(world.client.chat(ACME, CHAT).await.header("x-cometgate-role"), "primary");
    let lease = world.files.lease(json!({"share": "100%"})).await;
    let answer = world.check(&lease).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "canary"));
    assert_eq!(answer.header("x-cometgate-route"), "the-canary");
    // From the next request on, the terms are others; what is not named stays.
    let change = json!({"lease": lease, "role": "primary"});
    assert_eq!(world.files.admin(Method::POST, "/checks/renew", &change).await.0, 200);
    assert_eq!(world.check(&lease).await.header("x-cometgate-role"), "primary");
    let change = json!({"lease": lease, "role": null, "share": "0%"});
    assert_eq!(world.files.admin(Method::POST, "/checks/renew", &change).await.0, 200);
    assert_eq!(world.check(&lease).await.header("x-cometgate-role"), "primary");
    let attempts = world.files.seen(&lease).await["attempts"].clone();
    let of = |name: &str| -> Vec<Value> {
        attempts.as_array().unwrap().iter().map(|attempt| attempt[name].clone()).collect()
    };
    assert_eq!(of("number"), [json!(1), json!(2), json!(3)]);
    assert_eq!(of("role"), ["canary", "primary", "primary"]);
    assert_eq!(of("model_id"), ["gpt-canary", "gpt-primary", "gpt-primary"]);
    assert_eq!(of("decision"), ["done", "done", "done"]);
    assert_eq!(of("route_reason"), ["in_share", "check", "outside_share"]);
    assert!(!attempts.to_string().contains("marker"), "{attempts}");
}

#[tokio::test]
async fn a_route_that_is_taken_out_of_the_map_is_lent_to_nobody_any_more() {
    let mut world = World::start(|_| ()).await;
    let lease = world.files.lease(json!({"share": "100%"})).await;
    assert_eq!(world.check(&lease).await.status.as_u16(), 200);
    let map = std::fs::read_to_string(world.files.path().join("routes.toml")).unwrap();
    let (head, end) = map.rsplit_once("# end ").unwrap();
    let other = head.replace("the-canary", "another").replacen(end.trim(), "next", 1);
    world.files.write("routes.toml", &format!("{other}# end next\n"));
    world.program.logged("route map next is live").await;
    let answer = world.check(&lease).await;
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (403, "not_leased"));
    assert!(answer.error_message().contains("not in the map any more"), "{}", answer.error_message());
}

#[tokio::test]
async fn a_target_that_is_rolled_back_still_gets_the_check_and_no_caller() {
    let mut world = World::start(|map| map.share = "100%").await;
    let (code, _, said) =
        world.files.run(&["rollback", "the-canary", "--by", "kim", "--reason", "INC-1", "--yes"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(world.client.chat(ACME, CHAT).await.header("x-cometgate-role"), "primary");
    for terms in [json!({"share": "100%"}), json!({"role": "canary"})] {
        let lease = world.files.lease(terms).await;
        assert_eq!(world.check(&lease).await.header("x-cometgate-role"), "canary");
    }
    assert_eq!(world.client.chat(ACME, CHAT).await.header("x-cometgate-role"), "primary");
}

#[tokio::test]
async fn a_target_whose_breaker_is_open_still_gets_the_check() {
    let mut world = World::start(|map| {
        map.share = "100%";
        map.top = "[gates]\nmode = \"off\"";
    })
    .await;
    fails(&world.canary);
    for _ in 0..40 {
        world.client.chat(ACME, CHAT).await;
    }
    let reached = world.canary.count();
    let kept_away = world.client.chat(ACME, CHAT).await;
    assert_eq!((world.canary.count(), kept_away.header("x-cometgate-role")), (reached, "primary"));
    world.canary.clear_script();
    let lease = world.files.lease(json!({"role": "canary"})).await;
    let answer = world.check(&lease).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "canary"));
    // It has shown the breaker nothing.
    let kept_away = world.client.chat(ACME, CHAT).await;
    assert_eq!(kept_away.header("x-cometgate-role"), "primary");
}

#[tokio::test]
async fn without_a_lease_that_holds_the_key_opens_nothing() {
    let mut world = World::start(|_| ()).await;
    let lease = world.files.lease(json!({"share": "100%"})).await;
    let chat = "/v1/chat/completions";
    let without = world.client.send(request(Method::POST, chat, CHECK_KEY, CHAT)).await.unwrap();
    let other = check(&mut world.client, "0123456789abcdef", CHAT).await;
    assert_eq!(world.files.admin(Method::POST, "/checks/end", &json!({"lease": lease})).await.0, 200);
    let ended = world.check(&lease).await;
    for answer in [without, other, ended] {
        assert_eq!(answer.status.as_u16(), 403);
        assert_eq!(answer.error().0, "no_check_lease");
    }
    assert_eq!(world.files.admin(Method::POST, "/checks/renew", &json!({"lease": lease})).await.0, 404);
    assert_eq!(world.canary.count() + world.primary.count(), 0);
    // What is routed by no model is lent to nobody, nor is another route's model.
    let lease = world.files.lease(json!({"share": "100%"})).await;
    let mut models = request(Method::GET, "/v1/models", CHECK_KEY, "");
    models.headers_mut().insert(LEASE, lease.parse().unwrap());
    let files = leased("/v1/files", CHECK_KEY, &lease, "{}");
    let other = leased(chat, CHECK_KEY, &lease, &CHAT.replace("summary", "other"));
    for request in [models, files, other] {
        let answer = world.client.send(request).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (403, "not_leased"));
    }
    assert_eq!(world.canary.count() + world.primary.count(), 0);
}

#[tokio::test]
async fn with_a_tenants_own_key_the_header_changes_nothing_and_goes_nowhere() {
    let mut world = World::start(|_| ()).await;
    let lease = world.files.lease(json!({"share": "100%"})).await;
    let answer = world.client.send(leased("/v1/chat/completions", ACME, &lease, CHAT)).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "primary"));
    let embeddings = r#"{"model":"summary","input":"x"}"#;
    world.client.send(leased("/v1/embeddings", ACME, &lease, embeddings)).await.unwrap();
    assert_eq!(world.files.seen(&lease).await["attempts"], json!([]));
    world.check(&lease).await;
    for request in world.primary.requests().iter().chain(&world.canary.requests()) {
        assert_eq!(request.header(LEASE), None);
        assert!(!format!("{:?}", request.headers).contains(CHECK_KEY));
    }
    assert_eq!((world.primary.count(), world.canary.count()), (2, 1));
}

#[tokio::test]
async fn the_twin_of_a_provider_differs_in_its_credential_and_in_nothing_else() {
    let mut world = World::start(|_| ()).await;
    let lease = world.files.lease(json!({"role": "canary"})).await;
    assert_eq!(world.check(&lease).await.status.as_u16(), 200);
    let change = json!({"lease": lease, "credential": "twin"});
    assert_eq!(world.files.admin(Method::POST, "/checks/renew", &change).await.0, 200);
    let answer = world.check(&lease).await;
    assert_eq!(answer.error().0, "provider_auth");
    let requests = world.canary.requests();
    let [good, twin] = &requests[..] else { panic!("{} requests", requests.len()) };
    let without_credential = |request: &testkit::RecordedRequest| {
        let mut headers = request.headers.clone();
        headers.remove("authorization");
        (request.path_and_query.clone(), request.body.clone(), headers)
    };
    assert_eq!(without_credential(good), without_credential(twin));
    assert_eq!(good.header("authorization"), Some(format!("Bearer {CANARY_KEY}").as_str()));
    assert!(!twin.header("authorization").unwrap().contains(CANARY_KEY));
    let seen = world.files.seen(&lease).await;
    let last = &seen["attempts"][1];
    assert_eq!((&last["status"], &last["error_class"]), (&json!(401), &json!("auth")), "{seen}");
    // Callers pay with the good one all the while.
    assert_eq!(world.client.chat(ACME, CHAT).await.status, 200);
}

#[tokio::test]
async fn a_lease_names_the_model_the_time_and_the_retries_of_its_requests() {
    let mut world = World::start(|map| map.route = "retry_policy = { retries = 2, on = [\"server\"] }").await;
    let lease = world.files.lease(json!({"role": "canary", "model_id": "gpt-before"})).await;
    assert_eq!(world.check(&lease).await.status.as_u16(), 200);
    assert_eq!(world.canary.requests()[0].json().unwrap()["model"], "gpt-before");
    fails(&world.canary);
    for (retries, attempts) in [(Value::Null, 3), (json!(0), 1)] {
        let lease = world.files.lease(json!({"role": "canary", "retries": retries})).await;
        assert_eq!(world.check(&lease).await.status.as_u16(), 500);
        let seen = world.files.seen(&lease).await;
        assert_eq!(seen["attempts"].as_array().unwrap().len(), attempts, "{seen}");
    }
    world.canary.on("POST", "*", Reply::hang_before_head());
    let lease = world.files.lease(json!({"share": "100%", "timeout_ms": 50, "retries": 0})).await;
    let answer = world.check(&lease).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "primary"));
    let attempts = world.files.seen(&lease).await["attempts"].clone();
    let shown = |at: usize| [&attempts[at]["kind"], &attempts[at]["error_class"], &attempts[at]["decision"]];
    assert_eq!(shown(0), ["first", "head_timeout", "fallback"]);
    assert_eq!((&attempts[0]["timed_out"], &attempts[0]["malformed"]), (&json!(true), &json!(false)));
    assert_eq!(shown(1), [&json!("fallback"), &Value::Null, &json!("done")]);
}

/// The way back is what is looked at, so it has the time that callers' requests have there.
#[tokio::test]
async fn a_lent_time_is_the_first_targets_and_the_other_keeps_to_the_map() {
    let limits = "primary_timeout_ms = 1000\nfirst_token_timeout_ms = 30000";
    let mut world = World::start(|map| map.route = limits).await;
    world.canary.on("POST", "*", Reply::hang_before_head());
    // Its head comes at once, its first content after more than its head may take.
    let late =
        [Step::Pause(Duration::from_millis(1500)), Step::chunk(support::FIRST), Step::chunk(support::LAST)];
    world.primary.on("POST", "*", Reply::sse(late.to_vec()));
    let lease = world.files.lease(json!({"share": "100%", "timeout_ms": 50})).await;
    let body = CHAT.replace("{\"model\"", "{\"stream\":true,\"model\"");
    let answer = check(&mut world.client, &lease, &body).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "primary"));
    let attempts = world.files.seen(&lease).await["attempts"].clone();
    let shown = |at: usize| [&attempts[at]["error_class"], &attempts[at]["decision"]];
    assert_eq!(
        (shown(0), shown(1)),
        ([&json!("head_timeout"), &json!("fallback")], [&Value::Null, &json!("done")])
    );
}

#[tokio::test]
async fn what_cannot_be_lent_is_refused_with_the_reason() {
    let world = World::start(|map| map.top = "[gates]\nmode = \"off\"").await;
    let refused = async |terms: Value| {
        let mut asked = json!({"route": "the-canary", "check_id": "c", "by": "kim"});
        asked.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let (status, answer) = world.files.admin(Method::POST, "/checks/lease", &asked).await;
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    for (terms, status, why) in [
        (json!({"route": "none"}), 404, "no route"),
        (json!({"share": "101%"}), 400, "share"),
        (json!({"role": "captain"}), 400, "captain"),
        (json!({"role": "fallback"}), 409, "no fallback"),
        (json!({"model_id": "x"}), 400, "role"),
        (json!({"by": " "}), 400, "by"),
        (json!({"timeout_ms": 0}), 400, "timeout_ms"),
        (json!({"retries": 3}), 400, "retries"),
        (json!({"shares": "1%"}), 400, "shares"),
    ] {
        let (found, said) = refused(terms.clone()).await;
        assert_eq!(found, status, "{terms}: {said}");
        assert!(said.contains(why), "{terms}: {said}");
    }
}

#[tokio::test]
async fn a_stream_of_a_check_is_under_way_until_its_last_event() {
    let world = World::start(|_| ()).await;
    let gate = testkit::Gate::new();
    world.canary.on(
        "POST",
        "/v1/chat/completions",
        Reply::sse(vec![Step::chunk(support::FIRST), Step::Wait(gate.clone()), Step::chunk(support::LAST)]),
    );
    let lease = world.files.lease(json!({"share": "100%"})).await;
    let body = CHAT.replace("{\"model\"", "{\"stream\":true,\"model\"");
    let mut client = Client::connect(world.program.address).await;
    let response = client.start(leased("/v1/chat/completions", CHECK_KEY, &lease, &body)).await.unwrap();
    let seen = world.files.seen(&lease).await;
    assert_eq!((&seen["in_flight"], &seen["attempts"]), (&json!(1), &json!([])));
    let (_, status) = world.files.admin(Method::GET, "/status", &Value::Null).await;
    assert_eq!(status["checks"][0]["by"], "kim");
    let (_, shown, _) = world.files.run(&["status"]).await;
    assert!(shown.contains("the-canary is lent to check c-1 of kim, 100% to its canary"), "{shown}");
    gate.open();
    http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    let deadline = tokio::time::Instant::now() + support::program::PATIENCE;
    let mut seen = world.files.seen(&lease).await;
    while seen["in_flight"] != 0 && tokio::time::Instant::now() < deadline {
        seen = world.files.seen(&lease).await;
    }
    assert_eq!(seen["attempts"][0]["decision"], "done", "{seen}");
    assert!(seen["attempts"][0]["first_token_ms"].is_u64());
}

#[tokio::test]
async fn what_a_check_makes_is_remembered_for_nobody() {
    let mut world = World::start(|_| ()).await;
    let lease = world.files.lease(json!({"role": "canary"})).await;
    let body = r#"{"model":"summary","input":"x","store":true}"#;
    let made = world.client.send(leased("/v1/responses", CHECK_KEY, &lease, body)).await.unwrap();
    assert_eq!(made.status.as_u16(), 200);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let settings = world.files.settings();
    let routes = world.files.path().join("routes.toml");
    let explain = [
        "routes",
        "explain",
        routes.to_str().unwrap(),
        "--tenant",
        "acme",
        "--model",
        "summary",
        "--state",
        &id,
        "--config",
        &settings,
    ];
    let (_, said, errors) = support::program::output(&explain).await;
    assert!(!format!("{said}{errors}").contains("another tenant"), "{said}{errors}");
}

#[tokio::test]
async fn a_key_that_is_changed_is_taken_while_the_gateway_runs_and_a_missing_one_stops_no_map() {
    let mut world = World::start(|_| ()).await;
    let lease = world.files.lease(json!({"share": "100%"})).await;
    assert_eq!(world.check(&lease).await.status.as_u16(), 200);
    world.files.write("checks.key", "cgk-another-key-of-checks\n");
    world.program.logged("has changed and is in use").await;
    assert_eq!(world.check(&lease).await.status.as_u16(), 401);
    let other = leased("/v1/chat/completions", "cgk-another-key-of-checks", &lease, CHAT);
    assert_eq!(world.client.send(other).await.unwrap().status.as_u16(), 200);
    std::fs::remove_file(world.files.path().join("checks.key")).unwrap();
    world.program.logged("no check is let in").await;
    assert_eq!(world.client.chat(ACME, CHAT).await.status, 200);
}

#[tokio::test]
async fn a_check_that_a_step_waits_for_is_heard_and_replayed() {
    let world = World::start(|map| {
        map.share = "100%";
        map.sticky_by = "steps = [\"50%\", \"100%\"]\nstep_needs = { checks = [\"smoke\"] }";
        map.route = "timeout_ms = 60000";
    })
    .await;
    let missing = async || world.files.canary_status().await["step"]["missing"].to_string();
    let tell = async |passed: Value| {
        let said = json!({"check": "smoke", "route": "the-canary", "passed": passed, "sequence": 7});
        let (status, answer) = world.files.admin(Method::POST, "/checks/result", &said).await;
        assert_eq!((status, &answer["told"]), (200, &json!(["the-canary"])), "{answer}");
    };
    assert!(missing().await.contains("checks"));
    tell(json!(true)).await;
    assert!(!missing().await.contains("checks"));
    // What gives no result is missing again.
    tell(Value::Null).await;
    assert!(missing().await.contains("checks"));
    tell(json!(true)).await;
    let (code, _, said) =
        world.files.run(&["promote", "the-canary", "--by", "kim", "--reason", "INC-1", "--yes"]).await;
    assert_eq!(code, 0, "{said}");
    let (status, answer) = world
        .files
        .admin(Method::POST, "/checks/result", &json!({"check": "nap", "passed": true, "sequence": 1}))
        .await;
    assert_eq!(status, 400, "{answer}");
    let page = world.page().await;
    let of = |name: &str, outcome: &str| {
        page.of(&format!("cometgate_check_{name}{{check=\"smoke\",outcome=\"{outcome}\"}}"))
    };
    let counts = ["passed", "failed", "no_result"].map(|outcome| of("results_total", outcome));
    assert_eq!(counts, [Some(2.0), None, Some(1.0)]);
    assert!(of("result_timestamp_seconds", "passed") >= of("result_timestamp_seconds", "no_result"));
    let mut world = world;
    world.program.terminate();
    assert_eq!(world.program.ended().await, 0);
    let (code, said, errors) = world.files.run(&["gates", "replay", "--format", "json"]).await;
    assert_eq!(code, 0, "{said}{errors}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["verdict"], "reproduced", "{said}");
    assert_eq!(said["gates"][0]["reproduced"], 1, "{said}");
}
