//! `cometgate drill`: what can be asked of a rollback drill.

use clap::{Args, ValueEnum};

use super::{Answer, ConfigAndFormat};

/// Prove the way back of a route: requests of the drill's own go to its canary, come home, and nothing may go on using it.
///
/// It runs against the running gateway, by the way of production; no caller's request is moved, and the map stays as it is.
/// A drill that passes lets maps that go back to the same version raise this canary (docs/runbooks/3-drill.md). Ctrl-C ends it
/// at once; whatever ends it, all is as before within 30 seconds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate drill acme-summaries --by kim --config gateway/cometgate.toml\n  \
    cometgate drill acme-summaries --by kim --yes --acceptance './looks-like-a-summary' --link https://tickets.example/42\n\n\
    Exit codes: 0 it passed, 6 it did not, 4 callers' requests go to the canary or nobody agreed,\n\
    3 there is nothing to go back to, 5 no gateway answers.")]
pub(crate) struct Drill {
    /// The route's name.
    pub(crate) route: String,
    /// Who does it.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: String,
    /// Requests for each of the two cohorts; the limits on failures apply to this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u64).range(5..=200))]
    pub(crate) requests: u64,
    /// Of the small cohort.
    #[arg(long, value_name = "PERCENT", default_value = "20%")]
    pub(crate) share: String,
    /// A command of yours that gets each answer on its standard input, and in COMETGATE_REQUEST_ID whose it is; exit
    /// code 0 takes it.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) acceptance: Option<String>,
    /// Ask before each step.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) approve_each: bool,
    #[command(flatten)]
    pub(crate) answer: Answer,
    /// Leave callers' requests where they go, also where some go to the canary.
    #[arg(long)]
    pub(crate) while_live: bool,
    /// Which of the route's targets; its canary where it has one, unless said.
    #[arg(long, value_enum)]
    pub(crate) target: Option<DrillTarget>,
    /// On the way back, ask the primary for the model that the version to go back to names.
    #[arg(long)]
    pub(crate) rollback_model: bool,
    /// A model name of the route, where it serves several.
    #[arg(long, value_name = "ALIAS")]
    pub(crate) model: Option<String>,
    /// What to call, as in `embeddings`; chat, where the route serves that.
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) endpoint: Option<String>,
    /// It ends when it has used so many tokens; 500 for each request, unless said.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_tokens: Option<u64>,
    /// It ends after so many seconds, without the time in which it is approved.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800)]
    pub(crate) time_limit: u64,
    /// Where more is said: a ticket, a release.
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// A target that can be drilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DrillTarget {
    Canary,
    Fallback,
}
