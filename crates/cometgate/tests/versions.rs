//! A version is a contract: it never changes, it is kept, and what has no proven way back sends nothing away.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use support::world::Setup;
use support::{ACME, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use tokio::time::Instant;

const CHAT: &str = r#"{"model":"summary"}"#;
const VALID_WITHIN: Duration = Duration::from_secs(1);

/// The version and the role that serve the next request.
async fn served(program: &Program) -> (String, String) {
    let mut client = Client::connect(program.address).await;
    let answer = client.chat(ACME, CHAT).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    (answer.header("x-cometgate-route-version").to_owned(), answer.header("x-cometgate-role").to_owned())
}

/// Waits until requests are served like this; fails after a second.
async fn serves(program: &Program, version: &str, role: &str) {
    let expected = (version.to_owned(), role.to_owned());
    let began = Instant::now();
    loop {
        let found = served(program).await;
        if found == expected {
            return;
        }
        assert!(began.elapsed() < VALID_WITHIN, "after {VALID_WITHIN:?} it is {found:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn in_seconds(seconds: i64) -> String {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap().to_string()
}

fn vouched(rollback: &str, until: &str) -> String {
    format!(
        "rollback_route_version = \"{rollback}\"\n\
         rollback_override = {{ by = \"kim\", incident = \"INC-1\", until = {until} }}"
    )
}

#[tokio::test]
async fn a_version_that_is_used_again_with_other_content_is_refused_also_after_a_restart() {
    let setup = Setup::new().await;
    let files = Files::new("", &setup.map("1", "0%", ""), &tenants());
    let mut program = Program::serve(&files).await;
    files.write("routes.toml", &setup.map("1", "0%", "# another comment"));
    program.logged("route_version 1 is known since").await;
    files.write("routes.toml", &setup.map("2", "0%", ""));
    serves(&program, "2", "primary").await;
    files.write("routes.toml", &setup.map("1", "0%", "owner = \"me\""));
    program.logged("route_version 1 is known since").await;
    // The very same bytes are the very same version.
    files.write("routes.toml", &setup.map("1", "0%", ""));
    serves(&program, "1", "primary").await;
    program.terminate();
    assert_eq!(program.ended().await, 0);

    files.write("routes.toml", &setup.map("2", "0%", "# not what 2 was"));
    let program = Program::serve(&files).await;
    assert_eq!(served(&program).await.0, "1");
}

#[tokio::test]
async fn a_restart_with_a_broken_map_starts_on_the_last_good_one_with_todays_tenants() {
    let setup = Setup::new().await;
    let files = Files::new("", &setup.map("good", "0%", ""), &tenants());
    let mut program = Program::serve(&files).await;
    program.terminate();
    program.ended().await;
    for broken in ["", "route_version = ", "\0\0\0"] {
        files.write("routes.toml", broken);
        files.write("tenants.toml", &tenants().replace(&support::hash(ACME), &support::hash("cgk-new")));
        let mut program = Program::serve(&files).await;
        let mut client = Client::connect(program.address).await;
        assert_eq!(client.chat(ACME, CHAT).await.status, 401, "a revoked key came back");
        assert_eq!(client.chat("cgk-new", CHAT).await.header("x-cometgate-route-version"), "good");
        program.terminate();
        program.ended().await;
    }
    // Both broken: then the last good tenants too, which are those of the last start.
    files.write("tenants.toml", "");
    let mut program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(client.chat("cgk-new", CHAT).await.status, 200);
    // And a mended map is taken.
    files.write("tenants.toml", &tenants());
    files.write("routes.toml", &setup.map("mended", "0%", ""));
    program.logged("route map mended is live").await;
    program.terminate();
    program.ended().await;
}

#[tokio::test]
async fn without_anything_to_go_back_to_a_broken_map_is_refused() {
    let files = Files::new("", "route_version = ", &tenants());
    let (code, _, said) = files.run(&["serve"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("routes.toml:1:"), "{said}");
}

#[tokio::test]
async fn a_raised_share_without_a_proven_way_back_sends_nothing_away_and_says_what_is_missing() {
    let setup = Setup::new().await;
    // The very first version needs no proof.
    let files = Files::new("", &setup.map("1", "100%", ""), &tenants());
    let mut program = Program::serve(&files).await;
    assert_eq!(served(&program).await, ("1".to_owned(), "canary".to_owned()));

    // Nothing is raised: nothing is held.
    files.write("routes.toml", &setup.map("2", "100%", "# a comment"));
    serves(&program, "2", "canary").await;
    // Lowering is never held.
    files.write("routes.toml", &setup.map("3", "0%", ""));
    serves(&program, "3", "primary").await;
    files.write("routes.toml", &setup.map("4", "100%", ""));
    serves(&program, "4", "primary").await;
    program.logged("the map names no `rollback_route_version`").await;
    program.logged("cometgate routes vouch").await;

    // It stays held across a restart.
    program.terminate();
    program.ended().await;
    let mut program = Program::serve(&files).await;
    assert_eq!(served(&program).await, ("4".to_owned(), "primary".to_owned()));

    let lacks = [
        ("rollback_route_version = \"nowhere\"", "is neither in versions/ nor in the state directory"),
        ("rollback_route_version = \"3\"", "has passed no drill, and nobody vouches for it"),
        (&vouched("3", "2020-01-01T00:00:00Z"), "ended at 2020-01-01T00:00:00Z"),
    ];
    for (at, (top, lack)) in lacks.into_iter().enumerate() {
        let version = format!("lack-{at}");
        files.write("routes.toml", &setup.map(&version, "100%", top));
        serves(&program, &version, "primary").await;
        program.logged(lack).await;
    }
    files.write("routes.toml", &setup.map("5", "100%", &vouched("3", &in_seconds(3600))));
    serves(&program, "5", "canary").await;
}

#[tokio::test]
async fn a_lack_that_is_supplied_lets_the_canary_go_without_another_edit() {
    let setup = Setup::new().await;
    let files = Files::new("", &setup.map("1", "0%", ""), &tenants());
    let program = Program::serve(&files).await;
    files.write("routes.toml", &setup.map("2", "100%", &vouched("kept", &in_seconds(3600))));
    serves(&program, "2", "primary").await;
    fs::create_dir(files.path().join("versions")).unwrap();
    files.write("versions/kept.toml", &setup.map("kept", "0%", ""));
    let began = Instant::now();
    while served(&program).await.1 != "canary" {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn when_an_override_ends_the_canary_goes_home() {
    let setup = Setup::new().await;
    let files = Files::new("", &setup.map("1", "0%", ""), &tenants());
    let mut program = Program::serve(&files).await;
    files.write("routes.toml", &setup.map("2", "100%", &vouched("1", &in_seconds(3))));
    serves(&program, "2", "canary").await;
    program.logged("the override for rollback_route_version 1 ended").await;
    assert_eq!(served(&program).await, ("2".to_owned(), "primary".to_owned()));
}

#[tokio::test]
async fn an_expired_map_acts_as_a_rollback_while_it_runs_and_at_the_start() {
    let setup = Setup::new().await;
    let files = Files::new("", &setup.map("1", "0%", ""), &tenants());
    let mut program = Program::serve(&files).await;
    let expires = format!("{}\nexpires_at = {}", vouched("1", &in_seconds(3600)), in_seconds(3));
    files.write("routes.toml", &setup.map("2", "100%", &expires));
    serves(&program, "2", "canary").await;
    program.logged("its rollback_route_version 1 takes its place").await;
    assert_eq!(served(&program).await, ("1".to_owned(), "primary".to_owned()));
    program.terminate();
    program.ended().await;
    let mut program = Program::serve(&files).await;
    assert_eq!(served(&program).await, ("1".to_owned(), "primary".to_owned()));

    // With nothing to go back to it serves on, and sends nothing away.
    files.write("routes.toml", &setup.map("3", "100%", "expires_at = 2020-01-01T00:00:00Z"));
    serves(&program, "3", "primary").await;
    program.logged("names no version to go back to that can be used").await;
}

#[tokio::test]
async fn a_map_of_another_environment_is_refused() {
    let setup = Setup::new().await;
    let files = Files::new("environment = \"production\"\n", &setup.map("1", "0%", ""), &tenants());
    let mut program = Program::serve(&files).await;
    let staging = setup.map("2", "0%", "").replace("\"production\"", "\"staging\"");
    files.write("routes.toml", &staging);
    program.logged("the map is for environment staging, and this gateway is for production").await;
    assert_eq!(served(&program).await.0, "1");
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_is_said_and_holds_what_nobody_can_prove() {
    let setup = Setup::new().await;
    let files = Files::new("state_dir = \"/proc/cometgate\"\n", &setup.map("1", "100%", ""), &tenants());
    let program = Program::serve(&files).await;
    assert_eq!(served(&program).await, ("1".to_owned(), "primary".to_owned()));
}

#[tokio::test]
async fn a_rotated_key_file_is_used_without_a_restart_and_a_broken_one_changes_nothing() {
    let setup = Setup::new().await;
    let secret = tempfile::tempdir().unwrap();
    let path = secret.path().join("key");
    fs::write(&path, PRIMARY_KEY).unwrap();
    let credential = format!("{{ file = \"{}\" }}", path.display());
    let (primary, canary) = (setup.primary.base_url(), setup.canary.base_url());
    let map = Map { primary_credential: &credential, ..Map::new(&primary, &canary, "0%") };
    let files = Files::new("", &map.text(), &tenants());
    let mut program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(client.chat(ACME, CHAT).await.status, 200);

    fs::write(&path, "").unwrap();
    program.logged("cannot be used, so the old one stays").await;
    assert_eq!(client.chat(ACME, CHAT).await.status, 200);

    // As Kubernetes does it: the file is a link whose target changes.
    fs::write(secret.path().join("next"), "sk-rotated").unwrap();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(secret.path().join("next"), &path).unwrap();
    program.logged("a provider's key or certificate has changed and is in use").await;
    assert_eq!(client.chat(ACME, CHAT).await.status, 502, "the provider knows the old key only");
}
