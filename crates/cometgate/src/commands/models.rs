//! `cometgate models`: the catalog checks by hand. One file for each.

mod check;
mod check_text;
mod diff;
mod inventory;

use anyhow::{Context as _, anyhow};
use upstream::Credential;

use crate::checks::Checked;
use crate::cli::{AskedModels, Models};
use crate::exit::Failure;

/// Who runs a check that nobody says is theirs.
const NOBODY: &str = "unknown";

/// Does what was asked.
pub(super) fn run(asked: &Models) -> Result<(), Failure> {
    match asked {
        Models::Check(options) => check::run(options),
        Models::Diff(options) => diff::run(options),
        Models::Inventory(options) => inventory::run(options),
    }
}

impl AskedModels {
    fn by(&self) -> &str {
        self.by.as_deref().unwrap_or(NOBODY)
    }

    /// The configuration, with the key that was named for providers without one.
    fn open(&self) -> Result<Checked, Failure> {
        let mut checked = Checked::open(&self.given.config.path)?;
        let Some(name) = &self.client_key_env else { return Ok(checked) };
        let secret = std::env::var(name)
            .ok()
            .filter(|secret| !secret.is_empty())
            .with_context(|| format!("the environment variable {name} (--client-key-env) is not set"))
            .map_err(Failure::invalid)?;
        for provider in &mut checked.providers {
            if matches!(provider.credential, Credential::Client) {
                let made = Credential::of(&secret, provider.credential_header);
                provider.credential = made
                    .map_err(|_| anyhow!("the key in {name} has bytes that cannot be sent in a header"))
                    .map_err(Failure::invalid)?;
            }
        }
        Ok(checked)
    }

    /// The places of those who are asked.
    fn places(&self, checked: &Checked) -> Result<Vec<usize>, Failure> {
        let all = 0..checked.providers.len();
        let Some(only) = &self.provider else { return Ok(all.collect()) };
        let found: Vec<usize> = all.filter(|at| checked.providers[*at].name == *only).collect();
        if found.is_empty() {
            let known: Vec<&str> = checked.providers.iter().map(|provider| provider.name.as_str()).collect();
            return Err(Failure::invalid(anyhow!(
                "the map has no provider {only:?}; it has {}",
                known.join(", ")
            )));
        }
        Ok(found)
    }
}
