//! The key with which the gateway's own checks call it: as the gateway knows it, and as a check shows it.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use config::{CredentialSource, Settings, TenantKey};
use sha2::{Digest, Sha256};

use crate::exit::Failure;
use crate::secrets::read_named;

/// Bytes in the shortest key: one that nobody guesses has more.
const SHORTEST: usize = 16;

/// What to do where there is none.
const HELP: &str = "a line `[checks]` with `key = { file = \"checks.key\" }` in cometgate.toml, a file of that name beside it \
                    that only the gateway can read (`umask 077; openssl rand -hex 24 > checks.key`), and a restart";

/// Where it is kept; read whenever a map is prepared, so that it can be changed while the gateway runs.
#[derive(Debug)]
pub(crate) struct CheckKey {
    source: CredentialSource,
}

impl CheckKey {
    pub(crate) fn new(source: CredentialSource) -> CheckKey {
        CheckKey { source }
    }

    /// Its file, if it is kept in one.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match &self.source {
            CredentialSource::File(path) => Some(path),
            CredentialSource::Client | CredentialSource::Env(_) => None,
        }
    }

    /// Its hash, unless it cannot be read or is a tenant's as well; then that is said, and no check is let in.
    pub(crate) fn hash_beside(&self, keys: &[TenantKey]) -> Option<[u8; 32]> {
        let found = self.read().and_then(|key| {
            let hash: [u8; 32] = Sha256::digest(key).into();
            let is_taken = keys.iter().any(|key| key.sha256 == hash);
            if is_taken { Err(anyhow!("it is the key of a tenant")) } else { Ok(hash) }
        });
        found.inspect_err(|error| tracing::warn!("no check is let in: the key of `[checks]`: {error:#}")).ok()
    }

    fn read(&self) -> anyhow::Result<String> {
        let key = read_named(&self.source, "the key of checks").map_err(|wrong| anyhow!(wrong))?;
        if key.len() < SHORTEST || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(anyhow!("it has less than {SHORTEST} characters, or some that no key has"));
        }
        Ok(key)
    }
}

/// The key, for a command that makes a check.
///
/// # Errors
/// There is none, or it cannot be read (3), with what to do.
pub(crate) fn show_key(settings: &Settings) -> Result<String, Failure> {
    let source = settings.checks.clone();
    let source =
        source.ok_or_else(|| Failure::invalid(anyhow!("checks have no key yet; they need {HELP}")))?;
    let read = CheckKey::new(source).read().context("the key of `[checks]`");
    read.map_err(|error| Failure::invalid(error.context(format!("checks need {HELP}"))))
}
