//! What can be asked on the command line.

mod drill;
mod evidence;
mod gates;
mod models;
mod probe;
mod readiness;
mod route_checks;
mod routes;
mod simulate;
mod tenants;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::request_lines::LineFormat;

pub(crate) use drill::{Drill, DrillTarget};
pub(crate) use evidence::{Evidence, EvidenceExport, EvidenceList, EvidenceShow, EvidenceVerify, Which};
pub(crate) use gates::{
    Accept, Acceptance, GateHold, GatePromote, GateResume, GateRollback, Questions, Said, Status, Target,
};
pub(crate) use models::{AskedModels, Models, ModelsCheck, ModelsDiff, ModelsInventory};
pub(crate) use probe::{Probe, ProbeAsked, ProbeKind, Worksheet, WorksheetKind, WorksheetOf, WorksheetSet};
pub(crate) use readiness::Readiness;
pub(crate) use route_checks::{Family, LookedAt, Rollforward, Smoke, TargetRole};
pub(crate) use routes::{
    Answer, Check, Diff, Disable, Explain, History, Rollback, Routes, Schema, Shift, Vouch, Who,
};
pub(crate) use simulate::{Gates, GatesReplay, Simulate};
pub(crate) use tenants::{Tenants, TenantsAdd, TenantsList, TenantsRevoke, TenantsRotate};

/// An HTTP gateway that shifts a share of OpenAI API traffic to CometAPI, and back.
#[derive(Debug, Parser)]
#[command(
    name = "cometgate",
    version,
    after_help = "Exit codes: 0 ok, 1 internal error, 2 usage, 3 invalid input, 4 not allowed, \
                  5 nobody answers, 6 a drill did not pass.\n\
                  Start with `cometgate demo`: it needs no keys and no network."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    Init(Init),
    Serve(Serve),
    Status(Status),
    Rollback(GateRollback),
    Hold(GateHold),
    Resume(GateResume),
    Promote(GatePromote),
    Accept(Accept),
    Drill(Drill),
    Readiness(Readiness),
    Probe(Probe),
    Smoke(Smoke),
    Rollforward(Rollforward),
    #[command(subcommand)]
    Routes(Routes),
    #[command(subcommand)]
    Tenants(Tenants),
    #[command(subcommand)]
    Gates(Gates),
    #[command(subcommand)]
    Models(Models),
    #[command(subcommand)]
    Evidence(Evidence),
}

/// Try it: a gateway and two scripted providers in one process, without keys or network.
///
/// It prints what to paste into another terminal, and then one line for each request, so that you see the canary move
/// when you edit the route file.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate demo --share 50%")]
pub(crate) struct Demo {
    /// Where the gateway listens; another free port is taken if this one is in use.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// How much goes to the canary at first.
    #[arg(long, value_name = "PERCENT", default_value = "20%")]
    pub(crate) share: String,
}

/// Write a commented starter configuration for two real providers.
///
/// Applications keep their own key for the primary unless --primary-key-env names one; the canary is paid with the key
/// that --canary-key-env names.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    cometgate init gateway --primary https://api.openai.com/v1 --canary https://api.cometapi.com/v1 \\\n    \
    --model gpt-5.4 --model gpt-5.4-mini\n  \
    COMETAPI_KEY=... cometgate serve --config gateway/cometgate.toml")]
pub(crate) struct Init {
    /// The directory to write into; files in it are never overwritten.
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Base URL of the provider that serves today.
    #[arg(long, value_name = "URL")]
    pub(crate) primary: String,
    /// Base URL of the provider to try.
    #[arg(long, value_name = "URL")]
    pub(crate) canary: String,
    /// How much the canary gets at first.
    #[arg(long, value_name = "PERCENT", default_value = "5%")]
    pub(crate) share: String,
    /// The canary's provider is also the primary's fallback.
    #[arg(long)]
    pub(crate) fallback: bool,
    /// A model name that takes part; with IDs where the providers call it differently. Repeat it for more.
    #[arg(long = "model", value_name = "ALIAS[=PRIMARY_ID,CANARY_ID]", default_value = "gpt-5.4")]
    pub(crate) models: Vec<String>,
    /// The environment variable with the primary's key; without it the caller's own key goes on to the primary.
    #[arg(long, value_name = "NAME")]
    pub(crate) primary_key_env: Option<String>,
    /// The environment variable with the canary's key.
    #[arg(long, value_name = "NAME", default_value = "COMETAPI_KEY")]
    pub(crate) canary_key_env: String,
    /// Where the gateway listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
}

/// Run the gateway.
///
/// SIGTERM or Ctrl-C stops accepting, lets requests and streams under way finish up to `limits.drain_timeout_ms`, and
/// exits with 0; a second one ends at once. SIGHUP looks at the route map and the tenants file now.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate serve --config gateway/cometgate.toml")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Print a line for each request (route, target, status, latency), or with `=json` an object for each attempt.
    #[arg(long, value_name = "FORMAT", value_enum, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "text")]
    pub(crate) log_requests: Option<LineFormat>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The settings file; it says where the route map and the tenants file are.
    #[arg(long = "config", value_name = "FILE", default_value = "config/cometgate.toml")]
    pub(crate) path: PathBuf,
}

/// What most commands are given.
#[derive(Debug, Args)]
pub(crate) struct ConfigAndFormat {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
