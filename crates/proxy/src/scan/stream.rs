//! Reads an event stream as it passes: where each event ends and what it means for the answer.

use crate::scan::Progress;

/// Whose events these are.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Chat completion chunks, ended by `[DONE]`.
    Chat,
    /// Typed events of the Responses API, ended by a terminal event.
    Responses,
}

/// One event, read to its blank line.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// One past the event's last byte in the slice that was read.
    pub end: usize,
    /// What it means.
    pub kind: EventKind,
}

/// What an event means for the answer.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// Comments only, or no data.
    Silence,
    /// Something was said, but no content yet: a role, an empty delta, usage alone, a response that was created or
    /// queued, a type not known here.
    Lifecycle,
    /// Text, a refusal, reasoning, a tool call, audio; for responses every `.delta` and `.done`.
    Content,
    /// Chat: a choice has its finish reason, and nothing else was said.
    Finish,
    /// `[DONE]`.
    Done,
    /// Responses: completed or incomplete.
    Terminal,
    /// An error, in any of the shapes providers and relays give it.
    Error,
    /// Data that is not one JSON value.
    Malformed,
}

/// Reads one event stream. A few hundred bytes, whatever the stream does.
#[derive(Debug)]
pub struct StreamScanner {
    shape: Shape,
    progress: Progress,
}

impl StreamScanner {
    /// For a stream of this shape, from its first byte.
    #[must_use]
    pub fn new(shape: Shape) -> StreamScanner {
        StreamScanner { shape, progress: Progress::default() }
    }

    /// The next event that ends in `bytes` from `from` on. `None` when no event ends in the rest, which has then been
    /// taken into account: the next call is for the bytes that follow.
    pub fn next(&mut self, bytes: &[u8], from: usize) -> Option<Event> {
        let _ = (self.shape, bytes, from);
        None
    }

    /// The stream ended. True if it left an event without its blank line, which no client will see; an error in it
    /// still counts.
    pub fn end(&mut self) -> bool {
        false
    }

    /// What the finished events add up to.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
}
