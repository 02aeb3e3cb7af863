//! `compare`: the gateway beside nginx, haproxy, Pingora and the bare relay, in one run, interleaved, each on a core of its
//! own.
//!
//! Within a round every proxy runs each scenario in turn, and the order rotates, so that what else the machine does falls on
//! all alike; ratios are taken within a round. Processes are started anew for each round. A request that fails ends its
//! measurement, which then has no value; a run with such a failure ends with exit code 4.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::collector::Collector;
use crate::compare::results::{Failure, Results};
use crate::compare::scenario::{Pace, Scenario};
use crate::job::Setup;
use crate::machine::Machine;
use crate::process::{self, LOAD_CORE};
use crate::target::{Kind, Lab, Programs, Target};
use crate::{gateway, pingora};

pub(crate) mod bars;
mod capacity;
pub(crate) mod chart;
pub(crate) mod results;
pub(crate) mod scenario;
pub(crate) mod tables;

/// Options of `compare`.
#[derive(Args)]
pub(crate) struct Options {
    /// What to measure; what is not installed is left out.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_values = ["direct", "floor", "nginx", "haproxy", "pingora", "cometgate", "cometgate-quiet"]
    )]
    proxies: Vec<Kind>,
    /// Only these scenarios.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// How often each proxy runs each scenario: five for figures that are shown to anybody, one to try.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of one measurement.
    #[arg(long, default_value_t = 1.1)]
    seconds: f64,
    /// Requests per second of the constant rate; must stay below saturation.
    #[arg(long, default_value_t = 2000)]
    rate: u64,
    /// A directory with nginx and haproxy, in place of those on PATH.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// A gateway binary to run instead of building one.
    #[arg(long)]
    gateway_bin: Option<PathBuf>,
    /// The cargo profile to build the gateway with; `dist` is what ships.
    #[arg(long, default_value = "dist")]
    profile: String,
    /// Also write all numbers here, for `report`.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs everything and prints the tables. `false` if a request failed.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    ensure!(options.seconds > 0.0 && options.rounds > 0, "--seconds and --rounds must be positive");
    let machine = Machine::here()?;
    let (programs, kinds) = prepare(options)?;
    let gateway =
        options.gateway_bin.as_ref().map_or(options.profile.clone(), |file| file.display().to_string());
    let mut results = Results::new(machine, gateway, options.seconds, options.rate);
    describe(&programs, &kinds, &mut results);
    process::raise_file_limit()?;
    if process::pins() {
        process::pin(LOAD_CORE)?;
    } else {
        eprintln!("one core only: proxies share it with the load, the figures say little");
    }
    let collector = Collector::start().await?;
    let lab = Lab::start(programs, Some(collector.address())).await?;
    for round in 0..options.rounds {
        measure(&lab, &kinds, options, round, &mut results).await;
        results.rounds = round + 1;
        results.telemetry_messages = collector.taken();
        // After each round, so that what is interrupted has shown something.
        if let Some(file) = &options.json {
            std::fs::write(file, serde_json::to_string_pretty(&results)? + "\n")
                .context("cannot write the JSON file")?;
        }
    }
    println!("{}", tables::all(&results)?);
    Ok(results.errors.is_empty())
}

/// Builds what has to be built, and leaves out what cannot be had. Before pinning, which builds would inherit.
fn prepare(options: &Options) -> Result<(Programs, Vec<Kind>)> {
    let mut kinds = options.proxies.clone();
    let mut programs = Programs { peers: options.peers.clone(), ..Programs::default() };
    for (kind, name) in [(Kind::Nginx, "nginx"), (Kind::Haproxy, "haproxy")] {
        if kinds.contains(&kind) && programs.installed(name).is_none() {
            eprintln!("{name} is not installed: left out");
            kinds.retain(|other| *other != kind);
        }
    }
    if kinds.contains(&Kind::Pingora) {
        match pingora::build() {
            Ok(binary) => programs.pingora = Some(binary),
            Err(error) => {
                eprintln!("{error:#} (it needs cmake and a C compiler): left out");
                kinds.retain(|other| *other != Kind::Pingora);
            }
        }
    }
    if kinds.iter().any(|kind| matches!(kind, Kind::Cometgate | Kind::CometgateQuiet)) {
        let given = options.gateway_bin.clone();
        programs.gateway = Some(given.map_or_else(|| gateway::build(&options.profile), Ok)?);
    }
    Ok((programs, kinds))
}

