//! What is held stays held: however much of it there is, and whatever became of the record that says so.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use support::program::output;
use support::world::Setup;
use support::{ACME, Client, Files, Program, tenants};

/// A map with so many more routes, each with an alias of its own.
fn large_map(setup: &Setup, version: &str, share: &str, routes: usize) -> String {
    let mut more = String::new();
    for number in 0..routes {
        write!(
            more,
            "[aliases.m{number}]\nprovider_model_id = {{ openai = \"gpt-primary\", cometapi = \"gpt-canary\" }}\n\
             [[routes]]\nname = \"route-{number}\"\ntenant_or_cohort = \"acme\"\nmodel_alias = \"m{number}\"\n\
             mode = \"canary\"\nprimary_provider = \"openai\"\n[routes.canary]\nprovider = \"cometapi\"\n\
             share = \"{share}\"\n"
        )
        .unwrap();
    }
    let end = format!("# end {version}\n");
    setup.map(version, share, "").replace(&end, &format!("{more}{end}"))
}

async fn role(program: &Program, model: &str) -> String {
    let mut client = Client::connect(program.address).await;
    let answer = client.chat(ACME, &format!(r#"{{"model":"{model}"}}"#)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.header("x-cometgate-role").to_owned()
}

async fn end(mut program: Program) {
    program.terminate();
    assert_eq!(program.ended().await, 0);
}

#[tokio::test]
async fn two_thousand_held_routes_are_all_held_after_a_restart_and_for_the_commands() {
    let setup = Setup::new().await;
    let files = Files::new("", &large_map(&setup, "1", "0%", 2_000), &tenants());
    let mut program = Program::serve(&files).await;
    files.write("routes.toml", &large_map(&setup, "2", "100%", 2_000));
    program.logged("route map 2 is live").await;
    assert_eq!(role(&program, "m1999").await, "primary");
    end(program).await;

    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (code, said, _) = output(&["routes", "check", &path("routes.toml"), "--format", "json"]).await;
    assert_eq!(code, 0, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["held"].as_array().unwrap().len(), 2_001);
    for _ in 0..2 {
        let program = Program::serve(&files).await;
        for model in ["summary", "m0", "m999", "m1000", "m1999"] {
            assert_eq!(role(&program, model).await, "primary", "{model}");
        }
        end(program).await;
    }
}

#[tokio::test]
async fn a_history_that_cannot_be_read_to_its_end_is_no_first_version() {
    let setup = Setup::new().await;
    let damages: [fn(&str) -> String; 5] = [
        |_| String::new(),
        |_| "rubbish".to_owned(),
        |_| "rubbish\n".to_owned(),
        // The newest line alone: the one before it allowed more.
        |history| format!("{}\nrubbish\n", history.lines().next().unwrap()),
        // As an earlier release wrote it: names are missing.
        |history| history.replace("\"held\":[", "\"and_more\":1,\"held\":["),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let files = Files::new("", &setup.map("1", "100%", ""), &tenants());
        let mut program = Program::serve(&files).await;
        files.write("routes.toml", &setup.map("2", "0%", ""));
        program.logged("route map 2 is live").await;
        end(program).await;

        let history = files.path().join("state/history.jsonl");
        let text = fs::read_to_string(&history).unwrap();
        fs::write(&history, damage(&text)).unwrap();
        files.write("routes.toml", &setup.map("3", "100%", ""));
        let (code, said, errors) = output(&[
            "routes",
            "check",
            files.path().join("routes.toml").to_str().unwrap(),
            "--format",
            "json",
        ])
        .await;
        assert_eq!(code, 0, "{number}: {errors}");
        assert!(said.contains("\"held\":[\"the-canary\"]"), "{number}: {said}");
        let program = Program::serve(&files).await;
        assert_eq!(role(&program, "summary").await, "primary", "{number}");
        end(program).await;
    }
}

#[tokio::test]
async fn half_a_line_at_the_end_was_never_announced_and_changes_nothing() {
    let setup = Setup::new().await;
    let files = Files::new("", &setup.map("1", "100%", ""), &tenants());
    end(Program::serve(&files).await).await;
    let history = files.path().join("state/history.jsonl");
    let text = fs::read_to_string(&history).unwrap();
    fs::write(&history, format!("{text}{}", &text[..text.len() / 2])).unwrap();
    let program = Program::serve(&files).await;
    assert_eq!(role(&program, "summary").await, "canary");
}
