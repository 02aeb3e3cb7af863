//! The minimal proxy on Pingora: a crate of its own beside this one, built when it is wanted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::job::{Job, Setup, Started};

/// What its Cargo.toml asks for.
pub(crate) const VERSION: &str = "pingora 0.9.1";

/// Builds it; the first time takes minutes.
pub(crate) fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).context("the target directory")?.join("pingora");
    let status = Command::new(cargo)
        .args(["build", "--release", "--locked"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pingora"))
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the proxy on Pingora does not build");
    Ok(target.join("release").join("pingora-peer"))
}

/// Whether it can do a job. It is built without TLS, and minimal: it tries nothing again.
pub(crate) fn does(setup: Setup) -> bool {
    !matches!(setup, Setup::Tls | Setup::FailOver)
}

/// Starts it.
pub(crate) async fn start(binary: &Path, job: &Job<'_>) -> Result<Started> {
    let [first, second] = job.upstreams.map(|address| address.to_string());
    let mut command = Command::new(binary);
    command.args([&job.listen.to_string(), &first, &second, job.provider_key]);
    Started::listening(command, job.listen, tempfile::tempdir()?).await
}
