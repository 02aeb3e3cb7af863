//! A provider that falls silent in the middle of what goes on as it comes: the caller is let go, and what it has got does
//! not look whole.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::Method;
use support::client::request;
use support::world::World;
use support::{ACME, Client};
use testkit::{Gate, Reply, Step};

const LIMIT: &str = "[limits]\nrelay_idle_timeout_ms = 300\n";

async fn world(settings: &str) -> World {
    // Unknown files are asked for at the primary.
    World::start(settings, |map| map.top = "shared_state = true").await
}

fn begun(media_type: &str, then: Step) -> Reply {
    Reply::steps(200, media_type, vec![Step::chunk("first"), then, Step::chunk("second")])
}

const SPEECH: &str = "/v1/audio/speech";
const DOWNLOAD: &str = "/v1/files/file-1/content";

impl World {
    /// What comes of the answer: its bytes, and whether it was cut.
    async fn read(&self, method: Method, path: &str) -> (Vec<u8>, bool) {
        let mut client = Client::connect(self.program.address).await;
        let body = if method == Method::POST { r#"{"model":"summary","input":"x"}"# } else { "" };
        let mut answer = client.start(request(method, path, ACME, body)).await.unwrap().into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = answer.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => return (bytes, true),
            }
        }
        (bytes, false)
    }
}

#[tokio::test]
async fn a_download_and_a_sound_that_fall_silent_are_cut_and_never_look_whole() {
    let world = world(LIMIT).await;
    world.primary.on("GET", DOWNLOAD, begun("application/octet-stream", Step::Hang));
    world.canary.on("POST", SPEECH, begun("audio/mpeg", Step::Hang));
    let patience = Duration::from_secs(30);
    for (method, path, provider) in
        [(Method::GET, DOWNLOAD, &world.primary), (Method::POST, SPEECH, &world.canary)]
    {
        let (bytes, is_cut) = tokio::time::timeout(patience, world.read(method, path)).await.unwrap();
        assert_eq!((bytes, is_cut), (b"first".to_vec(), true), "{path}");
        tokio::time::timeout(patience, provider.wait_aborted(1)).await.unwrap();
    }
}

/// Longer than the limit of the other test, and shorter than the one that holds here.
#[tokio::test]
async fn one_that_goes_on_in_time_is_not_cut() {
    let world = world("").await;
    let gate = Gate::new();
    world.primary.on("GET", DOWNLOAD, begun("application/octet-stream", Step::Wait(gate.clone())));
    let reading = world.read(Method::GET, DOWNLOAD);
    let opening = async {
        world.primary.wait_requests(1).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        gate.open();
    };
    let ((bytes, is_cut), ()) = tokio::join!(reading, opening);
    assert_eq!((bytes, is_cut), (b"firstsecond".to_vec(), false));
}
