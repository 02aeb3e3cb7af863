//! A canary that was taken out stays out: after a restart, a reload, an edit, a kill. And where that cannot be kept, no canary
//! serves.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use evidence::Kind;
use fastrand::Rng;
use support::records::recorded;
use support::world::Setup;
use support::{ACME, CHAT, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply};
use tokio::time::Instant;

const ANNOUNCED: &str = "is rolled back for good";

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
}

impl World {
    async fn new() -> World {
        let Setup { primary, canary } = Setup::new().await;
        let map = map(&primary, &canary, "1", "100%", 1);
        World { primary, canary, files: Files::new("", &map, &tenants()) }
    }

    fn write_map(&self, version: &str, share: &str, generation: usize) {
        self.files.write("routes.toml", &map(&self.primary, &self.canary, version, share, generation));
    }

    /// One refused credential is enough.
    async fn trip(&self, program: &mut Program) -> String {
        self.falls_ill();
        program.served_by().await;
        let line = program.logged(ANNOUNCED).await;
        self.canary.clear_script();
        line
    }

    fn falls_ill(&self) {
        self.canary.on("POST", "*", Reply::error(401, "invalid_request_error", None, "no"));
    }

    fn gates(&self) -> PathBuf {
        self.files.path().join("state/gates")
    }
}

fn map(primary: &Provider, canary: &Provider, version: &str, share: &str, generation: usize) -> String {
    let lines = format!("generation = {generation}");
    let urls = (primary.base_url(), canary.base_url());
    Map { version, sticky_by: &lines, ..Map::new(&urls.0, &urls.1, share) }.text()
}

async fn end(mut program: Program) {
    program.terminate();
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn it_stays_out_after_a_restart_a_reload_and_edits_until_its_generation_is_raised() {
    let world = World::new().await;
    let mut program = Program::serve(&world.files).await;
    assert_eq!(program.served_by().await, "canary");
    let line = world.trip(&mut program).await;
    for part in ["route=the-canary", "target=canary", "signal=auth", "reason=auth"] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(program.served_by().await, "primary");
    // Its share and another route's lines are edited, live.
    world.write_map("2", "99%", 1);
    program.logged("route map 2 is live").await;
    assert_eq!(program.served_by().await, "primary");
    end(program).await;

    let mut program = Program::serve(&world.files).await;
    assert_eq!(program.served_by().await, "primary");
    let other = map(&world.primary, &world.canary, "3", "99%", 1).replace(
        "[[routes]]",
        "[[routes]]\nname = \"another\"\ntenant_or_cohort = \"globex\"\nmodel_alias = \"other\"\nmode = \"primary\"\n\
         primary_provider = \"openai\"\n[[routes]]",
    );
    world.files.write("routes.toml", &other);
    program.logged("route map 3 is live").await;
    assert_eq!(program.served_by().await, "primary");

    world.write_map("4", "100%", 2);
    program.logged("route map 4 is live").await;
    assert_eq!(program.served_by().await, "canary");
    // The try before is still over.
    world.write_map("5", "100%", 1);
    program.logged("route map 5 is live").await;
    assert_eq!(program.served_by().await, "primary");
    end(program).await;

    let latched = recorded(&world.files, Kind::GateDecision).remove(0);
    let body = &latched["body"];
    assert_eq!(
        (&latched["route"], &latched["route_version"], &latched["by"]),
        (&"the-canary".into(), &"1".into(), &"gate".into())
    );
    assert_eq!(
        (&body["action"], &body["reason"], &body["verdict"], &body["target"]),
        (&"latch".into(), &"auth".into(), &"rollback".into(), &"cometapi/gpt-canary".into())
    );
    assert_eq!(latched["map_sha256"].as_str().unwrap().len(), 64);
}

/// The moments differ: before, while and after the latch is stored. What was announced is final; what was not may be tried
/// again.
#[tokio::test]
async fn killed_around_a_trip_it_never_serves_a_canary_again_whose_end_was_announced() {
    let rounds = if std::env::var_os("COMETGATE_FULL").is_some() { 1_000 } else { 30 };
    let world = World::new().await;
    let mut rng = Rng::with_seed(0x6A7E);
    let mut announced = 0;
    for round in 1..=rounds {
        world.write_map(&format!("r.{round}"), "100%", round);
        let mut program = Program::serve(&world.files).await;
        world.falls_ill();
        let mut client = Client::connect(program.address).await;
        let asking = tokio::spawn(async move {
            let request = support::client::request;
            for _ in 0..20 {
                let chat = request(hyper::Method::POST, "/v1/chat/completions", ACME, CHAT);
                if client.send(chat).await.is_err() {
                    return;
                }
            }
        });
        tokio::time::sleep(Duration::from_micros(rng.u64(..40_000))).await;
        program.signal("KILL");
        program.ended_somehow().await;
        asking.await.unwrap();
        let was_announced = !program.has_not_logged(ANNOUNCED).await;
        world.canary.clear_script();

        let before = world.canary.count();
        let program = Program::serve(&world.files).await;
        for _ in 0..5 {
            let role = program.served_by().await;
            assert!(!role.is_empty(), "round {round}: a request was not served");
        }
        if was_announced {
            announced += 1;
            assert_eq!(world.canary.count(), before, "round {round}: it was announced, and serves");
        }
        program.signal("KILL");
    }
    println!("{announced} of {rounds} kills came after the announcement");
    assert!(announced > 0, "no trip was announced, so nothing was shown");
}

#[tokio::test]
async fn where_nothing_can_be_kept_no_canary_serves_and_it_does_again_when_it_can() {
    let world = World::new().await;
    fs::create_dir_all(world.files.path().join("state")).unwrap();
    fs::write(world.gates(), "").unwrap();
    let mut program = Program::serve(&world.files).await;
    assert_eq!(program.served_by().await, "primary");
    fs::remove_file(world.gates()).unwrap();
    program.logged("gates are kept").await;
    program.until_served_by("canary").await;

    // And while it runs.
    fs::rename(world.gates(), world.files.path().join("state/away")).unwrap();
    fs::write(world.gates(), "").unwrap();
    program.logged("gates cannot be kept").await;
    program.until_served_by("primary").await;
    fs::remove_file(world.gates()).unwrap();
    fs::rename(world.files.path().join("state/away"), world.gates()).unwrap();
    program.logged("gates are kept").await;
    program.until_served_by("canary").await;
    end(program).await;
}

#[tokio::test]
async fn a_latch_that_was_out_of_reach_at_the_start_is_found_before_the_canary_serves() {
    let world = World::new().await;
    let mut program = Program::serve(&world.files).await;
    world.trip(&mut program).await;
    end(program).await;
    let away = world.files.path().join("state/away");
    fs::rename(world.gates(), &away).unwrap();
    fs::write(world.gates(), "").unwrap();
    let mut program = Program::serve(&world.files).await;
    let before = world.canary.count();
    assert_eq!(program.served_by().await, "primary");
    fs::remove_file(world.gates()).unwrap();
    fs::rename(&away, world.gates()).unwrap();
    program.logged("gates are kept").await;
    let until = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < until {
        assert_eq!(program.served_by().await, "primary");
    }
    assert_eq!(world.canary.count(), before);
}

#[tokio::test]
async fn a_file_that_cannot_be_taken_at_its_word_keeps_its_canary_out_and_is_named() {
    let world = World::new().await;
    let program = Program::serve(&world.files).await;
    assert_eq!(program.served_by().await, "canary");
    end(program).await;
    let file = fs::read_dir(world.gates())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("the-canary-canary-"))
        .unwrap();
    let whole = fs::read_to_string(&file).unwrap();
    for damage in [&whole[..whole.len() / 2], "", "rubbish\n"] {
        fs::write(&file, damage).unwrap();
        let (mut program, log) = serve_and_read(&world).await;
        assert!(
            log.contains(file.file_name().unwrap().to_str().unwrap()) && log.contains("generation"),
            "{log}"
        );
        assert_eq!(program.served_by().await, "primary");
        program.terminate();
        program.ended().await;
        // It is left as it is, for whoever looks into it.
        assert_eq!(fs::read_to_string(&file).unwrap(), damage);
    }
    fs::write(&file, whole).unwrap();
    let program = Program::serve(&world.files).await;
    assert_eq!(program.served_by().await, "canary");
}

