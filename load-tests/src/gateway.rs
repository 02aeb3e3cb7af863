//! The gateway under test: built if stale, configured for its job, started on its core.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::gateway_files::{routes_toml, settings_toml, tenants_toml};
use crate::job::{Job, Started};

/// Builds the binary, which is quick when nothing changed, and says where it is.
pub(crate) fn build(profile: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace's directory")?;
    let status = Command::new(cargo)
        .args(["build", "--profile", profile, "-p", "cometgate"])
        .current_dir(workspace)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the gateway does not build");
    // Beside the directory of our own binary, wherever the target directory is.
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).context("the target directory")?;
    let directory = if profile == "dev" { "debug" } else { profile };
    Ok(target.join(directory).join("cometgate"))
}

/// Starts it in a directory of its own and waits until it accepts connections.
pub(crate) async fn start(binary: &Path, job: &Job<'_>, collector: Option<SocketAddr>) -> Result<Started> {
    let directory = tempfile::tempdir()?;
    let settings = directory.path().join("cometgate.toml");
    fs::write(&settings, settings_toml(job, collector)?)?;
    fs::write(directory.path().join("routes.toml"), routes_toml(job)?)?;
    fs::write(directory.path().join("tenants.toml"), tenants_toml(job.setup)?)?;
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(&settings).env("LOAD_KEY", job.provider_key);
    Started::listening(command, job.listen, directory).await
}

/// How large a binary is without its symbols. `None` where `strip` is not installed.
pub(crate) fn stripped_bytes(binary: &Path) -> Option<u64> {
    let directory = tempfile::tempdir().ok()?;
    let stripped = directory.path().join("stripped");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(binary).status().ok()?;
    status.success().then_some(())?;
    Some(fs::metadata(&stripped).ok()?.len())
}
