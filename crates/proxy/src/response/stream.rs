//! A streamed answer on its way to the caller, event by event.
//!
//! Only whole events are handed on, so that whatever happens the caller has a prefix of one provider's stream and then,
//! if it is not complete, an error that its client raises. Nothing is copied: events leave as slices of what was read.

mod clock;
mod draining;

use std::collections::VecDeque;
use std::future::Future as _;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use decisions::ErrorClass;
use decisions::attempts::{RetryHint, Signs, classify};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::time::Instant;
use upstream::Lease;

use crate::attempt::failure::{Failure, Shown};
use crate::attempt::under_way::UnderWay;
use crate::error::Error;
use crate::observer::{Outcome, UsageSource};
use crate::response::BodyError;
use crate::response::error_event::{self, Told};
use crate::response::keeping::Keeping;
use crate::response::ticket::Ticket;
use crate::scan::{EventKind, Shape, StreamScanner, Usage};
use crate::secrets::Secrets;

use clock::Clock;
use draining::Draining;

/// The start of an event that is longer than this goes out before its end is there: an image in one event is
/// megabytes long, and many streams are open at once.
const MOST_OF_AN_EVENT: usize = 256 << 10;

/// The start of an event that is longer than this is a sign of life.
const LONG_EVENT: usize = 4 << 10;

/// An event that comes in more pieces is put together, so that a byte at a time costs no more than its bytes.
const MOST_PIECES: usize = 64;

/// How long a provider may take to end its body after the last event; the connection is worth that much.
const AFTER_THE_END: Duration = Duration::from_secs(1);

/// What ends a chat stream.
static DONE: &[u8] = b"data: [DONE]\n\n";

/// A provider's event stream.
pub(crate) struct StreamBody {
    shape: Shape,
    scanner: StreamScanner,
    source: Option<Source>,
    /// Whole events that may go out.
    ready: VecDeque<Bytes>,
    /// The beginning of an event whose end is not there yet.
    tail: Vec<Bytes>,
    tail_length: usize,
    /// Bytes of the current event are out already.
    is_mid_event: bool,
    has_content: bool,
    /// Bytes read of it so far while it was held back.
    held: usize,
    /// Nothing of it is handed on before its end.
    is_held_whole: bool,
    /// The gateway has asked for its tokens, and its caller has not.
    hides_usage: bool,
    /// The last event of the answer was seen.
    is_complete: bool,
    failed: Option<ErrorClass>,
    clock: Clock,
    /// What the answer has made is being written down; its end waits for that.
    keeping: Option<Keeping>,
    caller: Option<Caller>,
}

/// Where the events come from.
pub(super) struct Source {
    pub(super) body: Incoming,
    pub(super) lease: Lease,
}

/// Whose answer it is, once it is handed on.
struct Caller {
    under_way: UnderWay,
    ticket: Ticket,
}

/// How far a stream is held back.
#[derive(Clone, Copy)]
pub(crate) enum Held {
    /// It has content, or is longer than is held.
    Begun,
    /// It is complete.
    Complete,
    /// It failed; nothing of it was handed on.
    Failed(ErrorClass),
}

impl StreamBody {
    pub(crate) fn new(scanner: StreamScanner, shape: Shape, body: Incoming, lease: Lease) -> StreamBody {
        StreamBody::of(Some(Source { body, lease }), scanner, shape)
    }

    fn of(source: Option<Source>, scanner: StreamScanner, shape: Shape) -> StreamBody {
        StreamBody {
            shape,
            scanner,
            source,
            ready: VecDeque::new(),
            tail: Vec::new(),
            tail_length: 0,
            is_mid_event: false,
            has_content: false,
            held: 0,
            is_held_whole: false,
            hides_usage: false,
            is_complete: false,
            failed: None,
            clock: Clock::unset(),
            keeping: None,
            caller: None,
        }
    }

    /// The event that says what it took is read and not handed on.
    pub(crate) fn hide_usage(&mut self) {
        self.hides_usage = true;
    }

    /// Sets how long it may be silent, and when it must have ended.
    pub(crate) fn allow(&mut self, idle: Duration, ends_at: Instant) {
        self.clock = Clock::new(idle, ends_at);
    }

    /// Reads up to the first content, holding back what comes before.
    pub(crate) async fn hold_to_content(&mut self, most: usize) -> Held {
        std::future::poll_fn(|cx| self.poll_hold(cx, |stream| stream.has_content || stream.held > most)).await
    }

    /// Reads to the end, holding everything back for which there is room.
    pub(crate) async fn hold_to_end(&mut self, mut has_room: impl FnMut(usize) -> bool) -> Held {
        self.is_held_whole = true;
        std::future::poll_fn(|cx| self.poll_hold(cx, |stream| !has_room(stream.held))).await
    }

