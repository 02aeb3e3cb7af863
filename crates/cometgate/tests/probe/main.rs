//! `cometgate probe`, as an operator types it, before a provider that behaves as the contract says CometAPI does: what is
//! seen is classified as the runbook asks, recorded whatever it is, and no route changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test has nothing better to do with an error")]

#[path = "../support/mod.rs"]
mod support;

mod failures;
mod worksheets;

use std::sync::atomic::{AtomicU64, Ordering};

use evidence::Kind;
use serde_json::{Value, json};
use support::comet::{COMPLETION, MODEL, chat, comet, is_bad_key, late};
use support::records::recorded;
use support::{CANARY_KEY, Files, Map, markers, tenants};
use testkit::{Provider, RecordedRequest, Reply, Step};

/// A map whose alias says what is to be checked of it, and required fields.
fn map(canary: &str, features: &str) -> String {
    let text = Map::new("http://127.0.0.1:9/v1", canary, "5%").text();
    let declared = format!(
        "[aliases.summary]\nenabled_features = {features}\nrequired_fields = [\"usage.total_tokens\"]\n"
    );
    text.replace("[aliases.summary]\n", &declared)
}

fn files_for(provider: &Provider, features: &str) -> Files {
    Files::new("", &map(&provider.base_url(), features), &tenants())
}

const USUAL: [&str; 7] = ["probe", "summary", "--by", "kim", "--yes", "--family", "chat"];

/// Runs a probe of chat: exit code, what it says as JSON, what it says to people. It waits for nothing longer than it must,
/// unless `more` says how long.
async fn run(files: &Files, more: &[&str]) -> (i32, Value, String) {
    let short: &[&str] =
        if more.contains(&"--short-timeout-ms") { &[] } else { &["--short-timeout-ms", "20"] };
    let (code, said, complained) =
        files.run(&[&USUAL[..], short, more, &["--format", "json"]].concat()).await;
    let said = serde_json::from_str(&said).unwrap_or(Value::Null);
    (code, said, complained)
}

/// The record of a probe in what a run says.
fn probe<'v>(said: &'v Value, name: &str) -> &'v Value {
    let probes = said["results"][0]["probes"].as_array().unwrap_or_else(|| panic!("{said}"));
    probes.iter().find(|probe| probe["probe"] == name).unwrap_or_else(|| panic!("no {name} in {said}"))
}

fn summary(said: &Value) -> &Value {
    &said["results"][0]["summary"]
}

