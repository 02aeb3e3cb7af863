//! The real binary as a child process, ended by its id.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use super::{ACME, CANARY_KEY, CHAT, Client, Files, PRIMARY_KEY};

/// Far beyond what anything here takes, so that a hang is a failure and not a hung build.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running gateway.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    child: Child,
    log: UnboundedReceiver<String>,
    /// Of standard output, where it was asked for.
    lines: Option<UnboundedReceiver<String>>,
    /// Those of them that came while others were asked for.
    passed: Vec<String>,
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

/// `serve` with the settings of a directory.
fn serve(directory: &Path, flags: &[&str]) -> Command {
    let settings = directory.join("cometgate.toml");
    command(&[&["serve", "--config", settings.to_str().unwrap()], flags].concat())
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
        let mut command = serve(directory, &[]);
        Program::start(command.envs(environment.iter().copied())).await
    }

    /// With `--log-requests` of this format; what it prints is there for [`Program::lines`].
    pub(crate) async fn serve_and_print(files: &Files, format: &str) -> Program {
        Program::start(&mut serve(files.path(), &[&format!("--log-requests={format}")])).await
    }

    /// With a listener for probes, and where that is.
    pub(crate) async fn serve_with_probes(files: &Files) -> (Program, SocketAddr) {
        Program::start_with_probes(&mut serve(files.path(), &[])).await
    }

    /// Starts `cometgate demo` with these arguments; what it prints is there for [`Program::printed`].
    pub(crate) async fn demo(arguments: &[&str]) -> Program {
        Program::start(&mut command(&[&["demo"], arguments].concat())).await
    }

    /// The next line of standard output with this text.
    pub(crate) async fn printed(&mut self, text: &str) -> String {
        wait_for(self.lines.as_mut().unwrap(), text).await
    }

    /// At every level of the log, with a line for each attempt and each request, and a listener for probes, and where that
    /// is; what it logs
    /// and prints is there to be taken.
    pub(crate) async fn serve_and_tell_all(
        files: &Files,
        environment: &[(&str, &str)],
    ) -> (Program, SocketAddr) {
        let mut command = serve(files.path(), &["--log-requests=json"]);
        command.env("RUST_LOG", "trace").envs(environment.iter().copied());
        Program::start_with_probes(&mut command).await
    }

    async fn start(command: &mut Command) -> Program {
        Program::begin(command.spawn().unwrap()).until_it_serves().await
    }

    async fn start_with_probes(command: &mut Command) -> (Program, SocketAddr) {
        let mut program = Program::begin(command.spawn().unwrap());
        let probes = address_in(&program.logged("probes are answered at http://").await);
        (program.until_it_serves().await, probes)
    }

    fn begin(mut child: Child) -> Program {
        let (lines, log) = (follow(child.stdout.take().unwrap()), follow(child.stderr.take().unwrap()));
        Program {
            address: (Ipv4Addr::UNSPECIFIED, 0).into(),
            child,
            log,
            lines: Some(lines),
            passed: Vec::new(),
        }
    }

    async fn until_it_serves(mut self) -> Program {
        self.address = address_in(&self.logged("serving http").await);
        self
    }

    /// Whose answer a request gets: the role of the target.
    pub(crate) async fn served_by(&self) -> String {
        let mut client = Client::connect(self.address).await;
        client.chat(ACME, CHAT).await.header("x-cometgate-role").to_owned()
    }

    /// Asks until the answer is this one's.
    pub(crate) async fn until_served_by(&self, role: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.served_by().await != role {
            assert!(Instant::now() < deadline, "no request went to the {role}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it logs and prints from now on, line by line as it comes.
    pub(crate) fn take_lines(&mut self) -> [UnboundedReceiver<String>; 2] {
        let log = std::mem::replace(&mut self.log, unbounded_channel().1);
        [log, self.lines.take().unwrap()]
    }

    /// The next so many lines about attempts.
    pub(crate) async fn lines(&mut self, count: usize) -> Vec<String> {
        self.lines_of("attempt", count).await
    }

    /// The next so many lines about requests.
    pub(crate) async fn request_lines(&mut self, count: usize) -> Vec<String> {
        self.lines_of("request", count).await
    }

    async fn lines_of(&mut self, event: &str, count: usize) -> Vec<String> {
        let event = format!("{{\"event\":\"{event}\",");
        let lines = self.lines.as_mut().unwrap();
        let mut read: Vec<_> = self.passed.extract_if(.., |line| line.starts_with(&event)).collect();
        while read.len() < count {
            let line = tokio::time::timeout(PATIENCE, lines.recv()).await;
            let line = line.unwrap_or_else(|_| panic!("{} lines were printed, not {count}", read.len()));
            let line = line.unwrap();
            if line.starts_with(&event) { &mut read } else { &mut self.passed }.push(line);
        }
        let later = read.split_off(count);
        self.passed.extend(later);
        read
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next line of the log with this text.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        wait_for(&mut self.log, text).await
    }

    /// Whether a program that has ended never logged this.
    pub(crate) async fn has_not_logged(&mut self, text: &str) -> bool {
        while let Some(line) = self.log.recv().await {
            if line.contains(text) {
                return false;
            }
        }
        true
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

    /// Waits for its end, be it by a signal.
    pub(crate) async fn ended_somehow(&mut self) {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
    }

    /// Waits for its end: the exit code.
    pub(crate) async fn ended(&mut self) -> i32 {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code().unwrap()
    }
}

/// The address of the URL in a line.
fn address_in(line: &str) -> SocketAddr {
    line.split("://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
}

/// Reads the log all the time: a pipe that nobody reads fills up, and whoever writes to it stops.
fn follow(output: impl AsyncRead + Unpin + Send + 'static) -> UnboundedReceiver<String> {
    let (lines, log) = unbounded_channel();
    tokio::spawn(async move {
        let mut reader = BufReader::new(output).lines();
        while let Ok(Some(line)) = reader.next_line().await {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    log
}

async fn wait_for(log: &mut UnboundedReceiver<String>, text: &str) -> String {
    let mut seen = Vec::new();
    let found = tokio::time::timeout(PATIENCE, async {
        while let Some(line) = log.recv().await {
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
