//! The mutable state of the request path, all of it: what survives a swap of the plan.
//!
//! Two atomics and two short locks, which only callers with unlisted keys take, and those that name unlisted models. What is remembered of a target is in
//! `target_state.rs` and hangs on the snapshot, which hands it on to the next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use decisions::{ProviderId, ProviderSet};
use tokio::time::Instant;
use upstream::OriginId;

use crate::auth::KeyHash;
use crate::response::unlearned::Unlearned;
use crate::snapshot::Snapshot;
use crate::unlisted::Unlisted;

/// How long a provider's acceptance of a caller's own key counts.
const ACCEPTED_FOR: Duration = Duration::from_secs(600);

/// Accepted keys remembered at once. Beyond it newcomers wait until others expire: they stay on the primary.
const MOST_ACCEPTED: usize = 100_000;

/// Shared by all workers.
#[derive(Debug)]
pub(crate) struct Live {
    started: Instant,
    accepted: Mutex<HashMap<(KeyHash, OriginId), Instant>>,
    buffered: AtomicUsize,
    in_flight: AtomicUsize,
    pub(crate) unlearned: Unlearned,
    pub(crate) unlisted: Unlisted,
}

impl Default for Live {
    fn default() -> Live {
        Live {
            started: Instant::now(),
            accepted: Mutex::default(),
            buffered: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            unlearned: Unlearned::default(),
            unlisted: Unlisted::default(),
        }
    }
}

impl Live {
    /// The moment, as everything in `decisions` that knows time takes it.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// A moment, as everything in `decisions` takes it; for whoever has looked at the clock already.
    pub(crate) fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.started)
    }

    /// The providers of this snapshot that have accepted a key within the last ten minutes.
    pub(crate) fn accepted_by(&self, key: &KeyHash, snapshot: &Snapshot, now: Instant) -> ProviderSet {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        (0..)
            .map(ProviderId)
            .zip(snapshot.providers())
            .filter(|(_, provider)| {
                let until = accepted.get(&(*key, provider.origin.id()));
                until.is_some_and(|until| now < *until)
            })
            .fold(ProviderSet::EMPTY, |set, (id, _)| set.with(id))
    }

    /// A provider has answered a caller's own key with success.
    pub(crate) fn accept(&self, key: KeyHash, origin: OriginId, now: Instant) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if accepted.len() >= MOST_ACCEPTED && !accepted.contains_key(&(key, origin)) {
            accepted.retain(|_, until| now < *until);
            if accepted.len() >= MOST_ACCEPTED {
                return;
            }
        }
        accepted.insert((key, origin), now + ACCEPTED_FOR);
    }

    /// Takes room for `bytes` of a request body, if all bodies together stay within `most`.
    pub(crate) fn reserve(&self, bytes: usize, most: usize) -> bool {
        let within = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= most);
        self.buffered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// Gives room back.
    pub(crate) fn free(&self, bytes: usize) {
        self.buffered.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of request bodies that are held.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests under way, streams included.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_refused_past_the_limit_and_comes_back() {
        let live = Live::default();
        assert!(live.reserve(60, 100));
        assert!(!live.reserve(41, 100));
        assert!(!live.reserve(usize::MAX, 100));
        assert!(live.reserve(40, 100));
        live.free(100);
        assert!(live.reserve(100, 100));
    }
}
