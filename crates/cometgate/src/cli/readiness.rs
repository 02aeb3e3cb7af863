//! `cometgate readiness`: what can be asked of the readiness of a rollback.

use clap::Args;

use super::ConfigAndFormat;

/// Say whether a rollback would work now: what was checked and when, what is stale or missing, and what to do next.
///
/// It reads the map and the store of evidence, and sends nothing. What it finds is recorded, one record for each route.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate readiness --by kim --config gateway/cometgate.toml\n  \
    cometgate readiness acme-summaries --by kim --markdown > release-42.md\n  \
    cometgate readiness acme-summaries --by kim --answer may_revert=platform-oncall --answer watched_metric=CanaryErrors\n  \
    cometgate readiness acme-summaries --by kim --override drill --incident INC-42 --until 8h --reason \"primary is down\"\n\n\
    Exit codes: 0 proceed, 4 pause or escalate.")]
pub(crate) struct Readiness {
    /// Routes; all that send anything away from home otherwise.
    #[arg(value_name = "ROUTE")]
    pub(crate) routes: Vec<String>,
    /// Who answers for it: the approver of its record.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: Option<String>,
    /// An answer to a question of the written rollback decision; it stays until another is given. Repeat it for more.
    #[arg(long, value_name = "FIELD=VALUE", requires = "by")]
    pub(crate) answer: Vec<String>,
    /// Go on without this check, until --until. Repeat it for more.
    #[arg(long = "override", value_name = "CHECK", requires_all = ["by", "incident", "until", "reason"])]
    pub(crate) overriding: Vec<String>,
    /// The incident or ticket that an override belongs to.
    #[arg(long, value_name = "ID", requires = "overriding")]
    pub(crate) incident: Option<String>,
    /// Until when an override holds: a time, or how long, as 8h.
    #[arg(long, value_name = "TIME", requires = "overriding")]
    pub(crate) until: Option<String>,
    /// Why an override.
    #[arg(long, value_name = "WHY", requires = "overriding")]
    pub(crate) reason: Option<String>,
    /// Where more is said: a release, a ticket.
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
    /// Print the record as a page of Markdown, to paste into a ticket.
    #[arg(long, conflicts_with = "format")]
    pub(crate) markdown: bool,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}
