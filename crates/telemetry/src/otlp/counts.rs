//! What is counted of the export itself, so that a collector that is ill is seen where everything else is.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::otlp::Signal;
use crate::{Counter, Counters, Page, names};

/// Why something was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// More came than could wait.
    QueueFull,
    /// The collector was tried as often as anything is.
    Undeliverable,
    /// The collector took the rest.
    Rejected,
    /// The process ended first.
    Ending,
}

impl Dropped {
    const ALL: [Dropped; 4] =
        [Dropped::QueueFull, Dropped::Undeliverable, Dropped::Rejected, Dropped::Ending];

    fn as_str(self) -> &'static str {
        match self {
            Dropped::QueueFull => "queue_full",
            Dropped::Undeliverable => "undeliverable",
            Dropped::Rejected => "rejected",
            Dropped::Ending => "ending",
        }
    }
}

/// What went wrong with one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// No answer in time.
    Timeout,
    /// It asks for a pause.
    Throttled,
    /// Its own failure.
    Server,
    /// It will never take this.
    Refused,
    /// The answer makes no sense.
    Garbage,
}

impl Failure {
    const ALL: [Failure; 7] = [
        Failure::Unreachable,
        Failure::Tls,
        Failure::Timeout,
        Failure::Throttled,
        Failure::Server,
        Failure::Refused,
        Failure::Garbage,
    ];

    /// The value of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::Unreachable => "unreachable",
            Failure::Tls => "tls",
            Failure::Timeout => "timeout",
            Failure::Throttled => "throttled",
            Failure::Server => "server",
            Failure::Refused => "refused",
            Failure::Garbage => "garbage",
        }
    }
}

/// What is counted of both signals.
#[derive(Debug, Default)]
pub struct ExportCounts {
    traces: OfSignal,
    metrics: OfSignal,
}

#[derive(Debug, Default)]
struct OfSignal {
    sent: Counter,
    dropped: Counters<{ Dropped::ALL.len() }>,
    failures: Counters<{ Failure::ALL.len() }>,
    last_success: AtomicU64,
}

impl ExportCounts {
    fn of(&self, signal: Signal) -> &OfSignal {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
        }
    }

    /// The collector has taken so many spans or points, at `now` in seconds since 1970.
    pub fn sent(&self, signal: Signal, items: u64, now: u64) {
        self.of(signal).sent.add(items);
        self.of(signal).last_success.store(now, Ordering::Relaxed);
    }

    /// So many spans or points are lost.
    pub fn dropped(&self, signal: Signal, why: Dropped, items: u64) {
        self.of(signal).dropped.add(why as usize, items);
    }

    /// A try has failed.
    pub fn failed(&self, signal: Signal, failure: Failure) {
        self.of(signal).failures.add_one(failure as usize);
    }

    /// Writes them, for the signals that are exported.
    pub fn write_to(&self, page: &mut Page, signals: &[Signal]) {
        for signal in signals {
            let (name, of) = (signal.as_str(), self.of(*signal));
            page.write(&names::OTLP_SENT, &[name], of.sent.shown());
            for why in Dropped::ALL {
                let shown = of.dropped.at(why as usize);
                page.write(&names::OTLP_DROPPED, &[name, why.as_str()], shown);
            }
            for failure in Failure::ALL {
                let shown = of.failures.at(failure as usize);
                page.write(&names::OTLP_FAILURES, &[name, failure.as_str()], shown);
            }
            let last = of.last_success.load(Ordering::Relaxed);
            if last > 0 {
                page.write(&names::OTLP_LAST_SUCCESS, &[name], last);
            }
        }
    }
}
