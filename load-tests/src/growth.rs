//! `growth`: what a request costs as something grows, and which shape that has.
//!
//! As in [`crate::compare`]: pinned, interleaved, and a request that fails leaves no value.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::collector::Collector;
use crate::gateway;
use crate::growth::results::Growth;
use crate::growth::series::Series;
use crate::machine::Machine;
use crate::measured::{Measured, Window};
use crate::process::{self, LOAD_CORE};
use crate::target::{Kind, Lab, Programs};

mod fit;
pub(crate) mod results;
mod series;

/// Options of `growth`.
#[derive(Args)]
pub(crate) struct Options {
    /// What to measure; nginx is left out where it is not installed.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["floor", "nginx", "cometgate"])]
    proxies: Vec<Kind>,
    /// Only these series.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Series>,
    /// How often each step is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of one measurement.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
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
    ensure!(!options.proxies.contains(&Kind::Pingora), "growth does not build the proxy on Pingora");
    let machine = Machine::here()?;
    let given = options.gateway_bin.clone();
    let binary = given.map_or_else(|| gateway::build(&options.profile), Ok)?;
    let name =
        options.gateway_bin.as_ref().map_or(options.profile.clone(), |file| file.display().to_string());
    let programs = Programs { gateway: Some(binary), pingora: None, peers: options.peers.clone() };
    let installed = |kind: &Kind| {
        !matches!(kind, Kind::Nginx | Kind::Haproxy) || programs.installed(kind.name()).is_some()
    };
    let mut kinds: Vec<Kind> = options.proxies.iter().copied().filter(installed).collect();
    process::raise_file_limit()?;
    if process::pins() {
        process::pin(LOAD_CORE)?;
    }
    let collector = Collector::start().await?;
    let lab = Lab::start(programs, Some(collector.address())).await?;
    let mut growth = Growth::new(machine, name, options.seconds, options.rounds);
    for round in 0..options.rounds {
        for series in
            Series::ALL.into_iter().filter(|series| options.only.is_empty() || options.only.contains(series))
        {
            for grown in series.sizes() {
                for kind in kinds.iter().copied().filter(|kind| series.wants(*kind)) {
                    eprintln!("round {}: {} {grown} {}", round + 1, series.name(), kind.name());
                    match step(&lab, series, *grown, kind, options.seconds).await {
                        Ok(measured) => {
                            growth.disturbed.push(measured.disturbed());
                            if let Some(cpu) = measured.cpu_per_request() {
                                growth.add(series, kind.name(), *grown, cpu);
                            }
                        }
                        Err(error) => {
                            let text = format!("{} {grown} {}: {error:#}", series.name(), kind.name());
                            eprintln!("FAILED: {text}");
                            growth.errors.push(text);
                        }
                    }
                }
            }
        }
        kinds.rotate_left(1);
        if let Some(file) = &options.json {
            std::fs::write(file, serde_json::to_string_pretty(&growth)? + "\n")
                .context("cannot write the JSON file")?;
        }
    }
    println!("{}", growth.tables()?);
    Ok(growth.errors.is_empty())
}

/// One measurement, on a fresh process.
async fn step(lab: &Lab, series: Series, grown: u64, kind: Kind, seconds: f64) -> Result<Measured> {
    let target = lab.target(kind, series.setup(grown)?).await?;
    let window = Window { warm_up: Duration::from_millis(400), length: Duration::from_secs_f64(seconds) };
    series.measure(&target, grown, window).await
}
