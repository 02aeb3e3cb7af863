//! The process from start to drain: what `serve` and `demo` have in common.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use config::Settings;
use jiff::Timestamp;
use proxy::{Cors, Gateway, Leases, Limits, Setup, SnapshotHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::bindings;
use crate::caller_tls::CallerTlsFiles;
use crate::catalog::polling::Polling;
use crate::catalog::standings::Standings;
use crate::checks::key::CheckKey;
use crate::checks::leasing::Leasing;
use crate::control_socket::{open as open_socket, serve_commands};
use crate::drill_book::DrillBook;
use crate::exit::Failure;
use crate::export::{Export, Exporting};
use crate::gates::acting::Acting;
use crate::gates::keeper::Keeper;
use crate::gates::ticking::{GateClock, end_proofs, save_all, tick_gates};
use crate::gates::writer::GateWriter;
use crate::in_force::Means;
use crate::map_files::MapPaths;
use crate::metrics::{CheckResults, Reloads, Sources};
use crate::prepare::Preparer;
use crate::reload::Reloader;
use crate::request_lines::RequestLines;
use crate::settings_watch::SettingsWatch;
use crate::starting::start;
use crate::state::StateDir;

/// A gateway that serves, with its reload.
pub(crate) struct Running {
    gateway: Gateway,
    admin: Option<Admin>,
    /// Probes are told.
    draining: CancellationToken,
    drain_timeout: Duration,
    stop: CancellationToken,
    look_now: mpsc::Sender<()>,
    reload: JoinHandle<()>,
    signals: Signals,
    gates: Arc<Keeper>,
    gate_writer: GateWriter,
    exporting: Option<Exporting>,
    handle: Arc<SnapshotHandle>,
}

impl Running {
    /// Loads, prepares, and starts to serve.
    pub(crate) fn start(
        settings: &Settings,
        settings_path: &Path,
        listener: TcpListener,
        lines: Option<&Arc<RequestLines>>,
    ) -> Result<Running, Failure> {
        let workers = worker_count(settings);
        let caller_tls = read_caller_tls(settings)?;
        let gates = Keeper::open(&settings.state_dir)
            .context("no thread for the log of gates")
            .map_err(Failure::internal)?;
        let export = Export::prepare(settings)?;
        let reloads = Arc::new(Reloads::default());
        let means = means(settings, workers, &gates, &reloads);
        let (in_force, seen) = start(means).map_err(Failure::invalid)?;
        let handle = in_force.handle();
        let leases = Arc::new(Leases::default());
        let setup = Setup {
            listener,
            workers,
            snapshot: Arc::clone(&handle),
            limits: limits(settings),
            tls: caller_tls.as_ref().map(CallerTlsFiles::tls),
            cors: Cors::new(&settings.cors_origins),
            trust_forwarded_for: settings.trust_forwarded_for,
            server_timing: settings.server_timing,
            observer: RequestLines::observer(lines),
            traces: RequestLines::sink(lines, export.as_ref().and_then(Export::sink)),
            affinity: bindings::open(&settings.state_dir),
            leases: Arc::clone(&leases),
        };
        let draining = CancellationToken::new();
        let probes = settings.admin.map(listen_for_probes).transpose()?;
        let gateway = Gateway::start(setup).context("the gateway cannot start").map_err(Failure::internal)?;
        let catalogs = Arc::new(Standings::default());
        let check_results = Arc::new(CheckResults::default());
        let sources = Arc::new(Sources {
            measured: gateway.measured(),
            handle: Arc::clone(&handle),
            gates: Arc::clone(&gates),
            reloads,
            catalogs: Arc::clone(&catalogs),
            export: export.as_ref().map(Export::counts).unwrap_or_default(),
            leases: Arc::clone(&leases),
            check_results: Arc::clone(&check_results),
            started: Timestamp::now(),
        });
        let exporting = export.map(|export| export.start(&sources)).transpose()?;
        let admin = probes.map(|listener| Admin::start(listener, sources, draining.clone()));
        let admin = admin.transpose().context("probes cannot be answered").map_err(Failure::internal)?;
        let gate_writer =
            GateWriter::start(&gates).context("no thread for gates").map_err(Failure::internal)?;
        let stop = CancellationToken::new();
        let clock = GateClock::new(gateway.now_ms());
        tokio::spawn(tick_gates(Arc::clone(&handle), Arc::clone(&gates), clock, stop.clone()));
        let acting = Acting {
            handle: Arc::clone(&handle),
            keeper: Arc::clone(&gates),
            clock,
            catalogs,
            check_results,
            measured: gateway.measured(),
            leasing: Leasing::new(settings, leases, gateway.address()),
        };
        // Nobody waits for its end: what it writes is written whole or not at all.
        drop(run_apart("catalog", Polling::new(settings, &acting).run(stop.clone()))?);
        take_commands(settings, acting, &stop);
        // Before anybody is told that it serves: a signal that comes then must find somebody.
        let signals = Signals::new().context("signals cannot be received").map_err(Failure::internal)?;
        announce(&gateway, admin.as_ref(), caller_tls.is_some(), &handle, workers);
        let (look_now, asked) = mpsc::channel(1);
        let watch = SettingsWatch::new(settings_path.to_owned(), settings.clone());
        let reloader = Reloader::new(in_force, seen, watch, caller_tls, settings.watch);
        let reload = run_apart("reload", reloader.run(asked, stop.clone()))?;
        Ok(Running {
            gateway,
            admin,
            draining,
            drain_timeout: settings.limits.drain_timeout,
            stop,
            look_now,
            reload,
            signals,
            gates,
            gate_writer,
            exporting,
            handle,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Serves until the process is told to end, then lets requests finish.
    pub(crate) async fn until_told(self) -> Result<(), Failure> {
        let mut signals = self.signals;
        while let Told::Look = signals.next().await {
            // One look that waits is enough.
            self.look_now.try_send(()).ok();
        }
        self.draining.cancel();
        self.stop.cancel();
        save_all(&self.handle, &self.gates);
        self.gates.hand_over();
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
        // What is still being written down; a panic there has been reported there.
        drop(self.reload.join());
        end_proofs(&self.handle, &self.gates);
        save_all(&self.handle, &self.gates);
        drop(self.gate_writer);
        drop(self.admin);
        // The last: what the end itself has to say goes with it.
        if let Some(exporting) = self.exporting {
            exporting.end();
        }
        Ok(())
    }
}

fn read_caller_tls(settings: &Settings) -> Result<Option<CallerTlsFiles>, Failure> {
    let read = settings.tls.as_ref().map(CallerTlsFiles::read).transpose();
    read.context("TLS cannot be served (`[tls]`)").map_err(Failure::invalid)
}

/// What it takes to put files in force.
fn means(settings: &Settings, workers: usize, gates: &Arc<Keeper>, reloads: &Arc<Reloads>) -> Means {
    Means {
        paths: MapPaths::of(settings),
        environment: settings.environment.clone(),
        state: open_state(&settings.state_dir),
        state_dir: settings.state_dir.clone(),
        drills: DrillBook::of(settings),
        preparer: Preparer::new(workers)
            .with_checks(settings.checks.clone().map(CheckKey::new))
            .with_client_key(settings.check_client_key.clone()),
        gates: Arc::clone(gates),
        reloads: Arc::clone(reloads),
    }
}

fn worker_count(settings: &Settings) -> usize {
    match settings.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        workers => workers,
    }
}

/// Answers commands from now on.
fn take_commands(settings: &Settings, acting: Acting, stop: &CancellationToken) {
    let state_dir = &settings.state_dir;
    let socket = Some(state_dir).filter(|_| acting.keeper.has_turn()).and_then(|path| open_socket(path).ok());
    tokio::spawn(serve_commands(state_dir.clone(), socket, Arc::new(acting), stop.clone()));
}

fn announce(gateway: &Gateway, admin: Option<&Admin>, is_tls: bool, handle: &SnapshotHandle, workers: usize) {
    if let Some(admin) = admin {
        let address = admin.address();
        tracing::info!("probes are answered at http://{address}/healthz and /readyz, metrics at /metrics");
    }
    let (scheme, snapshot) = (if is_tls { "https" } else { "http" }, handle.current());
    let (address, version) = (gateway.address(), snapshot.plan().route_version());
    tracing::info!("serving {scheme}://{address}/v1 with route map {version} ({workers} workers)");
}

/// Before callers are served: a gateway that nobody can look at is not to start.
fn listen_for_probes(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .with_context(|| format!("{address} cannot be listened on (`listen` of `[admin]`)"))
        .map_err(Failure::invalid)
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

/// Runs something on a thread of its own: it waits for disks, and the control thread must go on accepting.
fn run_apart(name: &str, work: impl Future<Output = ()> + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .with_context(|| format!("no runtime for the thread {name}"))
        .map_err(Failure::internal)?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(work))
        .with_context(|| format!("no thread {name}"))
        .map_err(Failure::internal)
}

/// Without one the gateway serves: what it would keep is lost, and it says so.
fn open_state(path: &Path) -> Option<StateDir> {
    let tell_skipped = |state: &StateDir| {
        let lines = state.skipped_lines();
        if lines > 0 {
            tracing::warn!(
                "{lines} lines of {}/history.jsonl cannot be read and are skipped",
                path.display()
            );
        }
        if state.is_last_unknown() {
            tracing::error!(
                "{} does not say what was last in force, so routes that send away are held until their way back is \
                 proven\n  help: `cometgate routes vouch`, or put `history.jsonl` back from a backup and start again",
                path.display()
            );
        }
    };
    StateDir::open(path)
        .inspect(tell_skipped)
        .map_err(|error| {
            tracing::error!(
                "versions are not kept: {error}\n  help: make `state_dir` a directory that the gateway may write to; it \
                 is tried again every five seconds"
            );
        })
        .ok()
}

fn limits(settings: &Settings) -> Limits {
    let from = &settings.limits;
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Limits {
        max_body: bytes(from.max_body_bytes),
        replay_body: bytes(from.replay_body_bytes),
        max_buffered: bytes(from.max_buffered_bytes),
        max_connections: from.max_connections,
        header_timeout: from.header_timeout,
        body_timeout: from.body_timeout,
        min_body_rate: from.min_body_rate,
        write_stall_timeout: from.write_stall_timeout,
        websocket_idle_timeout: from.websocket_idle_timeout,
        relay_idle_timeout: from.relay_idle_timeout,
        max_answer: bytes(from.max_answer),
        heartbeat: from.heartbeat,
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