/// Whether a check passed.
fn check(said: &Value, name: &str) -> Value {
    let checks = summary(said)["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap()["passed"].clone()
}

fn cell(said: &Value, feature: &str) -> Value {
    let cells = summary(said)["matrix"].as_array().unwrap();
    cells.iter().find(|cell| cell["feature"] == feature).unwrap()["result"].clone()
}

/// What a request of the list of models is.
fn is_models(request: &RecordedRequest) -> bool {
    request.path() == "/v1/models"
}

fn nothing_else(_: &RecordedRequest, _: &Value) -> Option<Reply> {
    None
}

#[tokio::test]
async fn a_provider_that_keeps_its_contract_is_one_to_proceed_with() {
    let provider = comet(nothing_else).await;
    let files = files_for(&provider, r#"["streaming", "tools", "response_format", "logprobs"]"#);
    let before = std::fs::read(files.path().join("routes.toml")).unwrap();
    let (code, said, complained) =
        run(&files, &["--contract", "--link", "https://tickets.example/7", "--short-timeout-ms", "1000"])
            .await;
    assert_eq!((code, &said["decision"]), (0, &json!("proceed")), "{said:#}\n{complained}");
    for (name, status, class, result) in [
        ("models_list", 200, Value::Null, "works"),
        ("single_turn", 200, Value::Null, "works"),
        ("multi_turn", 200, Value::Null, "works"),
        ("near_token_ceiling", 200, Value::Null, "works"),
        ("every_optional_field", 200, Value::Null, "works"),
        ("exact_model", 200, Value::Null, "works"),
        ("invalid_request", 500, json!("validation"), "works"),
        ("invalid_credential", 401, json!("auth"), "works"),
        ("models_without_credential", 401, json!("auth"), "works"),
        ("models_invalid_credential", 401, json!("auth"), "works"),
        ("models_unknown_id", 200, json!("not_found"), "works"),
        ("unknown_model", 503, json!("not_found"), "works"),
        ("unknown_path", 404, json!("not_found"), "works"),
        ("stripped_fields", 200, Value::Null, "ignored"),
    ] {
        let probe = probe(&said, name);
        assert_eq!(
            (&probe["http_status"], &probe["error_class"], &probe["result"]),
            (&json!(status), &class, &json!(result)),
            "{name}: {probe}"
        );
    }
    for feature in ["streaming", "tools", "response_format", "logprobs", "temperature", "max_tokens"] {
        assert_eq!(cell(&said, feature), "works", "{feature}");
    }
    assert_eq!(cell(&said, "vision"), "not_tried");
    let streamed = probe(&said, "streaming");
    assert_eq!(
        (&streamed["done_seen"], &streamed["usage_chunk_seen"], &streamed["keep_alive_comments"]),
        (&json!(true), &json!(true), &json!(1)),
        "{streamed}"
    );
    assert_eq!(probe(&said, "stream_without_usage")["usage_chunk_seen"], false);
    let invalid = probe(&said, "invalid_request");
    assert_eq!(
        (&invalid["request_id_in"], &invalid["error_shape"]),
        (&json!("x-request-id"), &json!("message_type_param_code"))
    );
    assert_eq!(probe(&said, "unknown_model")["error_shape"], "code_message_type");
    assert_eq!(probe(&said, "single_turn")["model_echo"], "snapshot");
    assert_eq!(said["results"][0]["route"], "the-canary");

    // The two that are left early, one of them after a second, were really closed, and the provider saw it: nothing else was
    // aborted.
    assert_eq!(provider.aborted(), 2);
    for left in ["short_timeout", "cancellation"] {
        assert_eq!(probe(&said, left)["connection_closed"], true, "{said}");
    }
    assert_eq!(std::fs::read(files.path().join("routes.toml")).unwrap(), before, "a probe changes no route");

    // What is recorded is what was said.
    let probes = recorded(&files, Kind::Probe);
    assert_eq!(probes.len(), said["results"][0]["probes"].as_array().unwrap().len());
    assert_eq!(probes[0]["by"], "kim");
    let summaries = recorded(&files, Kind::ProbeSummary);
    assert_eq!(summaries[0]["body"], *summary(&said));
    assert_eq!(summaries[0]["body"]["review_link"], "https://tickets.example/7");
}

/// Gives back the key and the prompt wherever a provider can write something.
fn gives_all_back(request: &RecordedRequest, body: &Value) -> Option<Reply> {
    let key = request.header("authorization").unwrap_or_default().trim_start_matches("Bearer ").to_owned();
    let prompt = body["messages"][1]["content"].as_str().unwrap_or_default();
    let all = format!("{key} {prompt} {COMPLETION}");
    if body.get("temperature").is_some() || body.get("messages").is_none() {
        return Some(late(400, &all, &all).header("x-request-id", &key));
    }
    let choice = json!({"index": 0, "message": {"role": all, "content": all}, "finish_reason": all});
    let answer = json!({
        "id": all, "object": all, "model": all, "choices": [choice], "service_tier": all,
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    });
    let is_streamed = body["stream"] == json!(true) && !all.contains("at length");
    let chunk = format!(
        ": {all}\n\ndata: {answer}\n\n{all}\n\n{{\"error\":{{\"message\":\"{all}\",\"code\":\"{key}\"}}}}\n\n"
    );
    Some(if is_streamed { Reply::sse(vec![Step::chunk(chunk)]) } else { Reply::json(200, &answer) })
}

#[tokio::test]
async fn nothing_of_a_prompt_a_completion_or_a_key_is_said_or_recorded() {
    let of = |name, prefix| markers::Kind { name, prefix };
    let oracle = markers::Oracle::new(&[&of("completion", "COMPLMRK"), &of("key", &CANARY_KEY[..8])]);
    for (provider, expected) in [(comet(nothing_else).await, 0), (comet(gives_all_back).await, 4)] {
        let files = files_for(&provider, r#"["streaming", "response_format"]"#);
        let asked = ["probe", "--by", "kim", "--yes", "--contract", "--state", "--short-timeout-ms", "20"];
        let (code, said, complained) = files.run(&asked).await;
        let (_, exported, _) = files.run(&["evidence", "export"]).await;
        let (_, page, _) = files.run(&["evidence", "export", "--markdown"]).await;
        assert!(code == expected && exported.lines().count() > 30, "{code} {complained}");
        let prompts = provider.requests();
        let prompt = prompts
            .iter()
            .find_map(|request| request.json()?["messages"][1]["content"].as_str().map(str::to_owned))
            .unwrap();
        let marker = prompt.split_whitespace().find(|word| word.starts_with("marker-")).unwrap();
        let marker = marker.trim_end_matches(':');
        for (what, text) in
            [("output", &said), ("errors", &complained), ("export", &exported), ("page", &page)]
        {
            assert_eq!(oracle.find(text.as_bytes()).next(), None, "in the {what}: {text}");
            for needle in [marker, "delayed webhook", "aBcDeFgH"] {
                assert!(!text.contains(needle), "{needle} is in the {what}: {text}");
            }
        }
        assert!(said.contains("logging            yes"), "{said}");
    }
}

#[tokio::test]
async fn an_answer_that_would_be_said_stops_everything_that_would_be_said() {
    // A model ID of the map that the provider gives back as its text: the one way for an answer into what is said.
    let echo = |request: &RecordedRequest, body: &Value| {
        let is_plain = request.path().ends_with("/chat/completions") && body.get("messages").is_some();
        let mut answer = chat(body);
        answer["choices"][0]["message"]["content"] = json!("straight from the machine that ran the probe");
        (is_plain && !is_bad_key(request) && body["stream"] != json!(true)).then(|| Reply::json(200, &answer))
    };
    let provider = comet(echo).await;
    let files = files_for(&provider, "[]");
    let (code, said, _) = run(&files, &[]).await;
    assert_eq!((code, &said["decision"]), (4, &json!("escalate")), "{said}");
    assert_eq!((check(&said, "logging"), &said["results"][0]["probes"]), (json!(false), &json!([])));
    assert!(recorded(&files, Kind::Probe).is_empty());
    assert_eq!(recorded(&files, Kind::ProbeSummary)[0]["body"]["decision"], "escalate");
}

#[tokio::test]
async fn the_plan_is_announced_and_nothing_goes_beyond_the_budget() {
    let provider = comet(nothing_else).await;
    let files = files_for(&provider, r#"["streaming"]"#);
    let (code, _, complained) = run(&files, &["--budget", "100"]).await;
    assert!(code == 4 && complained.contains("nothing was sent"), "{code} {complained}");
    let (code, _, complained) = files.run(&["probe", "summary", "--by", "kim"]).await;
    assert!(code == 2 && complained.contains("at most") && complained.contains("--yes does"), "{complained}");
    assert_eq!(provider.count(), 0);

    // What is reported beyond what was set aside ends the run, and is somebody's business.
    let greedy = |request: &RecordedRequest, body: &Value| {
        let mut answer = chat(body);
        answer["usage"] = json!({"prompt_tokens": 900_000, "completion_tokens": 12, "total_tokens": 900_012});
        let is_chat = request.path().ends_with("/chat/completions") && !is_bad_key(request);
        (is_chat && body.get("messages").is_some() && body["stream"] != json!(true))
            .then(|| Reply::json(200, &answer))
    };
    let provider = comet(greedy).await;
    let files = files_for(&provider, r#"["streaming"]"#);
    let (code, said, _) = run(&files, &[]).await;
    assert_eq!((code, &said["decision"]), (4, &json!("escalate")), "{said}");
    assert_eq!(check(&said, "usage_telemetry"), false);
    let sent =
        |name: &str| provider.requests().iter().filter(|request| request.path().ends_with(name)).count();
    assert_eq!(
        sent("/chat/completions"),
        4,
        "three that are refused or left, and the one that was reported as so large"
    );
    assert!(summary(&said)["probes_withheld"].as_u64().unwrap() > 5, "{said}");
}

#[tokio::test]
async fn what_state_there_is_is_found_out() {
    let follows = std::sync::Arc::new(AtomicU64::new(0));
    let counted = follows.clone();
    let provider = comet(move |request, body| {
        if request.method == "GET" && request.path() == "/v1/responses/resp_1" {
            return Some(Reply::bytes(
                404,
                "application/json",
                r#"{"error":{"message":"Invalid URL","type":"invalid_request_error","param":"","code":""}}"#,
            ));
        }
        if body["previous_response_id"] != "resp_1" {
            return None;
        }
        // Every other follow-up lands at another account.
        let number = counted.fetch_add(1, Ordering::SeqCst);
        (number % 2 == 1).then(|| late(400, "previous_response_not_found", "not found"))
    })
    .await;
    let files = files_for(&provider, "[]");
    let asked =
        ["probe", "summary", "--by", "kim", "--yes", "--family", "responses", "--state", "--format", "json"];
    let (_, said, _) = files.run(&[&asked[..], &["--short-timeout-ms", "20"]].concat()).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(follows.load(Ordering::SeqCst), 20);
    let results = |name: &str| {
        let probes = said["results"][0]["probes"].as_array().unwrap();
        let named = probes.iter().filter(|probe| probe["probe"] == name);
        named.map(|probe| probe["result"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        results("state_follow"),
        ["ignored", "refused"].repeat(5),
        "answered without what it was told before"
    );
    assert_eq!(results("state_retrieve"), ["refused"]);
    assert_eq!(results("sealed_reasoning_replay"), ["works"]);
    let keyed = provider
        .requests()
        .iter()
        .filter(|request| request.json().is_some_and(|body| body.get("prompt_cache_key").is_some()))
        .count();
    assert_eq!(keyed, 10);
}

#[tokio::test]
async fn a_rollout_that_requires_a_probe_hears_what_it_came_to() {
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_broken = broken.clone();
    let provider = comet(move |request, _| {
        let fails = is_broken.load(Ordering::SeqCst) && request.path().ends_with("/chat/completions");
        fails.then(|| Reply::new(500))
    })
    .await;
    let text = map(&provider.base_url(), "[]").replace(
        "share = \"5%\"",
        "share = \"5%\"\nsteps = [\"50%\", \"100%\"]\nstep_needs = { checks = [\"probe\"] }",
    );
    let files = Files::new("", &text, &tenants());
    let _gateway = support::Program::serve(&files).await;
    let waits = async || files.canary_status().await["step"]["missing"].to_string();
    assert!(waits().await.contains("checks"), "{}", waits().await);
    let (code, _, complained) = run(&files, &[]).await;
    assert!(code == 4 && complained.contains("The rollout of the-canary has heard of it."), "{complained}");
    assert!(waits().await.contains("checks"), "a probe that failed is no pass: {}", waits().await);
    broken.store(false, Ordering::SeqCst);
    let (code, _, complained) = run(&files, &[]).await;
    assert!(code == 0 && complained.contains("has heard of it"), "{complained}");
    assert!(!waits().await.contains("checks"), "{}", waits().await);
}

#[tokio::test]
async fn anthropics_messages_are_asked_for_where_they_are_served() {
    let provider = comet(|request, body| {
        if request.path() != "/v1/messages" || is_bad_key(request) {
            return None;
        }
        let refused = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "no"}});
        if request.header("anthropic-version").is_none() || body.get("messages").is_none() {
            return Some(Reply::json(400, &refused("invalid_request_error")));
        }
        let message = json!({
            "id": "msg_1", "type": "message", "model": MODEL, "stop_reason": "end_turn",
            "content": [{"type": "text", "text": COMPLETION}], "usage": {"input_tokens": 30, "output_tokens": 12},
        });
        if body["stream"] != json!(true) {
            return Some(Reply::json(200, &message));
        }
        let event = |event: &Value| Step::chunk(format!("data: {event}\n\n"));
        let mut steps = vec![event(&json!({"type": "message_start", "message": message}))];
        if body.to_string().contains("at length") {
            steps.push(Step::Hang);
        }
        steps.push(event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}})));
        steps.push(event(&json!({"type": "message_stop"})));
        Some(Reply::sse(steps))
    })
    .await;
    // Anthropic counts no total. A path for messages is how a map says that a provider serves them.
    let text = map(&provider.base_url(), r#"["streaming", "response_format"]"#)
        .replace("usage.total_tokens", "usage")
        .replace(
            "credential = { env = \"CANARY_KEY\" }",
            "credential = { env = \"CANARY_KEY\" }\npaths = { messages = \"/messages\" }",
        );
    let files = Files::new("", &text, &tenants());
    let asked = ["probe", "summary", "--by", "kim", "--yes", "--short-timeout-ms", "20", "--format", "json"];
    let (code, said, complained) = files.run(&asked).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["decision"]), (0, &json!("proceed")), "{complained}\n{}", summary(&said));
    let of_messages: Vec<&Value> = said["results"][0]["probes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|probe| probe["endpoint_family"] == "messages")
        .collect();
    assert_eq!(of_messages.len(), 8, "{of_messages:?}");
    assert!(of_messages.iter().all(|probe| probe["result"] == "works"), "{of_messages:?}");
    let cells = summary(&said)["matrix"].as_array().unwrap();
    let none = cells
        .iter()
        .find(|cell| cell["endpoint_family"] == "messages" && cell["feature"] == "response_format")
        .unwrap();
    assert_eq!(
        (&none["result"], &none["enabled"]),
        (&json!("not_tried"), &json!(false)),
        "the family has none"
    );
}

