//! What leaves for the operator's collector of OpenTelemetry: traces of requests, and metrics.
//!
//! A request leaves its facts in a bounded queue and goes on; all else happens on a thread of its own with a runtime of its
//! own. A collector that is slow or gone costs a request nothing: what the queue cannot hold is dropped and counted.
//!
//! Reading order: [`queue`] (what requests touch), [`sending`] (the thread), [`spans`] (facts to spans), [`transport`] (how
//! bytes get there), [`setup`] (what the settings say).

mod queue;
mod sending;
mod setup;
mod spans;
mod transport;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use config::{Settings, TelemetrySettings};
use proxy::TraceSink;
use telemetry::Page;
use telemetry::otlp::Signal;
use telemetry::otlp::collector::Collector;
use telemetry::otlp::counts::ExportCounts;
use telemetry::otlp::resource::Resource;
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;
use crate::metrics::Sources;
use queue::{TraceQueue, Waiting};
use sending::Sending;

/// What is sent, before anything is.
#[derive(Debug)]
pub(crate) struct Export {
    collector: Collector,
    resource: Resource,
    traces: Option<(Arc<TraceQueue>, Waiting)>,
    metrics_interval: Option<Duration>,
    counts: Counts,
}

/// What is counted of the export, for the page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    counts: Arc<ExportCounts>,
    signals: Vec<Signal>,
}

/// The thread that sends.
#[derive(Debug)]
pub(crate) struct Exporting {
    ending: CancellationToken,
    thread: JoinHandle<()>,
}

impl Export {
    /// Nothing, if the settings say nothing of a collector.
    ///
    /// # Errors
    /// A secret or a certificate that the settings name cannot be had.
    pub(crate) fn prepare(settings: &Settings) -> Result<Option<Export>, Failure> {
        let Some(telemetry) = &settings.telemetry else { return Ok(None) };
        let counts = Counts { counts: Arc::default(), signals: signals(telemetry) };
        let collector = setup::collector(telemetry, Arc::clone(&counts.counts))
            .context("the collector cannot be spoken to (`[telemetry]`)")
            .map_err(Failure::invalid)?;
        let resource = setup::resource(telemetry, settings.environment.as_deref());
        let traces = telemetry.traces.map(|traces| queue::open(&traces, &counts.counts));
        let metrics_interval = telemetry.metrics_interval;
        Ok(Some(Export { collector, resource, traces, metrics_interval, counts }))
    }

    /// Who takes what requests leave.
    pub(crate) fn sink(&self) -> Option<Arc<dyn TraceSink>> {
        let (queue, _) = self.traces.as_ref()?;
        Some(Arc::clone(queue) as Arc<dyn TraceSink>)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system has none.
    pub(crate) fn start(self, sources: &Arc<Sources>) -> Result<Exporting, Failure> {
        let ending = CancellationToken::new();
        let sending = Sending {
            collector: self.collector,
            resource: self.resource,
            traces: self.traces.map(|(_, waiting)| waiting),
            metrics: self.metrics_interval.map(|interval| (interval, Arc::clone(sources))),
            ending: ending.clone(),
        };
        let thread = run_apart(sending).context("no thread for the export").map_err(Failure::internal)?;
        Ok(Exporting { ending, thread })
    }
}

impl Exporting {
    /// Sends what waits, within two seconds, and ends.
    pub(crate) fn end(self) {
        self.ending.cancel();
        if self.thread.join().is_err() {
            tracing::error!("the thread of the export panicked");
        }
    }
}

impl Counts {
    pub(crate) fn write_to(&self, page: &mut Page) {
        self.counts.write_to(page, &self.signals);
    }
}

/// On a thread and a runtime of its own: what waits for a collector waits for nothing else.
fn run_apart(sending: Sending) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("export".to_owned()).spawn(move || {
        runtime.block_on(sending.run());
        // Blocking look-ups of names are not waited for.
        runtime.shutdown_background();
    })
}

fn signals(settings: &TelemetrySettings) -> Vec<Signal> {
    let is_sent = |signal: &Signal| match signal {
        Signal::Traces => settings.traces.is_some(),
        Signal::Metrics => settings.metrics_interval.is_some(),
    };
    Signal::ALL.into_iter().filter(is_sent).collect()
}
