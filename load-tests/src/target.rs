//! What is measured: the provider itself, the floor and the gateway, each started fresh and asked once before use.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tempfile::TempDir;

use crate::client::Connection;
use crate::gateway;
use crate::process::{PROXY_CORE, Running};
use crate::provider;
use crate::request::{self, Ask, MODEL};

/// What only the provider accepts.
const PROVIDER_KEY: &str = "sk-load-provider";

/// What only the gateway accepts.
pub(crate) const GATEWAY_KEY: &str = "cg-load-tenant";

/// A kind of target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// The provider, nothing between.
    Direct,
    /// The bare relay.
    Floor,
    /// The gateway.
    Cometgate,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Floor => "floor",
            Kind::Cometgate => "cometgate",
        }
    }
}

/// The provider, and what it takes to put something in front of it.
pub(crate) struct Lab {
    upstreams: [SocketAddr; 2],
    gateway: Option<PathBuf>,
}

impl Lab {
    /// Starts the provider. `gateway` is the binary, if it is wanted.
    pub(crate) async fn start(gateway: Option<PathBuf>) -> Result<Lab> {
        let upstreams = provider::start(PROVIDER_KEY).await?;
        Ok(Lab { upstreams, gateway })
    }

    /// Starts a target and sends it one request.
    pub(crate) async fn target(&self, kind: Kind) -> Result<Target> {
        let [upstream, canary] = self.upstreams;
        let target = match kind {
            Kind::Direct => {
                Target { kind, address: upstream, key: PROVIDER_KEY, running: None, _directory: None }
            }
            Kind::Floor => {
                let to = upstream.to_string();
                let arguments = ["floor", "--upstream", &to, "--key", PROVIDER_KEY];
                let (running, line) = Running::start_own(&arguments, PROXY_CORE)?;
                let address = local(&line)?;
                Target { kind, address, key: "sk-any", running: Some(running), _directory: None }
            }
            Kind::Cometgate => {
                let binary = self.gateway.as_deref().context("no gateway binary")?;
                let (running, address, directory) =
                    gateway::start(binary, [upstream, canary], PROVIDER_KEY, GATEWAY_KEY).await?;
                Target {
                    kind,
                    address,
                    key: GATEWAY_KEY,
                    running: Some(running),
                    _directory: Some(directory),
                }
            }
        };
        let asked = async {
            let mut connection = Connection::open(target.address).await?;
            connection.exchange(&target.request(Ask::Small), |_| {}).await
        };
        asked.await.with_context(|| format!("{} does not answer", kind.name()))?;
        Ok(target)
    }
}

fn local(port: &str) -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, port.parse::<u16>().context("a port")?).into())
}

/// Something to measure. Dropping it ends its process.
pub(crate) struct Target {
    kind: Kind,
    address: SocketAddr,
    key: &'static str,
    running: Option<Running>,
    _directory: Option<TempDir>,
}

impl Target {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Of its own process; the provider shares no figures.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Running::pid)
    }

    pub(crate) fn request(&self, ask: Ask) -> Vec<u8> {
        request::prepare(self.address, self.key, MODEL, ask)
    }
}
