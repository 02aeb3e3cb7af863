//! What a provider may do wrong, one thing at a time, and by which name a probe calls it.

use evidence::Kind;
use serde_json::{Value, json};
use testkit::{Provider, Reply, Step};

use crate::support::comet::{chat, chat_pieces, comet, done, early, is_bad_key, late};
use crate::support::records::recorded;
use crate::support::{Files, tenants};
use crate::{cell, check, files_for, is_models, map, probe, run, summary};

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
        let (code, said, complained) =
            run(&files, if what == "no end" { &["--timeout-ms", "1500"] } else { &[] }).await;
        assert_eq!(code, 4, "{what}: {complained}");
        let single = probe(&said, "single_turn");
        assert_eq!(
            (&single["error_class"], &single["http_status"], &single["response_shape_seen"]),
            (&json!(class), &status, &json!(shape)),
            "{what}: {single}"
        );
        assert_ne!(single["result"], "works");
        assert_ne!(summary(&said)["decision"], "proceed", "{what}");
        let kept = std::fs::read_to_string(files.path().join("routes.toml")).unwrap();
        assert_eq!(kept, map(&provider.base_url(), "[]"), "{what} changes no route");
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
async fn a_provider_that_is_silent_is_not_waited_for_again_and_again() {
    let provider = comet(|request, _| (!is_models(request)).then(Reply::hang_before_head)).await;
    let files = files_for(&provider, "[]");
    let (code, said, _) = run(&files, &["--timeout-ms", "1500", "--short-timeout-ms", "500"]).await;
    assert_eq!((code, &said["decision"]), (4, &json!("pause")));
    // The list, what is short on purpose, and two that it does not answer; all that it was left with it saw end.
    assert_eq!(provider.count(), 4, "{said}");
    provider.wait_aborted(3).await;
    assert_eq!(probe(&said, "short_timeout")["result"], "works");
    assert!(summary(&said)["probes_withheld"].as_u64().unwrap() > 5, "{said}");
}
