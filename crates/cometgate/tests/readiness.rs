//! The readiness record through the real program: what is on record and what is not, the seven questions, overrides, and the
//! exit code that a release gate asks for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test has nothing better to do with an error")]

mod support;

use serde_json::Value;
use support::admin::CHECKS;
use support::world::Setup;
use support::{Files, Program, tenants};
use testkit::{RecordedRequest, Reply};

struct World {
    _setup: Setup,
    program: Program,
    files: Files,
}

impl World {
    async fn start() -> World {
        let setup = Setup::new().await;
        for provider in [&setup.primary, &setup.canary] {
            provider.on_call("POST", "*", |asked: &RecordedRequest| {
                let is_faulty = asked.json().is_some_and(|body| !body["messages"].is_array());
                if is_faulty {
                    Reply::error(400, "invalid_request_error", None, "no list")
                } else {
                    Reply::standard()
                }
            });
        }
        let files = Files::new(CHECKS, &setup.map("1", "0%", ""), &tenants());
        files.write_check_key();
        let mut program = Program::serve(&files).await;
        files.write(
            "routes.toml",
            &setup.map("2", "5%", "rollback_route_version = \"1\"\nowner = \"platform\""),
        );
        program.logged("route map 2 is live").await;
        World { _setup: setup, program, files }
    }

    /// Exit code, and what is said of the one route.
    async fn readiness(&self, more: &[&str]) -> (i32, Value) {
        let asked = ["readiness", "--format", "json"];
        let (code, said, errors) = self.files.run(&[&asked, more].concat()).await;
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{errors}"));
        assert_eq!(said["routes"].as_array().unwrap().len(), 1);
        assert_eq!(said["routes"][0]["route"], "the-canary");
        (code, said["routes"][0]["readiness"].clone())
    }

    async fn kept(&self, kind: &str) -> Vec<Value> {
        let (_, lines, _) = self.files.run(&["evidence", "export", "--kind", kind]).await;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn check<'r>(readiness: &'r Value, name: &str) -> &'r Value {
    readiness["checks"].as_array().unwrap().iter().find(|item| item["check"] == name).unwrap()
}

