//! `cometgate evidence …`: what can be asked of the store of decisions.

use clap::{Args, Subcommand};
use evidence::{Digest, Kind, Moment};

use super::{ConfigAndFormat, ConfigFile};

/// What was decided and checked, by whom and by which numbers; nothing here changes anything.
#[derive(Debug, Subcommand)]
pub(crate) enum Evidence {
    List(EvidenceList),
    Show(EvidenceShow),
    Export(EvidenceExport),
    Verify(EvidenceVerify),
}

/// List records, the newest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate evidence list --config gateway/cometgate.toml\n  \
    cometgate evidence list --route acme-summaries --kind gate_decision --since 24h")]
pub(crate) struct EvidenceList {
    #[command(flatten)]
    pub(crate) which: Which,
    /// So many at the most.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) last: usize,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Show one record with all its fields.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate evidence show 42 --config gateway/cometgate.toml")]
pub(crate) struct EvidenceShow {
    /// Its number.
    #[arg(value_name = "NUMBER")]
    pub(crate) sequence: u64,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Write records to standard output, the oldest first: a line of JSON for each, with its hash.
///
/// Such lines can be checked without Cometgate: docs/evidence.md says how.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate evidence export --config gateway/cometgate.toml > evidence.jsonl\n  \
    cometgate evidence export --markdown --since 2026-11-21T12:00:00Z > incident.md")]
pub(crate) struct EvidenceExport {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The newest of them, so many at the most; without it all.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) last: Option<usize>,
    /// As a page of Markdown, to paste into a ticket.
    #[arg(long)]
    pub(crate) markdown: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// Look for damage: every record against its hash and the record before, the database, and the end of the chain.
///
/// Exit code 4 if anything is not as it was written. Note the hash that it prints somewhere else, and give it as --head later:
/// then it also shows whether records were cut off or rewritten since.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate evidence verify --config gateway/cometgate.toml --head 5c1f…")]
pub(crate) struct EvidenceVerify {
    /// The hash of a record that was noted down before: 64 hexadecimal digits.
    #[arg(long, value_name = "HASH", value_parser = digest)]
    pub(crate) head: Option<Digest>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Which records.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only of this route.
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<String>,
    /// Only of this kind, as gate_decision, operator_action or probe; docs/evidence.md lists all.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub(crate) kind: Option<Kind>,
    /// Only from then on: a time as 2026-11-21T12:00:00Z, or how long ago, as 8h or 7d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Moment>,
    /// Only before then; written like --since.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Moment>,
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text).ok_or_else(|| "a hash has 64 hexadecimal digits".to_owned())
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("it is one of {}", known.join(", "))
    })
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let ago = || jiff::Zoned::now().checked_sub(text.parse::<jiff::Span>().ok()?).ok();
    let time = text.parse::<jiff::Timestamp>().ok().or_else(|| ago().map(|time| time.timestamp()));
    time.map(|time| Moment::from_ms(time.as_millisecond()))
        .ok_or_else(|| "it takes a time as 2026-11-21T12:00:00Z, or how long ago, as 8h or 7d".to_owned())
}
