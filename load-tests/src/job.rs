//! What every proxy is asked to do, so that all are asked the same: pass requests on to one of two providers, nineteen to
//! one, with the key replaced, over connections that are kept; one worker, no access log.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::certificates::Certificates;
use crate::clock::{self, SECOND};
use crate::process::{PROXY_CORE, Running};

/// In which form the job comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setup {
    /// HTTP/1.1 in the clear on both sides.
    Plain,
    /// HTTP/1.1 over TLS on both sides, the provider's certificate verified.
    Tls,
    /// HTTP/2 in the clear towards callers, HTTP/1.1 towards providers.
    Http2,
    /// A map with so many tenants and aliases, and a route for each pair; other proxies have nothing of the kind and do
    /// the plain job.
    Map { tenants: usize, aliases: usize },
    /// So many tenants with a key each, and one route for all.
    Tenants(usize),
    /// The first provider answers 500 to everything; callers must not notice.
    FailOver,
}

/// One job for one proxy.
pub(crate) struct Job<'a> {
    pub(crate) setup: Setup,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// The two providers: nineteen requests of twenty go to the first. With [`Setup::FailOver`] the second is the spare.
    pub(crate) upstreams: [SocketAddr; 2],
    /// What the providers want to see.
    pub(crate) provider_key: &'static str,
    pub(crate) certificates: &'a Certificates,
}

/// A proxy that listens. Dropping it ends its processes and removes its files.
pub(crate) struct Started {
    pub(crate) running: Running,
    pub(crate) directory: TempDir,
}

impl Started {
    /// Starts a command on the proxies' core and waits until it accepts connections.
    ///
    /// # Errors
    /// If it ends, or does not listen within half a minute; with what it said.
    pub(crate) async fn listening(
        command: Command,
        listen: SocketAddr,
        directory: TempDir,
    ) -> Result<Started> {
        let name = command.get_program().display().to_string();
        let log = directory.path().join("output.log");
        let mut running = Running::start(command, PROXY_CORE, &log)?;
        // A map of ten thousand routes takes a while to read.
        let deadline = clock::now() + 30 * SECOND;
        while TcpStream::connect(listen).await.is_err() {
            if running.has_ended() || clock::now() > deadline {
                bail!("{name} does not listen; it said:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Started { running, directory })
    }
}

/// A port that was free a moment ago: proxies are told it, because they have no way to tell us.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A program by its name, in the directory given or, without one, on `PATH` and where Debian has its daemons.
pub(crate) fn find(name: &str, directory: Option<&Path>) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = match directory {
        Some(directory) => vec![directory.to_owned()],
        None => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]).collect()
        }
    };
    candidates.into_iter().map(|candidate| candidate.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_directory_given_and_only_there() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(find("sh", Some(directory.path())), None);
        fs::write(directory.path().join("sh"), "").unwrap();
        assert_eq!(find("sh", Some(directory.path())), Some(directory.path().join("sh")));
        assert!(find("sh", None).is_some());
    }
}