/// What the proxies are, and how large the gateway is.
fn describe(programs: &Programs, kinds: &[Kind], results: &mut Results) {
    for (kind, flag) in [(Kind::Nginx, "-v"), (Kind::Haproxy, "-v")] {
        let version = programs.installed(kind.name()).filter(|_| kinds.contains(&kind)).and_then(|binary| {
            let output = Command::new(binary).arg(flag).output().ok()?;
            // nginx says it where errors go.
            let text = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
        });
        if let Some(version) = version {
            results.versions.insert(kind.name().to_owned(), version);
        }
    }
    if programs.pingora.is_some() {
        results.versions.insert("pingora".to_owned(), pingora::VERSION.to_owned());
    }
    results.stripped_bytes = programs.gateway.as_deref().and_then(gateway::stripped_bytes);
}

/// One round: every scenario with every target.
async fn measure(lab: &Lab, kinds: &[Kind], options: &Options, round: usize, results: &mut Results) {
    let chosen: Vec<Scenario> = Scenario::ALL
        .into_iter()
        .filter(|scenario| options.only.is_empty() || options.only.contains(scenario))
        .collect();
    let mut kinds = kinds.to_vec();
    let turn = round % kinds.len().max(1);
    kinds.rotate_left(turn);
    let timed = chosen.iter().filter(|scenario| **scenario != Scenario::Memory);
    let setups: BTreeSet<Setup> = timed.map(|scenario| scenario.setup()).collect();
    for setup in setups {
        let scenarios: Vec<Scenario> = chosen
            .iter()
            .copied()
            .filter(|scenario| scenario.setup() == setup && *scenario != Scenario::Memory)
            .collect();
        let mut targets = Vec::new();
        for kind in
            kinds.iter().copied().filter(|kind| scenarios.iter().any(|scenario| scenario.wants(*kind)))
        {
            match lab.target(kind, setup).await {
                Ok(target) => targets.push(target),
                Err(error) => fail(results, "start", kind, round, &error),
            }
        }
        for scenario in scenarios {
            for target in targets.iter().filter(|target| scenario.wants(target.kind())) {
                take(lab, scenario, target, options, round, results).await;
            }
        }
    }
    // On fresh processes: what earlier scenarios left in the allocator would hide the slope.
    if chosen.contains(&Scenario::Memory) {
        for kind in kinds.into_iter().filter(|kind| Scenario::Memory.wants(*kind)) {
            match lab.target(kind, Setup::Plain).await {
                Ok(target) => take(lab, Scenario::Memory, &target, options, round, results).await,
                Err(error) => fail(results, "start", kind, round, &error),
            }
        }
    }
}

async fn take(
    lab: &Lab,
    scenario: Scenario,
    target: &Target,
    options: &Options,
    round: usize,
    results: &mut Results,
) {
    let kind = target.kind();
    eprintln!("round {} of {}: {} {}", round + 1, options.rounds, scenario.name(), kind.name());
    let pace = Pace { seconds: options.seconds, rate: options.rate };
    let before = lab.taken();
    let outcome = scenario.run(target, pace).await.and_then(|outcome| {
        if kind.splits() && scenario.setup() != Setup::FailOver {
            same_split(before, lab.taken())?;
        }
        Ok(outcome)
    });
    match outcome {
        Ok(outcome) => {
            results.requests += outcome.requests;
            results.add_load(scenario.name(), kind, round, outcome.load_busy);
            if scenario != Scenario::Memory {
                results.disturbed.push(outcome.disturbed);
            }
            for measure in scenario.measures() {
                let value = outcome.values.iter().find(|(name, _)| *name == measure.name);
                if let Some((name, value)) = value {
                    results.add(&format!("{}.{name}", scenario.name()), kind, round, *value);
                }
            }
        }
        Err(error) => fail(results, scenario.name(), kind, round, &error),
    }
}

/// Whether the second provider got its twentieth: who sends all to one has an easier job. Few requests say nothing; of a
/// thousand, 2 % to 9 % is more than four standard deviations wide.
#[allow(clippy::cast_precision_loss, reason = "requests of a few seconds")]
fn same_split(before: [u64; 2], after: [u64; 2]) -> Result<()> {
    let [first, second] = [after[0] - before[0], after[1] - before[1]];
    let share = second as f64 / (first + second).max(1) as f64;
    ensure!(
        first + second < 1_000 || (0.02..0.09).contains(&share),
        "{second} of {} requests went to the second provider, not one in twenty",
        first + second
    );
    Ok(())
}

fn fail(results: &mut Results, scenario: &str, kind: Kind, round: usize, error: &anyhow::Error) {
    let what = format!("{error:#}");
    eprintln!("FAILED: {scenario} {}: {what}", kind.name());
    results.errors.push(Failure {
        scenario: scenario.to_owned(),
        proxy: kind.name().to_owned(),
        round,
        what,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_split_does_another_job() {
        assert!(same_split([10, 0], [2_000, 95]).is_ok());
        assert!(same_split([0, 0], [2_000, 0]).is_err());
        assert!(same_split([0, 0], [1_000, 1_000]).is_err());
        assert!(same_split([0, 0], [20, 0]).is_ok());
    }
}
