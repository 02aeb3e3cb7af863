//! Load tests of the gateway: what it costs beside a bare relay and other proxies, on this machine, in one run.
//!
//! Absolute figures do not travel between machines; ratios to the floor do better. Everything runs on loopback, started
//! and ended by this program. CPU per request is the figure to trust; latencies of a shared machine are not.
//!
//! Reading order: [`quick`] (a minute and a half, for every change), [`compare`] (beside other proxies) and [`job`] (what all
//! are asked to do), [`growth`]; [`target`] (what is measured), [`open_loop`] and [`closed_loop`] (how load is made),
//! [`floor`] (the yardstick); [`publish`] (from a file of figures to a page).

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program: the report is its output"
)]

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};

mod certificates;
mod client;
mod clock;
mod closed_loop;
mod collector;
mod compare;
mod constant_rate;
mod events;
mod figures;
mod floor;
mod framing;
mod gateway;
mod gateway_files;
mod growth;
mod haproxy;
mod http2;
mod job;
mod latency;
mod machine;
mod measured;
mod nginx;
mod open_loop;
mod pingora;
mod proc;
mod process;
mod provider;
mod publish;
mod quick;
mod report;
mod request;
mod schedule;
mod statistics;
mod streams;
mod tally;
mod target;

/// Load tests of the gateway.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every scenario against direct, floor and the gateway, interleaved; about 90 seconds.
    Quick(quick::Options),
    /// The gateway beside nginx, haproxy, Pingora and the bare relay, interleaved; about a quarter of an hour.
    Compare(compare::Options),
    /// What a request costs as bodies, routes, tenants, streams or connections grow.
    Growth(growth::Options),
    /// Writes the tables and the picture of runs into a page.
    Report(publish::Options),
    /// A constant rate against a gateway that already runs on this machine.
    Open(constant_rate::Options),
    /// The bare relay.
    #[command(hide = true)]
    Floor {
        #[arg(long)]
        upstream: SocketAddr,
        #[arg(long)]
        key: String,
    },
}

/// As of the gateway's own commands: a gate that failed, or not allowed.
const FAILED: u8 = 4;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            // Without the backtrace that `RUST_BACKTRACE` would add: these are failures of a run, not of a program.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `false` if a bar was exceeded or requests failed.
fn run(command: Command) -> Result<bool> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        match command {
            Command::Quick(options) => until_interrupted(quick::run(&options)).await,
            Command::Compare(options) => until_interrupted(compare::run(&options)).await,
            Command::Growth(options) => until_interrupted(growth::run(&options)).await,
            Command::Report(options) => publish::run(&options).map(|()| true),
            Command::Open(options) => until_interrupted(constant_rate::run(&options)).await,
            Command::Floor { upstream, key } => {
                process::end_with_parent()?;
                floor::serve(upstream, &key).await.map(|()| true)
            }
        }
    })
}

/// An interrupted run still drops what it holds, and with it the processes it started.
async fn until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}
