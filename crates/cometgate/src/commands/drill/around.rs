//! What a drill asks of whoever runs it: the gateway's status, a person's approval, the operator's own judge of answers.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use decisions::rolled_back::Connections;
use evidence::Moment;
use http::Method;
use readiness::drill::{Acceptance, Standing, Step, Surroundings};
use readiness::gateway::GatewayError;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::checks::{Checked, refused};
use crate::cli::Drill;
use crate::clock::now;
use crate::commands::drill::asked::Asked;
use crate::control_client::{ask_status, ask_within};
use crate::exit::Failure;
use crate::terminal;

/// How long the operator's command may take over one answer.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(20);

/// How often it is looked whether connections that nobody uses are closed, and how far apart.
const LOOKS: (u32, Duration) = (40, Duration::from_millis(50));

/// The request's ID, for the operator's command.
const REQUEST_ID: &str = "COMETGATE_REQUEST_ID";

pub(super) struct Around {
    state_dir: PathBuf,
    route: String,
    /// `canary` or `fallback`.
    target: &'static str,
    by: String,
    asks_each: bool,
    acceptance: Option<String>,
    is_live: bool,
}

impl Around {
    pub(super) fn new(options: &Drill, checked: &Checked, asked: &Asked) -> Around {
        Around {
            state_dir: checked.settings.state_dir.clone(),
            route: asked.plan.route.clone(),
            target: asked.watched.as_str(),
            by: options.by.clone(),
            asks_each: options.approve_each,
            acceptance: options.acceptance.clone(),
            is_live: options.while_live,
        }
    }

    /// For who has no loop.
    pub(super) fn standing_now(&self) -> Result<Standing, Failure> {
        self.read(&ask_status(&self.state_dir, Some(&self.route))?)
    }

    fn read(&self, status: &Value) -> Result<Standing, Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let route = &status["routes"][0];
        let mut targets = route["targets"].as_array().into_iter().flatten();
        let target = targets
            .find(|target| target["target"] == self.target)
            .with_context(|| format!("the gateway knows no {} of {}", self.target, self.route))
            .map_err(Failure::invalid)?;
        Ok(Standing {
            route_version: text(&status["route_version"]),
            config_sha256: text(&status["routes_sha256"]),
            phase: text(&target["phase"]),
            share_ppm: target["share_ppm"].as_u64(),
            is_held: route["held_by_map"] == true,
            in_flight: target["in_flight"].as_u64().unwrap_or_default(),
        })
    }

    /// Runs the operator's command on an answer. What it prints goes nowhere.
    async fn judge(&self, command: &str, request_id: &str, answer: &[u8]) -> anyhow::Result<bool> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .env(REQUEST_ID, request_id)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // One that does not read to the end has seen enough.
            input.write_all(answer).await.ok();
        }
        Ok(child.wait().await?.success())
    }
}

impl Surroundings for Around {
    fn now(&self) -> Moment {
        now()
    }

    async fn standing(&self) -> Result<Standing, GatewayError> {
        let path = format!("/status?route={}", self.route);
        let status = ask_within(&self.state_dir, Method::GET, &path, &Value::Null).await;
        status.and_then(|status| self.read(&status)).map_err(|failure| refused(&failure))
    }

    async fn connections(&self) -> Result<Connections, GatewayError> {
        let left = json!({ "route": self.route, "target": self.target });
        let (looks, pause) = LOOKS;
        let mut open = 0;
        for _ in 0..looks {
            let answer = ask_within(&self.state_dir, Method::POST, "/connections/close-idle", &left).await;
            let answer = answer.map_err(|failure| refused(&failure))?;
            open = answer["open"].as_u64().unwrap_or_default();
            if self.is_live || answer["shared_with"].as_array().is_some_and(|others| !others.is_empty()) {
                return Ok(Connections::Shared);
            }
            if open == 0 {
                break;
            }
            sleep(pause).await;
        }
        Ok(Connections::Own(open))
    }

    async fn approve(&self, step: Step) -> Option<String> {
        if self.asks_each {
            let question = format!("Step {} of 7, {}: go on?", step.number(), step.text());
            let answered = tokio::task::spawn_blocking(move || terminal::ask(&question)).await;
            answered.ok().flatten().filter(|yes| *yes)?;
        }
        Some(self.by.clone())
    }

    async fn accepts(&self, request_id: &str, answer: &[u8]) -> Acceptance {
        let Some(command) = &self.acceptance else { return Acceptance::NotAsked };
        match timeout(ACCEPTED_WITHIN, self.judge(command, request_id, answer)).await {
            Ok(Ok(true)) => Acceptance::Accepted,
            Ok(Ok(false)) => Acceptance::Rejected,
            Ok(Err(_)) | Err(_) => Acceptance::Silent,
        }
    }

    fn tell(&self, line: &str) {
        terminal::say(line);
    }
}
