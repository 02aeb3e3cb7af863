//! What gates decide is recorded before it is announced; and what becomes of canaries where it cannot be.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::path::PathBuf;

use evidence::Kind;
use serde_json::Value;
use support::Program;
use support::records::recorded;
use support::world::World;
use testkit::{Gate, Reply};

const ANNOUNCED: &str = "is rolled back for good";

async fn run(world: &World, arguments: &[&str]) -> (i32, String) {
    let (code, said, _) = world.files.run(arguments).await;
    (code, said)
}

fn store(world: &World) -> PathBuf {
    world.files.path().join("state/evidence")
}

/// One refused credential is enough.
fn refused() -> Reply {
    Reply::error(401, "invalid_request_error", None, "no")
}

#[tokio::test]
async fn a_damaged_store_stops_no_gate_is_said_loudly_and_is_begun_anew_when_it_is_moved_away() {
    let mut world = World::start("", |_| ()).await;
    world.program.terminate();
    assert_eq!(world.program.ended().await, 0);
    fs::write(store(&world).join("evidence.sqlite3"), vec![b'x'; 20_000]).unwrap();

    let mut program = Program::serve(&world.files).await;
    assert_eq!(program.served_by().await, "canary");
    world.canary.on("POST", "*", refused());
    program.served_by().await;
    // It is said when it is found, at the start, and whenever something is decided.
    program.logged("waits to be recorded").await;
    program.logged(ANNOUNCED).await;
    world.canary.clear_script();
    assert_eq!(program.served_by().await, "primary");
    let latches = fs::read_dir(world.files.path().join("state/gates/latched")).unwrap();
    assert_eq!(latches.count(), 1);
    let status: Value = serde_json::from_str(&run(&world, &["status", "--format", "json"]).await.1).unwrap();
    let why = status["not_recorded_because"].as_str().unwrap();
    assert!(why.contains("move it away"), "{why}");
    assert!(run(&world, &["status"]).await.1.contains("is not recorded: "));

    fs::rename(store(&world), world.files.path().join("damaged")).unwrap();
    program.logged("what gates decide is recorded again").await;
    let decision = recorded(&world.files, Kind::GateDecision).remove(0)["body"].clone();
    assert_eq!((&decision["action"], &decision["reason"]), (&"latch".into(), &"auth".into()));
    let status: Value = serde_json::from_str(&run(&world, &["status", "--format", "json"]).await.1).unwrap();
    assert_eq!(status["not_recorded_because"], Value::Null);
}

#[tokio::test]
async fn where_nothing_can_be_recorded_no_canary_serves_until_it_can() {
    let mut world = World::start("", |_| ()).await;
    world.program.terminate();
    assert_eq!(world.program.ended().await, 0);
    fs::rename(store(&world), world.files.path().join("away")).unwrap();
    fs::write(store(&world), "").unwrap();
    let program = Program::serve(&world.files).await;
    assert_eq!(program.served_by().await, "primary");
    fs::remove_file(store(&world)).unwrap();
    program.until_served_by("canary").await;
}

#[tokio::test]
async fn two_gateways_on_one_state_directory_write_one_chain_and_both_can_be_replayed() {
    let mut world = World::start("", |_| ()).await;
    let mut second = Program::serve(&world.files).await;
    for program in [&world.program, &second] {
        assert_eq!(program.served_by().await, "canary");
    }
    // Each finds out by itself, before it hears of the other: both have asked when the canary answers.
    let (answers, before) = (Gate::new(), world.canary.count());
    world.canary.on("POST", "*", refused().gated(&answers));
    let both_have_asked = async {
        world.canary.wait_requests(before + 2).await;
        answers.open();
    };
    tokio::join!(world.program.served_by(), second.served_by(), both_have_asked);
    world.program.logged(ANNOUNCED).await;
    second.logged(ANNOUNCED).await;
    for program in [&mut world.program, &mut second] {
        program.terminate();
        assert_eq!(program.ended().await, 0);
    }
    let decisions = recorded(&world.files, Kind::GateDecision);
    assert_eq!(decisions.len(), 2);
    assert_ne!(decisions[0]["body"]["run"], decisions[1]["body"]["run"]);
    assert_eq!(decisions[0]["body"]["gate"], decisions[1]["body"]["gate"]);
    assert_eq!(run(&world, &["evidence", "verify"]).await.0, 0);
    let (code, said) = run(&world, &["gates", "replay"]).await;
    assert!(code == 0 && said.contains("2 decisions as recorded"), "{said}");
}
