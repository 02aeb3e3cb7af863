//! `cometgate probe`, as an operator types it, before a provider that behaves as the contract says CometAPI does: what is
//! seen is classified as the runbook asks, recorded whatever it is, and no route changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test has nothing better to do with an error")]

#[path = "../support/mod.rs"]
mod support;

mod comet;

use std::sync::atomic::{AtomicU64, Ordering};

use comet::{COMPLETION, MODEL, chat, chat_pieces, comet, done, early, is_bad_key, late};
use evidence::Kind;
use serde_json::{Value, json};
use support::records::recorded;
use support::{CANARY_KEY, Files, Map, tenants};
use testkit::{Provider, RecordedRequest, Reply, Step};

/// A map whose alias says what is to be checked of it, and required fields.
fn map(canary: &str, features: &str) -> String {
    let text = Map::new("http://127.0.0.1:9/v1", canary, "5%").text();
    let declared =
        format!("[aliases.summary]\nenabled_features = {features}\nrequired_fields = [\"usage\"]\n");
    text.replace("[aliases.summary]\n", &declared)
}

fn files_for(provider: &Provider, features: &str) -> Files {
    Files::new("", &map(&provider.base_url(), features), &tenants())
}

const USUAL: [&str; 8] =
    ["probe", "summary", "--by", "kim", "--yes", "--family", "chat", "--short-timeout-ms=20"];

