//! What an operator says to a running gateway is in force at once, is written down, and is answered by exit codes; and what
//! `status` says is so.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use evidence::Kind;
use hyper::http::Method;
use serde_json::{Value, json};
use support::client::request;
use support::program::output;
use support::records::recorded;
use support::world::Setup;
use support::{ACME, CHAT, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::Instant;

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
}

impl World {
    async fn new(settings: &str) -> World {
        let Setup { primary, canary } = Setup::new().await;
        let world = World { primary, canary, files: Files::new(settings, "", &tenants()) };
        world.write_map("1", 1);
        world
    }

    fn write_map(&self, version: &str, generation: u32) {
        self.write_map_with(version, &format!("generation = {generation}"));
    }

    /// With these lines for its canary.
    fn write_map_with(&self, version: &str, lines: &str) {
        let urls = (self.primary.base_url(), self.canary.base_url());
        let map = Map { version, sticky_by: lines, ..Map::new(&urls.0, &urls.1, "100%") };
        self.files.write("routes.toml", &map.text());
    }

    fn socket(&self) -> PathBuf {
        self.files.path().join("state/admin.sock")
    }

    /// Runs a command against this configuration.
    async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.files.run(arguments).await
    }

    /// Tells the gateway something, in JSON.
    async fn tell(&self, command: &str, more: &[&str]) -> (i32, Value, String) {
        let told = [&[command, "the-canary", "--by", "kim", "--reason", "INC-42", "--format", "json"], more];
        let (code, said, errors) = self.run(&told.concat()).await;
        (code, serde_json::from_str(&said).unwrap_or_default(), errors)
    }

    async fn status(&self) -> Value {
        let (code, said, errors) = self.run(&["status", "the-canary", "--format", "json"]).await;
        assert_eq!(code, 0, "{errors}");
        serde_json::from_str::<Value>(&said).unwrap()["routes"][0].clone()
    }
}

async fn role(client: &mut Client) -> String {
    client.chat(ACME, CHAT).await.header("x-cometgate-role").to_owned()
}

