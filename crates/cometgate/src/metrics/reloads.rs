//! What became of changed files.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use jiff::Timestamp;
use telemetry::{Counter, Page, names};

use crate::state::record::Why;

/// Counted where it happens, by the thread that reloads.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    live: Counter,
    rollback: Counter,
    expired: Counter,
    lapsed: Counter,
    refused: Counter,
    files_differ: AtomicBool,
    live_since: AtomicI64,
}

impl Reloads {
    /// A pair of files is in force since `at`.
    pub(crate) fn live(&self, why: Why, at: Timestamp) {
        self.live_since.store(at.as_second(), Ordering::Relaxed);
        match why {
            // The first of the process is no change.
            Why::Start | Why::Recovered => {}
            Why::Reload => self.live.add_one(),
            Why::Rollback => self.rollback.add_one(),
            Why::Expired => self.expired.add_one(),
            Why::Lapsed => self.lapsed.add_one(),
        }
    }

    /// A change was refused.
    pub(crate) fn refused(&self) {
        self.refused.add_one();
    }

    /// Whether the files say something else than what is in force.
    pub(crate) fn files_differ(&self, differ: bool) {
        self.files_differ.store(differ, Ordering::Relaxed);
    }

    pub(super) fn write_to(&self, page: &mut Page) {
        let outcomes = [
            ("live", &self.live),
            ("rollback", &self.rollback),
            ("expired", &self.expired),
            ("lapsed", &self.lapsed),
            ("refused", &self.refused),
        ];
        // Also those at 0: what never happened yet is to be seen to happen the first time.
        for (outcome, counter) in outcomes {
            page.write(&names::RELOADS, &[outcome], counter.shown());
        }
        page.write(&names::FILES_DIFFER, &[], u8::from(self.files_differ.load(Ordering::Relaxed)));
        page.write(&names::LIVE_SINCE, &[], self.live_since.load(Ordering::Relaxed));
    }
}
