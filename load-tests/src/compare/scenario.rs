//! The ways in which proxies are loaded, and what is measured in each.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::job::Setup;
use crate::measured::{Measured, Window};
use crate::open_loop::{self, Load};
use crate::request::Ask;
use crate::target::{Kind, Target};
use crate::{clock, closed_loop, http2, streams};

/// Before each measurement: connections are opened and caches filled.
const WARM_UP: Duration = Duration::from_millis(250);

/// Connections of scenarios that do not vary them: enough to keep a target busy.
const CONNECTIONS: usize = 16;

const PACED_STREAMS: u64 = 500;
const PACED_PAUSE_MS: u64 = 20;
const FEW_HELD: u64 = 200;
const MANY_HELD: u64 = 1_200;

/// A hundred tenants with a hundred aliases each, and a route for each pair.
const LARGE_MAP: Setup = Setup::Map { tenants: 100, aliases: 100 };

/// One way to load a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    #[value(name = "small-1")]
    Small1,
    #[value(name = "small-16")]
    Small16,
    #[value(name = "small-128")]
    Small128,
    #[value(name = "large-1")]
    Large1,
    #[value(name = "large-16")]
    Large16,
    #[value(name = "large-128")]
    Large128,
    Constant,
    Fast,
    Paced,
    Upload,
    Tls,
    Http2,
    Routes,
    FailOver,
    Memory,
}

/// What a scenario yields.
pub(crate) struct Measure {
    /// Within its scenario; `cpu` of `small-16` is `small-16.cpu` in JSON.
    pub(crate) name: &'static str,
    /// In tables.
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
}

impl Scenario {
    /// In the order of a run; those of one setup stand together.
    pub(crate) const ALL: [Scenario; 15] = [
        Scenario::Small1,
        Scenario::Small16,
        Scenario::Small128,
        Scenario::Large1,
        Scenario::Large16,
        Scenario::Large128,
        Scenario::Constant,
        Scenario::Fast,
        Scenario::Paced,
        Scenario::Upload,
        Scenario::Tls,
        Scenario::Http2,
        Scenario::Routes,
        Scenario::FailOver,
        Scenario::Memory,
    ];

    /// As on the command line and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scenario::Small1 => "small-1",
            Scenario::Small16 => "small-16",
            Scenario::Small128 => "small-128",
            Scenario::Large1 => "large-1",
            Scenario::Large16 => "large-16",
            Scenario::Large128 => "large-128",
            Scenario::Constant => "constant",
            Scenario::Fast => "fast",
            Scenario::Paced => "paced",
            Scenario::Upload => "upload",
            Scenario::Tls => "tls",
            Scenario::Http2 => "http2",
            Scenario::Routes => "routes",
            Scenario::FailOver => "fail-over",
            Scenario::Memory => "memory",
        }
    }

    /// In which form the job comes.
    pub(crate) fn setup(self) -> Setup {
        match self {
            Scenario::Tls => Setup::Tls,
            Scenario::Http2 => Setup::Http2,
            Scenario::Routes => LARGE_MAP,
            Scenario::FailOver => Setup::FailOver,
            _ => Setup::Plain,
        }
    }

    /// Which targets it says something of. Without a process there is only time to measure; without telemetry what
    /// telemetry costs, which a few scenarios show.
    pub(crate) fn wants(self, kind: Kind) -> bool {
        match kind {
            Kind::Direct => matches!(self, Scenario::Small1 | Scenario::Constant | Scenario::Paced),
            Kind::CometgateQuiet => matches!(
                self,
                Scenario::Small1
                    | Scenario::Small16
                    | Scenario::Small128
                    | Scenario::Fast
                    | Scenario::FailOver
                    | Scenario::Memory
            ),
            _ => kind.does(self.setup()),
        }
    }

    /// Everything it measures, in the order of tables.
    pub(crate) fn measures(self) -> &'static [Measure] {
        const fn measure(name: &'static str, title: &'static str, unit: &'static str) -> Measure {
            Measure { name, title, unit }
        }
        match self {
            Scenario::Small1 => {
                const {
                    &[
                        measure("cpu", "small request, 1 connection: CPU", "µs"),
                        measure("p50", "the same: p50", "µs"),
                    ]
                }
            }
            Scenario::Small16 => {
                const {
                    &[
                        measure("cpu", "small request, 16 connections: CPU", "µs"),
                        measure("rate", "the same: requests a second, at least", "/s"),
                        measure("busy", "the same: of the proxy's core", "%"),
                    ]
                }
            }
            Scenario::Small128 => {
                const {
                    &[
                        measure("cpu", "small request, 128 connections: CPU", "µs"),
                        measure("rate", "the same: requests a second, at least", "/s"),
                        measure("busy", "the same: of the proxy's core", "%"),
                    ]
                }
            }
            Scenario::Large1 => const { &[measure("cpu", "64 KB answer, 1 connection: CPU", "µs")] },
            Scenario::Large16 => const { &[measure("cpu", "64 KB answer, 16 connections: CPU", "µs")] },
            Scenario::Large128 => const { &[measure("cpu", "64 KB answer, 128 connections: CPU", "µs")] },
            Scenario::Constant => {
                const {
                    &[
                        measure("cpu", "constant rate: CPU", "µs"),
                        measure("p50", "the same: p50 from when due", "µs"),
                        measure("p99", "the same: p99 from when due", "µs"),
                    ]
                }
            }
            Scenario::Fast => const { &[measure("cpu", "chunk, 200 flat out: CPU", "µs")] },
            Scenario::Paced => {
                const {
                    &[
                        measure("cpu", "chunk, 500 streams 20 ms apart: CPU", "µs"),
                        measure("delay_p50", "the same: delay of a chunk, p50", "µs"),
                        measure("delay_p99", "the same: delay of a chunk, p99", "µs"),
                    ]
                }
            }
            Scenario::Upload => const { &[measure("cpu", "request of 1 MB, `model` last: CPU", "µs")] },
            Scenario::Tls => const { &[measure("cpu", "small request, TLS on both sides: CPU", "µs")] },
            Scenario::Http2 => const { &[measure("cpu", "small request, HTTP/2 in: CPU", "µs")] },
            Scenario::Routes => const { &[measure("cpu", "small request, 10,000 routes: CPU", "µs")] },
            Scenario::FailOver => {
                const {
                    &[
                        measure("cpu", "small request, primary answers 500: CPU", "µs"),
                        measure("p50", "the same: p50", "µs"),
                    ]
                }
            }
            Scenario::Memory => {
                const {
                    &[
                        measure("stream", "memory of a further open stream", "KB"),
                        measure("idle", "memory when idle", "KB"),
                    ]
                }
            }
        }
    }
}

