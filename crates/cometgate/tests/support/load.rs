//! A constant load on a gateway whose map changes: who is served by which version, and on the side that the version's
//! share gives.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use decisions::bucket::{Share, contains};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{ACME, Client};

const REQUESTS_PER_SECOND: u64 = 1_000;
const CONNECTIONS: u64 = 16;

/// What the load saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) requests: AtomicU64,
    /// The number of the newest version that a request was served by.
    pub(crate) newest: AtomicU64,
    /// Of calls without a key, by version: how many, and how many of them on the canary.
    pub(crate) keyless: Mutex<HashMap<u64, (u64, u64)>>,
    pub(crate) failures: Mutex<Vec<String>>,
}

/// The share of a version, in parts per million: 1 % to 50 %, up and down.
pub(crate) fn share_of(version: u64) -> u32 {
    10_000 + u32::try_from(version * 73_000 % 490_000).unwrap()
}

/// A load under way.
pub(crate) struct Load {
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    lanes: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr) -> Load {
        let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let lane = |lane| tokio::spawn(drive(address, lane, Arc::clone(&seen), Arc::clone(&stop)));
        let lanes = (0..CONNECTIONS).map(lane).collect();
        Load { seen, stop, lanes }
    }

    /// Waits until a request is served by this version, and says for how long; fails if that is longer than `within`.
    pub(crate) async fn is_served_by(&self, version: u64, within: Duration) -> Duration {
        let began = Instant::now();
        while self.seen.newest.load(Ordering::Acquire) != version {
            assert!(began.elapsed() < within, "version {version} is not live after {within:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        began.elapsed()
    }

    /// Ends it and says what it saw; fails if a request did.
    pub(crate) async fn end(self) -> Arc<Seen> {
        self.stop.store(true, Ordering::Release);
        for lane in self.lanes {
            lane.await.unwrap();
        }
        let failures = self.seen.failures.lock().unwrap();
        assert!(failures.is_empty(), "{} failures, first: {}", failures.len(), failures[0]);
        drop(failures);
        self.seen
    }
}

/// One connection's part of a constant rate: half with a key, half without.
async fn drive(address: SocketAddr, lane: u64, seen: Arc<Seen>, stop: Arc<AtomicBool>) {
    let mut client = Client::connect(address).await;
    let mut due = tokio::time::interval(Duration::from_micros(1_000_000 * CONNECTIONS / REQUESTS_PER_SECOND));
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut number = lane * 1_000_000;
    while !stop.load(Ordering::Acquire) {
        due.tick().await;
        number += 1;
        let user = number.is_multiple_of(2).then(|| format!("user-{number}"));
        let body = match &user {
            Some(user) => format!(r#"{{"model":"summary","user":"{user}"}}"#),
            None => r#"{"model":"summary"}"#.to_owned(),
        };
        let answer = client.chat(ACME, &body).await;
        seen.requests.fetch_add(1, Ordering::Relaxed);
        let version =
            answer.header("x-cometgate-route-version").strip_prefix('v').and_then(|text| text.parse().ok());
        let is_canary = answer.header("x-cometgate-role") == "canary";
        match version {
            Some(version) if answer.status == 200 && version < 100_000 => {
                note(&seen, version, user.as_deref(), is_canary);
            }
            _ => seen.failures.lock().unwrap().push(format!("{answer:?}")),
        }
    }
}

fn note(seen: &Seen, version: u64, user: Option<&str>, is_canary: bool) {
    seen.newest.fetch_max(version, Ordering::AcqRel);
    match user {
        // A key's side follows from the version's share alone: the same for everyone who computes it.
        Some(user) => {
            let share = Share::from_ppm(share_of(version)).unwrap();
            if contains(share, "the-canary", user.as_bytes()) != is_canary {
                let text = format!("{user} was on the wrong side of version {version}");
                seen.failures.lock().unwrap().push(text);
            }
        }
        None => {
            let mut keyless = seen.keyless.lock().unwrap();
            let (all, canary) = keyless.entry(version).or_default();
            *all += 1;
            *canary += u64::from(is_canary);
        }
    }
}