/// What it says before it serves, through its standard error.
async fn serve_and_read(world: &World) -> (Program, String) {
    let settings = world.files.settings();
    let mut child = support::program::command(&["serve", "--config", &settings]).spawn().unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stderr.take().unwrap()));
    let mut log = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        log.push_str(&line);
        if line.contains("serving http") {
            break;
        }
    }
    child.kill().await.unwrap();
    (Program::serve(&world.files).await, log)
}

#[tokio::test]
async fn what_one_gateway_rolls_back_another_on_the_same_state_directory_does_too() {
    let world = World::new().await;
    let mut first = Program::serve(&world.files).await;
    let second = Program::serve(&world.files).await;
    assert_eq!(second.served_by().await, "canary");
    world.trip(&mut first).await;
    second.until_served_by("primary").await;
    let before = world.canary.count();
    assert_eq!(second.served_by().await, "primary");
    assert_eq!(world.canary.count(), before);
}

/// No hold outlasts the map that it is of; a canary that nothing held is a matter of the next map.
#[tokio::test]
async fn what_is_held_when_its_map_expires_is_rolled_back_and_nothing_else() {
    for is_held in [true, false] {
        let world = World::new().await;
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
        let map = |version: &str, top: &str| {
            let urls = (world.primary.base_url(), world.canary.base_url());
            Map { version, top, ..Map::new(&urls.0, &urls.1, "100%") }.text()
        };
        world.files.write("routes.toml", &map("1", &format!("expires_at = {soon:.0}")));
        let mut program = Program::serve(&world.files).await;
        assert_eq!(program.served_by().await, "canary");
        if is_held {
            let hold = ["hold", "the-canary", "--by", "kim", "--reason", "x"];
            assert_eq!(world.files.run(&hold).await.0, 0);
        }
        program.logged("expired at").await;
        if is_held {
            let line = program.logged(ANNOUNCED).await;
            assert!(line.contains("reason=expired"), "{line}");
        }
        assert_eq!(program.served_by().await, "primary");
        world.files.write("routes.toml", &map("2", ""));
        program.logged("route map 2 is live").await;
        assert_eq!(program.served_by().await, if is_held { "primary" } else { "canary" });
        end(program).await;
    }
}
