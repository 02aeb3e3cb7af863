//! What applications say of the answers that they got, and what waits for an answer, through the real program.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use serde_json::Value;
use support::world::World;
use support::{ACME, CHAT, Client, GLOBEX};
use testkit::Reply;

const STREAM: &str = r#"{"model":"summary","messages":[],"stream":true}"#;

async fn accept(world: &World, id: &str, verdict: &str) -> (i32, Value, String) {
    let (code, said, errors) = world.files.run(&["accept", id, verdict, "--format", "json"]).await;
    (code, serde_json::from_str(&said).unwrap_or_default(), errors)
}

async fn asked(world: &World, body: &str) -> (String, String) {
    let answer = Client::connect(world.program.address).await.chat(ACME, body).await;
    (answer.header("x-cometgate-request-id").to_owned(), answer.header("x-cometgate-role").to_owned())
}

/// Of the canary's gate: its answers that were judged, and those that could not be used.
async fn judged(world: &World) -> (u64, u64) {
    let target = world.files.canary_status().await;
    let signals = target["signals"].as_array().unwrap();
    let signal = signals.iter().find(|signal| signal["signal"] == "acceptance").unwrap();
    (signal["attempts"].as_u64().unwrap(), signal["failures"].as_u64().unwrap())
}

#[tokio::test]
async fn answers_that_applications_cannot_use_roll_the_canary_back() {
    let mut world = World::start("", |_| ()).await;
    let mut told = 0;
    loop {
        let (id, role) = asked(&world, if told % 2 == 0 { CHAT } else { STREAM }).await;
        if role != "canary" {
            break;
        }
        let (code, said, errors) = accept(&world, &id, "fail").await;
        assert_eq!((code, &said["counted"]), (0, &true.into()), "{said} {errors}");
        told += 1;
        assert!(told < 20, "{said}");
    }
    assert!(told > 1, "one answer alone decides nothing");
    world.program.logged("is rolled back for good").await;
    let target = world.files.canary_status().await;
    assert_eq!((&target["phase"], &target["latch"]["signal"]), (&"latched".into(), &"acceptance".into()));
    assert_eq!(world.primary.count(), 1);
}

#[tokio::test]
async fn an_answer_counts_once_and_what_cannot_count_says_why() {
    let world = World::start("", |_| ()).await;
    let (id, _) = asked(&world, CHAT).await;
    assert_eq!(accept(&world, &id, "pass").await.0, 0);
    let (code, again, _) = accept(&world, &id, "fail").await;
    assert_eq!((code, &again["counted"], &again["pass"]), (0, &false.into(), &true.into()), "{again}");
    assert_eq!(judged(&world).await, (1, 0));

    let (code, _, said) = accept(&world, "0123456789abcdef0123456789abcdef", "fail").await;
    assert!(code == 3 && said.contains("x-cometgate-request-id"), "{code}: {said}");
    // Answered by a primary, which nothing judges.
    let home = Client::connect(world.program.address).await.chat(GLOBEX, CHAT).await;
    assert_eq!(home.header("x-cometgate-role"), "primary");
    let (code, _, _) = accept(&world, home.header("x-cometgate-request-id"), "fail").await;
    assert_eq!(code, 3);
    // A failure of the canary that the primary has mended: the answer is not the canary's.
    world.canary.once("POST", "*", Reply::error(500, "server_error", None, "it broke"));
    let (id, role) = asked(&world, CHAT).await;
    assert_eq!(role, "primary");
    assert_eq!(accept(&world, &id, "fail").await.0, 3);
    let (code, _, said) = accept(&world, &"x".repeat(2_000), "fail").await;
    assert!(code == 3 && said.contains("bytes"), "{code}: {said}");
    assert_eq!(judged(&world).await, (1, 0));
}

#[tokio::test]
async fn where_the_map_does_not_judge_by_it_nothing_counts() {
    let world = World::start("", |map| map.route = "gates = { rejected = \"off\" }").await;
    let (id, _) = asked(&world, CHAT).await;
    // It is not even remembered.
    assert_eq!(accept(&world, &id, "fail").await.0, 3);
    assert!(
        world.files.canary_status().await["signals"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["signal"] != "acceptance")
    );
}

#[tokio::test]
async fn a_canary_at_which_too_many_wait_is_rolled_back() {
    let gates = "gates = { queue_limit = 3, queue_patience_ms = 0 }";
    let mut world = World::start("", |map| map.route = gates).await;
    world.canary.on("POST", "*", Reply::hang_before_head());
    let address = world.program.address;
    let callers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(async move { Client::connect(address).await.chat(ACME, CHAT).await }))
        .collect();
    world.canary.wait_requests(4).await;
    world.program.logged("is rolled back for good").await;
    let target = world.files.canary_status().await;
    assert_eq!((&target["phase"], &target["latch"]["reason"]), (&"latched".into(), &"queue_depth".into()));
    assert_eq!(asked(&world, CHAT).await.1, "primary");
    callers.iter().for_each(tokio::task::JoinHandle::abort);
}
