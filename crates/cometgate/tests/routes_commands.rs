//! `cometgate routes …` as an operator types it: answers, edits, exit codes, and what a running gateway makes of it.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use support::program::output;
use support::world::Setup;
use support::{ACME, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Gate, Provider, Reply, Step};
use tokio::time::Instant;

const CHAT: &str = r#"{"model":"summary"}"#;

fn map(version: &str, share: &str, environment: &str, top: &str) -> String {
    let map = Map::new("http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1", share);
    Map { version, environment, top, ..map }.text()
}

/// Runs `routes …` on the files: exit code, standard output, standard error.
async fn routes(files: &Files, arguments: &[&str]) -> (i32, String, String) {
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (settings, map) = (path("cometgate.toml"), path("routes.toml"));
    let mut all = vec!["routes"];
    all.extend(arguments.iter().map(|argument| match *argument {
        "MAP" => map.as_str(),
        "SETTINGS" => settings.as_str(),
        other => other,
    }));
    output(&all).await
}

/// Starts a gateway and waits until it has written down what it has put in force: it serves before that.
async fn serve_and_keep(files: &Files) -> Program {
    let program = Program::serve(files).await;
    let history = files.path().join("state/history.jsonl");
    let is_kept = async {
        while !fs::read_to_string(&history).is_ok_and(|text| text.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_kept).await.unwrap();
    program
}

fn on_disk(files: &Files) -> String {
    fs::read_to_string(files.path().join("routes.toml")).unwrap()
}

#[tokio::test]
async fn check_says_all_that_is_wrong_for_people_and_for_programs() {
    let files = Files::new("", &map("1", "5%", "development", ""), &tenants());
    let (code, said, _) = routes(&files, &["check", "MAP"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("version 1 is in order: 1 route, 0 warnings"), "{said}");

    files.write("routes.toml", &map("1", "500%", "development", "primry = 1"));
    let (code, _, said) = routes(&files, &["check", "MAP"]).await;
    assert_eq!(code, 3);
    for part in ["error[E0210]", "error[E0201]", "routes.toml:4:1", "share = \"500%\"", "would be refused"] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let (code, said, _) = routes(&files, &["check", "MAP", "--format", "json"]).await;
    assert_eq!(code, 3);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["ok"], false);
    let problems = said["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{said}");
    assert_eq!((&problems[0]["code"], &problems[0]["line"]), (&"E0201".into(), &4.into()), "{said}");

    files.write("routes.toml", &map("1", "5%", "production", ""));
    let (code, said, warned) = routes(&files, &["check", "MAP", "--deny-warnings"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(warned.contains("warning[W0201]") && warned.contains("warning[W0202]"), "{warned}");
}

#[tokio::test]
async fn check_knows_what_was_live_and_what_would_be_held() {
    let files = Files::new("", &map("1", "0%", "production", ""), &tenants());
    let mut program = Program::serve(&files).await;
    program.terminate();
    program.ended().await;
    files.write("routes.toml", &map("1", "1%", "production", ""));
    let (code, _, said) = routes(&files, &["check", "MAP"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("error[E0104]") && said.contains("a version never changes"), "{said}");
    files.write("routes.toml", &map("2", "1%", "production", ""));
    let (code, said, _) = routes(&files, &["check", "MAP", "--format", "json"]).await;
    assert_eq!(code, 0, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["held"], serde_json::json!(["the-canary"]), "{said}");
}

#[tokio::test]
async fn a_shift_shows_what_changes_and_writes_three_lines_only_when_told() {
    let files = Files::new("", &map("2026-01-01.1", "5%", "development", "# a comment"), &tenants());
    let before = on_disk(&files);
    let (code, _, said) = routes(&files, &["shift", "the-canary", "20%", "--config", "SETTINGS"]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(on_disk(&files), before, "written without a yes");

    let (code, done, said) =
        routes(&files, &["shift", "the-canary", "20%", "--yes", "--config", "SETTINGS"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(done.contains("takes it within a second"), "{done}");
    let after = on_disk(&files);
    let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(old, new)| old != new).collect();
    assert_eq!(changed.len(), 3, "{changed:?}");
    assert!(said.contains("20%"), "{said}");

    let (code, done, _) =
        routes(&files, &["shift", "the-canary", "20%", "--yes", "--config", "SETTINGS"]).await;
    assert_eq!((code, on_disk(&files)), (0, after), "{done}");
    for (arguments, part) in [
        (["shift", "the-canry", "20%"], "did you mean `the-canary`?"),
        (["shift", "the-canary", "twenty"], "ends in `%`"),
        (["shift", "the-canary", "101%"], "100% at most"),
    ] {
        let [command, route, share] = arguments;
        let (code, _, said) = routes(&files, &[command, route, share, "--yes", "--config", "SETTINGS"]).await;
        assert_eq!(code, 3, "{said}");
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn in_production_a_raise_is_not_written_before_somebody_vouches_for_the_way_back() {
    let files = Files::new("", &map("2026-01-01.1", "5%", "production", ""), &tenants());
    let mut program = serve_and_keep(&files).await;
    let before = on_disk(&files);
    let raise = ["shift", "the-canary", "20%", "--yes", "--config", "SETTINGS"];
    let (code, _, said) = routes(&files, &raise).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("cometgate routes vouch") && on_disk(&files) == before, "{said}");
    let (code, _, said) =
        routes(&files, &["shift", "the-canary", "1%", "--yes", "--config", "SETTINGS"]).await;
    assert_eq!(code, 0, "lowering is never held: {said}");
    program.logged("5% cometapi, the rest openai -> 1% cometapi, the rest openai").await;

    // A hand edit that is held is nothing to go back to: the version before it is.
    let vouched_for = on_disk(&files).lines().next().unwrap().to_owned();
    files.write("routes.toml", &map("2026-01-01.held", "50%", "production", ""));
    program.logged("route map 2026-01-01.held is live").await;
    let vouch = ["vouch", "--by", "kim", "--incident", "INC-1", "--until", "8h", "--yes"];
    let (code, _, said) = routes(&files, &[&vouch[..], &["--config", "SETTINGS"]].concat()).await;
    assert_eq!(code, 0, "{said}");
    assert!(on_disk(&files).contains(&format!("rollback_{vouched_for}")), "{}", on_disk(&files));
    assert!(said.contains("cometapi (gpt-canary) 0% -> 50%"), "what it lets go is shown: {said}");
    program.logged("all openai (held: no proven way back) -> 50% cometapi, the rest openai").await;
    let (code, _, said) =
        routes(&files, &["shift", "the-canary", "60%", "--yes", "--config", "SETTINGS"]).await;
    assert_eq!(code, 0, "{said}");
    program.logged("50% cometapi, the rest openai -> 60% cometapi, the rest openai").await;
}

#[tokio::test]
async fn a_rollback_is_live_within_a_second_and_what_is_under_way_ends_on_its_version() {
    let gate = Gate::new();
    let slow =
        Reply::sse(vec![Step::chunk(support::FIRST), Step::Wait(gate.clone()), Step::chunk(support::LAST)]);
    let Setup { primary, canary } = Setup::new().await;
    canary.once("POST", "/v1/chat/completions", slow);
    let urls = (primary.base_url(), canary.base_url());
    let text = |version: &str, share: &str, top: &str| {
        Map { version, top, ..Map::new(&urls.0, &urls.1, share) }.text()
    };
    let old = text("old", "0%", "");
    let files = Files::new("", &old, &tenants());
    let mut program = Program::serve(&files).await;
    files.write("routes.toml", &text("new", "100%", "rollback_route_version = \"old\""));
    program.logged("route map new is live").await;

    let mut streaming = Client::connect(program.address).await;
    let asked = support::client::request(
        hyper::Method::POST,
        "/v1/chat/completions",
        ACME,
        r#"{"model":"summary","stream":true}"#,
    );
    let answer = streaming.start(asked).await.unwrap();
    assert_eq!(answer.headers()["x-cometgate-route-version"], "new");

    let (code, said, errors) = routes(&files, &["rollback", "--yes", "--config", "SETTINGS"]).await;
    assert_eq!(code, 0, "{errors}");
    let began = Instant::now();
    assert!(said.contains("is version old again"), "{said}");
    assert_eq!(on_disk(&files), old, "it is the very same bytes");
    let mut client = Client::connect(program.address).await;
    while client.chat(ACME, CHAT).await.header("x-cometgate-route-version") != "old" {
        assert!(began.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The stream that began on the canary ends there, whole.
    gate.open();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"), "{body:?}");

    let (code, said, _) = routes(&files, &["history", "--config", "SETTINGS", "--format", "json"]).await;
    assert_eq!(code, 0);
    let versions: Vec<Value> = serde_json::from_str(&said).unwrap();
    let versions: Vec<&str> =
        versions.iter().map(|record| record["route_version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["old", "new", "old"]);
    assert!(said.contains("\"why\":\"rollback\""), "{said}");
}

#[tokio::test]
async fn beside_a_broken_map_a_rollback_puts_back_what_was_in_force() {
    let files = Files::new("", &map("good", "0%", "development", ""), &tenants());
    let good = on_disk(&files);
    let mut program = serve_and_keep(&files).await;
    files.write("routes.toml", "oops");
    program.logged("a change was refused").await;
    let (code, _, said) = routes(&files, &["rollback", "--yes", "--config", "SETTINGS"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(on_disk(&files), good);
    let (code, _, said) =
        routes(&files, &["rollback", "--to", "never", "--yes", "--config", "SETTINGS"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("routes history"), "{said}");
}

#[tokio::test]
async fn a_disabled_route_refuses_what_matches_it() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let url = provider.base_url();
    let files = Files::new("", &Map::new(&url, "http://127.0.0.1:9/v1", "0%").text(), &tenants());
    let mut program = Program::serve(&files).await;
    let (code, _, said) = routes(&files, &["disable", "the-canary", "--yes", "--config", "SETTINGS"]).await;
    assert_eq!(code, 0, "{said}");
    program.logged("-> disabled").await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(client.chat(ACME, CHAT).await.status, 503);
}

#[tokio::test]
async fn explain_names_what_is_missing_and_shows_the_arithmetic() {
    let files = Files::new("", &map("1", "5%", "development", ""), &tenants());
    let ask = |tenant: &'static str, more: &'static [&'static str]| {
        let mut all = vec!["explain", "MAP", "--tenant", tenant, "--model", "summary"];
        all.extend(more);
        all
    };
    let (code, said, _) = routes(&files, &ask("acme", &["--key", "user=alice"])).await;
    assert_eq!(code, 0);
    for part in ["-> the-canary", "xxh3_64(\"the-canary\" 0x1f \"alice\")", "\"gpt-primary\""] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let (code, said, _) = routes(&files, &ask("acme", &[])).await;
    assert!(
        code == 0 && said.contains("result in the canary") && said.contains("result outside of it"),
        "{said}"
    );
    let (code, _, said) = routes(&files, &ask("nobody", &[])).await;
    assert!(code == 3 && said.contains("acme, globex"), "{said}");
    let (code, _, said) = routes(&files, &ask("acme", &["--endpoint", "chats"])).await;
    assert!(code == 2 && said.contains("one of chat, responses, "), "{said}");
}

#[tokio::test]
async fn explain_tells_what_follows_a_failed_attempt() {
    let ask = async |route: &'static str, more: &[&str]| {
        let base = Map::new("http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1", "0%");
        let files = Files::new("", &Map { environment: "development", route, ..base }.text(), &tenants());
        let mut all = vec!["explain", "MAP", "--tenant", "acme", "--model", "summary", "--key", "alice"];
        all.extend(more);
        let (code, said, errors) = routes(&files, &all).await;
        assert_eq!(code, 0, "{errors}");
        said
    };
    let tells = |said: &str, parts: &[&str]| {
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
    };
    let usual = [
        "/chat/completions, after a failure of the one before\n",
        "time: 600000 ms for all attempts together; a stream may be silent for 60000 ms and take 3600000 ms\n",
        "retries: 1 at the same target, after dns, connect, tls; at most 10% of successes\n",
        "next target: after any failure but auth, context_length, content_policy, validation; failed ones at most 10% of \
         successes",
    ];
    let said = ask("fallback_provider = \"cometapi\"", &[]).await;
    tells(&said, &usual);
    assert!(!said.contains("answer: "), "{said}");

    let said = ask(WRITTEN_OUT, &[]).await;
    let written_out = [
        "20000 ms to begin the answer, http://127.0.0.1:8/v1",
        "time: 60000 ms for all attempts together, 25000 ms for one to its first content; a stream",
        "retries: 2 at the same target, after dns, connect, tls, reset; at most 20% of successes\n",
        "next target: after head_timeout, server; failed ones at most 0.5% of successes\n",
        "answer: delivered when it is whole; read to its end when its caller has left; hedged",
    ];
    tells(&said, &written_out);
    let said = ask(WRITTEN_OUT, &["--endpoint", "embeddings"]).await;
    assert!(said.contains("time: 60000 ms for all attempts together\n"), "{said}");
    let said: Value = serde_json::from_str(&ask(WRITTEN_OUT, &["--format", "json"]).await).unwrap();
    assert_eq!(said["retry_policy"], json!({"retries": 2, "on": ["dns", "connect", "tls", "reset"]}));
    let attempts = json!({
        "timeout_ms": 60000, "first_token_timeout_ms": 25000, "idle_timeout_ms": 60000,
        "stream_timeout_ms": 3_600_000, "retry_budget_ppm": 200_000,
        "fallback_on": ["head_timeout", "server"], "fallback_budget_ppm": 5000,
        "delivery": "whole", "on_disconnect": "drain", "hedge": true,
    });
    assert_eq!(said["attempts"], attempts);

    let never = "fallback_provider = \"cometapi\"\nretry_policy = { retries = 0 }\nfallback_on = []";
    let said = ask(never, &[]).await;
    tells(&said, &[", never tried\n", "retries: none\n", "next target: never, since `fallback_on` is empty"]);
    let never = "fallback_provider = \"cometapi\"\nretry_budget = \"0%\"\nfallback_budget = \"0%\"";
    let said = ask(never, &[]).await;
    tells(
        &said,
        &[", never tried\n", "retries: none\n", "next target: never, since `fallback_budget` is 0%"],
    );
}

const WRITTEN_OUT: &str = r#"
fallback_provider = "cometapi"
timeout_ms = 60000
primary_timeout_ms = 20000
first_token_timeout_ms = 25000
retry_policy = { retries = 2, on = ["reset"] }
retry_budget = "20%"
fallback_on = ["head_timeout", "server"]
fallback_budget = "0.5%"
delivery = "whole"
on_disconnect = "drain"
hedge = true
"#;

#[tokio::test]
async fn the_schemas_are_those_in_the_repository() {
    for name in ["routes", "tenants", "cometgate"] {
        let (code, said, _) = output(&["routes", "schema", name]).await;
        let path = format!("{}/../../config/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        assert_eq!((code, said.trim_end()), (0, fs::read_to_string(path).unwrap().trim_end()));
    }
    assert_eq!(output(&["routes", "schema", "other"]).await.0, 2);
}
