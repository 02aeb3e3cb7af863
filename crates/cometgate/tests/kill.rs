//! Killed at any moment of a reload or an edit, the next start serves the old map or the new one, never neither.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::time::Duration;

use fastrand::Rng;
use support::program::{command, output};
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, scaled, tenants};
use testkit::Provider;

#[tokio::test]
async fn killed_at_any_moment_it_starts_on_the_old_map_or_the_new_one() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    let canary = Provider::builder("canary").require_key(CANARY_KEY).record(false).start().await;
    let urls = (primary.base_url(), canary.base_url());
    let map = |version: usize| {
        let name = format!("v.{version}");
        Map { version: &name, ..Map::new(&urls.0, &urls.1, "1%") }.text()
    };
    let files = Files::new("", &map(0), &tenants());
    let mut rng = Rng::with_seed(0xDEAD);
    let mut old = "v.0".to_owned();
    for round in 1..=scaled(200) {
        let mut program = Program::serve(&files).await;
        assert_eq!(version(&program).await, old);
        let new = if round % 2 == 0 {
            write(&files, &map(round * 1_000), &mut rng);
            pause(&mut rng, 150).await;
            format!("v.{}", round * 1_000)
        } else {
            shift_and_kill(&files, round, &mut rng).await;
            pause(&mut rng, 150).await;
            next(&old)
        };
        program.signal("KILL");
        program.ended_somehow().await;

        let mut program = Program::serve(&files).await;
        let found = version(&program).await;
        assert!(found == old || found == new, "round {round}: {found} is neither {old} nor {new}");
        program.terminate();
        assert_eq!(program.ended().await, 0);
        let (code, _, said) = output(&["routes", "history", "--config", &files.settings()]).await;
        assert_eq!(code, 0, "{said}");
        old = found;
    }
}

async fn version(program: &Program) -> String {
    let mut client = Client::connect(program.address).await;
    let answer = client.chat(ACME, r#"{"model":"summary"}"#).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.header("x-cometgate-route-version").to_owned()
}

/// In place every other time, so that a kill finds half a file too.
fn write(files: &Files, text: &str, rng: &mut Rng) {
    let file = files.path().join("routes.toml");
    if rng.bool() {
        let cut = if rng.bool() { text.len() } else { rng.usize(..text.len()) };
        fs::write(&file, &text[..cut]).unwrap();
    } else {
        let next = files.path().join("routes.next");
        fs::write(&next, text).unwrap();
        fs::rename(&next, &file).unwrap();
    }
}

async fn shift_and_kill(files: &Files, round: usize, rng: &mut Rng) {
    let share = format!("{}%", 2 + round % 90);
    let mut shift =
        command(&["routes", "shift", "the-canary", &share, "--yes", "--config", &files.settings()])
            .spawn()
            .unwrap();
    pause(rng, 40).await;
    shift.kill().await.unwrap();
}

/// The version that an edit gives after this one.
fn next(version: &str) -> String {
    let (stem, number) = version.rsplit_once('.').unwrap();
    format!("{stem}.{}", number.parse::<u64>().unwrap() + 1)
}

async fn pause(rng: &mut Rng, at_most: u64) {
    tokio::time::sleep(Duration::from_millis(rng.u64(..at_most))).await;
}
