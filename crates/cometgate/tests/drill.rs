//! A rollback drill against a running gateway: it proves a way back, finds what is wrong with one, and moves nothing of
//! anybody's, however it ends.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::http::Method;
use serde_json::{Value, json};
use support::admin::{CHECK_KEY, CHECKS};
use support::program::{PATIENCE, command};
use support::world::Setup;
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Provider, RecordedRequest, Reply};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::Instant;

const CHAT: &str = r#"{"model":"summary","messages":[],"user":"u-1"}"#;

/// What an answer says that must be in no record.
const SAID: &str = "completion-marker";

struct World {
    primary: Provider,
    canary: Provider,
    program: Program,
    files: Files,
}

impl World {
    /// A gateway that has held version 2, whose canary is to get everything, for want of a drill.
    async fn held(settings: &str) -> World {
        World::start(settings, "100%", "production", "").await
    }

    async fn start(settings: &str, share: &str, environment: &str, route: &str) -> World {
        let Setup { primary, canary } = Setup::new().await;
        answers_well(&primary);
        answers_well(&canary);
        let urls = (primary.base_url(), canary.base_url());
        let map = |version, share, top| {
            Map { version, environment, top, route, ..Map::new(&urls.0, &urls.1, share) }.text()
        };
        let files = Files::new(&format!("{CHECKS}{settings}"), &map("1", "0%", ""), &tenants());
        files.write_check_key();
        let mut program = Program::serve(&files).await;
        files.write("routes.toml", &map("2", share, "rollback_route_version = \"1\""));
        program.logged("route map 2 is live").await;
        World { primary, canary, program, files }
    }

    async fn drill(&self, more: &[&str]) -> (i32, String, String) {
        let asked = ["drill", "the-canary", "--by", "kim", "--yes", "--requests", "10"];
        self.files.run(&[&asked, more].concat()).await
    }

    /// Answers take their time, and in the last step the canary gives none: whoever comes in a step is in that step.
    fn slow_down(&self, step: usize) {
        let slowly = || Reply::standard().delayed(Duration::from_millis(15));
        self.primary.on_call("POST", "*", move |_| slowly());
        let asked = AtomicU64::new(0);
        self.canary.on_call("POST", "*", move |request| {
            let before_last_step = 2 + 10 + 2;
            if asked.fetch_add(1, Ordering::Relaxed) >= before_last_step && step == 7 {
                return Reply::hang_before_head();
            }
            refuses_faulty(request).unwrap_or_else(slowly)
        });
    }

    async fn role(&self) -> String {
        let mut client = Client::connect(self.program.address).await;
        client.chat(ACME, CHAT).await.header("x-cometgate-role").to_owned()
    }

    /// Waits until callers' requests go there.
    async fn serves(&self, role: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.role().await != role {
            assert!(Instant::now() < deadline, "requests do not go to the {role}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The leases that hold.
    async fn leases(&self) -> usize {
        let (_, status) = self.files.admin(Method::GET, "/status", &Value::Null).await;
        status["checks"].as_array().unwrap().len()
    }

    /// The bodies of the drills on record, the oldest first; the store is sound.
    async fn drills(&self) -> Vec<Value> {
        let (code, said, errors) = self.files.run(&["evidence", "verify"]).await;
        assert_eq!(code, 0, "{said}{errors}");
        let (_, lines, _) = self.files.run(&["evidence", "export", "--kind", "drill"]).await;
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].clone()).collect()
    }
}

/// As providers do: a request that is faulty in its form is refused.
fn answers_well(provider: &Provider) {
    provider.on_call("POST", "*", |asked| refuses_faulty(asked).unwrap_or_else(Reply::standard));
}

fn refuses_faulty(asked: &RecordedRequest) -> Option<Reply> {
    let body = asked.json()?;
    let is_faulty = body.get("messages").is_some_and(|messages| !messages.is_array());
    is_faulty.then(|| Reply::error(400, "invalid_request_error", None, "messages has to be a list"))
}

fn step<'d>(drill: &'d Value, name: &str) -> &'d Value {
    drill["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
}

