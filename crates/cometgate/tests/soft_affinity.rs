//! Who shares a prompt cache stays together while the canary takes them, and not for a request longer: it is the hash of
//! the key that keeps them there, so nothing is remembered that could hold up the way home.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use decisions::bucket::position;
use hyper::Method;
use serde_json::json;
use support::client::request;
use support::program::output;
use support::world::World;
use support::{ACME, Client, Map, Program};
use testkit::Reply;

/// The salt of a route without one is its name.
const SALT: &str = "the-canary";
const BY_CACHE: &str = "sticky_by = [\"prompt_cache_key\", \"request\"]";

async fn world(share: &'static str) -> World {
    World::start("", |map| (map.share, map.sticky_by) = (share, BY_CACHE)).await
}

impl World {
    /// Puts a map in force: its share, and its route's mode.
    async fn change(&mut self, version: &str, share: &str, mode: &str) {
        let urls = (self.primary.base_url(), self.canary.base_url());
        let map = Map { version, sticky_by: BY_CACHE, ..Map::new(&urls.0, &urls.1, share) }.text();
        self.files.write("routes.toml", &map.replace("mode = \"canary\"", &format!("mode = \"{mode}\"")));
        self.live(version).await;
    }

    async fn live(&mut self, version: &str) {
        self.program.logged(&format!("route map {version} is live")).await;
    }

    async fn restart(&mut self) {
        self.program.terminate();
        self.program.ended().await;
        self.program = Program::serve(&self.files).await;
    }

    /// Who serves a session with this key: its next call, whole or streamed. Nobody, if it is refused.
    async fn serves(&self, key: usize, stream: bool) -> Option<String> {
        let body = json!({"model": "summary", "prompt_cache_key": key_of(key), "stream": stream,
                          "messages": [{"role": "user", "content": "x"}]});
        let mut client = Client::connect(self.program.address).await;
        let call = request(Method::POST, "/v1/chat/completions", ACME, &body.to_string());
        let answer = client.send(call).await.unwrap();
        (answer.status == 200).then(|| answer.header("x-cometgate-provider").to_owned())
    }

    /// Every session is where its position says, for a share in parts per million.
    async fn keeps_to(&self, ppm: u32) {
        for key in 0..SESSIONS {
            let expected = if is_in(key, ppm) { "cometapi" } else { "openai" };
            assert_eq!(self.serves(key, key % 2 == 0).await.as_deref(), Some(expected), "{}", key_of(key));
        }
    }
}

const SESSIONS: usize = 60;

fn key_of(session: usize) -> String {
    format!("support-prompt-{session}")
}

fn is_in(session: usize, ppm: u32) -> bool {
    position(SALT, key_of(session).as_bytes()) < ppm
}

#[tokio::test]
async fn a_session_stays_while_its_share_stays_or_grows_and_goes_home_with_the_first_request_after_less() {
    let mut world = world("40%").await;
    let within = (0..SESSIONS).filter(|key| is_in(*key, 400_000)).count();
    assert!((10..50).contains(&within), "{within} of {SESSIONS} tell one side from the other");
    world.keeps_to(400_000).await;
    world.keeps_to(400_000).await;
    // A larger share adds sessions and moves none of those that are there; nor does a restart.
    world.change("test.2", "70%", "canary").await;
    world.keeps_to(700_000).await;
    world.restart().await;
    world.keeps_to(700_000).await;
    // A smaller one sends home who came last, however warm their caches are, and nobody else.
    world.change("test.3", "20%", "canary").await;
    world.keeps_to(200_000).await;
    let before = world.canary.count();
    world.change("test.4", "0%", "canary").await;
    world.keeps_to(0).await;
    assert_eq!(world.canary.count(), before);
}

#[tokio::test]
async fn a_session_in_the_canary_yields_at_once_to_drain_rollback_and_disable() {
    let mut world = world("100%").await;
    world.keeps_to(1_000_000).await;
    // Drained: the route turns away from the canary, whose share is kept for later.
    world.change("test.2", "100%", "primary").await;
    let before = world.canary.count();
    world.keeps_to(0).await;
    assert_eq!(world.canary.count(), before, "not one request more");
    world.change("test.3", "100%", "canary").await;
    world.keeps_to(1_000_000).await;
    // Rolled back and switched off by the commands, as an operator would.
    let settings = world.files.settings();
    let to = ["routes", "rollback", "--to", "test.2", "--config", &settings, "--yes"];
    let (code, said, failed) = output(&to).await;
    assert_eq!(code, 0, "{said}{failed}");
    world.program.logged("is live").await;
    let before = world.canary.count();
    world.keeps_to(0).await;
    assert_eq!(world.canary.count(), before);
    let (code, said, failed) = output(&["routes", "disable", SALT, "--config", &settings, "--yes"]).await;
    assert_eq!(code, 0, "{said}{failed}");
    world.program.logged("is live").await;
    assert_eq!(world.serves(1, false).await, None);
    assert_eq!(world.canary.count(), before);
}

/// A failing canary is left request by request: what is warm there is no reason to fail.
#[tokio::test]
async fn a_session_whose_canary_fails_is_served_at_home_and_returns_without_having_been_remembered() {
    let world = world("100%").await;
    assert_eq!(world.serves(1, false).await.as_deref(), Some("cometapi"));
    world.canary.once("POST", "/v1/chat/completions", Reply::error(500, "server_error", None, "down"));
    assert_eq!(world.serves(1, false).await.as_deref(), Some("openai"));
    assert_eq!(world.serves(1, false).await.as_deref(), Some("cometapi"));
}
