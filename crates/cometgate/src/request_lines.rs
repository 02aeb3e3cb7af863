//! One line for each request, so that a person sees where traffic goes; or, for whoever collects them, one for each attempt
//! and one for its request, which have its ID and its trace's in common.
//!
//! The line is made on the request path and written by a thread of its own; when that falls behind, lines are dropped
//! and counted, since a slow terminal must not slow a request. Where no lines are asked for, nothing is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use decisions::price::Cost;
use proxy::{AttemptRecord, Observer, Record, TraceSink, Traced};
use serde::Serialize;
use telemetry::trace_context::TraceId;

use crate::terminal;

mod attempt_line;
mod request_line;

/// Lines that may wait for the terminal.
const WAITING: usize = 4096;

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LineFormat {
    /// For people: a line for each request, and one before it for each attempt that failed.
    Text,
    /// For machines: a JSON object for each attempt and each request, under the names of `docs/log-lines.md`.
    Json,
}

/// Prints what happened.
#[derive(Debug)]
pub(crate) struct RequestLines {
    format: LineFormat,
    lines: SyncSender<String>,
    dropped: AtomicU64,
}

impl RequestLines {
    /// Starts the thread that writes.
    pub(crate) fn start(format: LineFormat) -> std::io::Result<Arc<RequestLines>> {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        std::thread::Builder::new().name("request-lines".to_owned()).spawn(move || {
            for line in waiting {
                terminal::result(&line);
            }
        })?;
        Ok(Arc::new(RequestLines { format, lines, dropped: AtomicU64::new(0) }))
    }

    /// Hears of attempts and requests; nobody where there are no lines.
    pub(crate) fn observer(lines: Option<&Arc<RequestLines>>) -> Arc<dyn Observer> {
        match lines {
            Some(lines) => Arc::clone(lines) as Arc<dyn Observer>,
            None => Arc::new(NoLines),
        }
    }

    /// Takes what requests leave: for their lines, and for whoever makes traces of it.
    pub(crate) fn sink(
        lines: Option<&Arc<RequestLines>>,
        traces: Option<Arc<dyn TraceSink>>,
    ) -> Option<Arc<dyn TraceSink>> {
        match lines.filter(|lines| lines.format == LineFormat::Json) {
            Some(lines) => Some(Arc::new(WithLines { lines: Arc::clone(lines), traces })),
            None => traces,
        }
    }

    fn print(&self, mut line: String) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            line = match self.format {
                LineFormat::Text => format!("{line}  ({dropped} lines before this one were dropped)"),
                LineFormat::Json => {
                    format!("{}\n{line}", object(&Dropped { event: "dropped", lines: dropped }))
                }
            };
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

/// Lines that nobody will see.
#[derive(Serialize)]
struct Dropped {
    event: &'static str,
    lines: u64,
}

impl Observer for RequestLines {
    fn attempted(&self, record: &AttemptRecord<'_>) {
        match self.format {
            LineFormat::Json => self.print(attempt_line::json(record)),
            LineFormat::Text if record.error_class.is_some() => self.print(attempt_line::text(record)),
            LineFormat::Text => {}
        }
    }

    fn finished(&self, record: &Record<'_>) {
        if self.format == LineFormat::Text {
            self.print(line(record));
        }
    }
}

/// Prints a line for each request that is over with all its attempts, and hands on what is left of it.
struct WithLines {
    lines: Arc<RequestLines>,
    traces: Option<Arc<dyn TraceSink>>,
}

impl TraceSink for WithLines {
    fn expects(&self, trace_id: TraceId, parent_is_kept: Option<bool>) -> Option<bool> {
        self.traces.as_ref()?.expects(trace_id, parent_is_kept)
    }

    fn finished(&self, traced: Traced) {
        self.lines.print(request_line::json(&traced));
        if let Some(traces) = &self.traces {
            traces.finished(traced);
        }
    }
}

/// Nobody watches.
#[derive(Debug)]
struct NoLines;

impl Observer for NoLines {
    fn attempted(&self, _record: &AttemptRecord<'_>) {}

    fn finished(&self, _record: &Record<'_>) {}
}

fn line(record: &Record<'_>) -> String {
    let plan = record.snapshot.plan();
    let now = jiff::Zoned::now().strftime("%H:%M:%S%.3f").to_string();
    let tenant = record.tenant.map_or("-", |id| &plan.tenant(id).name);
    let route = record.route.map_or("-", |id| &plan.route(id).name);
    let target = record.target.map_or_else(
        || "-".to_owned(),
        |(provider, role)| format!("{} ({})", plan.provider(provider).name, role.as_str()),
    );
    let status = record.status.map_or_else(|| "-".to_owned(), |status| status.as_u16().to_string());
    let shown = |duration| format!("{:.1} ms", millis(duration));
    let head = record.head_after.map_or_else(|| "-".to_owned(), shown);
    let total = shown(record.elapsed);
    let outcome = record.outcome.as_str();
    format!(
        "{now}  {:<10}  {tenant:<12}  {route:<20}  {target:<22}  {status:>3}  {head:>10} to head  {total:>10} in all  {outcome}{}",
        record.endpoint,
        if record.attempts > 1 { format!(", {} attempts", record.attempts) } else { String::new() }
    )
}

/// A JSON object in one line.
fn object(fields: &impl Serialize) -> String {
    // Names, numbers and ids always serialise.
    serde_json::to_string(fields).unwrap_or_default()
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// In the money that the map's prices are in.
fn in_money(Cost(billionths): Cost) -> f64 {
    billionths as f64 / 1e9
}
