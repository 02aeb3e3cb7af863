//! Finds the secrets that the map only names.

use std::path::{Path, PathBuf};

use config::{CredentialSource, ProviderSettings};
use upstream::Credential;

use crate::files::{Stamp, stamp};

/// A secret that cannot be had. The message names the place in the map and what to do, never a value.
#[derive(Debug, thiserror::Error)]
#[error("{place}: provider `{provider}`: {what}\n  help: {help}")]
pub(crate) struct SecretError {
    place: config::Place,
    provider: String,
    what: String,
    help: String,
}

/// The credential of a provider.
pub(crate) fn find(provider: &ProviderSettings) -> Result<Credential, SecretError> {
    let failed = |what: String, help: String| SecretError {
        place: provider.place.clone(),
        provider: provider.name.clone(),
        what,
        help,
    };
    if provider.credential == CredentialSource::Client {
        return Ok(Credential::Client);
    }
    let (secret, named) =
        read(&provider.credential, "the provider's key").map_err(|(what, help)| failed(what, help))?;
    let help = "it must hold the provider's key and nothing else".to_owned();
    Credential::of(&secret, provider.credential_header)
        .map_err(|_| failed(format!("{named} has bytes that cannot be sent in a header"), help))
}

/// What an environment variable or a file holds; else what is wrong, and what to do.
pub(crate) fn read_named(source: &CredentialSource, what: &str) -> Result<String, String> {
    read(source, what).map(|(secret, _)| secret).map_err(|(wrong, help)| format!("{wrong}\n  help: {help}"))
}

/// The secret, and what it was in.
fn read(source: &CredentialSource, what: &str) -> Result<(String, String), (String, String)> {
    let (secret, named) = match source {
        CredentialSource::Client => {
            return Err(("it is the caller's".to_owned(), "name a secret".to_owned()));
        }
        CredentialSource::Env(name) => {
            let secret = std::env::var(name).map_err(|_| {
                let help = format!("start the gateway with {name} set to {what}, or name another credential");
                (format!("the environment variable {name} is not set"), help)
            })?;
            (secret, format!("the environment variable {name}"))
        }
        CredentialSource::File(path) => {
            let secret = read_secret(path).map_err(|error| {
                let help = format!("write {what} into this file, readable by the gateway only");
                (format!("the file {} cannot be read: {error}", path.display()), help)
            })?;
            (secret, format!("the file {}", path.display()))
        }
    };
    if secret.is_empty() {
        return Err((format!("{named} is empty"), format!("it must hold {what} and nothing else")));
    }
    Ok((secret, named))
}

/// The files with secrets and certificates, as they were when last looked at.
#[derive(Debug)]
pub(crate) struct SecretFiles(Vec<(PathBuf, Option<Stamp>)>);

impl SecretFiles {
    /// Those that providers name, and others.
    pub(crate) fn of<'f>(
        providers: &'f [ProviderSettings],
        others: impl Iterator<Item = &'f PathBuf>,
    ) -> SecretFiles {
        let files = providers.iter().flat_map(|provider| {
            let key = match &provider.credential {
                CredentialSource::File(path) => Some(path),
                CredentialSource::Client | CredentialSource::Env(_) => None,
            };
            let (certificate, certificates_key) = provider.tls.client.as_ref().map(|(a, b)| (a, b)).unzip();
            [key, provider.tls.ca.as_ref(), certificate, certificates_key]
        });
        let files = files.flatten().chain(others).map(|path| (path.clone(), stamp(path)));
        SecretFiles(files.collect())
    }

    pub(crate) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, seen)| stamp(path) != *seen)
    }

    /// Takes what is there now as seen.
    pub(crate) fn look(&mut self) {
        for (path, seen) in &mut self.0 {
            *seen = stamp(path);
        }
    }
}

/// A file's text without the newline that editors put at its end.
fn read_secret(path: &Path) -> std::io::Result<String> {
    let text = crate::files::read(path)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