#[tokio::test]
async fn what_was_not_checked_is_a_pause_with_what_to_do_in_order_and_is_on_record() {
    let world = World::start().await;
    let (code, found) = world.readiness(&["--by", "kim", "--link", "https://tickets.example/7"]).await;
    assert_eq!((code, &found["decision"]), (4, &"pause".into()), "{found:#}");
    assert_eq!(
        (&found["current"]["model_id"], &found["rollback"]["model_id"], &found["fallback"]["model_id"]),
        (&"gpt-canary".into(), &"gpt-primary".into(), &Value::Null)
    );
    assert_eq!((&found["current"]["present"], &found["approver"]), (&Value::Null, &"kim".into()));
    assert_eq!(check(&found, "way_back")["state"], "fresh");
    assert_eq!(check(&found, "gate")["state"], "fresh");
    for name in ["models", "contract", "probe", "smoke", "drill", "rollforward"] {
        assert_eq!(check(&found, name)["state"], "missing", "{name}");
    }
    assert_eq!(
        check(&found, "smoke_rollback_id")["state"],
        "not_needed",
        "version 1 has the same model there"
    );
    let next: Vec<&str> =
        found["next"].as_array().unwrap().iter().map(|next| next.as_str().unwrap()).collect();
    let at = |part: &str| {
        next.iter().position(|next| next.contains(part)).unwrap_or_else(|| panic!("{part}: {next:?}"))
    };
    assert!(at("models check") < at("smoke the-canary") && at("smoke the-canary") < at("drill the-canary"));
    assert!(next.iter().any(|next| next.contains("--answer watched_metric=")));

    let kept = world.kept("readiness").await;
    assert_eq!((kept.len(), &kept[0]["body"], &kept[0]["by"]), (1, &found, &"kim".into()));
    assert_eq!((&kept[0]["route"], &kept[0]["route_version"]), (&"the-canary".into(), &"2".into()));

    // For people, under the names of the runbook.
    let (code, said, _) = world.files.run(&["readiness", "the-canary"]).await;
    assert_eq!(code, 4);
    for name in [
        "Review date",
        "Environment",
        "Current model ID",
        "Rollback model ID",
        "Fallback model ID",
        "Models endpoint checked",
        "Current ID present",
        "Rollback ID present",
        "Canary completed",
        "Evidence location",
        "Decision",
        "Approver",
        "Who has permission to revert the rollback? not answered",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let (_, page, _) = world.files.run(&["readiness", "--markdown"]).await;
    assert!(page.starts_with("# Evidence") && page.contains("| decision | pause |"), "{page}");
    assert!(page.contains("| What model ID are we rolling back from? | gpt-canary at cometapi |"), "{page}");
}

#[tokio::test]
async fn a_drill_and_answers_count_and_what_is_overridden_counts_until_its_end() {
    let world = World::start().await;
    let (code, said, errors) =
        world.files.run(&["drill", "the-canary", "--by", "dana", "--yes", "--requests", "5"]).await;
    assert_eq!(code, 0, "{said}{errors}");
    let (code, found) = world
        .readiness(&[
            "--by",
            "kim",
            "--answer",
            "watched_metric=CanaryErrors",
            "--answer",
            "may_revert=platform",
        ])
        .await;
    assert_eq!(code, 4);
    assert_eq!(
        (&check(&found, "drill")["state"], &check(&found, "drill")["evidence"]),
        (&"fresh".into(), &1.into())
    );
    let said = &found["rollback_decision"];
    assert_eq!((&said["watched_metric"], &said["may_revert"]), (&"CanaryErrors".into(), &"platform".into()));
    assert_eq!(said["mapping_approved_by"], "dana (drill, record 1)");
    assert!(said["canary_request"].as_str().unwrap().ends_with("record 1"), "{said}");
    assert_eq!(check(&found, "rollback_decision")["note"], "not answered: rollback_id_last_confirmed");
    assert_eq!(world.kept("rollback_note").await.len(), 1);

    // What the other checks wrote is read by their own words.
    let link = "https://tickets.example/7";
    for command in [
        &["smoke", "the-canary", "--by", "kim", "--docs-reviewed"][..],
        &["rollforward", "the-canary", "--by", "kim", "--review-link", link],
    ] {
        let (code, said, errors) = world.files.run(command).await;
        assert_eq!(code, 0, "{said}{errors}");
    }
    let (_, found) = world.readiness(&[]).await;
    for name in ["smoke", "rollforward"] {
        assert_eq!(check(&found, name)["state"], "fresh", "{name}: {}", check(&found, name));
    }
    assert_eq!(found["canary_completed"], true);
    assert!(found["rollback_decision"]["canary_request"].as_str().unwrap().starts_with("request "));

    let mut asked = vec![
        "--by",
        "kim",
        "--answer",
        "rollback_id_last_confirmed=by hand, REL-7",
        "--incident",
        "INC-42",
        "--until",
        "8h",
        "--reason",
        "the primary is down",
    ];
    for name in ["models", "contract", "probe"] {
        asked.extend(["--override", name]);
    }
    let (code, found) = world.readiness(&asked).await;
    assert_eq!((code, &found["decision"]), (0, &"proceed".into()), "{}", found["reason"]);
    assert_eq!(check(&found, "probe")["state"], "overridden");
    let overrides = world.kept("override").await;
    assert_eq!((overrides.len(), &overrides[0]["body"]["incident"]), (3, &"INC-42".into()));
    // They hold for whoever asks next, and answers stay.
    let (code, _) = world.readiness(&[]).await;
    assert_eq!(code, 0);
    let (code, _, errors) = world.files.run(&["evidence", "verify"]).await;
    assert_eq!(code, 0, "{errors}");
}

#[tokio::test]
async fn it_needs_no_running_gateway_and_refuses_what_means_nothing() {
    let mut world = World::start().await;
    for (asked, exit, part) in [
        (&["--answer", "who=kim", "--by", "kim"][..], 2, "may_revert: Who has permission"),
        (&["--answer", "may_revert=", "--by", "kim"], 2, "needs a question's name"),
        (&["--answer", "may_revert=kim"], 2, "--by"),
        (
            &["--override", "sleep", "--by", "kim", "--incident", "I", "--until", "8h", "--reason", "r"],
            2,
            "smoke_rollback_id",
        ),
        (&["--override", "drill", "--by", "kim"], 2, "--incident"),
        (
            &[
                "--override",
                "drill",
                "--by",
                "kim",
                "--incident",
                "I",
                "--until",
                "2020-01-01T00:00:00Z",
                "--reason",
                "r",
            ],
            3,
            "in the past",
        ),
        (&["no-such-route"], 3, "the map has no route"),
    ] {
        let (code, said, errors) = world.files.run(&[&["readiness"], asked].concat()).await;
        assert!(code == exit && errors.contains(part), "{asked:?}: {code} {said}{errors}");
    }
    world.program.terminate();
    world.program.ended().await;
    let (code, found) = world.readiness(&[]).await;
    assert_eq!((code, &found["approver"]), (4, &Value::Null));
    let (code, help, _) = world.files.run(&["readiness", "--help"]).await;
    assert!(code == 0 && help.contains("Examples:"), "{help}");
}
