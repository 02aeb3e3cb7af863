//! The real binary as a child process, ended by its id.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::{CANARY_KEY, Files, PRIMARY_KEY};

/// Far beyond what anything here takes, so that a hang is a failure and not a hung build.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running gateway.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

/// The command, with the keys that the maps of the tests name.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cometgate"));
    command
        .args(arguments)
        .env("PRIMARY_KEY", PRIMARY_KEY)
        .env("CANARY_KEY", CANARY_KEY)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) async fn output(arguments: &[&str]) -> (i32, String, String) {
    let output = tokio::time::timeout(PATIENCE, command(arguments).output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

impl Program {
    /// Starts `cometgate serve` and waits until it serves.
    pub(crate) async fn serve(files: &Files) -> Program {
        Program::serve_in(files.path()).await
    }

    pub(crate) async fn serve_in(directory: &Path) -> Program {
        Program::serve_with(directory, &[]).await
    }

    /// With more in its environment.
    pub(crate) async fn serve_with(directory: &Path, environment: &[(&str, &str)]) -> Program {
        let settings = directory.join("cometgate.toml");
        let mut child = command(&["serve", "--config", settings.to_str().unwrap()])
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = wait_for(&mut log, "serving http://").await;
        let address = line.split("http://").nth(1).unwrap().split("/v1").next().unwrap();
        Program { address: address.parse().unwrap(), child, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next line of the log with this text.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        wait_for(&mut self.log, text).await
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end: the exit code.
    pub(crate) async fn ended(&mut self) -> i32 {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code().unwrap()
    }
}

async fn wait_for(log: &mut Lines<BufReader<ChildStderr>>, text: &str) -> String {
    let mut seen = Vec::new();
    let found = tokio::time::timeout(PATIENCE, async {
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains(text) {
                return Some(line);
            }
            seen.push(line);
        }
        None
    });
    match found.await {
        Ok(Some(line)) => line,
        _ => panic!("{text:?} was not logged, but:\n{}", seen.join("\n")),
    }
}
