//! Idle connections of one origin, apart for each worker: last in, first out, so that few stay warm.
//!
//! A worker's list is touched by that worker alone, and by whoever closes them all after a rollback; so the lock is almost
//! never contended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::connect::Sender;
use crate::http2::Place;

/// Below the idle limits of the providers we know, so that we close first. Unknown for CometAPI.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Idle connections kept for each worker; more than this are closed after their exchange.
const MOST_IDLE: usize = 512;

/// How many of the newest are looked at before a new connection is made.
const LOOK_AT: usize = 4;

/// The idle connections of one origin.
#[derive(Debug)]
pub(crate) struct Pools {
    by_worker: Box<[Mutex<Vec<Idle>>]>,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pools {
    pub(crate) fn new(workers: usize) -> Pools {
        Pools { by_worker: (0..workers.max(1)).map(|_| Mutex::default()).collect() }
    }

    /// The newest connection that is ready. One that is neither ready nor closed is just finishing its exchange and
    /// stays.
    pub(crate) fn take(&self, worker: usize, now: Instant) -> Option<Sender> {
        let mut idle = self.lock(worker)?;
        let mut at = idle.len();
        let lowest = at.saturating_sub(LOOK_AT);
        while at > lowest {
            at -= 1;
            let candidate = idle.get(at)?;
            if candidate.sender.is_closed() || now.duration_since(candidate.since) > IDLE_LIMIT {
                idle.remove(at);
            } else if candidate.sender.is_ready() {
                return Some(idle.remove(at).sender);
            }
        }
        None
    }

    pub(crate) fn sweep(&self, worker: usize, now: Instant) {
        if let Some(mut idle) = self.lock(worker) {
            idle.retain(|one| !one.sender.is_closed() && now.duration_since(one.since) <= IDLE_LIMIT);
            idle.shrink_to(MOST_IDLE / 8);
        }
    }

    /// Closes all that are idle.
    pub(crate) fn clear(&self) {
        for worker in 0..self.by_worker.len() {
            // They end when the lock is over.
            drop(self.lock(worker).map(|mut idle| std::mem::take(&mut *idle)));
        }
    }

    fn put(&self, worker: usize, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        if let Some(mut idle) = self.lock(worker)
            && idle.len() < MOST_IDLE
        {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    fn lock(&self, worker: usize) -> Option<MutexGuard<'_, Vec<Idle>>> {
        // Nothing between lock and unlock can panic half-way through a change.
        self.by_worker.get(worker).map(|idle| idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection in use, alone or shared. Dropping it together with the answer ends the exchange at once, which is how an
/// upstream learns that nobody listens: a connection of its own is closed, on a shared one the stream is reset.
#[derive(Debug)]
pub struct Lease(Held);

#[derive(Debug)]
enum Held {
    Alone { pools: Arc<Pools>, worker: usize, sender: Sender },
    Shared { _place: Place },
}

impl Lease {
    pub(crate) fn alone(pools: Arc<Pools>, worker: usize, sender: Sender) -> Lease {
        Lease(Held::Alone { pools, worker, sender })
    }

    pub(crate) fn shared(place: Place) -> Lease {
        Lease(Held::Shared { _place: place })
    }

    /// Gives the connection back. Only for an exchange whose answer has been read to its end; an unfinished one
    /// could leak into the next caller's answer.
    pub fn release(self) {
        if let Held::Alone { pools, worker, sender } = self.0 {
            pools.put(worker, sender);
        }
    }
}
