//! `cometgate routes …`: what can be asked of a route map, and how it is edited.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigFile, Format};

/// Check, explain, compare and edit route maps; nothing here sends traffic.
#[derive(Debug, Subcommand)]
pub(crate) enum Routes {
    Check(Check),
    Explain(Explain),
    Diff(Diff),
    Who(Who),
    Shift(Shift),
    Rollback(Rollback),
    Disable(Disable),
    Vouch(Vouch),
    History(History),
    Schema(Schema),
}

/// Say whether the gateway would take a map: every problem and warning, with its line.
///
/// Tenants are read from `tenants.toml` beside the map, or from where the settings say. With the settings, versions
/// that were live count too: a version that is used again with other content is refused, and the way back is judged.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate routes check gateway/routes.toml")]
pub(crate) struct Check {
    /// The route map.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) given: GivenConfig,
    /// Fail on warnings too.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Say where a request would go, and why: each rule tried, the bucket arithmetic, the targets in order.
///
/// The decision is made by the code that answers traffic.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate routes explain gateway/routes.toml --tenant acme --model support-summary-v3 --key user-1234\n  \
    cometgate routes explain gateway/routes.toml --tenant acme --body request.json\n  \
    cometgate routes explain gateway/routes.toml --tenant acme --state resp_68a1")]
pub(crate) struct Explain {
    /// The route map.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) given: GivenConfig,
    /// Who calls.
    #[arg(long)]
    pub(crate) tenant: String,
    /// The `model` of the request.
    #[arg(long, required_unless_present_any = ["body", "state"], conflicts_with = "body")]
    pub(crate) model: Option<String>,
    /// The request refers to this: the ID of a response, a file, a conversation, … What the gateway knows of it is read from
    /// the state directory that the settings name. Without --model or --body it is asked for by its path.
    #[arg(long, value_name = "ID")]
    pub(crate) state: Option<String>,
    /// What the request is sticky by: VALUE stands for every such field, FIELD=VALUE (`safety_identifier=…`, `user=…`,
    /// `prompt_cache_key=…`) for one; repeat it for more. Without it the request carries none.
    #[arg(long = "key", value_name = "[FIELD=]VALUE")]
    pub(crate) keys: Vec<String>,
    /// What the request uses of the API: streaming, tools, response_format, vision, audio, files, logprobs, reasoning,
    /// web_search. Without it the request uses none of them.
    #[arg(long, value_name = "FEATURE,…", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
    /// The JSON body of a request, as the application sends it: model, sticky fields, features and whether it stores
    /// something are read from there, as the gateway reads them. `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keys", "stateful", "features"])]
    pub(crate) body: Option<PathBuf>,
    /// What is called: chat, responses or embeddings.
    #[arg(long, default_value = "chat")]
    pub(crate) endpoint: String,
    /// The request stores something at the provider, or goes on from what is stored.
    #[arg(long)]
    pub(crate) stateful: bool,
    /// The caller's key is not in the tenants file, and no provider has accepted it yet.
    #[arg(long)]
    pub(crate) unlisted_key: bool,
    /// List every route that was tried, also those for other models and tenants.
    #[arg(long)]
    pub(crate) all: bool,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Say what changes between two maps, in terms of tenants and shares.
///
/// A and B are files, or versions that were live. With --parity the two are maps of two environments: what has to
/// differ (versions, addresses, credentials, dates, shares) is left out, and the exit code is 4 where anything else does.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cometgate routes diff 2026-11-21.1 gateway/routes.toml\n  \
    cometgate routes diff --parity staging/routes.toml production/routes.toml")]
pub(crate) struct Diff {
    /// The map before, or of one environment.
    pub(crate) a: PathBuf,
    /// The map after, or of the other environment.
    pub(crate) b: PathBuf,
    #[command(flatten)]
    pub(crate) given: GivenConfig,
    /// Compare two environments.
    #[arg(long)]
    pub(crate) parity: bool,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Say which tenants, and what share of their keys, are in a route's canary.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate routes who gateway/routes.toml acme-summaries")]
pub(crate) struct Who {
    /// The route map.
    pub(crate) file: PathBuf,
    /// The route's name.
    pub(crate) route: String,
    #[command(flatten)]
    pub(crate) given: GivenConfig,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Change the share of a route's canary.
///
/// Three lines of the map change: the share, the version and the end line. What would change for whom is shown first.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cometgate routes shift acme-summaries 20% --config gateway/cometgate.toml"
)]
pub(crate) struct Shift {
    /// The route's name.
    pub(crate) route: String,
    /// The new share, as in 5% or 0.25%.
    pub(crate) share: String,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Put the version back that the map names in `rollback_route_version`: the very same bytes.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate routes rollback --config gateway/cometgate.toml --yes")]
pub(crate) struct Rollback {
    /// Another version than the map names.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Switch a route off: what matches it is refused with 503. To take a canary back, use `shift ROUTE 0%`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate routes disable acme-summaries --config gateway/cometgate.toml")]
pub(crate) struct Disable {
    /// The route's name.
    pub(crate) route: String,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Vouch for the version to go back to, in place of a drill, until a day.
///
/// Writes `rollback_override` into the map. Where the map names no version to go back to, the last one that was live with
/// nothing held is named.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate routes vouch --by kim --incident INC-42 --until 8h")]
pub(crate) struct Vouch {
    /// Who vouches.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: String,
    /// The incident or ticket that says why.
    #[arg(long, value_name = "ID")]
    pub(crate) incident: String,
    /// Until when: a time as 2027-01-31T18:00:00Z, or how long from now, as 8h or 7d.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: String,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// List the versions that went live, when and why.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate routes history --config gateway/cometgate.toml")]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// How many, the latest first.
    #[arg(long, default_value_t = 20)]
    pub(crate) last: usize,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Print the JSON Schema of a configuration file, for editors.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate routes schema routes > config/routes.schema.json")]
pub(crate) struct Schema {
    /// Which file: routes, tenants or cometgate.
    #[arg(default_value = "routes")]
    pub(crate) file: String,
}

/// The settings, for commands that name their files.
#[derive(Debug, Args)]
pub(crate) struct GivenConfig {
    /// The settings file; without it `cometgate.toml` beside the map, if there is one.
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
}

/// How a question is answered that an edit asks.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Answer {
    /// Do it without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}
