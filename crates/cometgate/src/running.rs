//! The process from start to drain: what `serve` and `demo` have in common.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::Settings;
use proxy::{Gateway, Limits, Observer, Setup, SnapshotHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;
use crate::prepare::Preparer;
use crate::reload::{MapPaths, Refused, Reloader};
use crate::settings_watch::SettingsWatch;

/// A gateway that serves, with its reload.
pub(crate) struct Running {
    gateway: Gateway,
    drain_timeout: Duration,
    stop: CancellationToken,
    look_now: mpsc::Sender<()>,
}

impl Running {
    /// Loads, prepares, and starts to serve.
    pub(crate) fn start(
        settings: &Settings,
        settings_path: &Path,
        listener: TcpListener,
        observer: Arc<dyn Observer>,
    ) -> Result<Running, Failure> {
        let workers = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            workers => workers,
        };
        let paths = MapPaths { routes: settings.routes.clone(), tenants: settings.tenants.clone() };
        let mut preparer = Preparer::new(workers);
        let texts = paths.read().map_err(Failure::invalid)?;
        let loaded = paths.load(&texts).map_err(|problems| Failure::invalid(Refused::from(problems)))?;
        let environment = loaded.environment.clone().unwrap_or_else(|| "unnamed".to_owned());
        let snapshot = preparer.prepare(loaded, None).map_err(Failure::invalid)?;
        let version = snapshot.plan().route_version().to_owned();
        let handle = Arc::new(SnapshotHandle::new(snapshot));
        let setup =
            Setup { listener, workers, snapshot: Arc::clone(&handle), limits: limits(settings), observer };
        let gateway = Gateway::start(setup).context("the gateway cannot start").map_err(Failure::internal)?;
        tracing::info!(
            "serving http://{}/v1 with route map {version} (environment {environment}, {workers} workers)",
            gateway.address()
        );
        let stop = CancellationToken::new();
        let (look_now, asked) = mpsc::channel(1);
        let watch = SettingsWatch::new(settings_path.to_owned(), settings.clone());
        let reloader = Reloader::new(paths, preparer, handle, texts, watch);
        tokio::spawn(reloader.run(asked, stop.clone()));
        Ok(Running { gateway, drain_timeout: settings.limits.drain_timeout, stop, look_now })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Serves until the process is told to end, then lets requests finish.
    pub(crate) async fn until_told(self) -> Result<(), Failure> {
        let mut signals = Signals::new().context("signals cannot be received").map_err(Failure::internal)?;
        while let Told::Look = signals.next().await {
            // One look that waits is enough.
            self.look_now.try_send(()).ok();
        }
        self.stop.cancel();
        tracing::info!(
            "ending: {} requests under way may finish within {:?}; a second signal ends them at once",
            self.gateway.in_flight(),
            self.drain_timeout
        );
        tokio::select! {
            cut = self.gateway.drain(self.drain_timeout) => match cut {
                0 => tracing::info!("ended; every request was finished"),
                cut => tracing::warn!("ended at the deadline; {cut} requests were cut"),
            },
            () = signals.next_end() => tracing::warn!("ended at once by a second signal"),
        }
        Ok(())
    }
}

/// What the process was told.
enum Told {
    End,
    Look,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Look,
        }
    }

    async fn next_end(&mut self) {
        while let Told::Look = self.next().await {}
    }
}

fn limits(settings: &Settings) -> Limits {
    let from = &settings.limits;
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Limits {
        max_body: bytes(from.max_body_bytes),
        max_buffered: bytes(from.max_buffered_bytes),
        max_connections: from.max_connections,
        header_timeout: from.header_timeout,
        body_timeout: from.body_timeout,
    }
}

/// Runs a future on the thread that controls; requests have threads of their own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")
        .map_err(Failure::internal)?;
    let ended = runtime.block_on(future);
    runtime.shutdown_background();
    ended
}
