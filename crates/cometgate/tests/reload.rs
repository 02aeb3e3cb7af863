//! The route file is edited in every way people and machines edit files, under load: nothing fails, every valid edit
//! is live within a second, and no request is served by half a file.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use support::load::{Load, share_of};
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, scaled, tenants};
use testkit::Provider;
use tokio::time::Instant;

const VALID_WITHIN: Duration = Duration::from_secs(1);

fn text(version: u64, primary: &str, canary: &str) -> String {
    let ppm = share_of(version);
    let share = format!("{}.{:04}%", ppm / 10_000, ppm % 10_000);
    let name = format!("v{version}");
    Map { version: &name, ..Map::new(primary, canary, &share) }.text()
}

#[tokio::test]
async fn edits_under_load_fail_no_request_and_are_live_within_a_second() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    let canary = Provider::builder("canary").require_key(CANARY_KEY).record(false).start().await;
    let urls = (primary.base_url(), canary.base_url());
    let files = Files::new("", &text(0, &urls.0, &urls.1), &tenants());
    let program = Program::serve(&files).await;

    let load = Load::start(program.address);

    let mut slowest = Duration::ZERO;
    for version in 1..=scaled(200) as u64 {
        let (text, garbage) = (text(version, &urls.0, &urls.1), text(100_000 + version, &urls.0, &urls.1));
        edit(files.path(), version, &text, &garbage);
        slowest = slowest.max(load.is_served_by(version, VALID_WITHIN).await);
    }
    let seen = load.end().await;
    check_shares(&seen.keyless.lock().unwrap());
    println!(
        "{} requests; the slowest edit was live after {slowest:?}",
        seen.requests.load(Ordering::Relaxed)
    );
}

/// Five ways of editing in turn; most leave rubbish behind on the way.
fn edit(directory: &Path, version: u64, text: &str, garbage: &str) {
    let file = directory.join("routes.toml");
    match version % 5 {
        // An editor: a new file renamed over the old one.
        0 => replace(directory, &file, text),
        // In place, in pieces, as a shell's `>` does.
        1 => write_in_pieces(&file, text),
        // Kubernetes and deploy scripts: a link swapped over the old name.
        2 => {
            let target = directory.join(format!("routes-{version}.toml"));
            fs::write(&target, text).unwrap();
            let next = directory.join("routes.next");
            symlink(&target, &next).unwrap();
            fs::rename(&next, &file).unwrap();
        }
        // Half of another version stays for a while, then the whole of this one comes.
        3 => {
            replace(directory, &file, &garbage[..garbage.len() / 2]);
            std::thread::sleep(Duration::from_millis(120));
            replace(directory, &file, text);
        }
        // An invalid one first.
        _ => {
            replace(directory, &file, &garbage.replace("mode = \"canary\"", "mode = \"canarry\""));
            std::thread::sleep(Duration::from_millis(120));
            write_in_pieces(&file, text);
        }
    }
}

fn replace(directory: &Path, file: &Path, text: &str) {
    let next = directory.join("routes.next");
    fs::write(&next, text).unwrap();
    fs::rename(&next, file).unwrap();
}

fn write_in_pieces(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    for piece in text.as_bytes().chunks(text.len() / 6 + 1) {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Calls without a key split by the share: over all versions, within four standard deviations.
fn check_shares(keyless: &HashMap<u64, (u64, u64)>) {
    let (mut expected, mut variance, mut found) = (0.0, 0.0, 0.0);
    for (version, (all, canary)) in keyless {
        let (share, all) = (f64::from(share_of(*version)) / 1e6, *all as f64);
        expected += all * share;
        variance += all * share * (1.0 - share);
        found += *canary as f64;
    }
    let off = (found - expected).abs() / f64::sqrt(variance);
    println!("keyless: {found} on the canary, {expected:.0} expected, {off:.2} standard deviations off");
    assert!(off < 4.0);
}

#[tokio::test]
async fn a_refused_file_says_why_with_its_place_and_changes_nothing() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let url = provider.base_url();
    let map = Map::new(&url, "http://127.0.0.1:9/v1", "0%");
    let files = Files::new("", &map.text(), &tenants());
    let mut program = Program::serve(&files).await;
    files.write("routes.toml", &map.text().replace("share = \"0%\"", "share = \"lots\""));
    program.logged("a change was refused").await;
    let why = program.logged("routes.toml:").await;
    let line = 1 + map.text().lines().position(|line| line.starts_with("share")).unwrap();
    assert!(why.contains(&format!("routes.toml:{line}:")), "{why}");
    let mut client = Client::connect(program.address).await;
    assert_eq!(
        client.chat(ACME, r#"{"model":"summary"}"#).await.header("x-cometgate-route-version"),
        "test.1"
    );
    files.write("routes.toml", &Map { version: "test.2", ..map }.text());
    program.logged("route map test.2 is live (before: test.1").await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second_also_beside_a_broken_or_missing_map() {
    for is_missing in [false, true] {
        revoke_beside_a_broken_map(is_missing).await;
    }
}

async fn revoke_beside_a_broken_map(is_missing: bool) {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let url = provider.base_url();
    let map = Map::new(&url, "http://127.0.0.1:9/v1", "0%");
    let files = Files::new("", &map.text(), &tenants());
    let program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(client.chat(ACME, r#"{"model":"summary"}"#).await.status, 200);
    // Broken, and then not there at all: neither keeps the key alive.
    if is_missing {
        std::fs::remove_file(files.path().join("routes.toml")).unwrap();
    } else {
        files.write("routes.toml", "route_version = ");
    }
    let revoked = tenants().replace(&support::hash(ACME), &support::hash("cgk-new"));
    files.write("tenants.toml", &revoked);
    let began = Instant::now();
    while client.chat(ACME, r#"{"model":"summary"}"#).await.status != 401 {
        assert!(began.elapsed() < VALID_WITHIN);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(client.chat("cgk-new", r#"{"model":"summary"}"#).await.status, 200);
}

#[tokio::test]
async fn a_changed_setting_is_reported_and_not_ignored() {
    let files =
        Files::new("", &Map::new("http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1", "0%").text(), &tenants());
    let mut program = Program::serve(&files).await;
    files.write("cometgate.toml", "listen = \"127.0.0.1:0\"\nworkers = 7\n");
    program.logged("takes effect at the next start only").await;
    files.write("cometgate.toml", "listen = 1\n");
    program.logged("the next start would refuse it").await;
}
