//! Starting, and the commands beside it: what is missing is named, with what to do, and exit codes are kept.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use hyper::http::Method;
use support::client::request;
use support::program::{command, output};
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::Provider;

fn files() -> Files {
    Files::new("", &Map::new("http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1", "5%").text(), &tenants())
}

#[tokio::test]
async fn a_missing_provider_key_is_named_with_its_place_and_what_to_do() {
    let files = files();
    let missing =
        command(&["serve", "--config", &files.settings()]).env_remove("CANARY_KEY").output().await.unwrap();
    let message = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(missing.status.code(), Some(3));
    for words in [
        "routes.toml:",
        "provider `cometapi`",
        "CANARY_KEY is not set",
        "help: start the gateway with CANARY_KEY",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let empty =
        command(&["serve", "--config", &files.settings()]).env("CANARY_KEY", "").output().await.unwrap();
    assert!(String::from_utf8(empty.stderr).unwrap().contains("CANARY_KEY is empty"));
}

#[tokio::test]
async fn a_broken_map_a_missing_file_and_a_port_in_use_stop_the_start_with_their_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let broken = files();
    broken.write("routes.toml", "route_version = \"x\"\nnonsense = 1\n");
    let gone = files();
    std::fs::remove_file(gone.path().join("tenants.toml")).unwrap();
    let busy = files();
    busy.write("cometgate.toml", &format!("listen = \"{address}\"\n"));
    for (files, words) in [
        (&broken, vec!["routes.toml:2:1", "nonsense"]),
        (&gone, vec!["tenants.toml", "No such file"]),
        (&busy, vec![address.as_str(), "in use"]),
    ] {
        let (code, _, message) = output(&["serve", "--config", &files.settings()]).await;
        assert_eq!(code, 3, "{message}");
        for word in words {
            assert!(message.contains(word), "{message}");
        }
    }
    let (code, _, message) = output(&["serve", "--config", "/nowhere/cometgate.toml"]).await;
    assert_eq!(code, 3);
    assert!(message.contains("cometgate init"), "{message}");
}

#[tokio::test]
async fn wrong_usage_exits_with_2_and_help_shows_an_example() {
    assert_eq!(output(&["serve", "--nonsense"]).await.0, 2);
    assert_eq!(output(&[]).await.0, 2);
    for command in [vec!["demo"], vec!["init"], vec!["serve"], vec!["tenants", "add"]] {
        let (code, text, _) = output(&[&command[..], &["--help"]].concat()).await;
        assert_eq!(code, 0);
        assert!(text.contains("Example:\n  cometgate"), "{text}");
    }
}

#[tokio::test]
async fn a_new_tenants_key_is_printed_once_hashed_on_disk_and_live_within_a_second() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let url = provider.base_url();
    let files = Files::new("", &Map::new(&url, "http://127.0.0.1:9/v1", "0%").text(), &tenants());
    let mut program = Program::serve(&files).await;
    let (code, key, said) = output(&["tenants", "add", "initech", "--config", &files.settings()]).await;
    let key = key.trim();
    assert_eq!(code, 0, "{said}");
    assert!(key.starts_with("cgk-") && key.len() > 40);
    assert!(said.contains("shown this once"));
    let written = std::fs::read_to_string(files.path().join("tenants.toml")).unwrap();
    assert!(!written.contains(key) && written.contains(&support::hash(key)));
    program.logged("is live").await;
    let mut client = Client::connect(program.address).await;
    assert_eq!(client.chat(key, r#"{"model":"summary"}"#).await.status, 200);
    let (code, _, message) = output(&["tenants", "add", "initech", "--config", &files.settings()]).await;
    assert_eq!(code, 3);
    assert!(message.contains("initech"), "{message}");
    let (_, json, _) =
        output(&["tenants", "add", "hooli", "--config", &files.settings(), "--format", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["tenant"], "hooli");
}

#[tokio::test]
async fn two_commands_lead_from_two_urls_to_a_canary() {
    let primary = Provider::builder("primary").require_key("sk-own").start().await;
    let canary = Provider::builder("canary").require_key(CANARY_KEY).start().await;
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("gateway");
    let (primary_url, canary_url) = (primary.base_url(), canary.base_url());
    let arguments = [
        "init",
        directory.to_str().unwrap(),
        "--primary",
        &primary_url,
        "--canary",
        &canary_url,
        "--canary-key-env",
        "CANARY_KEY",
        "--share",
        "50%",
        "--model",
        "gpt-5.4",
        "--model",
        "small=p-small,c-small",
        "--listen",
        "127.0.0.1:0",
    ];
    let (code, exports, said) = output(&arguments).await;
    assert_eq!(code, 0, "{said}");
    assert!(exports.contains("export OPENAI_BASE_URL=http://127.0.0.1:0/v1\nexport OPENAI_API_KEY="));
    let program = Program::serve_in(&directory).await;
    let mut client = Client::connect(program.address).await;
    for round in 0..60 {
        let answer = client.chat("sk-own", &format!(r#"{{"model":"small","user":"{round}"}}"#)).await;
        assert_eq!(answer.status, 200);
    }
    assert!(canary.count() > 10 && primary.count() > 10);
    assert_eq!(canary.requests()[0].json().unwrap()["model"], "c-small");
    let (code, _, message) = output(&arguments).await;
    assert_eq!(code, 3);
    assert!(message.contains("overwrites nothing"), "{message}");
}

#[tokio::test]
async fn init_with_a_key_for_the_primary_makes_a_gateway_key() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().to_str().unwrap();
    let url = primary.base_url();
    let arguments = [
        "init",
        directory,
        "--primary",
        &url,
        "--canary",
        "http://127.0.0.1:9/v1",
        "--primary-key-env",
        "PRIMARY_KEY",
        "--canary-key-env",
        "CANARY_KEY",
        "--share",
        "0%",
        "--fallback",
        "--listen",
        "127.0.0.1:0",
    ];
    let (code, exports, said) = output(&arguments).await;
    assert_eq!(code, 0, "{said}");
    let key = exports.lines().find_map(|line| line.strip_prefix("export OPENAI_API_KEY=")).unwrap();
    assert!(key.starts_with("cgk-"));
    let mode = std::fs::metadata(home.path().join("tenants.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "nobody else reads the hashes");
    let program = Program::serve_in(home.path()).await;
    let mut client = Client::connect(program.address).await;
    let models = client.send(request(Method::GET, "/v1/models", key, "")).await.unwrap();
    assert_eq!(models.status, 200);
    assert_eq!(client.chat(key, r#"{"model":"gpt-5.4"}"#).await.status, 200);
    assert_eq!(client.chat(ACME, "{}").await.status, 401);
}