    /// Whether it has come to its end, and well.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn poll_hold(
        &mut self,
        cx: &mut Context<'_>,
        mut is_enough: impl FnMut(&StreamBody) -> bool,
    ) -> Poll<Held> {
        loop {
            if let Some(class) = self.failed {
                return Poll::Ready(Held::Failed(class));
            }
            if self.is_complete {
                return Poll::Ready(Held::Complete);
            }
            if is_enough(self) {
                return Poll::Ready(Held::Begun);
            }
            ready!(self.poll_source(cx));
        }
    }

    /// What the failure of a held stream was, in the words of the provider where it gave any, with the credentials in
    /// them covered.
    pub(crate) fn failure(
        &mut self,
        provider: String,
        class: ErrorClass,
        under_way: &mut UnderWay,
        secrets: &Secrets,
    ) -> Failure {
        self.account(under_way);
        let Some(signs) = self.scanner.progress().error() else {
            return Failure::own(class, Error::Interrupted { provider, class });
        };
        let Told { code, kind, message } = Told::covered(signs, secrets);
        let error = Error::InStream { provider, class, code, kind, message };
        Failure { class, hint: RetryHint::default(), shown: Shown::Own(error) }
    }

    /// From here on it belongs to the caller.
    pub(crate) fn hand_over(&mut self, under_way: UnderWay, ticket: Ticket) {
        self.caller = Some(Caller { under_way, ticket });
        self.is_held_whole = false;
        self.keep_made();
        if self.is_complete {
            self.settle(None);
        }
    }

    /// Puts something before the first event.
    pub(crate) fn prepend(&mut self, bytes: Bytes) {
        self.ready.push_front(bytes);
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.is_complete
                && let Some(keeping) = &mut self.keeping
            {
                ready!(Pin::new(keeping).poll(cx));
                self.keeping = None;
            }
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if self.source.is_none() {
                return Poll::Ready(None);
            }
            ready!(self.poll_source(cx));
            if let (Some(class), Some(_)) = (self.failed, &self.source) {
                self.break_off(class);
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.source.is_none()
    }

    /// Reads one piece of the stream and takes it in.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(source) = &mut self.source else { return Poll::Ready(()) };
        match Pin::new(&mut source.body).poll_frame(cx) {
            Poll::Pending => {
                let failed = ready!(self.clock.poll(cx));
                self.stop(failed);
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data()
                    && !self.is_complete
                {
                    self.take(&data);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                let class =
                    if error.is_incomplete_message() { ErrorClass::Truncated } else { ErrorClass::Reset };
                self.stop(class);
            }
            Poll::Ready(None) => self.end_of_body(),
        }
        Poll::Ready(())
    }

    /// Takes in what was read: whole events may go out, the rest waits for its end.
    fn take(&mut self, chunk: &Bytes) {
        self.held = self.held.saturating_add(chunk.len());
        let (mut begun, mut done) = (0, 0);
        while let Some(event) = self.scanner.next(chunk, done) {
            self.keep_made();
            match event.kind {
                EventKind::Silence => {}
                EventKind::Usage if self.hides_usage && !self.is_mid_event => {
                    self.clock.touch();
                    self.pass(chunk, begun..done);
                    self.drop_tail();
                    (begun, done) = (event.end, event.end);
                    continue;
                }
                EventKind::Lifecycle | EventKind::Usage => self.clock.touch(),
                EventKind::Content | EventKind::Finish => self.begin(),
                EventKind::Terminal => self.complete(),
                EventKind::Done if self.scanner.progress().is_complete() => self.complete(),
                // Relays end a stream so that was cut on their far side.
                EventKind::Done => self.failed = Some(ErrorClass::Truncated),
                EventKind::Malformed if !self.has_content || self.is_held_whole => {
                    self.failed = Some(ErrorClass::Malformed);
                }
                // Later it goes on as it came: what to make of it is for the caller's client to say.
                EventKind::Malformed => self.clock.touch(),
                EventKind::Error => self.failed = Some(self.error_class()),
            }
            if self.failed.is_some() {
                self.pass(chunk, begun..done);
                self.drop_tail();
                return;
            }
            done = event.end;
            if self.is_complete {
                self.pass(chunk, begun..done);
                return;
            }
        }
        self.pass(chunk, begun..done);
        self.keep(chunk.slice(done..));
    }

    /// What the last event made is found from now on. While the stream is held back nobody knows of it.
    fn keep_made(&mut self) {
        let Some(caller) = &self.caller else { return };
        let keeping = caller.under_way.keep(&self.scanner.take_made());
        // What is written later is acknowledged later.
        self.keeping = keeping.or(self.keeping.take());
    }

    fn begin(&mut self) {
        self.clock.touch();
        self.has_content = true;
    }

    fn complete(&mut self) {
        self.has_content = true;
        self.is_complete = true;
        self.clock.allow(AFTER_THE_END);
        self.settle(None);
    }

    /// Lets these events out, with what came of the first before.
    fn pass(&mut self, chunk: &Bytes, events: Range<usize>) {
        if events.is_empty() {
            return;
        }
        self.ready.extend(self.tail.drain(..));
        self.tail_length = 0;
        self.is_mid_event = false;
        self.ready.push_back(if events.len() == chunk.len() { chunk.clone() } else { chunk.slice(events) });
    }

    fn drop_tail(&mut self) {
        self.tail.clear();
        self.tail_length = 0;
    }

    fn keep(&mut self, rest: Bytes) {
        if rest.is_empty() {
            return;
        }
        self.tail_length += rest.len();
        self.tail.push(rest);
        if self.tail_length > LONG_EVENT {
            // On its way, if slowly; no comment is this long.
            self.clock.touch();
        }
        if self.tail.len() > MOST_PIECES {
            let whole = Bytes::from(self.tail.concat());
            self.tail = vec![whole];
        }
        if self.tail_length > MOST_OF_AN_EVENT {
            self.ready.extend(self.tail.drain(..));
            self.tail_length = 0;
            self.is_mid_event = true;
        }
    }

    /// Nothing more is to come, and the connection is of no more use.
    fn stop(&mut self, class: ErrorClass) {
        if self.is_complete || self.scanner.progress().is_complete() {
            // All was said; only the connection is lost.
            self.source = None;
            self.mend();
        } else {
            self.failed = Some(class);
        }
    }

    /// The body has ended in good form.
    fn end_of_body(&mut self) {
        if self.is_complete || self.scanner.progress().is_complete() {
            if let Some(source) = self.source.take() {
                source.lease.release();
            }
            self.mend();
            return;
        }
        self.scanner.end();
        let has_error = self.scanner.progress().error().is_some();
        self.failed = Some(if has_error { self.error_class() } else { ErrorClass::Truncated });
    }

    /// An answer that has finished and forgot to say so gets its end.
    fn mend(&mut self) {
        self.drop_tail();
        if self.is_complete {
            return;
        }
        self.complete();
        if self.shape == Shape::Chat {
            self.ready.push_back(Bytes::from_static(DONE));
        }
    }

    fn error_class(&self) -> ErrorClass {
        let signs = self.scanner.progress().error();
        classify(&Signs {
            status: None,
            code: signs.and_then(|signs| signs.code()),
            kind: signs.and_then(|signs| signs.kind()),
            message: signs.and_then(|signs| signs.message()),
            is_error_object: true,
        })
    }

    /// Ends the caller's stream with an error that its client raises.
    fn break_off(&mut self, class: ErrorClass) {
        self.source = None;
        if self.is_mid_event {
            self.ready.push_back(Bytes::from_static(b"\n\n"));
        }
        let progress = self.scanner.progress();
        let snapshot = self.caller.as_ref().map(|caller| &caller.ticket.snapshot);
        let told = snapshot.zip(progress.error()).map(|(of, signs)| Told::covered(signs, of.secrets()));
        let event = error_event::interrupted(self.shape, class, told, progress.sequence_number());
        self.ready.push_back(event);
        self.settle(Some(class));
    }

    /// Reports how it went, once.
    fn settle(&mut self, failed: Option<ErrorClass>) {
        let Some(mut caller) = self.caller.take() else { return };
        self.account(&mut caller.under_way);
        match failed {
            None => {
                caller.under_way.succeed();
                caller.ticket.end(Outcome::Complete);
            }
            Some(class) => {
                caller.under_way.break_off(class);
                caller.ticket.end(Outcome::Cut);
            }
        }
    }

    /// Writes down the tokens as far as they are known.
    pub(crate) fn account(&self, under_way: &mut UnderWay) {
        let progress = self.scanner.progress();
        under_way.content_events = progress.content_events();
        match (progress.usage(), progress.content_events()) {
            (Some(usage), _) => under_way.usage(usage, UsageSource::Reported),
            (None, 0) => {}
            // Providers send about one token in each event.
            (None, events) => {
                let usage = Usage { output: Some(events), ..Usage::default() };
                under_way.usage(usage, UsageSource::Estimated);
            }
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        // Only a caller that has left leaves one here.
        let Some(mut caller) = self.caller.take() else { return };
        self.account(&mut caller.under_way);
        if !caller.under_way.drains() {
            return;
        }
        drop(caller.ticket);
        let rest = Draining {
            source: self.source.take(),
            scanner: std::mem::replace(&mut self.scanner, StreamScanner::new(self.shape)),
        };
        tokio::spawn(rest.run(caller.under_way));
    }
}

impl std::fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamBody")
            .field("shape", &self.shape)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
