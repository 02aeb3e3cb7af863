//! `quick`: every scenario against every target, interleaved, in about a minute and a half.
//!
//! Within a round each target runs each scenario in turn and the order rotates, so that what else the machine does
//! falls on all alike. Ratios are taken within a round.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use crate::figures::{Figures, Measure};
use crate::job::Setup;
use crate::measured::Window;
use crate::open_loop::{self, Load};
use crate::process::{self, LOAD_CORE};
use crate::request::Ask;
use crate::target::{Kind, Lab, Programs, Target};
use crate::{closed_loop, gateway, pingora, report, streams};

/// CPU per small request may be this many times the floor's.
const SMALL_BAR: f64 = 1.8;

/// CPU per paced chunk may be this many times the floor's.
const PACED_BAR: f64 = 1.3;

/// Per cent of its core that a target uses when the load keeps up.
const BUSY_ENOUGH: f64 = 85.0;

/// Connections of the scenarios that keep the target busy.
const CONNECTIONS: usize = 16;

/// Chunks of a stream flat out.
const FAST: Ask = Ask::Stream { chunks: 200, pause_ms: 0 };

const PACED_STREAMS: u64 = 200;
const PACED_PAUSE_MS: u64 = 20;
const FEW_HELD: u64 = 50;
const MANY_HELD: u64 = 500;

/// Options of `quick`.
#[derive(Args)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["direct", "floor", "cometgate"])]
    targets: Vec<Kind>,
    /// Length of one measurement.
    #[arg(long, default_value_t = 1.4)]
    seconds: f64,
    /// How often each target runs each scenario.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests per second of the constant-rate scenario; must stay below saturation.
    #[arg(long, default_value_t = 2000)]
    rate: u64,
    /// A gateway binary to run instead of building one.
    #[arg(long)]
    gateway_bin: Option<PathBuf>,
    /// The cargo profile to build the gateway with.
    #[arg(long, default_value = "release")]
    profile: String,
    /// Also write all numbers here.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Exit with 4 if the gateway costs more than 2.1 floors a small request or 1.5 floors a paced chunk.
    #[arg(long)]
    check: bool,
}

/// Runs everything and prints the report. `false` if `--check` found a bar exceeded.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    ensure!(options.seconds > 0.0 && options.rounds > 0, "--seconds and --rounds must be positive");
    let kinds = &options.targets;
    let wants_gateway = kinds.iter().any(|kind| matches!(kind, Kind::Cometgate | Kind::CometgateQuiet));
    ensure!(
        !options.check || (kinds.contains(&Kind::Cometgate) && kinds.contains(&Kind::Floor)),
        "--check compares cometgate with floor: both must be among --targets"
    );
    // Before pinning, which the build would inherit.
    let binary = match (wants_gateway, &options.gateway_bin) {
        (false, _) => None,
        (true, Some(binary)) => Some(binary.clone()),
        (true, None) => Some(gateway::build(&options.profile)?),
    };
    let pingora = kinds.contains(&Kind::Pingora).then(pingora::build).transpose()?;
    let programs = Programs { gateway: binary, pingora, peers: None };
    process::raise_file_limit()?;
    if process::pins() {
        process::pin(LOAD_CORE)?;
    } else {
        eprintln!("one core only: what is measured shares it with the load, the figures say little");
    }
    let lab = Lab::start(programs, None).await?;
    let mut figures = Figures::default();
    measure(&lab, options, &mut figures).await?;
    weigh(&lab, kinds, &mut figures).await?;
    print!("{}", report::table(&figures, kinds)?);
    note_idle_cores(&figures, kinds);
    if let Some(file) = &options.json {
        let all = json!({
            "seconds": options.seconds,
            "rounds": options.rounds,
            "rate": options.rate,
            "pinned": process::pins(),
            "measures": figures.to_json(kinds),
        });
        std::fs::write(file, format!("{all:#}\n")).context("cannot write the JSON file")?;
    }
    if options.check { check(&figures) } else { Ok(true) }
}

async fn measure(lab: &Lab, options: &Options, figures: &mut Figures) -> Result<()> {
    let mut targets = Vec::new();
    for kind in &options.targets {
        targets.push(lab.target(*kind, Setup::Plain).await?);
    }
    for round in 0..options.rounds {
        for scenario in Scenario::ALL {
            for target in &targets {
                eprintln!("round {}: {} {}", round + 1, scenario.name(), target.kind().name());
                scenario
                    .run(target, options, figures)
                    .await
                    .with_context(|| format!("{} against {}", scenario.name(), target.kind().name()))?;
            }
        }
        targets.rotate_left(1);
    }
    Ok(())
}

