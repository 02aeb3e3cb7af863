//! What a command says and where: results that nobody gets, keys in the wrong place, files that would keep it waiting.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs::{self, File};

use support::program::{command, output};
use support::{Files, Map, Program, tenants};

fn map(top: &str) -> String {
    let map = Map::new("http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1", "5%");
    Map { top, ..map }.text()
}

fn path(files: &Files, name: &str) -> String {
    files.path().join(name).to_str().unwrap().to_owned()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_result_that_cannot_be_written_is_no_success_and_loses_no_key() {
    let files = Files::new("", &map(""), &tenants());
    let (routes, settings) = (path(&files, "routes.toml"), path(&files, "cometgate.toml"));
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["routes", "check", &routes][..],
        &["routes", "schema"],
        &["routes", "who", &routes, "the-canary"],
        &["tenants", "add", "newcomer", "--config", &settings],
        &["tenants", "add", "newcomer", "--format", "json", "--config", &settings],
    ] {
        let ended = command(arguments).stdout(full()).spawn().unwrap().wait_with_output().await.unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("No space left"), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_to_string(files.path().join("tenants.toml")).unwrap(), tenants());

    // A pipe that nobody reads any more is nobody's error, unless a key is in it.
    for (arguments, expected) in
        [(&["routes", "check", &routes][..], 0), (&["tenants", "add", "newcomer", "--config", &settings], 1)]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = command(arguments).stdout(writer).spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!(ended.status.code(), Some(expected), "{arguments:?}");
    }
    let (code, key, _) = output(&["tenants", "add", "newcomer", "--config", &settings]).await;
    assert!(code == 0 && key.starts_with("cgk-"), "{key}");
}

#[tokio::test]
async fn tenants_that_are_added_at_one_time_are_all_there() {
    let files = Files::new("", &map(""), &tenants());
    let settings = path(&files, "cometgate.toml");
    let names: Vec<String> = (0..8).map(|number| format!("tenant-{number}")).collect();
    let started: Vec<_> = names
        .iter()
        .map(|name| command(&["tenants", "add", name, "--config", &settings]).spawn().unwrap())
        .collect();
    for child in started {
        assert!(child.wait_with_output().await.unwrap().status.success());
    }
    let written = fs::read_to_string(files.path().join("tenants.toml")).unwrap();
    for name in names {
        assert!(written.contains(&format!("[tenants.{name}]")), "{name} is lost:\n{written}");
    }
}

#[tokio::test]
async fn a_key_in_the_wrong_place_is_not_repeated() {
    let files = Files::new("", &map(""), &tenants());
    let (routes, settings) = (path(&files, "routes.toml"), path(&files, "cometgate.toml"));
    for key in ["sk-proj-0123456789abcdef0123456789", "cgk-0123456789abcdef0123456789abcdef"] {
        let equals = format!("--endpoint={key}");
        for arguments in [
            &[key][..],
            &["routes", "shift", key, "5%", "--config", &settings],
            &["routes", "shift", "the-canary", key, "--config", &settings],
            &["routes", "explain", &routes, "--tenant", key, "--model", "summary"],
            &["routes", "explain", &routes, "--tenant", "acme", "--model", "summary", &equals],
            &["serve", "--config", key],
        ] {
            let (code, out, said) = output(arguments).await;
            assert_ne!(code, 0);
            assert!(!(out + &said).contains("0123456"), "{arguments:?}: {said}");
            assert!(said.contains("***") || said.contains("looks like a key"), "{arguments:?}: {said}");
        }
    }
}

#[tokio::test]
async fn a_pipe_in_the_state_directory_keeps_nobody_waiting() {
    for name in ["history.jsonl", ".lock"] {
        let files = Files::new("", &map(""), &tenants());
        fs::create_dir(files.path().join("state")).unwrap();
        let pipe = files.path().join("state").join(name);
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut program = Program::serve(&files).await;
        let settings = path(&files, "cometgate.toml");
        let (code, _, said) =
            output(&["routes", "shift", "the-canary", "1%", "--yes", "--config", &settings]).await;
        assert_eq!(code, 0, "{said}");
        program.logged("route map test.2 is live").await;
        program.terminate();
        assert_eq!(program.ended().await, 0);
    }
}

#[tokio::test]
async fn to_vouch_for_what_cannot_help_is_refused() {
    let files = Files::new("", &map("rollback_route_version = \"nowhere\""), &tenants());
    let before = fs::read_to_string(files.path().join("routes.toml")).unwrap();
    let settings = path(&files, "cometgate.toml");
    for (until, part) in [
        ("8h", "neither in versions/ nor in the state directory"),
        ("30s", "less than a minute"),
        ("-1h", "past"),
    ] {
        let until = format!("--until={until}");
        let vouch =
            ["routes", "vouch", "--by", "kim", "--incident", "I-1", &until, "--yes", "--config", &settings];
        let (code, _, said) = output(&vouch).await;
        assert!(code == 3 && said.contains(part), "{code} {said}");
    }
    assert_eq!(fs::read_to_string(files.path().join("routes.toml")).unwrap(), before);
}
