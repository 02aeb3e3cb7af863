//! `cometgate gates …`: what can be asked of gates without a running gateway.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use evidence::Moment;

use super::ConfigAndFormat;
use super::evidence::moment;

/// What the gate of a canary would do, and what it has done; nothing here sends traffic.
#[derive(Debug, Subcommand)]
pub(crate) enum Gates {
    Simulate(Simulate),
    Replay(GatesReplay),
}

/// Play what gates were told once more, and compare what they decide with what is recorded, bit for bit.
///
/// Exit code 4 if anything differs or is damaged. 3 if there is nothing to replay, or if the log lacks something: then all that
/// could be replayed is as it was recorded. The gateway may run meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate gates replay --config gateway/cometgate.toml\n  \
    cometgate gates replay acme-summaries --since 24h --format json")]
pub(crate) struct GatesReplay {
    /// Only the gates of this route.
    pub(crate) route: Option<String>,
    /// Only decisions from then on: a time as 2026-11-21T12:00:00Z, or how long ago, as 8h or 7d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Moment>,
    /// Only decisions before then; written like --since.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Moment>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Say before a canary goes live how soon its gate would trip, how many requests would fail until then, and how often it
/// would be wrong, beside the gates that operators know.
///
/// Whole days of random traffic are played, through the code that judges live traffic: a canary that answers well for an
/// hour and then fails, and one that fails exactly as often as its limit allows. One seed gives the same result
/// everywhere and every time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate gates simulate acme-summaries --rps 10 --fail 30% --config gateway/cometgate.toml\n  \
    cometgate gates simulate acme-summaries --rps 2 --fail 100% --share 1% --svg gate.svg")]
pub(crate) struct Simulate {
    /// The route whose canary is played.
    pub(crate) route: String,
    /// Requests of the route in a second, canary and primary together.
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rps: f64,
    /// How many of the canary's requests fail once it is in trouble, as `30%`.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) fail: String,
    /// The canary's share, as `5%`; without it what the map says.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) share: Option<String>,
    /// Where the random draws begin.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How often each gate is played; without it as often as takes some seconds, 400 times at the most.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: Option<u32>,
    /// Also write a picture; a file that is there is replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Below one request in three hours a day shows nothing; beyond the upper end a run of a day takes minutes.
fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "it takes a number, as 10 or 0.5".to_owned())?;
    if (0.0001..=10_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("it has to be between 0.0001 and 10000".to_owned())
    }
}
