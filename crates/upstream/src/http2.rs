//! Connections of one origin that several requests share, apart for each worker.
//!
//! Sharing means one fate: what one request does not read, all others on its connection could be made to wait for. Two
//! things keep that from happening. The window of the connection is far larger than all its streams can leave unread,
//! so that stalled streams stop themselves and nobody else; and h2's allowance for small unread frames, which ends the
//! whole connection when it is used up, is half of that window (h2 from 0.4.19 on). The loader of the map holds
//! operators to both.
//!
//! A request never waits for another to end: where all connections are full, one more is made.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::connect::{Connector, SharedSender};
use crate::error::{SendError, SendErrorKind};

/// Below the idle limits of the providers we know, as for connections that are not shared.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// No request begins on a connection older than this: names and balancers change, and some bounds of HTTP/2 are for the
/// whole life of a connection (a hundred empty frames, in h2).
const LONGEST_LIFE: Duration = Duration::from_secs(600);

/// How a provider is spoken to over HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Bytes that one answer may leave unread.
    pub stream_window: u32,
    /// Bytes that all answers on a connection may leave unread.
    pub connection_window: u32,
    /// Requests on one connection at a time.
    pub max_streams: usize,
}

/// The shared connections of one origin.
#[derive(Debug)]
pub(crate) struct SharedPools {
    by_worker: Box<[Mutex<Vec<Arc<Shared>>>]>,
    max_streams: usize,
}

/// One connection, from the moment on that somebody wants it.
#[derive(Debug)]
struct Shared {
    state: watch::Receiver<State>,
    streams: AtomicUsize,
    idle_since: Mutex<Instant>,
    since: Instant,
}

#[derive(Debug)]
enum State {
    Connecting,
    Open(SharedSender),
    Failed(SendError),
}

impl Shared {
    /// Takes requests, now or as soon as it stands.
    fn is_usable(&self, now: Instant) -> bool {
        if now.duration_since(self.since) > LONGEST_LIFE {
            return false;
        }
        match &*self.state.borrow() {
            State::Connecting => true,
            State::Open(sender) => !sender.is_closed(),
            State::Failed(_) => false,
        }
    }

    /// Requests that it takes at a time; the provider may take fewer than we would send.
    fn room(&self, max_streams: usize) -> usize {
        match &*self.state.borrow() {
            State::Open(sender) => sender.takes().min(max_streams),
            State::Connecting | State::Failed(_) => max_streams,
        }
    }

    fn is_idle(&self, now: Instant) -> bool {
        let since = *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        self.streams.load(Ordering::Relaxed) == 0 && now.duration_since(since) > IDLE_LIMIT
    }
}

impl SharedPools {
    pub(crate) fn new(workers: usize, settings: Http2) -> SharedPools {
        SharedPools {
            by_worker: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            max_streams: settings.max_streams.max(1),
        }
    }

    /// A place on the first connection that has one, or on a new one.
    pub(crate) fn place(&self, worker: usize, connector: &Connector) -> Place {
        let now = Instant::now();
        let Some(mut connections) = self.lock(worker) else { return Place::take(&connect(connector, now)) };
        // Who still uses one that goes keeps it; without a user it closes.
        connections.retain(|shared| shared.is_usable(now));
        let with_room = connections
            .iter()
            .find(|shared| shared.streams.load(Ordering::Relaxed) < shared.room(self.max_streams));
        if let Some(shared) = with_room {
            return Place::take(shared);
        }
        let shared = connect(connector, now);
        connections.push(Arc::clone(&shared));
        Place::take(&shared)
    }

    /// A connection that handed a request back takes no more.
    pub(crate) fn retire(&self, worker: usize, place: &Place) {
        if let Some(mut connections) = self.lock(worker) {
            connections.retain(|shared| !Arc::ptr_eq(shared, &place.0));
        }
    }

    pub(crate) fn sweep(&self, worker: usize, now: Instant) {
        if let Some(mut connections) = self.lock(worker) {
            connections.retain(|shared| shared.is_usable(now) && !shared.is_idle(now));
        }
    }

    /// Lets go of all of them: who still uses one keeps it, and without a user it closes.
    pub(crate) fn clear(&self) {
        for worker in 0..self.by_worker.len() {
            // They end when the lock is over.
            drop(self.lock(worker).map(|mut connections| std::mem::take(&mut *connections)));
        }
    }

    fn lock(&self, worker: usize) -> Option<MutexGuard<'_, Vec<Arc<Shared>>>> {
        // Nothing between lock and unlock can panic half-way through a change.
        self.by_worker.get(worker).map(|list| list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Connects on a task of its own: whoever asked first may leave, and others wait for it by then.
fn connect(connector: &Connector, now: Instant) -> Arc<Shared> {
    let (tell, state) = watch::channel(State::Connecting);
    let connector = connector.clone();
    tokio::spawn(async move {
        let state = match connector.connect_http2().await {
            Ok(sender) => State::Open(sender),
            Err(error) => State::Failed(error),
        };
        // Nobody may be left to hear it; then the connection closes.
        tell.send(state).ok();
    });
    Arc::new(Shared { state, streams: AtomicUsize::new(0), idle_since: Mutex::new(now), since: now })
}

/// A request's place on a shared connection. Dropping it makes room; what ends the request at the provider is that its
/// answer is dropped, which resets its stream and no other.
#[derive(Debug)]
pub(crate) struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Place {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        Place(Arc::clone(shared))
    }

    /// Sends a request once the connection stands; an error of the inner kind hands it back if no byte of it was sent.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Result<Response<Incoming>, TrySendError<Request<RequestBody>>>, SendError> {
        let mut sender = self.sender().await?;
        Ok(sender.send(request).await)
    }

    async fn sender(&self) -> Result<SharedSender, SendError> {
        let mut state = self.0.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match settled.as_deref() {
            Ok(State::Open(sender)) => Ok(sender.clone()),
            Ok(State::Failed(error)) => Err(error.clone()),
            Ok(State::Connecting) | Err(_) => {
                Err(SendError::new(SendErrorKind::Connect, "connecting was given up"))
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}
