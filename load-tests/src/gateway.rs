//! The gateway under test: built if stale, configured for this run, started on its core.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::clock::{self, SECOND};
use crate::process::{PROXY_CORE, Running};

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
pub(crate) async fn start(
    binary: &Path,
    upstreams: [SocketAddr; 2],
    provider_key: &str,
    gateway_key: &str,
) -> Result<(Running, SocketAddr, TempDir)> {
    let directory = tempfile::tempdir()?;
    let address = free_address()?;
    let settings = directory.path().join("cometgate.toml");
    fs::write(&settings, settings_toml(address))?;
    fs::write(directory.path().join("routes.toml"), routes_toml(upstreams))?;
    fs::write(directory.path().join("tenants.toml"), tenants_toml(gateway_key)?)?;
    let log = directory.path().join("gateway.log");
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(&settings).env("LOAD_KEY", provider_key);
    let mut running = Running::start(command, PROXY_CORE, &log)?;
    let deadline = clock::now() + 10 * SECOND;
    while TcpStream::connect(address).await.is_err() {
        if running.has_ended() || clock::now() > deadline {
            bail!("the gateway does not listen; it said:\n{}", fs::read_to_string(&log).unwrap_or_default());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((running, address, directory))
}

/// A port that was free a moment ago: the gateway is told it, because it has no way to tell us.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn settings_toml(address: SocketAddr) -> String {
    format!(
        "listen = \"{address}\"\nworkers = 1\nroutes = \"routes.toml\"\ntenants = \"tenants.toml\"\ncatalog.interval = \"off\"\n"
    )
}

fn routes_toml(upstreams: [SocketAddr; 2]) -> String {
    let [first, second] = upstreams;
    format!(
        r#"route_version = "load.1"
primary_provider = "openai"
unlisted_models = "primary"

[providers.openai]
base_url = "http://{first}/v1"
credential = {{ env = "LOAD_KEY" }}

[providers.cometapi]
base_url = "http://{second}/v1"
credential = {{ env = "LOAD_KEY" }}

[aliases.gpt-load]
provider_model_id = {{ openai = "gpt-load-a", cometapi = "gpt-load-b" }}

[[routes]]
name = "load"
tenant_or_cohort = "*"
model_alias = "gpt-load"
mode = "canary"
primary_provider = "openai"

[routes.canary]
provider = "cometapi"
share = "5%"
# end load.1
"#
    )
}

fn tenants_toml(key: &str) -> Result<String> {
    let mut hash = String::new();
    for byte in Sha256::digest(key) {
        write!(hash, "{byte:02x}")?;
    }
    Ok(format!("version = \"1\"\n\n[tenants.load]\nkey_sha256 = [\"{hash}\"]\n# end 1\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_stored_as_its_hash() {
        let tenants = tenants_toml("abc").unwrap();
        assert!(tenants.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        assert!(tenants.ends_with("# end 1\n"));
    }
}
