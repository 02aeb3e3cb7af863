//! The running gateway: one listener, an event loop for each core, and the way to end it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::affinity::Affinity;
use crate::caller_tls::CallerTls;
use crate::cors::Cors;
use crate::leases::Leases;
use crate::limits::Limits;
use crate::live::Live;
use crate::observer::Observer;
use crate::series::Measured;
use crate::snapshot::SnapshotHandle;
use crate::trace::TraceSink;
use crate::worker::{Accepted, Context, Drain, Worker};

/// How long to wait when the system has no file descriptor left.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// What a gateway is made of.
pub struct Setup {
    /// Where it listens.
    pub listener: std::net::TcpListener,
    /// Event loops; providers' origins must have been made for as many.
    pub workers: usize,
    /// What it serves.
    pub snapshot: Arc<SnapshotHandle>,
    /// Its bounds.
    pub limits: Limits,
    /// TLS towards callers; without it they connect in the clear.
    pub tls: Option<Arc<CallerTls>>,
    /// Whose pages may call it from browsers.
    pub cors: Cors,
    /// Whoever connects is a proxy of the operator's: what it says in `X-Forwarded-For` is true.
    pub trust_forwarded_for: bool,
    /// Answers say how long the gateway and the provider took (`Server-Timing`).
    pub server_timing: bool,
    /// Who hears of every request.
    pub observer: Arc<dyn Observer>,
    /// Who takes traces; without anybody none are made.
    pub traces: Option<Arc<dyn TraceSink>>,
    /// Who remembers where things live.
    pub affinity: Arc<dyn Affinity>,
    /// What is lent to checks.
    pub leases: Arc<Leases>,
}

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    accepting: CancellationToken,
    drain: Drain,
    live: Arc<Live>,
    snapshot: Arc<SnapshotHandle>,
    acceptor: JoinHandle<Vec<Worker>>,
}

impl Gateway {
    /// Starts the event loops, and accepting on the runtime of the caller.
    ///
    /// # Errors
    /// When a thread cannot be started or the listener cannot be used.
    pub fn start(setup: Setup) -> std::io::Result<Gateway> {
        setup.listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(setup.listener)?;
        let address = listener.local_addr()?;
        let live = Arc::new(Live::default());
        let drain = Drain { begin: CancellationToken::new(), cut: CancellationToken::new() };
        let workers = (0..setup.workers.max(1))
            .map(|worker| {
                let context = Context {
                    worker,
                    snapshot: Arc::clone(&setup.snapshot),
                    live: Arc::clone(&live),
                    limits: setup.limits.clone(),
                    tls: setup.tls.clone(),
                    cors: setup.cors.clone(),
                    trust_forwarded_for: setup.trust_forwarded_for,
                    server_timing: setup.server_timing,
                    observer: Arc::clone(&setup.observer),
                    traces: setup.traces.clone(),
                    affinity: Arc::clone(&setup.affinity),
                    leases: Arc::clone(&setup.leases),
                };
                Worker::start(context, drain.clone())
            })
            .collect::<std::io::Result<Vec<Worker>>>()?;
        let snapshot = setup.snapshot;
        let accepting = CancellationToken::new();
        let places = Arc::new(Semaphore::new(setup.limits.max_connections));
        let acceptor = tokio::spawn(accept(listener, workers, places, accepting.clone()));
        Ok(Gateway { address, accepting, drain, live, snapshot, acceptor })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Milliseconds of the clock that gates go by: since the gateway was started.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.live.now().as_millis()).unwrap_or(u64::MAX)
    }

    /// What it measures.
    #[must_use]
    pub fn measured(&self) -> Measured {
        Measured { live: Arc::clone(&self.live), snapshot: Arc::clone(&self.snapshot) }
    }

    /// Requests under way, streams included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.live.in_flight()
    }

    /// Stops accepting, lets requests and streams under way finish until the deadline, and ends. Returns how many
    /// were cut by the deadline.
    pub async fn drain(self, deadline: Duration) -> usize {
        self.accepting.cancel();
        let Ok(workers) = self.acceptor.await else { return self.live.in_flight() };
        self.drain.begin.cancel();
        let mut joined = tokio::task::spawn_blocking(move || workers.into_iter().for_each(Worker::join));
        if tokio::time::timeout(deadline, &mut joined).await.is_ok() {
            return 0;
        }
        let cut = self.live.in_flight();
        self.drain.cut.cancel();
        if joined.await.is_err() {
            tracing::error!("ending the workers panicked");
        }
        cut
    }
}

/// Accepts until told to stop, and gives each connection to the worker that has the fewest.
async fn accept(
    listener: TcpListener,
    workers: Vec<Worker>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
) -> Vec<Worker> {
    loop {
        // A place first: at the limit, callers wait in the system's queue instead of being turned away.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stop.cancelled() => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        hand_over(accepted, place, &workers).await;
    }
    // Whom the system has accepted by now is served; closing the listener would reset them.
    while let Ok(place) = Arc::clone(&places).try_acquire_owned() {
        let Ok(waiting) = tokio::time::timeout(Duration::ZERO, listener.accept()).await else { break };
        hand_over(waiting, place, &workers).await;
    }
    workers
}

async fn hand_over(
    accepted: std::io::Result<(TcpStream, SocketAddr)>,
    place: OwnedSemaphorePermit,
    workers: &[Worker],
) {
    match accepted.and_then(|(stream, _)| prepare(stream)) {
        Ok(stream) => {
            if let Some(worker) = workers.iter().min_by_key(|worker| worker.open()) {
                worker.serve(Accepted { stream, place }).await;
            }
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
        }
    }
}

fn prepare(stream: TcpStream) -> std::io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    stream.into_std()
}
