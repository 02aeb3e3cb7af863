//! `cometgate probe`: asking a provider directly what it does, before traffic moves.

use clap::{Args, Subcommand, ValueEnum};
use decisions::Endpoint;

use super::{Answer, ConfigAndFormat};

/// Ask a provider directly, with sanitised requests and within a budget of tokens, whether it does what a route needs of it.
///
/// It goes straight to the provider from this machine, by the gateway's own connections, credential and headers, and changes
/// no route. What was seen is recorded, whatever it is. Exit code 0: proceed; 4: pause or escalate; 5: the provider is not
/// reached. Without ALIAS every alias is asked for at every provider that a route names as its canary or fallback.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    subcommand_precedence_over_arg = true,
    after_help = "Examples:\n  \
    cometgate probe support-summary-v3 --by kim --budget 20000 --config gateway/cometgate.toml\n  \
    cometgate probe --route acme-summaries --contract --by kim --yes --link https://tickets.example/42"
)]
pub(crate) struct Probe {
    #[command(subcommand)]
    pub(crate) worksheet: Option<ProbeKind>,
    #[command(flatten)]
    pub(crate) asked: ProbeAsked,
}

/// What of a probe is asked for where it is not a worksheet.
#[derive(Debug, Args)]
pub(crate) struct ProbeAsked {
    /// The aliases to ask for; all of them unless said.
    #[arg(value_name = "ALIAS")]
    pub(crate) aliases: Vec<String>,
    /// The provider to ask; every canary and fallback unless said.
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// Only what this route sends away from its primary.
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<String>,
    /// The endpoint families to ask; those that the routes are for unless said. Repeat it for more.
    #[arg(long = "family", value_name = "FAMILY", value_enum)]
    pub(crate) families: Vec<Family>,
    /// The most tokens that each answer may have. Models that reason need 64 or more.
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u64).range(16..=100_000))]
    pub(crate) max_tokens: u64,
    /// How many tokens the prompt near the ceiling has.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) prompt_tokens: u64,
    /// The most tokens that all of it may use; what the plan needs unless said.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) budget: Option<u64>,
    /// How long each answer may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) timeout_ms: u64,
    /// A time in which no model answers, in milliseconds, to see that a request which is given up ends.
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) short_timeout_ms: u64,
    /// Also ask what is not documented: lists without a key, unknown models and paths, streams without usage, stripped fields.
    #[arg(long)]
    pub(crate) contract: bool,
    /// Also ask whether stored responses can be followed, got and replayed; they stay stored at the provider.
    #[arg(long)]
    pub(crate) state: bool,
    #[command(flatten)]
    pub(crate) answer: Answer,
    /// Who asks.
    #[arg(long, value_name = "WHO", required = true)]
    pub(crate) by: Option<String>,
    /// Where it is reviewed: a ticket, a runbook.
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProbeKind {
    Worksheet(Worksheet),
}

/// Show the contract worksheets of a provider: what was verified of each item, from which source, when and by whom.
///
/// Probes fill in what they can settle; rate limits, billing and logging policy stay "not verified" until a person says so.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    cometgate probe worksheet --config gateway/cometgate.toml\n  \
    cometgate probe worksheet set models.billing_assumptions \"listing is free\" --source https://vendor.example/terms --by kim"
)]
pub(crate) struct Worksheet {
    #[command(subcommand)]
    pub(crate) set: Option<WorksheetKind>,
    #[command(flatten)]
    pub(crate) of: WorksheetOf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorksheetKind {
    Set(WorksheetSet),
}

/// Whose worksheet.
#[derive(Debug, Args)]
pub(crate) struct WorksheetOf {
    /// The provider; every canary and fallback unless said.
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Say what an item is, and where that can be read.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    cometgate probe worksheet set models.billing_assumptions \"listing is free\" --source https://vendor.example/terms --by kim")]
pub(crate) struct WorksheetSet {
    /// The item, as `inference.rate_limit_or_billing_assumptions`; `cometgate probe worksheet` lists them.
    #[arg(value_name = "ITEM")]
    pub(crate) item: String,
    /// What it is.
    #[arg(value_name = "VALUE")]
    pub(crate) value: String,
    /// Where that can be read.
    #[arg(long, value_name = "URL")]
    pub(crate) source: String,
    /// Who says so.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: String,
    /// It is not as it has to be.
    #[arg(long)]
    pub(crate) refuted: bool,
    #[command(flatten)]
    pub(crate) of: WorksheetOf,
}

/// An endpoint family that can be probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    /// Chat Completions.
    Chat,
    /// Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
}

impl From<Family> for Endpoint {
    fn from(family: Family) -> Endpoint {
        match family {
            Family::Chat => Endpoint::Chat,
            Family::Responses => Endpoint::Responses,
            Family::Messages => Endpoint::Messages,
        }
    }
}
