//! Checks that are killed, and checks whose disk is full: the store is sound, what was acknowledged is there, and callers notice
//! nothing.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use support::program::command;
use support::world::Held;
use tokio::process::Command;
use tokio::time::Instant;

/// At so many moments of its run each command is killed.
const MOMENTS: u32 = 5;

const COMMANDS: [&[&str]; 8] = [
    &["models", "check", "--by", "kim"],
    &["models", "diff"],
    &["probe", "summary", "--by", "kim", "--yes", "--short-timeout-ms", "20"],
    &[
        "probe",
        "worksheet",
        "set",
        "models.logging_policy",
        "none",
        "--source",
        "https://v.example",
        "--by",
        "kim",
    ],
    &["smoke", "the-canary", "--by", "kim", "--docs-reviewed"],
    &["rollforward", "the-canary", "--by", "kim", "--review-link", "https://t.example/1"],
    &["drill", "the-canary", "--by", "kim", "--yes", "--requests", "5"],
    &["readiness", "--by", "kim", "--answer", "may_revert=platform"],
];

impl Held {
    fn arguments(&self, of: &[&str]) -> Vec<String> {
        let settings = self.files.path().join("cometgate.toml");
        let config = ["--config".to_owned(), settings.to_str().unwrap().to_owned()];
        of.iter().map(|word| (*word).to_owned()).chain(config).collect()
    }

    /// How many records there are; all of them are sound.
    async fn records(&self) -> u64 {
        let (code, said, errors) = self.files.run(&["evidence", "verify", "--format", "json"]).await;
        if errors.contains("there is no evidence") {
            return 0;
        }
        assert_eq!(code, 0, "{said}{errors}");
        let (_, lines, _) = self.files.run(&["evidence", "export"]).await;
        lines.lines().count() as u64
    }

    async fn callers_notice_nothing(&self) {
        assert_eq!(self.program.served_by().await, "primary");
    }
}

#[tokio::test]
async fn a_check_that_is_killed_at_any_moment_leaves_a_sound_store_and_callers_alone() {
    let world = Held::start("0.0001%").await;
    for asked in COMMANDS {
        let arguments = world.arguments(asked);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let begun = Instant::now();
        command(&arguments).output().await.unwrap();
        let in_all = begun.elapsed();
        let mut before = world.records().await;
        for moment in 0..MOMENTS {
            let mut child = command(&arguments).spawn().unwrap();
            tokio::time::sleep(in_all * (2 * moment + 1) / (2 * MOMENTS)).await;
            child.kill().await.unwrap();
            let now = world.records().await;
            assert!(now >= before, "{asked:?}: {before} records, then {now}");
            before = now;
            world.callers_notice_nothing().await;
        }
    }
}

#[tokio::test]
async fn a_check_that_cannot_be_recorded_says_so_and_counts_for_nothing() {
    let world = Held::start("0.0001%").await;
    world.files.run(&["models", "check", "--by", "kim"]).await;
    for asked in COMMANDS {
        let arguments = world.arguments(asked);
        let before = world.records().await;
        // No file may grow beyond 4 KiB: the write fails, as on a full disk. POSIX counts blocks of 512 bytes.
        let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
        let mut full = Command::new("sh");
        let plain = command(&[]);
        full.args(["-c", script, env!("CARGO_BIN_EXE_cometgate")]).args(&arguments);
        for (name, value) in plain.as_std().get_envs() {
            value.map(|value| full.env(name, value));
        }
        let ended = tokio::time::timeout(Duration::from_secs(60), full.output()).await.unwrap().unwrap();
        let (code, errors) = (ended.status.code().unwrap(), String::from_utf8(ended.stderr).unwrap());
        let now = world.records().await;
        // What keeps no record of its own has nothing to lose.
        let may_succeed = asked[..2] == ["models", "diff"];
        assert!(may_succeed || code != 0, "{asked:?}: {code} {errors}");
        assert!(may_succeed || now == before && !errors.is_empty(), "{asked:?}: {code} {errors}");
        world.callers_notice_nothing().await;
    }
}
