//! What `GET /metrics` says: what the request path counts, how gates stand, what became of changed files, and what this
//! process is.

mod check_results;
mod evidence_counts;
mod gates;
mod reloads;

use std::sync::Arc;

use jiff::Timestamp;
use proxy::{Leases, Measured, SnapshotHandle};
use telemetry::{Page, names};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::catalog::standings::Standings;
use crate::export::Counts;
use crate::gates::keeper::Keeper;
pub(crate) use check_results::CheckResults;
pub(crate) use evidence_counts::{EvidenceCounts, Fate};
pub(crate) use reloads::Reloads;

/// Pages at one time, being made or on their way: each may be some megabytes, and a slow reader keeps its own.
const MOST_AT_ONCE: usize = 4;

/// Everything that is measured, wherever it is.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) sources: Arc<Sources>,
    places: Arc<Semaphore>,
}

/// Where the numbers are.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) measured: Measured,
    pub(crate) handle: Arc<SnapshotHandle>,
    pub(crate) gates: Arc<Keeper>,
    pub(crate) reloads: Arc<Reloads>,
    pub(crate) catalogs: Arc<Standings>,
    pub(crate) export: Counts,
    pub(crate) leases: Arc<Leases>,
    pub(crate) check_results: Arc<CheckResults>,
    pub(crate) started: Timestamp,
}

/// A page, and its place among those that there are at one time.
pub(crate) struct Written {
    text: String,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Metrics {
    pub(crate) fn new(sources: Arc<Sources>) -> Metrics {
        Metrics { sources, places: Arc::new(Semaphore::new(MOST_AT_ONCE)) }
    }

    /// The page of now; `None` while as many as may be are being read. Made on another thread: with a thousand targets it
    /// takes tens of milliseconds, in which this one must go on accepting.
    pub(crate) async fn page(&self) -> Option<Written> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let sources = Arc::clone(&self.sources);
        let written = tokio::task::spawn_blocking(move || {
            let mut page = Page::new();
            sources.write_to(&mut page);
            page.text()
        });
        let text = written.await.ok()?;
        Some(Written { text, _place: place })
    }
}

impl Sources {
    /// Writes all of it.
    pub(crate) fn write_to(&self, page: &mut Page) {
        let snapshot = self.handle.current();
        self.measured.write_to(page);
        gates::write(page, &snapshot);
        page.write(&names::GATES_KEPT, &[], u8::from(self.gates.is_usable()));
        page.write(&names::EVIDENCE_RECORDED, &[], u8::from(self.gates.unrecorded().is_none()));
        self.gates.evidence_counts().write_to(page);
        self.leases.write_to(page);
        self.check_results.write_to(page);
        page.write(&names::ROUTE_MAP, &[snapshot.plan().route_version()], 1);
        self.reloads.write_to(page);
        self.catalogs.write_to(page);
        self.export.write_to(page);
        page.write(&names::BUILD, &[env!("CARGO_PKG_VERSION")], 1);
        page.write(&names::STARTED, &[], self.started.as_second());
    }
}
