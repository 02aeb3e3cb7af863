//! What is measured: the provider itself, the floor, other proxies and the gateway, each started fresh and asked once
//! before use.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use crate::certificates::Certificates;
use crate::client::Connection;
use crate::gateway_files::{alias, key, size};
use crate::job::{Job, Setup, Started, find, free_address};
use crate::process::{PROXY_CORE, Running, pins};
use crate::provider::{self, Upstreams};
use crate::request::{self, Ask};
use crate::{gateway, haproxy, http2, nginx, pingora, proc};

/// What only the provider accepts.
const PROVIDER_KEY: &str = "sk-load-provider";

/// A kind of target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// The provider, nothing between.
    Direct,
    /// The bare relay.
    Floor,
    /// nginx, found on PATH or in --peers.
    Nginx,
    /// haproxy, likewise.
    Haproxy,
    /// A minimal proxy on Pingora, built when it is wanted.
    Pingora,
    /// The gateway; `compare` sends its metrics and traces to a collector.
    Cometgate,
    /// The gateway without telemetry.
    CometgateQuiet,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Floor => "floor",
            Kind::Nginx => "nginx",
            Kind::Haproxy => "haproxy",
            Kind::Pingora => "pingora",
            Kind::Cometgate => "cometgate",
            Kind::CometgateQuiet => "cometgate-quiet",
        }
    }

    /// Whether it sends one request of twenty to the second provider; the bare relay knows one provider only.
    pub(crate) fn splits(self) -> bool {
        !matches!(self, Kind::Direct | Kind::Floor)
    }

    /// Whether it can do a job at all: the bare relay and the proxy on Pingora know neither TLS nor a second try.
    pub(crate) fn does(self, setup: Setup) -> bool {
        match self {
            Kind::Direct | Kind::Floor => {
                matches!(setup, Setup::Plain | Setup::Map { .. } | Setup::Tenants(_))
            }
            Kind::Pingora => pingora::does(setup),
            Kind::Nginx | Kind::Haproxy | Kind::Cometgate | Kind::CometgateQuiet => true,
        }
    }
}

/// Where programs are that have to be built or found first.
#[derive(Default)]
pub(crate) struct Programs {
    pub(crate) gateway: Option<PathBuf>,
    pub(crate) pingora: Option<PathBuf>,
    /// A directory with nginx and haproxy; without one they are looked for on PATH.
    pub(crate) peers: Option<PathBuf>,
}

impl Programs {
    /// Of a proxy that is installed, if it is.
    pub(crate) fn installed(&self, name: &str) -> Option<PathBuf> {
        find(name, self.peers.as_deref())
    }
}

/// The providers, and what it takes to put something in front of them.
pub(crate) struct Lab {
    upstreams: Upstreams,
    certificates: Certificates,
    programs: Programs,
    collector: Option<SocketAddr>,
}

impl Lab {
    /// Starts the providers. With a collector, [`Kind::Cometgate`] sends its telemetry there.
    pub(crate) async fn start(programs: Programs, collector: Option<SocketAddr>) -> Result<Lab> {
        let certificates = Certificates::new()?;
        let upstreams = provider::start(PROVIDER_KEY, certificates.acceptor()).await?;
        Ok(Lab { upstreams, certificates, programs, collector })
    }

    /// How many requests each of the two providers has taken so far.
    pub(crate) fn taken(&self) -> [u64; 2] {
        self.upstreams.taken()
    }

    /// Starts a target and sends it one request.
    pub(crate) async fn target(&self, kind: Kind, setup: Setup) -> Result<Target> {
        ensure!(kind.does(setup), "{} does not do this", kind.name());
        let upstreams = match setup {
            Setup::Tls => self.upstreams.tls,
            Setup::FailOver => self.upstreams.ill,
            Setup::Plain | Setup::Http2 | Setup::Map { .. } | Setup::Tenants(_) => self.upstreams.plain,
        };
        let job = Job {
            setup,
            listen: free_address()?,
            upstreams,
            provider_key: PROVIDER_KEY,
            certificates: &self.certificates,
        };
        let installed =
            |name| self.programs.installed(name).with_context(|| format!("{name} is not installed"));
        let gateway = || self.programs.gateway.as_deref().context("no gateway binary");
        let (address, started) = match kind {
            Kind::Direct => (upstreams[0], None),
            Kind::Floor => {
                let to = upstreams[0].to_string();
                let arguments = ["floor", "--upstream", &to, "--key", PROVIDER_KEY];
                let (running, line) = Running::start_own(&arguments, PROXY_CORE)?;
                (local(&line)?, Some(Started { running, directory: tempfile::tempdir()? }))
            }
            Kind::Nginx => (job.listen, Some(nginx::start(&installed("nginx")?, &job).await?)),
            Kind::Haproxy => (job.listen, Some(haproxy::start(&installed("haproxy")?, &job).await?)),
            Kind::Pingora => {
                let binary = self.programs.pingora.as_deref().context("no proxy on Pingora")?;
                (job.listen, Some(pingora::start(binary, &job).await?))
            }
            Kind::Cometgate => (job.listen, Some(gateway::start(gateway()?, &job, self.collector).await?)),
            Kind::CometgateQuiet => (job.listen, Some(gateway::start(gateway()?, &job, None).await?)),
        };
        let (running, directory) = started.map(|started| (started.running, started.directory)).unzip();
        let tls = (setup == Setup::Tls).then(|| self.certificates.connector());
        let target = Target { kind, setup, address, tls, running, _directory: directory };
        target.ask_once().await.with_context(|| format!("{} does not answer", kind.name()))?;
        target.hold_to_its_core()?;
        Ok(target)
    }
}

fn local(port: &str) -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, port.parse::<u16>().context("a port")?).into())
}

/// Something to measure. Dropping it ends its process.
pub(crate) struct Target {
    kind: Kind,
    setup: Setup,
    address: SocketAddr,
    tls: Option<TlsConnector>,
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

    /// A fresh connection, over TLS where its job is.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        match &self.tls {
            None => Connection::open(self.address).await,
            Some(connector) => Connection::open_tls(self.address, connector).await,
        }
    }

    pub(crate) fn request(&self, ask: Ask) -> Vec<u8> {
        self.request_of(0, ask)
    }

    /// What one of many workers sends: of a large map each takes a tenant and an alias of its own, spread over all.
    pub(crate) fn request_of(&self, worker: usize, ask: Ask) -> Vec<u8> {
        let (key, model) = self.caller(worker);
        request::prepare(self.address, &key, &model, ask)
    }

    /// Key and model of a worker.
    pub(crate) fn caller(&self, worker: usize) -> (String, String) {
        if self.kind == Kind::Direct {
            return (PROVIDER_KEY.to_owned(), alias(0));
        }
        let (tenants, aliases) = size(self.setup);
        // Two primes, so that neither tenants nor aliases come in the map's order.
        (key(worker * 7919 % tenants), alias(worker * 104_729 % aliases))
    }

    async fn ask_once(&self) -> Result<()> {
        if self.setup == Setup::Http2 {
            return http2::ask_once(self).await;
        }
        self.connect().await?.exchange(&self.request(Ask::Small), |_| {}).await
    }

    /// A proxy that had moved to the load's core, or to both, would be measured for something else.
    fn hold_to_its_core(&self) -> Result<()> {
        let (Some(pid), true) = (self.pid(), pins()) else { return Ok(()) };
        let cores = proc::cores(pid)?;
        let own = PROXY_CORE.to_string();
        ensure!(cores.iter().eq([&own]), "{} runs on cores {cores:?}, not on {own}", self.kind.name());
        Ok(())
    }
}
