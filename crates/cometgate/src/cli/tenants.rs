//! `cometgate tenants …`: what can be asked of the keys of tenants.

use clap::{Args, Subcommand};

use super::{Answer, ConfigAndFormat, ConfigFile};

/// Gateway keys and who holds them.
#[derive(Debug, Subcommand)]
pub(crate) enum Tenants {
    Add(TenantsAdd),
    List(TenantsList),
    Rotate(TenantsRotate),
    Revoke(TenantsRevoke),
}

/// Make a key for a new tenant: printed once, only its SHA-256 is written.
///
/// A running gateway accepts it within a second.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate tenants add acme --config gateway/cometgate.toml")]
pub(crate) struct TenantsAdd {
    /// The tenant's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// List the tenants: their limits and their keys, by name and by the beginning of their hashes.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cometgate tenants list --config gateway/cometgate.toml")]
pub(crate) struct TenantsList {
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Make a new key for a tenant, printed once, and let its other keys end after a while.
///
/// A running gateway accepts it within a second, and refuses the others from their end on, to the second.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate tenants rotate acme --config gateway/cometgate.toml\n  \
    cometgate tenants rotate acme --grace 7d --name laptop --config gateway/cometgate.toml")]
pub(crate) struct TenantsRotate {
    /// The tenant's name.
    pub(crate) name: String,
    /// How much longer the other keys are good, as 24h, 7d or 0s.
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) grace: String,
    /// What the new key is called; the day, unless given.
    #[arg(long = "name", value_name = "KEY_NAME")]
    pub(crate) key_name: Option<String>,
    #[command(flatten)]
    pub(crate) given: ConfigAndFormat,
}

/// Remove a key of a tenant, or all of them; the tenant itself stays.
///
/// A running gateway refuses them within a second. Requests under way end as they began.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cometgate tenants revoke acme --key 9f86d081 --config gateway/cometgate.toml\n  \
    cometgate tenants revoke acme --yes --config gateway/cometgate.toml")]
pub(crate) struct TenantsRevoke {
    /// The tenant's name.
    pub(crate) name: String,
    /// The key, by its name or by the first 8 digits or more of its hash; all keys, unless given.
    #[arg(long, value_name = "NAME_OR_HASH")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) answer: Answer,
}
