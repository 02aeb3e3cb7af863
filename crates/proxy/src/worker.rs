//! One event loop: a thread with its own connections to callers and to providers.
//!
//! A request lives and dies on one thread, so nothing on its path crosses cores: no lock is contended and no wake-up
//! is sent to another core, which costs more than the request itself on a virtual machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::affinity::Affinity;
use crate::caller_tls::CallerTls;
use crate::connection;
use crate::cors::Cors;
use crate::leases::Leases;
use crate::limits::Limits;
use crate::live::Live;
use crate::observer::Observer;
use crate::snapshot::SnapshotHandle;
use crate::trace::TraceSink;

/// How often idle connections to providers are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Connections handed to a worker that it has not begun to serve.
const HANDED_OVER: usize = 1024;

/// What a request needs of its surroundings.
pub(crate) struct Context {
    /// Which event loop this is: the pools of providers are divided by it.
    pub(crate) worker: usize,
    pub(crate) snapshot: Arc<SnapshotHandle>,
    pub(crate) live: Arc<Live>,
    pub(crate) limits: Limits,
    /// Without it callers connect in the clear.
    pub(crate) tls: Option<Arc<CallerTls>>,
    pub(crate) cors: Cors,
    /// Whoever connects is a proxy of the operator's, and says truly for whom.
    pub(crate) trust_forwarded_for: bool,
    /// Answers say how long the gateway and the provider took.
    pub(crate) server_timing: bool,
    pub(crate) observer: Arc<dyn Observer>,
    /// Without it no traces are made.
    pub(crate) traces: Option<Arc<dyn TraceSink>>,
    pub(crate) affinity: Arc<dyn Affinity>,
    pub(crate) leases: Arc<Leases>,
}

/// A connection that was accepted, with its place among the connections allowed.
pub(crate) struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) place: OwnedSemaphorePermit,
}

/// The handle of a running event loop.
pub(crate) struct Worker {
    connections: mpsc::Sender<Accepted>,
    open: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(context: Context, drain: Drain) -> std::io::Result<Worker> {
        let (connections, arriving) = mpsc::channel(HANDED_OVER);
        let open = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&open);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let name = format!("worker-{}", context.worker);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(run(Arc::new(context), arriving, counter, drain));
            // What the deadline cut is dropped here; blocking look-ups of names are not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Worker { connections, open, thread })
    }

    /// Connections it serves.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Hands it a connection; waits while it is far behind.
    pub(crate) async fn serve(&self, accepted: Accepted) {
        self.open.fetch_add(1, Ordering::Relaxed);
        // It only refuses while the process ends.
        if self.connections.send(accepted).await.is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for its thread. Closing the channel lets the loop end once its connections have.
    pub(crate) fn join(self) {
        drop(self.connections);
        if self.thread.join().is_err() {
            tracing::error!("a worker thread panicked");
        }
    }
}

/// How a worker is told to end.
#[derive(Clone)]
pub(crate) struct Drain {
    /// Requests under way may finish, none begins on an idle connection.
    pub(crate) begin: CancellationToken,
    /// What is still under way is cut.
    pub(crate) cut: CancellationToken,
}

async fn run(
    context: Arc<Context>,
    mut arriving: mpsc::Receiver<Accepted>,
    open: Arc<AtomicUsize>,
    drain: Drain,
) {
    let connections = TaskTracker::new();
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = arriving.recv() => match accepted {
                Some(accepted) => begin(&context, accepted, &open, &connections, &drain),
                None => break,
            },
            _ = sweep.tick() => {
                for provider in context.snapshot.current().providers() {
                    provider.origin.sweep(context.worker);
                }
            }
        }
    }
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = drain.cut.cancelled() => {}
    }
}

fn begin(
    context: &Arc<Context>,
    accepted: Accepted,
    open: &Arc<AtomicUsize>,
    connections: &TaskTracker,
    drain: &Drain,
) {
    let open = Arc::clone(open);
    let context = Arc::clone(context);
    let drain = drain.begin.clone();
    connections.spawn(async move {
        let Accepted { stream, place } = accepted;
        match TcpStream::from_std(stream) {
            Ok(stream) => connection::serve(stream, context, drain).await,
            Err(error) => tracing::warn!(%error, "a connection could not be registered"),
        }
        open.fetch_sub(1, Ordering::Relaxed);
        drop(place);
    });
}
