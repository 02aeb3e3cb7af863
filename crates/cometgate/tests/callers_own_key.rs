//! `credential = "client"`: an application changes only its base URL, and no stranger's key spends ours.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use hyper::http::Method;
use support::client::request;
use support::{ACME, CANARY_KEY, Client, Files, Map, Program, scaled};
use testkit::{Provider, Reply};

/// The only key that the primary accepts.
const OWN_KEY: &str = "sk-the-callers-own";

struct World {
    primary: Provider,
    canary: Provider,
    program: Program,
    _files: Files,
}

async fn world() -> World {
    let primary = Provider::builder("primary").require_key(OWN_KEY).start().await;
    let canary = Provider::builder("canary").require_key(CANARY_KEY).start().await;
    let (primary_url, canary_url) = (primary.base_url(), canary.base_url());
    let map = Map {
        top: "default_tenant = \"acme\"",
        primary_credential: "\"client\"",
        ..Map::new(&primary_url, &canary_url, "50%")
    };
    let files = Files::new("", &map.text(), &support::tenants());
    let program = Program::serve(&files).await;
    World { primary, canary, program, _files: files }
}

fn body(user: usize) -> String {
    format!(r#"{{"model":"summary","user":"user-{user}"}}"#)
}

#[tokio::test]
async fn a_strangers_key_reaches_nobody_but_the_primary_whatever_it_is_sticky_by() {
    let world = world().await;
    let mut client = Client::connect(world.program.address).await;
    for user in 0..scaled(10_000) {
        let answer = client.chat("sk-random-bearer", &body(user)).await;
        assert_eq!(answer.status, 401, "the primary's own answer");
        assert_eq!(answer.header("x-cometgate-provider"), "openai");
    }
    assert_eq!(world.canary.count(), 0);
    assert_eq!(
        world.primary.requests().last().unwrap().header("authorization"),
        Some("Bearer sk-random-bearer")
    );
}

#[tokio::test]
async fn a_key_that_the_primary_accepts_takes_part_in_the_canary_from_then_on() {
    let world = world().await;
    let mut client = Client::connect(world.program.address).await;
    // Somebody who would be in the canary: the first call goes home all the same.
    assert_eq!(client.chat(OWN_KEY, &body(0)).await.header("x-cometgate-role"), "primary");
    let mut canaries = 0;
    for user in 0..200 {
        let answer = client.chat(OWN_KEY, &body(user)).await;
        assert_eq!(answer.status, 200);
        canaries += usize::from(answer.header("x-cometgate-role") == "canary");
    }
    assert!((60..=140).contains(&canaries), "{canaries} of 200 at 50 %");
    assert_eq!(world.canary.count() as usize, canaries);
    for sent in world.canary.requests() {
        assert_eq!(sent.header("authorization"), Some(format!("Bearer {CANARY_KEY}").as_str()));
        assert!(!format!("{:?}", sent.headers).contains(OWN_KEY));
    }
    // Another key is another stranger.
    for user in 0..100 {
        client.chat("sk-somebody-else", &body(user)).await;
    }
    assert_eq!(world.canary.count() as usize, canaries);
}

#[tokio::test]
async fn success_on_a_path_that_is_not_inference_proves_nothing() {
    let world = world().await;
    world.primary.on("GET", "/v1/public", Reply::new(200));
    let mut client = Client::connect(world.program.address).await;
    let answer = client.send(request(Method::GET, "/v1/public", "sk-random", "")).await.unwrap();
    assert_eq!(answer.status, 200);
    for user in 0..100 {
        client.chat("sk-random", &body(user)).await;
    }
    assert_eq!(world.canary.count(), 0);
}

#[tokio::test]
async fn a_key_of_the_gateway_is_never_sent_to_a_provider() {
    let world = world().await;
    let mut client = Client::connect(world.program.address).await;
    let answer = client.chat("cgk-revoked", &body(1)).await;
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (401, "invalid_api_key"));
    // On either side of the canary, so that nobody is served by chance.
    for user in 0..50 {
        let answer = client.chat(ACME, &body(user)).await;
        assert_eq!(answer.status, 401);
        assert!(answer.error().1.contains("takes the caller's own key"));
    }
    assert_eq!(world.canary.count(), 0);
    assert_eq!(world.primary.count(), 0);
}