#[tokio::test]
async fn a_rollback_moves_new_requests_at_once_stays_and_is_written_down_with_its_note() {
    let world = World::new("").await;
    let program = Program::serve(&world.files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(role(&mut client).await, "canary");

    // A question that nobody can answer changes nothing.
    let (code, _, said) = world.tell("rollback", &[]).await;
    assert!(code == 2 && said.contains("--yes") && said.contains("share 100%"), "{code}: {said}");
    assert_eq!(role(&mut client).await, "canary");

    let note = ["--yes", "--approved-by", "lee", "--worse-if", "p95 above 2 s", "--may-revert", "on-call"];
    let (code, done, said) = world.tell("rollback", &note).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!((&done["changed"], &done["stored"]), (&true.into(), &true.into()), "{done}");
    assert_eq!(role(&mut client).await, "primary");
    let before = world.canary.count();
    assert_eq!(role(&mut client).await, "primary");
    assert_eq!(world.canary.count(), before);

    let verdict = recorded(&world.files, Kind::GateDecision).remove(0);
    assert_eq!((&verdict["by"], &verdict["route_version"]), (&"operator".into(), &"1".into()));
    for (name, value) in
        [("action", "latch"), ("reason", "by_hand"), ("verdict", "rollback"), ("mode", "act")]
    {
        assert_eq!(verdict["body"][name], value, "{verdict}");
    }
    let action = recorded(&world.files, Kind::OperatorAction).remove(0);
    let expected = json!({
        "action": "rollback", "by": "kim", "reason": "INC-42", "changed": true, "generation": 1,
        "target": "cometapi/gpt-canary", "from_share_ppm": 1_000_000, "to_share_ppm": 0,
        "config_sha256": verdict["map_sha256"], "rollback_route_version": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&action["body"][name], value, "{action}");
    }
    let answers = json!({
        "mapping_approved_by": "lee", "watched_metric": "p95 above 2 s", "may_revert": "on-call",
        "rolling_back_from": "gpt-canary at cometapi", "rolling_back_to": "gpt-primary at openai",
        "rollback_id_last_confirmed": null, "canary_request": null,
    });
    assert_eq!(action["body"]["rollback_decision"], answers);

    // It is final: said again it changes nothing, and nothing but another generation reopens it.
    let (code, again, _) = world.tell("rollback", &["--yes"]).await;
    assert_eq!((code, &again["changed"]), (0, &false.into()));
    for command in ["resume", "promote"] {
        let (code, _, said) = world.tell(command, &["--yes"]).await;
        assert!(code == 4 && said.contains("`generation`"), "{command} {code}: {said}");
    }
    let (code, _, said) = world.tell("hold", &[]).await;
    assert!(code == 4 && said.contains("`generation`"), "{code}: {said}");
    assert_eq!(role(&mut client).await, "primary");
}

/// From the first byte of what an operator says to the first request that goes home, without the start of a process.
#[tokio::test]
async fn what_is_said_is_in_force_within_a_tenth_of_a_second() {
    let world = World::new("").await;
    let mut program = Program::serve(&world.files).await;
    let mut client = Client::connect(program.address).await;
    let mut took = Vec::new();
    for generation in 2..=6 {
        world.write_map(&generation.to_string(), generation);
        program.logged(&format!("route map {generation} is live")).await;
        assert_eq!(role(&mut client).await, "canary");
        let mut socket = UnixStream::connect(world.socket()).await.unwrap();
        let body = r#"{"route":"the-canary","target":null,"by":"kim","reason":"measured"}"#;
        let said = format!(
            "POST /rollback HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let started = Instant::now();
        socket.write_all(said.as_bytes()).await.unwrap();
        while role(&mut client).await == "canary" {
            assert!(started.elapsed() < Duration::from_secs(30), "the canary still serves");
        }
        took.push(started.elapsed());
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("\"changed\":true") && answer.contains("\"stored\":true"), "{answer}");
    }
    took.sort();
    println!("until the first request went home: {took:?}");
    assert!(took[took.len() / 2] < Duration::from_millis(100), "{took:?}");
}

/// Out of traffic at once; announced, and answered as kept, only when it is.
#[tokio::test]
async fn a_rollback_that_cannot_be_stored_says_so_and_is_stored_when_it_can_be() {
    let world = World::new("").await;
    let mut program = Program::serve(&world.files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(role(&mut client).await, "canary");
    let (gates, away) = (world.files.path().join("state/gates"), world.files.path().join("state/away"));
    fs::rename(&gates, &away).unwrap();
    fs::write(&gates, "").unwrap();
    let (code, done, said) = world.tell("rollback", &["--yes"]).await;
    assert_eq!((code, &done["changed"], &done["stored"]), (0, &true.into(), &false.into()), "{said}");
    assert!(said.contains("not on disk yet"), "{said}");
    assert_eq!(role(&mut client).await, "primary");
    // What was logged so far is read up to here, and the announcement is not among it.
    program.logged("cannot be stored yet").await;
    assert!(!away.join("latched").read_dir().unwrap().any(|entry| entry.is_ok()));
    fs::remove_file(&gates).unwrap();
    fs::rename(&away, &gates).unwrap();
    program.logged("is rolled back for good").await;
    program.signal("KILL");
    program.ended_somehow().await;
    let program = Program::serve(&world.files).await;
    assert_eq!(role(&mut Client::connect(program.address).await).await, "primary");
    assert_eq!(world.status().await["targets"][0]["latch"]["operator"]["by"], "kim");
}

#[tokio::test]
async fn a_hold_is_shown_and_resume_ends_it() {
    let world = World::new("").await;
    let program = Program::serve(&world.files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(role(&mut client).await, "canary");
    let (code, done, said) = world.tell("hold", &[]).await;
    assert_eq!((code, &done["changed"]), (0, &true.into()), "{said}");
    let status = world.status().await;
    assert_eq!(status["targets"][0]["holds"], serde_json::json!(["by_hand"]));
    assert_eq!(status["recent"][0]["by"], "kim");
    // It stays where it is.
    assert_eq!(role(&mut client).await, "canary");
    let (code, done, _) = world.tell("resume", &["--yes"]).await;
    assert_eq!((code, &done["changed"]), (0, &true.into()));
    assert_eq!(world.status().await["targets"][0]["holds"], serde_json::json!([]));
    let (code, done, _) = world.tell("resume", &["--yes"]).await;
    assert_eq!((code, &done["changed"]), (0, &false.into()));
    let (code, _, said) = world.tell("promote", &["--yes"]).await;
    assert!(code == 4 && said.contains("`steps`"), "{code}: {said}");
}

#[tokio::test]
async fn promote_takes_a_step_that_a_kill_does_not_undo() {
    let world = World::new("").await;
    world.write_map_with("1", "steps = [\"0.0001%\", \"100%\"]");
    let mut program = Program::serve(&world.files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(role(&mut client).await, "primary");
    let step = world.status().await["targets"][0]["step"].clone();
    assert_eq!((&step["at"], &step["of"]), (&1.into(), &2.into()), "{step}");
    assert!(step["missing"].as_array().unwrap().contains(&"evidence".into()), "{step}");
    let (code, done, said) = world.tell("promote", &["--yes"]).await;
    assert_eq!((code, &done["changed"], &done["stored"]), (0, &true.into(), &true.into()), "{said}");
    assert!(done["text"].as_str().unwrap().contains("from 0.0001% to 100%, without dwell"), "{done}");
    assert_eq!(role(&mut client).await, "canary");
    program.signal("KILL");
    program.ended_somehow().await;

    let program = Program::serve(&world.files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(role(&mut client).await, "canary");
    let (code, _, said) = world.tell("promote", &["--yes"]).await;
    assert!(code == 4 && said.contains("last step"), "{code}: {said}");
    let status = world.status().await;
    let recent = &status["recent"][0];
    assert_eq!((&recent["action"], &recent["by"]), (&"promote".into(), &"kim".into()), "{recent}");
    let step = recorded(&world.files, Kind::StepDecision).remove(0)["body"].clone();
    assert_eq!((&step["from_step"], &step["to_share_ppm"]), (&0.into(), &1_000_000.into()), "{step}");
    assert!(step["missing"].as_array().unwrap().contains(&"evidence".into()), "{step}");
    let text = world.run(&["status"]).await.1;
    assert!(
        text.contains("step 2 of 2 (0.0001%, 100%)") && text.contains("promote, 0.0001% to 100%, kim"),
        "{text}"
    );
}

/// A hold is no wish of a moment either.
#[tokio::test]
async fn a_hold_outlives_a_kill() {
    let world = World::new("").await;
    let mut program = Program::serve(&world.files).await;
    assert_eq!(world.tell("hold", &[]).await.0, 0);
    program.signal("KILL");
    program.ended_somehow().await;
    let _program = Program::serve(&world.files).await;
    assert_eq!(world.status().await["targets"][0]["holds"], serde_json::json!(["by_hand"]));
}

#[tokio::test]
async fn status_says_how_sure_the_gate_is_and_what_would_trip_it() {
    let world = World::new("[admin]\nlisten = \"127.0.0.1:0\"\n").await;
    let (mut program, admin) = Program::serve_with_probes(&world.files).await;
    let mut client = Client::connect(program.address).await;
    for _ in 0..40 {
        assert_eq!(role(&mut client).await, "canary");
    }
    let status = world.status().await;
    let target = &status["targets"][0];
    assert_eq!(
        (&target["phase"], &target["share_ppm"], &target["configured_share_ppm"], &target["provider"]),
        (&"serving".into(), &1_000_000.into(), &1_000_000.into(), &"cometapi".into())
    );
    let signal = &target["signals"][0];
    assert_eq!((&signal["signal"], &signal["attempts"]), (&"hard_failure".into(), &40.into()));
    assert_eq!((&signal["how_sure"], &signal["trips_at"]), (&"no sign of harm".into(), &250.0.into()));
    assert!(signal["failures_to_trip"].as_u64().is_some_and(|count| (2..10).contains(&count)), "{signal}");
    let (code, text, _) = world.run(&["status"]).await;
    assert_eq!(code, 0);
    for part in ["the-canary (mode canary", "share 100%: serving", "0 of 40 attempts failed", "would trip it"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }

    // One refused credential: out for good, with the numbers, and so after a restart.
    world.canary.on("POST", "*", Reply::error(401, "invalid_request_error", None, "no"));
    role(&mut client).await;
    program.logged("is rolled back for good").await;
    let text = world.run(&["status"]).await.1;
    for part in ["latched: rolled back for good", "share 0% (configured 100%)", "auth", "the gate"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The same over TCP, to look at only.
    let mut probe = Client::connect(admin).await;
    let answer = probe.send(request(Method::GET, "/status", "", "")).await.unwrap();
    assert_eq!(answer.json()["routes"][0]["targets"][0]["phase"], "latched");
    for path in ["/status", "/rollback", "/resume"] {
        let answer = probe.send(request(Method::POST, path, "", "{}")).await.unwrap();
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{path}: {}", answer.status);
    }
    program.terminate();
    assert_eq!(program.ended().await, 0);
    let (_program, _) = Program::serve_with_probes(&world.files).await;
    let status = world.status().await;
    assert_eq!(
        (&status["targets"][0]["phase"], &status["targets"][0]["latch"]["reason"]),
        (&"latched".into(), &"auth".into())
    );
    assert_eq!(status["recent"][0]["reason"], "auth");
}

#[tokio::test]
async fn exit_codes_tell_who_is_missing() {
    let world = World::new("").await;
    for command in ["rollback", "hold", "resume", "promote"] {
        let (code, _, said) = world.tell(command, if command == "hold" { &[] } else { &["--yes"] }).await;
        assert!(code == 5 && said.contains("no gateway answers"), "{command} {code}: {said}");
        assert_eq!(
            world.run(&[command, "the-canary", "--by", "kim"]).await.0,
            2,
            "{command} without a reason"
        );
        let (code, help, _) = output(&[command, "--help"]).await;
        assert!(code == 0 && help.contains("Example:"), "{command}: {help}");
    }
    assert_eq!(world.run(&["status"]).await.0, 5);
    let mut program = Program::serve(&world.files).await;
    let nobody = ["rollback", "nobody", "--by", "kim", "--reason", "x", "--yes"];
    let (code, _, said) = world.run(&nobody).await;
    assert!(code == 3 && said.contains("no route \"nobody\""), "{code}: {said}");
    for name in ["nobody", "no body", ""] {
        assert_eq!(world.run(&["status", name]).await.0, 3, "{name:?}");
    }
    let (code, _, said) = world.tell("rollback", &["--target", "fallback", "--yes"]).await;
    assert!(code == 3 && said.contains("has no fallback"), "{code}: {said}");
    let long = "x".repeat(1001);
    let (code, ..) = world.run(&["hold", "the-canary", "--by", "kim", "--reason", &long]).await;
    assert_eq!(code, 3);
    program.terminate();
    assert_eq!(program.ended().await, 0);
    assert!(!world.socket().exists(), "it takes its socket along");
    assert_eq!(world.run(&["status"]).await.0, 5);
}

#[tokio::test]
async fn the_socket_is_the_owners_and_what_a_killed_process_left_is_replaced() {
    let world = World::new("").await;
    let mut program = Program::serve(&world.files).await;
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.socket()), 0o600);
    program.signal("KILL");
    program.ended_somehow().await;
    assert!(world.socket().exists());
    assert_eq!(world.run(&["status"]).await.0, 5);

    let mut first = Program::serve(&world.files).await;
    assert_eq!(world.run(&["status"]).await.0, 0);
    // Of two on one state directory one answers, and when it ends, the other does.
    let _second = Program::serve(&world.files).await;
    let (code, ..) = world.tell("hold", &[]).await;
    assert_eq!(code, 0);
    first.terminate();
    assert_eq!(first.ended().await, 0);
    let deadline = Instant::now() + support::program::PATIENCE;
    while world.run(&["status"]).await.0 != 0 {
        assert!(Instant::now() < deadline, "nobody took over");
    }
    // Somebody removes it.
    fs::remove_file(world.socket()).unwrap();
    while world.run(&["status"]).await.0 != 0 {
        assert!(Instant::now() < deadline, "it was not made again");
    }
}

/// The address of a socket has room for about a hundred bytes.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_state_directory_with_a_long_name_has_a_socket_too() {
    let long = format!("{0}/{0}/state", "deep-".repeat(16));
    let world = World::new(&format!("state_dir = \"{long}\"\n")).await;
    let _program = Program::serve(&world.files).await;
    let (code, _, said) = world.run(&["status"]).await;
    assert_eq!(code, 0, "{said}");
}