#[tokio::test]
async fn a_drill_that_passes_ends_the_hold_of_its_map_without_a_restart() {
    let mut world = World::held("").await;
    assert_eq!(world.role().await, "primary", "it is held");
    let (_, said, errors) = world.files.run(&["routes", "check", &world.files.routes()]).await;
    let said = said + &errors;
    assert!(said.contains("cometgate drill the-canary --by WHO") && said.contains("routes vouch"), "{said}");
    let before = (world.primary.count(), world.canary.count());
    let (code, said, errors) = world
        .drill(&[
            "--link",
            "https://tickets.example/7",
            "--rollback-model",
            "--acceptance",
            "grep -q Hello && test -n \"$COMETGATE_REQUEST_ID\"",
        ])
        .await;
    assert_eq!(code, 0, "{said}{errors}");
    for part in ["step 7 of 7", "any malformed answer", "any refused credential", "above 2 %", "tokens"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert!(said.contains("passed: all seven steps were clean; 1 is proven as the way back"), "{said}");

    let drill = &world.drills().await[0];
    assert_eq!(
        (&drill["outcome"], &drill["verdict"], &drill["rollback_route_version"], &drill["route_version"]),
        (&"passed".into(), &"proceed".into(), &"1".into(), &"2".into()),
        "{drill:#}"
    );
    assert_eq!(
        (&drill["target"], &drill["prior_target"]),
        (&"cometapi/gpt-canary".into(), &"openai/gpt-primary".into())
    );
    for done in drill["steps"].as_array().unwrap() {
        assert_eq!((&done["outcome"], &done["approved_by"]), (&"passed".into(), &"kim".into()), "{done}");
    }
    assert_eq!(step(drill, "canary_cohort")["note"], "2 of 10 went there, each as its key says");
    assert_eq!(drill["rollback_model_id"], "gpt-primary");
    for item in drill["rollback_validation"].as_array().unwrap() {
        assert_eq!(item["state"], "proven", "{item}");
    }
    let canary = drill["routes"].as_array().unwrap().iter().find(|route| route["role"] == "canary").unwrap();
    // Two probes, the first cohort, a fifth of the second, three at the end.
    assert_eq!((&canary["request_count"], &canary["error_count"]), (&(2 + 10 + 2 + 3).into(), &1.into()));
    assert!(canary["p99_ms"].is_u64() && canary["input_token_count"].as_u64() > Some(0), "{canary}");
    assert_eq!(world.canary.count() - before.1, 17);
    let counted: u64 = drill["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| route["attempt_count"].as_u64().unwrap())
        .sum();
    let asked = world.primary.count() - before.0 + world.canary.count() - before.1;
    assert_eq!(counted, asked, "what is on record is what providers saw");
    assert_eq!(drill["attempts"].as_array().unwrap().len() as u64, asked);
    assert_eq!((&drill["rejected_count"], &drill["link"]), (&0.into(), &"https://tickets.example/7".into()));
    assert!(drill["accepted_count"].as_u64() > Some(60), "{}", drill["accepted_count"]);
    assert_eq!(world.leases().await, 0);

    world.serves("canary").await;
    world.program.logged("route map 2 is live").await;
    // Another share of the same canary needs no drill of its own.
    let (code, said, errors) = world.files.run(&["routes", "shift", "the-canary", "50%", "--yes"]).await;
    assert_eq!(code, 0, "{said}{errors}");
}

/// What a canary does, what it answers a request of this number that is in order, in which step that shows, and how it is said.
type Case = (&'static str, fn(u64) -> Option<Reply>, &'static str, &'static str);

#[tokio::test]
async fn a_canary_that_is_not_well_fails_the_drill_and_everything_stays_as_it_was() {
    let cases: [Case; 4] = [
        (
            "malformed",
            |n| (n == 5).then(|| Reply::bytes(200, "text/html", "<html>")),
            "internal_cohort",
            "malformed",
        ),
        (
            "401",
            |_| Some(Reply::error(401, "invalid_request_error", Some("invalid_api_key"), SAID)),
            "contract_probes",
            "refused the credential",
        ),
        ("hangs", |n| (n == 5).then(Reply::hang_before_head), "internal_cohort", "time limit"),
        (
            "broken",
            |n| (n == 5).then(|| Reply::error(500, "server_error", None, SAID)),
            "internal_cohort",
            "failed",
        ),
    ];
    for (name, answer, in_step, why) in cases {
        let world = World::start("", "100%", "production", "timeout_ms = 400").await;
        let asked = AtomicU64::new(0);
        world.canary.on_call("POST", "*", move |request| {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            answer(number).or_else(|| refuses_faulty(request)).unwrap_or_else(Reply::standard)
        });
        let (code, said, errors) = world.drill(&[]).await;
        assert_eq!(code, 6, "{name}: {said}{errors}");
        let drills = world.drills().await;
        assert_eq!(
            (&drills[0]["outcome"], &drills[0]["verdict"]),
            (&"failed".into(), &"pause".into()),
            "{name}"
        );
        assert_eq!(step(&drills[0], in_step)["outcome"], "failed", "{name}: {}", drills[0]["reason"]);
        assert!(drills[0]["reason"].as_str().unwrap().contains(why), "{name}: {}", drills[0]["reason"]);
        assert_eq!((world.role().await.as_str(), world.leases().await), ("primary", 0), "{name}");
        let (_, said, errors) = world.files.run(&["routes", "check", &world.files.routes()]).await;
        assert!((said + &errors).contains("the last drill of rollback_route_version 1 failed"), "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_the_operators_own_command_does_not_take_fails_it() {
    let world = World::held("").await;
    for (command, why) in [
        ("exit 1", "not accepted"),
        ("test $(wc -c) -lt 5", "not accepted"),
        ("/no/such/command", "not accepted"),
    ] {
        let (code, said, errors) = world.drill(&["--acceptance", command]).await;
        assert_eq!(code, 6, "{said}{errors}");
        let drill = world.drills().await.pop().unwrap();
        assert!(drill["reason"].as_str().unwrap().contains(why), "{drill:#}");
        assert_eq!(
            drill["rejected_count"].as_u64(),
            Some(31),
            "the prior route's are judged as well, and one of the target's"
        );
    }
}

/// Starts a drill, and waits until it is in a step.
async fn begun(world: &World, number: usize) -> Child {
    let settings = world.files.settings();
    let asked = ["drill", "the-canary", "--by", "kim", "--yes", "--requests", "10", "--config", &settings];
    let mut child = command(&asked).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let text = format!("step {number} of 7");
    loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        // It ends before that step only if something is wrong.
        if line.unwrap().contains(&text) {
            break;
        }
    }
    // Nobody reads it any more, and it must not wait for that.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
}

#[tokio::test]
async fn a_drill_that_is_interrupted_in_any_step_leaves_nothing_lent_and_counts_for_nothing() {
    let world = World::held("").await;
    for number in 1..=7 {
        world.slow_down(number);
        let name = if number % 2 == 0 { "TERM" } else { "INT" };
        let child = begun(&world, number).await;
        signal(&child, name);
        let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        assert_eq!(ended.status.code(), Some(6), "step {number}");
        assert_eq!(world.leases().await, 0, "step {number}: given back at once");
        let drills = world.drills().await;
        assert_eq!(drills.len(), number, "it is on record");
        let drill = &drills[number - 1];
        assert_eq!(drill["outcome"], "interrupted", "step {number}: {}", drill["reason"]);
        assert!(drill["reason"].as_str().unwrap().contains(&format!("SIG{name}")), "{}", drill["reason"]);
        // The way back itself takes no time, so there the signal may come a step later.
        let steps = drill["steps"].as_array().unwrap();
        let at = steps.iter().position(|step| step["outcome"] == "interrupted").unwrap() + 1;
        assert!((number..=number + 1).contains(&at), "step {number}: {at}");
        assert_eq!(world.role().await, "primary");
    }
    let (_, said, errors) = world.files.run(&["routes", "check", &world.files.routes()]).await;
    assert!((said + &errors).contains("has passed no drill"), "a drill that was broken off shows nothing");
}

/// The longest test here: a lease of a process that was killed lapses after 30 seconds.
#[tokio::test]
async fn a_drill_that_is_killed_in_any_step_leaves_the_prior_state_within_thirty_seconds() {
    let world = World::held("").await;
    for number in 1..=7 {
        world.slow_down(number);
        let mut child = begun(&world, number).await;
        child.kill().await.unwrap();
        assert_eq!(world.role().await, "primary", "callers never notice");
    }
    let killed = Instant::now();
    while world.leases().await > 0 {
        assert!(killed.elapsed() < Duration::from_secs(32), "a lease outlives its drill");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (code, _, _) = world.files.run(&["evidence", "verify"]).await;
    assert!(code == 0 || code == 3, "a killed drill leaves no half record");
    answers_well(&world.canary);
    let (code, said, errors) = world.drill(&[]).await;
    assert_eq!(code, 0, "and another passes: {said}{errors}");
}

#[tokio::test]
async fn a_drill_that_is_too_old_proves_nothing_and_what_went_live_on_it_goes_home() {
    let mut world = World::held("max_age_s = { drill = 6 }\n").await;
    let (code, said, errors) = world.drill(&[]).await;
    assert_eq!(code, 0, "{said}{errors}");
    world.serves("canary").await;
    world.program.logged("which is too long ago").await;
    world.serves("primary").await;
    let (_, said, errors) = world.files.run(&["routes", "check", &world.files.routes()]).await;
    let said = said + &errors;
    assert!(said.contains("drill it again: `cometgate drill the-canary --by WHO`"), "{said}");
    // What lowers is never held, and a new drill ends the hold once more.
    let (code, _, errors) = world.files.run(&["routes", "shift", "the-canary", "0%", "--yes"]).await;
    assert_eq!(code, 0, "{errors}");
}

#[tokio::test]
async fn where_callers_are_at_the_canary_it_is_left_alone_or_nothing_is_sent() {
    let world = World::start("", "100%", "development", "").await;
    assert_eq!(world.role().await, "canary");
    let sent = world.canary.count();
    let (code, _, errors) = world.drill(&[]).await;
    assert!(
        code == 4 && errors.contains("routes shift the-canary 0%") && errors.contains("--while-live"),
        "{errors}"
    );
    assert_eq!(world.canary.count(), sent, "nothing was sent");
    let (code, said, errors) = world.drill(&["--while-live"]).await;
    assert_eq!(code, 0, "{said}{errors}");
    assert_eq!(world.role().await, "canary");
    let drill = world.drills().await.pop().unwrap();
    assert_eq!((&drill["while_live"], &drill["outcome"]), (&true.into(), &"passed".into()));
}

/// A fallback has no share: each request is said to go there or home. At the canary's provider it is the same target.
#[tokio::test]
async fn a_fallback_is_drilled_by_naming_it() {
    let world = World::start("", "100%", "production", "fallback_provider = \"cometapi\"").await;
    let (code, said, errors) = world.drill(&["--target", "fallback"]).await;
    assert_eq!(code, 0, "{said}{errors}");
    let drill = world.drills().await.pop().unwrap();
    assert_eq!((&drill["role"], &drill["outcome"]), (&"fallback".into(), &"passed".into()), "{drill:#}");
    assert_eq!(step(&drill, "canary_cohort")["note"], "2 of 10 went there, each as its key says");
    world.serves("canary").await;
}

#[tokio::test]
async fn what_cannot_be_drilled_is_said_and_nothing_is_sent() {
    let mut world = World::held("").await;
    let (code, _, errors) = world.files.run(&["drill", "nothing", "--by", "kim", "--yes"]).await;
    assert!(code == 3 && errors.contains("the map has no route"), "{errors}");
    let (code, _, errors) = world.files.run(&["drill", "the-canary", "--by", "kim"]).await;
    assert!(code == 2 && errors.contains("--yes"), "{errors}");
    let (code, _, errors) = world.files.run(&["drill", "the-canary", "--by", "kim", "--approve-each"]).await;
    assert!(code == 2 && errors.contains("approve each step"), "{errors}");
    let text = std::fs::read_to_string(world.files.routes()).unwrap();
    world.files.write(
        "routes.toml",
        &text.replace("credential = { env = \"PRIMARY_KEY\" }", "credential = \"client\""),
    );
    let (code, _, errors) = world.drill(&[]).await;
    assert!(code == 3 && errors.contains("callers' own key") && errors.contains("routes vouch"), "{errors}");
    world.files.write("routes.toml", &text);
    let (code, _, errors) = world.drill(&["--target", "fallback"]).await;
    assert!(code == 3 && errors.contains("no fallback"), "{errors}");
    world.files.write("routes.toml", &text.replace("rollback_route_version = \"1\"", ""));
    let (code, _, errors) = world.drill(&[]).await;
    assert!(code == 3 && errors.contains("there is nothing to go back to"), "{errors}");
    world.files.write("routes.toml", &format!("# a comment\n{text}"));
    let (code, _, errors) = world.drill(&[]).await;
    assert!(code == 3 && errors.contains("is not what the gateway has in force"), "{errors}");
    world.files.write("routes.toml", &text);
    world.program.terminate();
    world.program.ended().await;
    let (code, _, errors) = world.drill(&[]).await;
    assert!(code == 5 && errors.contains("no gateway answers"), "{errors}");
    let (code, help, _) = world.files.run(&["drill", "--help"]).await;
    assert!(code == 0 && help.contains("Examples:"), "{help}");
}

#[tokio::test]
async fn no_key_prompt_or_answer_is_in_a_record_of_a_drill() {
    let world = World::held("").await;
    world.canary.on_call("POST", "*", |asked| {
        let said = json!({"id": "c", "object": "chat.completion", "model": "gpt-canary", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}});
        refuses_faulty(asked).unwrap_or_else(|| Reply::json(200, &said))
    });
    let (code, said, errors) = world.drill(&["--format", "json"]).await;
    assert_eq!(code, 0, "{said}{errors}");
    let printed: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(printed["outcome"], "passed");
    let (_, kept, _) = world.files.run(&["evidence", "export"]).await;
    let page = world.files.run(&["evidence", "export", "--markdown"]).await.1;
    for text in [&kept, &page, &said, &errors] {
        for marker in [SAID, PRIMARY_KEY, CANARY_KEY, CHECK_KEY, "rollback drill of Cometgate"] {
            assert!(!text.contains(marker), "{marker} is in {text}");
        }
    }
}

#[tokio::test]
async fn a_provider_to_which_callers_bring_their_own_key_is_drilled_with_one_that_is_named_for_it() {
    let Setup { primary, canary } = Setup::new().await;
    answers_well(&primary);
    answers_well(&canary);
    let urls = (primary.base_url(), canary.base_url());
    let map = |version, share, top| {
        let map = Map { version, environment: "production", top, ..Map::new(&urls.0, &urls.1, share) };
        Map { primary_credential: "\"client\"", ..map }.text()
    };
    for (client_key, code) in [("", 3), ("client_key = { env = \"PRIMARY_KEY\" }\n", 0)] {
        let files = Files::new(&format!("{CHECKS}{client_key}"), &map("1", "0%", ""), &tenants());
        files.write_check_key();
        let mut program = Program::serve(&files).await;
        files.write("routes.toml", &map("2", "100%", "rollback_route_version = \"1\""));
        program.logged("route map 2 is live").await;
        let asked = ["drill", "the-canary", "--by", "kim", "--yes", "--requests", "10"];
        let (ended, said, errors) = files.run(&asked).await;
        assert_eq!(ended, code, "{said}{errors}");
        assert!(code == 0 || errors.contains("`client_key` of `[checks]`"), "{errors}");
        // No key of the gateway's own goes there, with or without.
        let answer = Client::connect(program.address).await.chat(ACME, CHAT).await;
        assert_eq!(answer.error().0, "invalid_api_key");
    }
}
