//! What the checks came to that were run beside this gateway: its own commands say so when they end.

use std::sync::atomic::{AtomicI64, Ordering};

use decisions::plan::Check;
use evidence::Moment;
use telemetry::{Counter, Page, names};

/// What a check came to, by whether it passed.
const OUTCOMES: [(Option<bool>, &str); 3] =
    [(Some(true), "passed"), (Some(false), "failed"), (None, "no_result")];

/// Counted from the start of the process on.
#[derive(Debug, Default)]
pub(crate) struct CheckResults([[Results; OUTCOMES.len()]; Check::ALL.len()]);

#[derive(Debug, Default)]
struct Results {
    count: Counter,
    /// In seconds since 1970.
    last: AtomicI64,
}

impl CheckResults {
    /// A check has run; `None` where it gave no result.
    pub(crate) fn count(&self, check: Check, passed: Option<bool>, at: Moment) {
        let place = OUTCOMES.iter().position(|(outcome, _)| *outcome == passed);
        let results = self.0.get(check.index()).zip(place).and_then(|(of, place)| of.get(place));
        if let Some(results) = results {
            results.count.add_one();
            results.last.store(at.ms() / 1000, Ordering::Relaxed);
        }
    }

    /// Writes those that there were.
    pub(super) fn write_to(&self, page: &mut Page) {
        for (check, of_check) in Check::ALL.iter().zip(&self.0) {
            for ((_, outcome), results) in OUTCOMES.iter().zip(of_check) {
                let count = results.count.shown();
                if count > 0 {
                    let labels = [check.as_str(), outcome];
                    page.write(&names::CHECK_RESULTS, &labels, count);
                    page.write(&names::CHECK_RESULT_AT, &labels, results.last.load(Ordering::Relaxed));
                }
            }
        }
    }
}
