//! Where requests leave what becomes their traces. Whether one is kept is decided here, at the end of the request, so that
//! nothing else is made of those that are not.

use std::sync::Arc;

use config::TraceSettings;
use decisions::Role;
use proxy::{AttemptKind, TraceSink, Traced};
use telemetry::otlp::Signal;
use telemetry::otlp::counts::{Dropped, ExportCounts};
use telemetry::sampling::{Ended, KeptFor, Sampling};
use telemetry::trace_context::TraceId;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Requests that may wait: some 25 megabytes. At ten looks a second that is forty thousand a second.
const MOST_WAITING: usize = 4096;

/// A request whose trace is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) traced: Traced,
    pub(super) because: KeptFor,
}

/// The end that requests hold.
#[derive(Debug)]
pub(super) struct TraceQueue {
    sampling: Sampling,
    waiting: Sender<Box<Kept>>,
    counts: Arc<ExportCounts>,
}

/// The other end.
pub(super) type Waiting = Receiver<Box<Kept>>;

pub(super) fn open(settings: &TraceSettings, counts: &Arc<ExportCounts>) -> (Arc<TraceQueue>, Waiting) {
    let sampling = Sampling {
        share_ppm: settings.sample.ppm(),
        errors: settings.errors,
        fallbacks: settings.fallbacks,
        slow: settings.slow,
        canary_ppm: settings.canary_share.ppm(),
    };
    let (waiting, other_end) = channel(MOST_WAITING);
    (Arc::new(TraceQueue { sampling, waiting, counts: Arc::clone(counts) }), other_end)
}

impl TraceSink for TraceQueue {
    fn expects(&self, trace_id: TraceId, parent_is_kept: Option<bool>) -> bool {
        self.sampling.expects(trace_id, parent_is_kept)
    }

    fn finished(&self, traced: Traced) {
        let Some(because) = self.sampling.keeps(&ended(&traced)) else { return };
        let spans = traced.spans();
        // Nobody is woken: the other end looks by itself. A wake-up of another core costs more than all else here.
        if self.waiting.try_send(Box::new(Kept { traced, because })).is_err() {
            self.counts.dropped(Signal::Traces, Dropped::QueueFull, spans);
        }
    }
}

fn ended(traced: &Traced) -> Ended {
    let attempts = || traced.attempts.iter().flatten();
    Ended {
        trace_id: traced.place.trace_id,
        parent_is_kept: traced.place.parent.map(|(_, is_kept)| is_kept),
        is_error: traced.end.is_some_and(|end| end.is_bad),
        is_fallback: attempts().any(|attempt| attempt.kind == AttemptKind::Fallback),
        is_canary: attempts().any(|attempt| attempt.role == Role::Canary),
        took: traced.end.map(|end| end.elapsed).unwrap_or_default(),
    }
}
