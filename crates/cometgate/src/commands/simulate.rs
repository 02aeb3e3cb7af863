//! `cometgate gates simulate`: what the gate of a canary would do, before it is live.
//!
//! Two scenarios are played for our gate and for each that operators know: a canary that is well for an hour and then
//! fails (how soon is it out, what does it cost), and one that fails exactly as often as it may (how often is it taken out
//! all the same).

mod played;
mod subject;
mod svg;
mod text;

use std::fs::{self, OpenOptions};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use config::parse_share;
use decisions::bucket::Share;
use decisions::gate::simulation::{Row, Scenario, Script, Trouble};
use decisions::gate::{Outcome, Rate, Tenants};
use serde_json::json;

use crate::cli::{Format, Simulate};
use crate::exit::Failure;
use crate::terminal;
use subject::Subject;

const HOUR_MS: u64 = 3_600_000;

/// How long the canary is well before it fails.
const QUIET_MS: u64 = HOUR_MS;

/// How long a gate has to notice, and how long a canary at its limit is played.
const LENGTH_MS: u64 = 24 * HOUR_MS;

/// What fails of the primary's requests, at any time.
const PRIMARY_FAILING: f64 = 0.005;

/// How many tenants call, where the map does not say that it is one.
const TENANTS: u64 = 5;

/// Runs where nobody says how many, at the least and at the most.
const RUNS: (u32, u32) = (20, 400);

/// Requests that are played in one scenario where nobody says how many runs: some seconds' work.
const REQUESTS: f64 = 1e8;

/// All that was asked for and what came of it.
struct Simulated {
    subject: Subject,
    per_second: f64,
    failing: Share,
    seed: u64,
    /// One for each gate, ours first: of the canary that fails.
    harm: Vec<Row>,
    /// The same: of the canary at its limit.
    wrong: Vec<Row>,
}

pub(super) fn run(options: &Simulate) -> Result<(), Failure> {
    let failing = percent("--fail", &options.fail)?;
    let share = options.share.as_deref().map(|share| percent("--share", share)).transpose()?;
    let subject = Subject::read(&options.given.config.path, &options.route, share)?;
    let limit = subject.rules.limit(Rate::HardFailure);
    if f64::from(failing.ppm()) / 1e6 <= limit {
        terminal::say(&format!(
            "note: {} is within the limit of {}: no gate should trip",
            config::format_share(failing),
            text::percent(limit)
        ));
    }
    if subject.rules.threshold(Rate::HardFailure).is_infinite() {
        terminal::say(&format!("note: the gate of route {} does not judge hard failures", subject.route));
    }
    let unwritten = |path: &Path| format!("{} cannot be written", path.display());
    if let Some(path) = &options.svg {
        // Said before minutes of work, not after; a picture that is there stays until the new one is.
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened.with_context(|| unwritten(path)).map_err(Failure::invalid)?;
    }
    let simulated = simulate(options, subject, failing);
    if let Some(path) = &options.svg {
        let written = fs::write(path, svg::draw(&simulated));
        written.with_context(|| unwritten(path)).map_err(Failure::invalid)?;
    }
    match options.given.format {
        Format::Json => terminal::result(&to_json(&simulated).to_string()),
        Format::Text => text::lines(&simulated).iter().for_each(|line| terminal::result(line)),
    }
    Ok(())
}

/// A percentage that is more than nothing.
fn percent(option: &str, text: &str) -> Result<Share, Failure> {
    let share = parse_share(text).with_context(|| format!("{option} {text}")).map_err(Failure::invalid)?;
    if share == Share::NONE {
        return Err(Failure::invalid(anyhow!("{option} {text}: there is nothing to play at 0%")));
    }
    Ok(share)
}

fn simulate(options: &Simulate, subject: Subject, failing: Share) -> Simulated {
    let trouble = Trouble {
        from_ms: QUIET_MS,
        until_ms: u64::MAX,
        failing: f64::from(failing.ppm()) / 1e6,
        outcome: Outcome::HardFailure,
    };
    let bad = Scenario {
        length_ms: QUIET_MS + LENGTH_MS,
        per_second: options.rps,
        share_ppm: subject.share.ppm(),
        canary: Script { usually: 0.0, trouble: Some(trouble) },
        primary: Script::steady(PRIMARY_FAILING),
        tenants: if subject.rules.settings().tenants == Tenants::Single { 1 } else { TENANTS },
    };
    let at_limit = Scenario {
        length_ms: LENGTH_MS,
        canary: Script::steady(subject.rules.limit(Rate::HardFailure)),
        ..bad
    };
    let runs = |length_ms: u64| options.runs.unwrap_or_else(|| usual_runs(options.rps, length_ms));
    let plays = [
        played::Play { scenario: bad, runs: runs(QUIET_MS) },
        // Our gate plays the whole day in nearly every run.
        played::Play { scenario: at_limit, runs: runs(LENGTH_MS) },
    ];
    let [harm, wrong] = played::all(&subject.rules, plays, options.seed);
    Simulated { subject, per_second: options.rps, failing, seed: options.seed, harm, wrong }
}

/// Fewer where one run takes long.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held within bounds")]
fn usual_runs(per_second: f64, length_ms: u64) -> u32 {
    let requests = per_second * std::time::Duration::from_millis(length_ms).as_secs_f64();
    (REQUESTS / requests).clamp(f64::from(RUNS.0), f64::from(RUNS.1)) as u32
}

fn to_json(simulated: &Simulated) -> serde_json::Value {
    let Simulated { subject, per_second, failing, seed, harm, wrong } = simulated;
    let settings = subject.rules.settings();
    let gates: Vec<_> = harm
        .iter()
        .zip(wrong)
        .map(|(harm, wrong)| {
            let of_trips = |number: u64| (harm.tripped > 0).then_some(number);
            json!({
                "gate": harm.gate,
                "tripped": harm.tripped,
                "tripped_before_trouble": harm.tripped_before,
                "failed_requests_median": of_trips(harm.failed_requests),
                "failed_requests_p90": of_trips(harm.failed_requests_p90),
                "ms_to_trip_median": of_trips(harm.after_ms),
                "wrongly_tripped": wrong.tripped,
            })
        })
        .collect();
    json!({
        "route": subject.route,
        "canary": subject.provider,
        "share_ppm": subject.share.ppm(),
        "requests_per_second": per_second,
        "failing_ppm": failing.ppm(),
        "limit": subject.rules.limit(Rate::HardFailure),
        "false_alarms": settings.false_alarms,
        "acts": subject.acts,
        "seed": seed,
        "runs": harm.first().map(|row| row.runs),
        "well_for_ms": QUIET_MS,
        "watched_for_ms": LENGTH_MS,
        "runs_at_limit": wrong.first().map(|row| row.runs),
        "gates": gates,
    })
}
