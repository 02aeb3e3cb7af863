//! `cometgate drill`: finds what is to be drilled, says what will happen, has it done and writes down what came of it.

mod around;
mod asked;

use std::io::IsTerminal as _;

use anyhow::anyhow;
use decisions::plan::Check;
use evidence::DrillOutcome;
use readiness::drill::{DrillPlan, Limits, Report, Step, run as run_drill};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::checks::{CalledGateway, Checked, tell};
use crate::cli::{Drill, Format};
use crate::commands::drill::around::Around;
use crate::commands::drill::asked::Asked;
use crate::exit::Failure;
use crate::running::block_on;
use crate::terminal;

pub(crate) fn run(options: &Drill) -> Result<(), Failure> {
    let checked = Checked::read(&options.given.config.path)?;
    let gateway = CalledGateway::of(&checked.settings)?;
    let asked = Asked::of(options, &checked)?;
    let plan = &asked.plan;
    let around = Around::new(options, &checked, &asked);
    around.standing_now().and_then(|standing| asked.check(&standing, options))?;
    if options.approve_each && !std::io::stdin().is_terminal() {
        return Err(Failure::usage(anyhow!(
            "nothing was sent: nobody is at a terminal to approve each step"
        )));
    }
    announce(plan, options);
    terminal::confirm(options.answer.yes || options.approve_each, "Begin?", "nothing was sent")?;
    let report = block_on(async { Ok(run_drill(plan, &gateway, &around, interrupted()?).await) })?;
    let record = report.record();
    let passed = match report.outcome {
        DrillOutcome::Passed => Some(true),
        DrillOutcome::Failed => Some(false),
        DrillOutcome::Interrupted | DrillOutcome::NotRun => None,
    };
    if options.given.format == Format::Json {
        terminal::result(&json!(record).to_string());
    }
    let head = checked.record(&options.by, [(Some(plan.route.clone()), record.into())])?;
    tell(&checked, Check::Drill, Some(&plan.route), passed, head.sequence);
    if options.given.format == Format::Text {
        show(&report, head.sequence);
    }
    match passed {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::drill_failed(anyhow!("the drill failed: {}", report.reason))),
        None => Err(Failure::drill_failed(anyhow!("the drill was interrupted: {}", report.reason))),
    }
}

/// What will happen, and what would end it.
fn announce(plan: &DrillPlan, options: &Drill) {
    let Limits { requests, tokens, .. } = plan.limits;
    terminal::say(&format!(
        "drill {} of {}: {} and back to {}, of route map {} with {} as the way back",
        plan.check_id,
        plan.route,
        plan.target,
        plan.prior_target,
        plan.route_version,
        plan.rollback_route_version
    ));
    for step in Step::ALL {
        terminal::say(&format!("  {}. {}", step.number(), step.text()));
    }
    terminal::say(&format!(
        "{requests} requests with {tokens} tokens at the most. It ends before its time by:"
    ));
    plan.limits.lines().iter().for_each(|line| terminal::say(&format!("  - {line}")));
    if options.acceptance.is_some() {
        terminal::say("  - an answer of the target that the acceptance command does not take");
    }
    terminal::say("No caller's request is moved, and the map stays as it is.");
}

/// Why it is to be broken off, once somebody wants that. Needs a runtime.
fn interrupted() -> Result<impl Future<Output = String>, Failure> {
    let hear = |kind| signal(kind).map_err(Failure::internal);
    let (mut interrupt, mut terminate, mut hangup) =
        (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?, hear(SignalKind::hangup())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "interrupted by SIGINT".to_owned(),
            _ = terminate.recv() => "interrupted by SIGTERM".to_owned(),
            _ = hangup.recv() => "interrupted by SIGHUP".to_owned(),
        }
    })
}

fn show(report: &Report, sequence: u64) {
    let record = report.record();
    for route in &record.routes {
        let time = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        terminal::result(&format!(
            "{} {}: {} requests, {} attempts, {} failed, {} timeouts, {} retries, {} malformed; p50 {}, p95 {}, p99 {}; {} \
             tokens",
            route.role,
            route.target,
            route.request_count,
            route.attempt_count,
            route.error_count,
            route.timeout_count,
            route.retry_count,
            route.malformed_response_count,
            time(route.p50_ms),
            time(route.p95_ms),
            time(route.p99_ms),
            route.input_token_count + route.output_token_count,
        ));
    }
    for item in &record.rollback_validation {
        let state = if item.state == evidence::ProofState::Proven { "proven" } else { "REMAINING" };
        let note = item.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        terminal::result(&format!("  {state} {}{note}", item.item));
    }
    let outcome = match report.outcome {
        DrillOutcome::Passed => "passed",
        DrillOutcome::Failed => "failed",
        DrillOutcome::Interrupted | DrillOutcome::NotRun => "interrupted",
    };
    terminal::result(&format!("{outcome}: {}", report.reason));
    terminal::result(&format!("next: {}", report.next));
    terminal::result(&format!("evidence: record {sequence}"));
}
