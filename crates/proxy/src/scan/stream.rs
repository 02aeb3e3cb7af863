//! Reads an event stream as it passes: where each event ends and what it means for the answer.

use crate::affinity::Made;
use crate::scan::Progress;
use crate::scan::answer::{Answer, EventType, Facts, Place};
use crate::scan::json::Json;
use crate::scan::made::Wanted;
use crate::scan::sse::{Frames, Part, Piece};

/// Whose events these are.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Chat completion chunks, ended by `[DONE]`.
    Chat,
    /// Typed events of the Responses API, ended by a terminal event.
    Responses,
    /// Typed events of Anthropic's Messages API, ended by `message_stop`.
    Messages,
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
    /// Comments only, or no data; a ping.
    Silence,
    /// Something was said, but no content yet: a role, an empty delta, a response that was created or
    /// queued, a type not known here.
    Lifecycle,
    /// Text, a refusal, reasoning, a tool call, audio; for responses every `.delta` and `.done`.
    Content,
    /// Chat: a choice has its finish reason, and nothing else was said.
    Finish,
    /// Chat: how many tokens it took, and of no choice a word.
    Usage,
    /// `[DONE]`.
    Done,
    /// Responses: completed or incomplete. Messages: `message_stop`.
    Terminal,
    /// An error, in any of the shapes providers and relays give it.
    Error,
    /// Data that is not one JSON value.
    Malformed,
}

/// Reads one event stream. About a kilobyte of state, whatever the stream does.
#[derive(Debug)]
pub struct StreamScanner {
    shape: Shape,
    frames: Frames,
    json: Json<Place>,
    answer: Answer,
    event: EventSoFar,
    progress: Progress,
}

/// What is known of the event being read, apart from what its data says.
#[derive(Debug, Default)]
struct EventSoFar {
    reading: Reading,
    /// The data has at least one byte.
    has_data: bool,
    /// Some data was not one JSON value.
    malformed: bool,
    /// A bare JSON object had an error in it.
    bare_error: bool,
    /// There was an error before the bare object that is being read.
    earlier_error: bool,
    marker: Marker,
    name: Name,
}

impl EventSoFar {
    /// Leaves what `reading` does not point to as it is: this is done for every event.
    fn restart(&mut self) {
        self.reading = Reading::Nothing;
        self.has_data = false;
        self.malformed = false;
        self.bare_error = false;
        self.marker = Marker::default();
        self.name.len = 0;
    }
}

/// What the JSON reader is reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Nothing,
    Data,
    /// A line that is no field but begins with a brace, which some relays write into the stream when they fail. Such
    /// an object may go on over several lines, up to a field or a blank line.
    Bare,
    /// A line that is neither.
    Stray,
}

impl StreamScanner {
    /// For a stream of this shape, from its first byte.
    #[must_use]
    pub fn new(shape: Shape) -> StreamScanner {
        StreamScanner {
            shape,
            frames: Frames::new(),
            json: Json::new::<Answer>(),
            answer: Answer::default(),
            event: EventSoFar::default(),
            progress: Progress::default(),
        }
    }

    /// Notes what it makes, too.
    #[must_use]
    pub(crate) fn wanting(mut self, wanted: Wanted) -> StreamScanner {
        self.answer.made.want(wanted);
        self
    }

    /// What it has made since it was asked last.
    pub(crate) fn take_made(&mut self) -> Vec<Made> {
        self.answer.made.take()
    }

    /// The next event that ends in `bytes` from `from` on. `None` when no event ends in the rest, which has then been
    /// taken into account: the next call is for the bytes that follow.
    ///
    /// Every blank line ends an event, so that each byte belongs to one. If `bytes` ends between the `\r` and the `\n`
    /// of a blank line, the `\n` belongs to the next event.
    pub fn next(&mut self, bytes: &[u8], from: usize) -> Option<Event> {
        let mut at = from;
        loop {
            match self.frames.next(bytes, &mut at)? {
                Piece::Data(part) => self.data(&part),
                Piece::Name(part) => self.event.name.take(&part),
                Piece::Stray(part) => self.stray(&part),
                Piece::End => return Some(Event { end: at, kind: self.close() }),
            }
        }
    }

    /// The stream ended. True if it left an event without its blank line, which no client will see; only an error in
    /// it still counts. Comments are no event.
    pub fn end(&mut self) -> bool {
        let partial = self.frames.is_in_event();
        self.settle();
        if self.kind() == EventKind::Error {
            self.note(EventKind::Error);
        }
        self.restart();
        self.frames = Frames::new();
        partial
    }

    /// What the finished events add up to.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    #[inline]
    fn data(&mut self, part: &Part<'_>) {
        if self.event.reading != Reading::Data {
            self.settle();
            self.event.reading = Reading::Data;
        } else if part.first {
            self.event.marker.read(b"\n");
            self.json.feed(b"\n", &mut self.answer);
        }
        self.event.has_data |= !part.text.is_empty();
        self.event.marker.read(part.text);
        self.json.feed(part.text, &mut self.answer);
    }