#[tokio::test]
async fn a_running_gateway_is_asked_what_it_has_counted() {
    let provider = comet(nothing_else).await;
    let page = "cometgate_attempts_total{llm_route=\"the-canary\",attempt_kind=\"first\"} 40\n\
        cometgate_attempts_total{llm_route=\"the-canary\",attempt_kind=\"retry\"} 3\n";
    let gateway = Provider::builder("gateway").allow_anonymous().start().await;
    gateway.on("GET", "/metrics", Reply::bytes(200, "text/plain", page));
    let settings = format!("[admin]\nlisten = \"{}\"\n", gateway.address());
    let files = Files::new(&settings, &map(&provider.base_url(), "[]"), &tenants());
    let (code, said, complained) = run(&files, &[]).await;
    assert_eq!(code, 0, "{complained}");
    let checks = summary(&said)["checks"].to_string();
    assert!(checks.contains("route the-canary retries after dns, connect, tls"), "{checks}");
    assert!(checks.contains("counts 3 retries in 43 attempts"), "{checks}");
    assert_eq!(gateway.requests()[0].header("authorization"), None, "no key goes to a gateway");
}

#[tokio::test]
async fn what_there_is_nothing_to_ask_of_is_said() {
    let files = Files::new("", &map("http://127.0.0.1:9/v1", "[]"), &tenants());
    for (arguments, what) in [
        (&["probe", "nobody", "--by", "kim", "--yes"][..], "no alias is called `nobody`"),
        (&["probe", "--by", "kim", "--yes", "--route", "none"], "no route is called `none`"),
        (&["probe", "--by", "kim", "--yes", "--provider", "none"], "no provider is called `none`"),
        (&["probe", "other", "--by", "kim", "--yes"], "there is nothing to probe"),
    ] {
        let (code, _, complained) = files.run(arguments).await;
        assert!(code == 3 && complained.contains(what), "{code} {complained}");
    }
    let (code, _, complained) = files.run(&["probe", "summary", "--yes"]).await;
    assert!(code == 2 && complained.contains("--by"), "{complained}");
    assert!(COMPLETION.len() > 16, "a shorter one is not looked for");
}
