//! The thread that sends. It alone waits for the collector.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use telemetry::Page;
use telemetry::otlp::Signal;
use telemetry::otlp::collector::Collector;
use telemetry::otlp::counts::Dropped;
use telemetry::otlp::resource::Resource;
use telemetry::otlp::{metrics, traces};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::export::queue::{Kept, Waiting};
use crate::export::spans::spans;
use crate::metrics::Sources;

/// How often it is looked what waits.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What has come is sent by then at the latest.
const SEND_EVERY: Duration = Duration::from_secs(1);

/// Requests in one message: some two thousand spans, a megabyte before compression.
const MOST_IN_A_MESSAGE: usize = 512;

/// What is not sent so soon after the end of the process has begun is lost.
const AT_THE_END: Duration = Duration::from_secs(2);

/// All that the thread has.
pub(super) struct Sending {
    pub(super) collector: Collector,
    pub(super) resource: Resource,
    pub(super) traces: Option<Waiting>,
    /// How often what is sent of metrics.
    pub(super) metrics: Option<(Duration, Arc<Sources>)>,
    pub(super) ending: CancellationToken,
}

/// Spans or points on their way: how many, and as they are sent.
type Message = (u64, Bytes);

impl Sending {
    /// Sends until the end.
    pub(super) async fn run(mut self) {
        let (traces, metrics) = (self.traces.take(), self.metrics.take());
        let traces = async {
            if let Some(waiting) = traces {
                self.send_traces(waiting).await;
            }
        };
        let metrics = async {
            if let Some((every, sources)) = metrics {
                self.send_metrics(every, &sources).await;
            }
        };
        tokio::join!(traces, metrics);
    }

    /// All of them each time. What cannot be sent is lost, and the next time says it all.
    async fn send_metrics(&self, every: Duration, sources: &Sources) {
        let mut due = interval(every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = due.tick() => {}
                () = self.ending.cancelled() => break,
            }
            let (items, message) = self.measured(sources);
            tokio::select! {
                () = self.collector.deliver(Signal::Metrics, items, &message) => {}
                () = self.ending.cancelled() => break,
            }
        }
        let (items, message) = self.measured(sources);
        self.collector.deliver_within(Signal::Metrics, items, &message, AT_THE_END).await;
    }

    fn measured(&self, sources: &Sources) -> Message {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let begun_ns = u64::try_from(sources.started.as_nanosecond()).unwrap_or(0);
        let mut page = Page::of_points(begun_ns, now_ns);
        sources.write_to(&mut page);
        metrics::encode(&self.resource, page)
    }

    async fn send_traces(&self, mut waiting: Waiting) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        let mut begun = Instant::now();
        let mut interrupted = None;
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = self.ending.cancelled() => break,
            }
            if batch.is_empty() {
                begun = Instant::now();
            }
            take(&mut waiting, &mut batch);
            let is_due = batch.len() >= MOST_IN_A_MESSAGE || begun.elapsed() >= SEND_EVERY;
            if batch.is_empty() || !is_due {
                continue;
            }
            let (items, message) = self.message(&mut batch);
            tokio::select! {
                () = self.collector.deliver(Signal::Traces, items, &message) => {}
                () = self.ending.cancelled() => {
                    interrupted = Some((items, message));
                    break;
                }
            }
        }
        self.send_the_rest(waiting, batch, interrupted).await;
    }

    /// Each message once, while there is time. What is left then is not made into messages any more: that takes a second.
    async fn send_the_rest(&self, mut waiting: Waiting, mut batch: Vec<Kept>, interrupted: Option<Message>) {
        let until = Instant::now() + AT_THE_END;
        let mut next = interrupted;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let (items, message) = match next.take() {
                Some(message) => message,
                None => {
                    take(&mut waiting, &mut batch);
                    if batch.is_empty() {
                        return;
                    }
                    self.message(&mut batch)
                }
            };
            self.collector.deliver_within(Signal::Traces, items, &message, left).await;
        }
        while let Ok(kept) = waiting.try_recv() {
            self.collector.counts().dropped(Signal::Traces, Dropped::Ending, kept.traced.spans());
        }
    }

    fn message(&self, batch: &mut Vec<Kept>) -> Message {
        let spans: Vec<_> = batch.drain(..).flat_map(|kept| spans(&kept)).collect();
        (spans.len() as u64, traces::encode(&self.resource, spans))
    }
}

fn take(waiting: &mut Waiting, batch: &mut Vec<Kept>) {
    while batch.len() < MOST_IN_A_MESSAGE
        && let Ok(kept) = waiting.try_recv()
    {
        batch.push(*kept);
    }
}
