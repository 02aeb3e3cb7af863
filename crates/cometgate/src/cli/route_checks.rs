//! `cometgate smoke` and `cometgate rollforward`: checks of one route through the running gateway.

use clap::{Args, ValueEnum};

use super::ConfigAndFormat;

/// Smoke-test a target of a route through the running gateway (runbook 4).
///
/// One minimal request and one without a required field are sent by the way that applications take, neither is tried again, and each is
/// recorded. Nothing is changed, and nothing that callers depend on hears of it. Exit code 0 is proceed, 4 pause or
/// escalate, 5 nobody answers.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate smoke acme-summaries --by kim --docs-reviewed --link https://tickets.example/INC-42\n  \
    cometgate smoke acme-summaries --by kim --docs-reviewed --endpoint responses --rollback-id")]
pub(crate) struct Smoke {
    #[command(flatten)]
    pub(crate) looked_at: LookedAt,
    /// The page that documents the endpoint was opened today, and says what is sent here.
    #[arg(long)]
    pub(crate) docs_reviewed: bool,
    /// Once more with the model ID that the map's `rollback_route_version` has there.
    #[arg(long)]
    pub(crate) rollback_id: bool,
    /// A ticket or another page that belongs to the test; repeat it for more.
    #[arg(long = "link", value_name = "URL")]
    pub(crate) links: Vec<String>,
}

/// Check a route before traffic goes back to it (runbook 5).
///
/// Exactly two requests are sent by the way that applications take: one in order, one with a credential that is nobody's, which only these requests
/// show. Nothing is changed. Exit code 0 is proceed, 4 hold, 5 nobody answers.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    cometgate rollforward acme-summaries --by kim --review-link https://tickets.example/INC-42")]
pub(crate) struct Rollforward {
    #[command(flatten)]
    pub(crate) looked_at: LookedAt,
    /// The ticket or review that decides about the rollforward.
    #[arg(long, value_name = "URL")]
    pub(crate) review_link: String,
}

/// What is looked at, and by whom.
#[derive(Debug, Args)]
pub(crate) struct LookedAt {
    /// The route's name.
    #[arg(value_name = "ROUTE")]
    pub(crate) route: String,
    /// Who makes the check.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: String,
    /// The target; the route's canary, unless said, else its fallback, else its primary.
    #[arg(long, value_name = "ROLE", value_enum)]
    pub(crate) role: Option<TargetRole>,
    /// Chat Completions or Responses; what the route's `endpoint` says, unless said, else Chat Completions.
    #[arg(long, value_name = "FAMILY", value_enum)]
    pub(crate) endpoint: Option<Family>,
    /// The alias that is asked for, where the route serves several.
    #[arg(long, value_name = "ALIAS")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// What a target is in its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetRole {
    /// The one under test.
    Canary,
    /// The home of the route.
    Primary,
    /// The one in need.
    Fallback,
}

/// Which request shape is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/responses`
    Responses,
}