/// Memory, on fresh processes: what earlier scenarios left in the allocator would hide the slope.
async fn weigh(lab: &Lab, kinds: &[Kind], figures: &mut Figures) -> Result<()> {
    for kind in kinds {
        let target = lab.target(*kind, Setup::Plain).await?;
        let Some(pid) = target.pid() else { continue };
        eprintln!("memory: {}", kind.name());
        let weighed = streams::weigh(&target, pid, FEW_HELD, MANY_HELD).await?;
        figures.add(Measure::StreamMemory, *kind, weighed.per_stream_kb);
        figures.add(Measure::IdleMemory, *kind, weighed.idle_kb);
    }
    Ok(())
}

/// One way to load a target.
#[derive(Clone, Copy)]
enum Scenario {
    Small,
    ConstantRate,
    Large,
    Fast,
    Paced,
}

impl Scenario {
    const ALL: [Scenario; 5] =
        [Scenario::Small, Scenario::ConstantRate, Scenario::Large, Scenario::Fast, Scenario::Paced];

    fn name(self) -> &'static str {
        match self {
            Scenario::Small => "small requests",
            Scenario::ConstantRate => "constant rate",
            Scenario::Large => "64 KB answers",
            Scenario::Fast => "streams flat out",
            Scenario::Paced => "paced streams",
        }
    }

    async fn run(self, target: &Target, options: &Options, figures: &mut Figures) -> Result<()> {
        let kind = target.kind();
        let length = Duration::from_secs_f64(options.seconds);
        let window = Window { warm_up: Duration::from_millis(150), length };
        let measured = match self {
            Scenario::Small => {
                let measured = closed_loop::run(target, Ask::Small, CONNECTIONS, window).await?;
                figures.add(Measure::SmallCpu, kind, measured.cpu_per_request());
                figures.add(Measure::SmallRate, kind, measured.requests_per_second());
                figures.add(Measure::SmallBusy, kind, measured.busy());
                measured
            }
            Scenario::ConstantRate => {
                let load = Load {
                    address: target.address(),
                    request: target.request(Ask::Small).into(),
                    streams: false,
                    rate: options.rate,
                    length: crate::clock::nanoseconds(options.seconds),
                    pid: target.pid(),
                };
                let measured = open_loop::run(&load).await?.all_answered()?;
                figures.add(Measure::OpenP50, kind, measured.tally.whole.borrow().micros(0.5));
                figures.add(Measure::OpenP99, kind, measured.tally.whole.borrow().micros(0.99));
                figures.add(Measure::OpenCpu, kind, measured.cpu_per_request());
                measured
            }
            Scenario::Large => {
                let measured = closed_loop::run(target, Ask::Large, CONNECTIONS, window).await?;
                figures.add(Measure::LargeCpu, kind, measured.cpu_per_request());
                measured
            }
            Scenario::Fast => {
                let measured = closed_loop::run(target, FAST, CONNECTIONS, window).await?;
                figures.add(Measure::FastCpu, kind, measured.cpu_per_chunk());
                measured
            }
            Scenario::Paced => {
                let measured = streams::paced(target, PACED_STREAMS, PACED_PAUSE_MS, length).await?;
                figures.add(Measure::PacedCpu, kind, measured.cpu_per_chunk());
                figures.add(Measure::PacedFirstP50, kind, measured.tally.first.borrow().micros(0.5));
                figures.add(Measure::PacedDelayP50, kind, measured.tally.delay.borrow().micros(0.5));
                figures.add(Measure::PacedDelayP99, kind, measured.tally.delay.borrow().micros(0.99));
                figures.add(Measure::PacedGapP99, kind, measured.tally.gap.borrow().micros(0.99));
                measured
            }
        };
        measured.warn_if_clocks_differ();
        Ok(())
    }
}

/// A core that slept pays for waking up, which costs more than the requests do. It sleeps when the load cannot keep up,
/// as when other work has the load's core.
fn note_idle_cores(figures: &Figures, kinds: &[Kind]) {
    for kind in kinds {
        let idle =
            figures.values(Measure::SmallBusy, *kind).iter().filter(|busy| **busy < BUSY_ENOUGH).count();
        if idle > 0 {
            println!(
                "note: {} was not kept busy in {idle} of its rounds of small requests; is the machine quiet?",
                kind.name()
            );
        }
    }
}

fn check(figures: &Figures) -> Result<bool> {
    let mut holds = true;
    for (measure, bar) in [(Measure::SmallCpu, SMALL_BAR), (Measure::PacedCpu, PACED_BAR)] {
        let (_, title, _) = measure.texts();
        let ratio = figures.ratio_to_floor(measure, Kind::Cometgate).context("no ratio to the floor")?;
        let verdict = if ratio <= bar { "holds" } else { "EXCEEDED" };
        println!("check: {title}: {ratio:.2} x floor, bar {bar}: {verdict}");
        holds &= ratio <= bar;
    }
    Ok(holds)
}