/// How long and how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Seconds of one measurement.
    pub(crate) seconds: f64,
    /// Requests a second of the constant rate.
    pub(crate) rate: u64,
}

/// What came of one scenario with one target in one round.
#[derive(Default)]
pub(crate) struct Outcome {
    /// By the names of [`Scenario::measures`].
    pub(crate) values: Vec<(&'static str, f64)>,
    /// Requests answered within the measurement, all of them well.
    pub(crate) requests: u64,
    /// Per cent of the time in which load and providers had work; 0 where nothing was timed.
    pub(crate) load_busy: f64,
    /// Per cent of the time in which somebody else had their core.
    pub(crate) disturbed: f64,
}

impl Scenario {
    /// Runs it. Any request that fails is an error, and nothing is measured then.
    pub(crate) async fn run(self, target: &Target, pace: Pace) -> Result<Outcome> {
        let length = Duration::from_secs_f64(pace.seconds);
        let window = Window { warm_up: WARM_UP, length };
        match self {
            Scenario::Small1 => closed(target, Ask::Small, 1, window).await,
            Scenario::Small16 | Scenario::Tls | Scenario::Routes | Scenario::FailOver => {
                closed(target, Ask::Small, CONNECTIONS, window).await
            }
            Scenario::Small128 => closed(target, Ask::Small, 128, window).await,
            Scenario::Large1 => closed(target, Ask::Large, 1, window).await,
            Scenario::Large16 => closed(target, Ask::Large, CONNECTIONS, window).await,
            Scenario::Large128 => closed(target, Ask::Large, 128, window).await,
            Scenario::Upload => closed(target, Ask::Upload { bytes: 1 << 20 }, 4, window).await,
            Scenario::Fast => {
                closed(target, Ask::Stream { chunks: 200, pause_ms: 0 }, CONNECTIONS, window).await
            }
            Scenario::Http2 => Ok(of(&http2::run(target, 4, 4, window).await?, Measured::cpu_per_request)),
            Scenario::Constant => {
                let load = Load {
                    address: target.address(),
                    request: target.request(Ask::Small).into(),
                    streams: false,
                    rate: pace.rate,
                    length: clock::nanoseconds(pace.seconds),
                    pid: target.pid(),
                };
                let measured = open_loop::run(&load).await?.all_answered()?;
                let mut outcome = of(&measured, Measured::cpu_per_request);
                outcome.values.push(("p99", measured.tally.whole.borrow().micros(0.99)));
                Ok(outcome)
            }
            Scenario::Paced => {
                let measured = streams::paced(target, PACED_STREAMS, PACED_PAUSE_MS, length).await?;
                let mut outcome = of(&measured, Measured::cpu_per_chunk);
                let delay = measured.tally.delay.borrow();
                outcome.values.push(("delay_p50", delay.micros(0.5)));
                outcome.values.push(("delay_p99", delay.micros(0.99)));
                Ok(outcome)
            }
            Scenario::Memory => {
                let pid = target.pid().context("no process to weigh")?;
                let weighed = streams::weigh(target, pid, FEW_HELD, MANY_HELD).await?;
                let values = vec![("stream", weighed.per_stream_kb), ("idle", weighed.idle_kb)];
                Ok(Outcome { values, requests: MANY_HELD, ..Outcome::default() })
            }
        }
    }
}

async fn closed(target: &Target, ask: Ask, connections: usize, window: Window) -> Result<Outcome> {
    let measured = closed_loop::run(target, ask, connections, window).await?;
    Ok(of(&measured, if ask.streams() { Measured::cpu_per_chunk } else { Measured::cpu_per_request }))
}

/// What every timed measurement has; a scenario's table takes of it what it names.
fn of(measured: &Measured, cpu: fn(&Measured) -> Option<f64>) -> Outcome {
    measured.warn_if_clocks_differ();
    let mut values =
        vec![("rate", measured.requests_per_second()), ("p50", measured.tally.whole.borrow().micros(0.5))];
    values.extend(cpu(measured).map(|cpu| ("cpu", cpu)));
    values.extend(measured.busy().map(|busy| ("busy", busy)));
    Outcome {
        values,
        requests: measured.requests,
        load_busy: measured.load_busy(),
        disturbed: measured.disturbed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_one_setup_stand_together_and_names_are_those_of_the_command_line() {
        let mut setups: Vec<Setup> = Scenario::ALL.map(Scenario::setup).to_vec();
        // Memory takes processes of its own, so it may come last.
        setups.pop();
        setups.dedup();
        assert_eq!(setups.len(), 5);
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::from_str(scenario.name(), false).unwrap(), scenario);
        }
    }
}