async fn run(files: &Files, more: &[&str]) -> (i32, Value, String) {
    let (code, said, complained) = files.run(&[&USUAL[..], more, &["--format", "json"]].concat()).await;
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
    let (code, said, complained) = run(&files, &["--contract", "--link", "https://tickets.example/7"]).await;
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

    // The two that are left early were really closed, and the provider saw it: nothing else was aborted.
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

#[tokio::test]
async fn nothing_of_a_prompt_a_completion_or_a_key_is_said_or_recorded() {
    let provider = comet(nothing_else).await;
    let files = files_for(&provider, r#"["streaming", "response_format"]"#);
    let (code, said, complained) = files
        .run(&["probe", "--by", "kim", "--yes", "--contract", "--state", "--short-timeout-ms", "20"])
        .await;
    let (_, exported, _) = files.run(&["evidence", "export"]).await;
    let (_, page, _) = files.run(&["evidence", "export", "--markdown"]).await;
    assert!(code == 0 && exported.lines().count() > 50, "{code} {complained}");
    let prompts = provider.requests();
    let prompt = prompts
        .iter()
        .find_map(|request| request.json()?["messages"][1]["content"].as_str().map(str::to_owned));
    let prompt = prompt.unwrap();
    let marker =
        prompt.split_whitespace().find(|word| word.starts_with("marker-")).unwrap().trim_end_matches(':');
    for (what, text) in [("output", &said), ("errors", &complained), ("export", &exported), ("page", &page)] {
        for needle in [CANARY_KEY, "COMPLMRK", marker, "delayed webhook", "aBcDeFgH"] {
            assert!(!text.contains(needle), "{needle} is in the {what}: {text}");
        }
    }
    assert!(said.contains("logging            yes"), "{said}");
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
async fn each_failure_is_classified_by_what_it_is() {
    type Case = (&'static str, fn(&Value) -> Reply, &'static str, Value, &'static str);
    let cases: [Case; 11] = [
        (
            "a 301",
            |_| Reply::new(301).header("location", "https://www.example.com/"),
            "malformed",
            json!(301),
            "empty",
        ),
        ("a page", |_| Reply::bytes(200, "text/html", "<!doctype html>"), "malformed", json!(200), "html"),
        ("200 with an error", |_| late(200, "", "upstream failed"), "server", json!(200), "json"),
        ("no quota", |_| early(403, "insufficient_user_quota", "用户额度不足"), "quota", json!(403), "json"),
        ("a rate limit", |_| early(429, "", "slow"), "rate_limit", json!(429), "json"),
        ("an edge that gave up", |_| Reply::bytes(524, "text/html", "<html>"), "server", json!(524), "html"),
        (
            "no usage",
            |body| {
                let mut answer = chat(body);
                answer.as_object_mut().unwrap().remove("usage");
                Reply::json(200, &answer)
            },
            "malformed",
            json!(200),
            "json",
        ),
        (
            "no choices",
            |_| Reply::json(200, &json!({"id": "x", "usage": {}})),
            "malformed",
            json!(200),
            "json",
        ),
        ("no answer", |_| Reply::abort_before_head(), "no_answer", Value::Null, "none"),
        (
            "an answer that breaks off",
            |_| Reply::steps(200, "application/json", vec![Step::chunk("{\"id\":"), Step::Abort]),
            "reset",
            json!(200),
            "none",
        ),
        (
            "no end",
            |_| Reply::steps(200, "application/json", vec![Step::chunk("{\"id\":"), Step::Hang]),
            "total_timeout",
            json!(200),
            "none",
        ),
    ];
    for (what, reply, class, status, shape) in cases {
        let provider = comet(move |request, body| {
            let is_first = request.path().ends_with("/chat/completions") && body["stream"] != json!(true);
            (is_first && body.get("messages").is_some() && !is_bad_key(request)).then(|| reply(body))
        })
        .await;
        let files = files_for(&provider, "[]");
        let (code, said, complained) = run(&files, &["--timeout-ms", "400"]).await;
        assert_eq!(code, 4, "{what}: {complained}");
        let single = probe(&said, "single_turn");
        assert_eq!(
            (&single["error_class"], &single["http_status"], &single["response_shape_seen"]),
            (&json!(class), &status, &json!(shape)),
            "{what}: {single}"
        );
        assert_ne!(single["result"], "works");
        assert_ne!(summary(&said)["decision"], "proceed", "{what}");
        assert_eq!(recorded(&files, Kind::ProbeSummary).len(), 1, "what failed is recorded too");
    }
}

#[tokio::test]
async fn a_401_on_inference_alone_is_about_the_model_and_not_about_the_key() {
    let provider = comet(|request, _| (!is_models(request)).then(|| early(401, "", "Invalid token"))).await;
    let files = files_for(&provider, "[]");
    let (code, said, _) = run(&files, &[]).await;
    assert_eq!((code, &said["decision"]), (4, &json!("escalate")));
    let checks = summary(&said)["checks"].to_string();
    assert!(
        check(&said, "auth_success") == false && checks.contains("about the model and not about the key"),
        "{checks}"
    );
    let provider = comet(|_, _| Some(early(401, "", "Invalid token"))).await;
    let (_, said, _) = run(&files_for(&provider, "[]"), &[]).await;
    assert_eq!(said["decision"], "pause", "a key that is refused everywhere is a bad key");
}

#[tokio::test]
async fn a_key_of_nobody_that_is_taken_is_somebodys_business() {
    let provider = comet(|request, body| {
        let is_chat = request.path().ends_with("/chat/completions") && is_bad_key(request);
        is_chat.then(|| Reply::json(200, &chat(body)))
    })
    .await;
    let (code, said, _) = run(&files_for(&provider, "[]"), &[]).await;
    assert_eq!(
        (code, &said["decision"], check(&said, "auth_failure")),
        (4, &json!("escalate"), json!(false))
    );
}

#[tokio::test]
async fn a_stream_is_whole_by_its_end_and_not_by_its_done() {
    type Case = (&'static str, fn() -> Vec<Step>, Value, &'static str);
    let cases: [Case; 5] = [
        ("cut without [DONE]", || chat_pieces()[..2].to_vec(), json!("truncated"), "failed"),
        (
            "cut, and [DONE] all the same",
            || [&chat_pieces()[..2], &[done()]].concat(),
            json!("truncated"),
            "failed",
        ),
        ("broken off", || [&chat_pieces()[..2], &[Step::Abort]].concat(), json!("reset"), "failed"),
        (
            "a bare error in it",
            || {
                vec![
                    Step::chunk(": PING\n\n"),
                    Step::chunk(
                        "{\"error\":{\"message\":\"m\",\"type\":\"x\",\"param\":\"\",\"code\":\"rate_limit_exceeded\"}}",
                    ),
                ]
            },
            json!("rate_limit"),
            "failed",
        ),
        (
            "an error as a chunk",
            || {
                vec![
                    Step::chunk(
                        "data: {\"error\":{\"message\":\"m\",\"code\":\"server_is_overloaded\"}}\n\n",
                    ),
                    done(),
                ]
            },
            json!("overloaded"),
            "failed",
        ),
    ];
    for (what, steps, class, result) in cases {
        let provider = comet(move |_, body| {
            let is_streamed = body["stream"] == json!(true) && !body.to_string().contains("at length");
            is_streamed.then(|| Reply::sse(steps()))
        })
        .await;
        let (code, said, _) = run(&files_for(&provider, r#"["streaming"]"#), &[]).await;
        let streamed = probe(&said, "streaming");
        assert_eq!(
            (code, &streamed["error_class"], &streamed["result"], &streamed["stream_complete"]),
            (4, &class, &json!(result), &json!(false)),
            "{what}: {streamed}"
        );
    }
    let provider = comet(|_, body| {
        (body["stream"] == json!(true) && !body.to_string().contains("at length"))
            .then(|| Reply::json(200, &chat(body)))
    })
    .await;
    let (_, said, _) = run(&files_for(&provider, r#"["streaming"]"#), &[]).await;
    assert_eq!((cell(&said, "streaming"), &said["decision"]), (json!("ignored"), &json!("pause")));
}

#[tokio::test]
async fn what_is_refused_or_ignored_is_told_apart() {
    let provider = comet(|_, body| {
        let says = |name: &str| body.get(name).is_some();
        if says("logprobs") {
            return Some(late(400, "unsupported_parameter", "logprobs is not supported"));
        }
        (says("tools") && body["stream"] != json!(true)).then(|| {
            let mut plain = body.clone();
            plain.as_object_mut().unwrap().remove("tool_choice");
            Reply::json(200, &chat(&plain))
        })
    })
    .await;
    let (code, said, _) = run(&files_for(&provider, r#"["tools", "logprobs"]"#), &[]).await;
    assert_eq!((code, &said["decision"]), (4, &json!("pause")));
    assert_eq!((cell(&said, "logprobs"), cell(&said, "tools")), (json!("refused"), json!("ignored")));
    let next = summary(&said)["next"].to_string();
    assert!(next.contains("chat logprobs is refused: take it out of `enabled_features`"), "{next}");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_5_and_recorded() {
    let gone = Provider::builder("gone").start().await.base_url();
    let files = Files::new("", &map(&gone, "[]"), &tenants());
    let (code, said, complained) = run(&files, &[]).await;
    assert_eq!(code, 5, "{complained}");
    assert_eq!((check(&said, "dns_and_egress"), &said["used_tokens"]), (json!(false), &json!(0)));
    let probes = recorded(&files, Kind::Probe);
    assert_eq!(
        (probes.len(), &probes[0]["body"]["error_class"]),
        (2, &json!("connect")),
        "left alone after two"
    );
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
async fn a_worksheet_is_filled_in_by_probes_and_by_people() {
    let provider = comet(nothing_else).await;
    let files = files_for(&provider, r#"["streaming"]"#);
    let sheet = async || {
        let (code, said, complained) = files.run(&["probe", "worksheet", "--format", "json"]).await;
        assert_eq!(code, 0, "{complained}");
        serde_json::from_str::<Value>(&said).unwrap()
    };
    let state = |sheet: &Value, worksheet: &str, item: &str| {
        let rows = sheet.as_array().unwrap();
        let row =
            rows.iter().find(|row| row["worksheet"] == worksheet && row["contract_item"] == item).unwrap();
        (row["state"].as_str().unwrap().to_owned(), row["verified_by"].clone())
    };
    let empty = sheet().await;
    assert_eq!(empty.as_array().unwrap().len(), 16);
    assert!(empty.as_array().unwrap().iter().all(|row| row["state"] == "not_verified"));
    assert_eq!(run(&files, &["--contract"]).await.0, 0);
    let filled = sheet().await;
    for (worksheet, item) in [
        ("inference", "endpoint_path"),
        ("inference", "auth_headers"),
        ("inference", "request_fields"),
        ("inference", "response_fields"),
        ("inference", "error_behavior"),
        ("models", "endpoint_path"),
        ("models", "http_method"),
        ("models", "auth_headers"),
        ("models", "request_fields"),
        ("models", "response_fields"),
        ("models", "error_behavior"),
        ("models", "model_availability"),
    ] {
        assert_eq!(
            state(&filled, worksheet, item),
            ("verified".to_owned(), json!("kim")),
            "{worksheet}.{item}"
        );
    }
    let nobody_said = [
        ("inference", "rate_limit_or_billing_assumptions"),
        ("models", "rate_limit_assumptions"),
        ("models", "billing_assumptions"),
        ("models", "logging_policy"),
    ];
    for (worksheet, item) in nobody_said {
        assert_eq!(state(&filled, worksheet, item).0, "not_verified", "{worksheet}.{item}");
    }
    let set = ["probe", "worksheet", "set"];
    let said = ["listing is free", "--source", "https://vendor.example/terms", "--by", "dana"];
    let (code, _, complained) = files.run(&[&set[..], &["billing_assumptions"], &said].concat()).await;
    assert_eq!(code, 0, "{complained}");
    assert_eq!(
        state(&sheet().await, "models", "billing_assumptions"),
        ("verified".to_owned(), json!("dana"))
    );
    let (code, _, complained) = files.run(&[&set[..], &["endpoint_path"], &said].concat()).await;
    assert!(code == 3 && complained.contains("models.endpoint_path"), "{complained}");
    assert_eq!(files.run(&[&set[..], &["weather"], &said].concat()).await.0, 3);
}

#[tokio::test]
async fn a_model_that_the_list_lacks_is_refuted() {
    let provider = comet(|request, _| {
        is_models(request)
            .then(|| Reply::json(200, &json!({"object": "list", "data": [{"id": "GPT-Canary"}]})))
    })
    .await;
    let files = files_for(&provider, "[]");
    run(&files, &[]).await;
    let items = recorded(&files, Kind::ContractItem);
    let item = items.iter().find(|item| item["body"]["contract_item"] == "model_availability").unwrap();
    assert_eq!(item["body"]["state"], "refuted");
    assert!(item["body"]["value"].as_str().unwrap().contains(MODEL), "{item}");
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