    fn stray(&mut self, part: &Part<'_>) {
        let goes_on = self.event.reading == Reading::Bare && self.json.is_open();
        if part.first && !goes_on {
            self.settle();
            if part.text.first() != Some(&b'{') {
                self.event.reading = Reading::Stray;
                return;
            }
            self.event.reading = Reading::Bare;
            self.answer.error_only = true;
            self.event.earlier_error = std::mem::take(&mut self.answer.facts.error);
        }
        if self.event.reading == Reading::Bare {
            self.json.feed(part.text, &mut self.answer);
        }
    }

    /// The JSON that was being read is over.
    fn settle(&mut self) {
        let whole = self.json.finish(&mut self.answer);
        self.json.restart::<Answer>();
        match self.event.reading {
            Reading::Data => self.event.malformed |= !whole,
            Reading::Bare => {
                self.event.bare_error |= self.answer.facts.error;
                self.answer.facts.error = self.event.earlier_error;
                self.answer.error_only = false;
            }
            Reading::Nothing | Reading::Stray => {}
        }
        self.event.reading = Reading::Nothing;
    }

    /// The blank line has come.
    fn close(&mut self) -> EventKind {
        self.settle();
        let kind = self.kind();
        self.note(kind);
        self.restart();
        kind
    }

    fn kind(&self) -> EventKind {
        let event = &self.event;
        let facts = &self.answer.facts;
        if event.bare_error || event.name.says() == EventType::Error {
            return EventKind::Error;
        }
        if event.marker.is_read() {
            return EventKind::Done;
        }
        if !event.has_data {
            return EventKind::Silence;
        }
        if event.malformed {
            return EventKind::Malformed;
        }
        if facts.error || facts.event_type == EventType::Error {
            return EventKind::Error;
        }
        match self.shape {
            Shape::Chat if facts.content => EventKind::Content,
            Shape::Chat if facts.choices.any_finished() => EventKind::Finish,
            Shape::Chat if facts.choices.is_none() && facts.usage.if_any().is_some() => EventKind::Usage,
            Shape::Chat => EventKind::Lifecycle,
            Shape::Responses => {
                let by_name = facts.event_type == EventType::Absent;
                match if by_name { event.name.says() } else { facts.event_type } {
                    EventType::Content => EventKind::Content,
                    EventType::Terminal => EventKind::Terminal,
                    _ => EventKind::Lifecycle,
                }
            }
            Shape::Messages => {
                let by_name = facts.event_type == EventType::Absent;
                match if by_name { event.name.says() } else { facts.event_type } {
                    EventType::BlockDelta => EventKind::Content,
                    EventType::BlockStart if facts.content => EventKind::Content,
                    EventType::MessageStop => EventKind::Terminal,
                    EventType::Ping => EventKind::Silence,
                    _ => EventKind::Lifecycle,
                }
            }
        }
    }

    /// Adds the event to the progress.
    fn note(&mut self, kind: EventKind) {
        let facts = &self.answer.facts;
        let progress = &mut self.progress;
        match kind {
            EventKind::Silence | EventKind::Malformed => return,
            EventKind::Content => progress.content_events += 1,
            EventKind::Done => progress.done = true,
            EventKind::Terminal => progress.terminal = true,
            EventKind::Error if progress.error.is_none() => {
                progress.error = Some(self.answer.signs.take().unwrap_or_default());
            }
            EventKind::Error | EventKind::Finish | EventKind::Usage | EventKind::Lifecycle => {}
        }
        match self.shape {
            Shape::Chat => progress.choices.add(facts.choices),
            Shape::Responses => {
                progress.sequence_number = facts.sequence_number.or(progress.sequence_number);
            }
            // The first event counts the input, later ones only what has changed.
            Shape::Messages => {
                let sum = facts.usage().or(progress.usage.unwrap_or_default());
                progress.usage = sum.if_any();
                return;
            }
        }
        progress.usage = facts.usage().if_any().or(progress.usage);
    }

    /// Ready for the next event.
    fn restart(&mut self) {
        self.event.restart();
        self.answer.facts = Facts::default();
        if let Some(signs) = &mut self.answer.signs {
            signs.clear();
        }
    }
}

/// How much of `[DONE]` has been read. Clients stop at any data that begins like this.
#[derive(Debug, Default)]
struct Marker {
    read: usize,
    missed: bool,
}

impl Marker {
    const TEXT: &[u8] = b"[DONE]";

    #[inline]
    fn read(&mut self, text: &[u8]) {
        if self.missed {
            return;
        }
        for byte in text {
            match Marker::TEXT.get(self.read) {
                None => return,
                Some(next) if next == byte => self.read += 1,
                Some(_) => {
                    self.missed = true;
                    return;
                }
            }
        }
    }

    fn is_read(&self) -> bool {
        self.read == Marker::TEXT.len()
    }
}

/// The value of the last `event` line; one that is longer is not known anyway.
#[derive(Debug)]
struct Name {
    bytes: [u8; 64],
    len: usize,
}

impl Name {
    fn take(&mut self, part: &Part<'_>) {
        if part.first {
            self.len = 0;
        }
        let end = self.len.saturating_add(part.text.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(part.text);
        }
        self.len = end;
    }

    fn says(&self) -> EventType {
        self.bytes.get(..self.len).map_or(EventType::Other, EventType::of)
    }
}

impl Default for Name {
    fn default() -> Name {
        Name { bytes: [0; 64], len: 0 }
    }
}

#[cfg(test)]
mod tests;
