//! `cometgate models …`: what providers list, against what the map names.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigAndFormat;

/// What providers list as their models, against what the map names (runbooks 1 and 2); nothing here changes a route.
#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    Check(ModelsCheck),
    Diff(ModelsDiff),
    Inventory(ModelsInventory),
}

/// Ask each provider's models endpoint, compare it with the map, and say whether to proceed, pause or escalate.
///
/// Exit code 0: proceed; 4: pause or escalate; 5: the same, and a provider was not reached. What was found is recorded
/// as evidence in any case.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate models check --config gateway/cometgate.toml\n  \
    cometgate models check --provider cometapi --negative --by kim --link https://tickets.example/REL-7\n  \
    cometgate models check --config production/cometgate.toml --compare staging/cometgate.toml")]
pub(crate) struct ModelsCheck {
    #[command(flatten)]
    pub(crate) asked: AskedModels,
    /// Try also what must fail: no token, an invalid one, a wrong method, a wrong path, no time.
    #[arg(long)]
    pub(crate) negative: bool,
    /// The settings of another environment, to compare IDs with; asked as well where its keys are at hand. Repeat it for more.
    #[arg(long, value_name = "OTHER_CONFIG")]
    pub(crate) compare: Vec<PathBuf>,
    /// Go on all the same, for this incident; needs --reason and --by. Recorded, with exit code 0.
    #[arg(long = "override", value_name = "INCIDENT", requires = "reason", requires = "by")]
    pub(crate) override_for: Option<String>,
    /// Why.
    #[arg(long, value_name = "WHY", requires = "override_for")]
    pub(crate) reason: Option<String>,
}

/// Compare what each provider lists now with the list that was reviewed last, and keep it as reviewed.
///
/// The first time there is nothing to compare with. An empty list is never kept, and one that has fewer than half the IDs only
/// with --accept. Exit code 4 if an ID that the map names has gone; 5 if a provider gave no list.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate models diff --config gateway/cometgate.toml\n  \
    cometgate models diff --provider cometapi --names --keep")]
pub(crate) struct ModelsDiff {
    #[command(flatten)]
    pub(crate) asked: AskedModels,
    /// Show the IDs themselves, which may say more of your account than a log should hold.
    #[arg(long)]
    pub(crate) names: bool,
    /// Leave the reviewed list as it is.
    #[arg(long, conflicts_with = "accept")]
    pub(crate) keep: bool,
    /// Take the list also where it has fewer than half the IDs.
    #[arg(long)]
    pub(crate) accept: bool,
}

/// List every model ID that is configured anywhere, with its route, its rollback ID, where it stands, its owner, and when a
/// check last saw it; and names that callers sent to a running gateway and no alias lists.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate models inventory --config gateway/cometgate.toml")]
pub(crate) struct ModelsInventory {
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Whom to ask, and for whom.
#[derive(Debug, Args)]
pub(crate) struct AskedModels {
    /// Only this provider.
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// The environment variable with a key for providers that take the caller's own.
    #[arg(long, value_name = "NAME")]
    pub(crate) client_key_env: Option<String>,
    /// Who runs it; `unknown` otherwise.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: Option<String>,
    /// A ticket or another place where the evidence belongs to.
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}
