//! One line for each request, so that a person sees where traffic goes, or one for each attempt, for whoever collects
//! them.
//!
//! The line is made on the request path and written by a thread of its own; when that falls behind, lines are dropped
//! and counted, since a slow terminal must not slow a request.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use proxy::{AttemptRecord, Observer, Record};

use crate::terminal;

mod attempt_line;

/// Lines that may wait for the terminal.
const WAITING: usize = 4096;

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LineFormat {
    /// For people: a line for each request, and one before it for each attempt that failed.
    Text,
    /// For machines: a JSON object for each attempt, under the names of `docs/configuration.md`.
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
    pub(crate) fn start(format: LineFormat) -> std::io::Result<RequestLines> {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        std::thread::Builder::new().name("request-lines".to_owned()).spawn(move || {
            for line in waiting {
                terminal::result(&line);
            }
        })?;
        Ok(RequestLines { format, lines, dropped: AtomicU64::new(0) })
    }

    fn print(&self, mut line: String) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 && self.format == LineFormat::Text {
            write!(line, "  ({dropped} lines before this one were dropped)").ok();
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
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

/// Nobody watches.
#[derive(Debug)]
pub(crate) struct NoLines;

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
    let head = record.head_after.map_or_else(|| "-".to_owned(), millis);
    let total = millis(record.elapsed);
    let outcome = record.outcome.as_str();
    format!(
        "{now}  {:<10}  {tenant:<12}  {route:<20}  {target:<22}  {status:>3}  {head:>10} to head  {total:>10} in all  {outcome}{}",
        record.endpoint,
        if record.attempts > 1 { format!(", {} attempts", record.attempts) } else { String::new() }
    )
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
