//! What became of records that the running gateway was to write into the store of evidence.

use std::sync::atomic::{AtomicI64, Ordering};

use evidence::{Kind, Moment};
use telemetry::{Counter, Counters, Page, names};

/// Kinds that a running gateway writes. Those of checks are written by the commands that make them.
const WRITTEN: [Kind; 7] = [
    Kind::GateDecision,
    Kind::StepDecision,
    Kind::OperatorAction,
    Kind::RollbackProof,
    Kind::GateLogSegment,
    Kind::CatalogCheck,
    Kind::CatalogDrift,
];

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It would survive a power cut.
    Recorded,
    /// It is too long for the store, whatever that holds.
    Refused,
    /// The store took none while more came than can wait.
    Lost,
}

impl Fate {
    const ALL: [Fate; 3] = [Fate::Recorded, Fate::Refused, Fate::Lost];

    fn as_str(self) -> &'static str {
        match self {
            Fate::Recorded => "recorded",
            Fate::Refused => "refused",
            Fate::Lost => "lost",
        }
    }
}

/// Counted from the start of the process on.
#[derive(Debug, Default)]
pub(crate) struct EvidenceCounts {
    /// In the order of [`WRITTEN`].
    of_kinds: [Counters<{ Fate::ALL.len() }>; WRITTEN.len()],
    failures: Counter,
    /// In seconds since 1970; 0 is never.
    last_failure: AtomicI64,
}

impl EvidenceCounts {
    /// That is what became of a record.
    pub(crate) fn count(&self, kind: Kind, fate: Fate) {
        let at = WRITTEN.iter().position(|written| *written == kind);
        if let Some(counters) = at.and_then(|at| self.of_kinds.get(at)) {
            counters.add_one(fate as usize);
        }
    }

    /// A try to append has failed.
    pub(crate) fn failed(&self, at: Moment) {
        self.failures.add_one();
        self.last_failure.store(at.ms() / 1000, Ordering::Relaxed);
    }

    /// Writes them; also those that are 0, since a rate is of two samples.
    pub(super) fn write_to(&self, page: &mut Page) {
        for (kind, counters) in WRITTEN.iter().zip(&self.of_kinds) {
            for fate in Fate::ALL {
                let shown = counters.at(fate as usize);
                page.write(&names::EVIDENCE_RECORDS, &[kind.as_str(), fate.as_str()], shown);
            }
        }
        page.write(&names::EVIDENCE_FAILURES, &[], self.failures.shown());
        let last = self.last_failure.load(Ordering::Relaxed);
        if last > 0 {
            page.write(&names::EVIDENCE_LAST_FAILURE, &[], last);
        }
    }

    #[cfg(test)]
    pub(crate) fn shown(&self, kind: Kind, fate: Fate) -> u64 {
        let at = WRITTEN.iter().position(|written| *written == kind).unwrap();
        self.of_kinds[at].at(fate as usize)
    }

    #[cfg(test)]
    pub(crate) fn failures(&self) -> u64 {
        self.failures.shown()
    }
}
