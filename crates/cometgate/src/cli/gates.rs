//! `cometgate rollback`, `hold`, `resume`, `promote`, `accept` and `status`: what can be said to a running gateway, and asked of it.

use clap::{Args, ValueEnum};

use super::{Answer, ConfigAndFormat};

/// Take a route's canary out of traffic, now and for good: only a raised `generation` in the map reopens it.
///
/// It acts on the running gateway at once and edits no file. Requests under way end where they are.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    cometgate rollback acme-summaries --by kim --reason \"answers are cut, INC-42\" --yes")]
pub(crate) struct GateRollback {
    #[command(flatten)]
    pub(crate) said: Said,
    #[command(flatten)]
    pub(crate) questions: Questions,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Hold a route's canary at its share until `resume`: it takes no further step.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate hold acme-summaries --by kim --reason \"release freeze\"")]
pub(crate) struct GateHold {
    #[command(flatten)]
    pub(crate) said: Said,
}

/// End every hold of a route's canary; one that was suspended is in traffic again. A rollback stays.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cometgate resume acme-summaries --by kim --reason \"the primary was ill too\""
)]
pub(crate) struct GateResume {
    #[command(flatten)]
    pub(crate) said: Said,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Let a route's canary take its next step now, whatever is missing for it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cometgate promote acme-summaries --by kim --reason \"one tenant only, reviewed\""
)]
pub(crate) struct GatePromote {
    #[command(flatten)]
    pub(crate) said: Said,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Say of an answer whether the application could use it: evidence for the gate of the target that gave it.
///
/// The same request counts once, whatever is said later, and for an hour at most after its answer.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate accept 3f2a9c5be1d04b7786f0c1de52a4b9e7 fail")]
pub(crate) struct Accept {
    /// What the answer's header `x-cometgate-request-id` says.
    #[arg(value_name = "REQUEST_ID")]
    pub(crate) request_id: String,
    /// Whether the answer passed the application's own checks.
    #[arg(value_enum)]
    pub(crate) verdict: Acceptance,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// What an application says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Acceptance {
    /// It could use the answer.
    Pass,
    /// It could not.
    Fail,
}

/// What all of them are told.
#[derive(Debug, Args)]
pub(crate) struct Said {
    /// The route's name.
    pub(crate) route: String,
    /// Who acts.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: String,
    /// Why, as in an incident's number.
    #[arg(long, value_name = "WHY")]
    pub(crate) reason: String,
    /// Which of the route's targets; its canary where it has one, unless said.
    #[arg(long, value_enum)]
    pub(crate) target: Option<Target>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// A target that has a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    Canary,
    Fallback,
}

/// What a rollback's note answers, written down with it. From where and to where is known without being told.
#[derive(Debug, Args)]
pub(crate) struct Questions {
    /// What model ID we are rolling back from.
    #[arg(long, value_name = "MODEL_ID", help_heading = "The rollback's note")]
    pub(crate) from: Option<String>,
    /// What model ID we are rolling back to.
    #[arg(long, value_name = "MODEL_ID", help_heading = "The rollback's note")]
    pub(crate) to: Option<String>,
    /// Who approved the rollback mapping.
    #[arg(long, value_name = "WHO", help_heading = "The rollback's note")]
    pub(crate) approved_by: Option<String>,
    /// When the rollback ID was last confirmed through the models endpoint.
    #[arg(long, value_name = "TIME", help_heading = "The rollback's note")]
    pub(crate) last_confirmed: Option<String>,
    /// What canary request confirmed the application path.
    #[arg(long, value_name = "REQUEST", help_heading = "The rollback's note")]
    pub(crate) confirmed_by_request: Option<String>,
    /// What metric or alert will tell that the rollback made things worse.
    #[arg(long, value_name = "ALERT", help_heading = "The rollback's note")]
    pub(crate) worse_if: Option<String>,
    /// Who may revert the rollback.
    #[arg(long, value_name = "WHO", help_heading = "The rollback's note")]
    pub(crate) may_revert: Option<String>,
}

/// Say how the canaries and fallbacks of a running gateway stand: share, step, how sure their gates are, what holds them,
/// and who did what.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate status acme-summaries --config gateway/cometgate.toml")]
pub(crate) struct Status {
    /// One route; all that have a canary or a fallback otherwise.
    pub(crate) route: Option<String>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}
