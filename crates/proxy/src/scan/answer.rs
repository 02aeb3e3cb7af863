//! The fields of an answer that are read, wherever they stand: in a chunk, in a typed event, or in a whole body.
//!
//! One tree of places serves them all, because their names do not collide. What the fields mean for an event or a
//! body is decided by whoever reads it.

use crate::scan::json::{Document, Value};
use crate::scan::made::{Collect, MadeHere};
use crate::scan::progress::Choices;
use crate::scan::{ErrorSigns, Usage};

/// What one document says.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) facts: Facts,
    /// What any error object says, whether or not it counts. Taken from the heap only when there is one.
    pub(super) signs: Option<Box<ErrorSigns>>,
    /// Nothing but an error counts, because clients ignore where it stands.
    pub(super) error_only: bool,
    /// What it made that can be referred to later.
    pub(super) made: MadeHere,
}

/// What one document says, apart from the text of an error.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) is_object: bool,
    /// Some delta carries content.
    pub(super) content: bool,
    /// The top-level `error` is an object or a text.
    pub(super) error: bool,
    pub(super) event_type: EventType,
    /// The top-level `status` is `failed`.
    pub(super) failed: bool,
    pub(super) choices: Choices,
    pub(super) usage: Usage,
    /// Tokens of the input that Anthropic counts beside `input_tokens`: read from a cache, or written to one.
    beside_input: u64,
    pub(super) sequence_number: Option<u64>,
    /// Of the choice being read.
    index: u64,
    finished: bool,
}

/// What the type of an event says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum EventType {
    /// There is none.
    #[default]
    Absent,
    Content,
    Error,
    Other,
    Terminal,
    /// Anthropic's: a block of content begins.
    BlockStart,
    /// Anthropic's: a piece of a block.
    BlockDelta,
    /// Anthropic's: the end.
    MessageStop,
    /// Anthropic's: somebody is there.
    Ping,
}

impl Facts {
    /// The counts of tokens, with every token of the input in `input`.
    pub(super) fn usage(&self) -> Usage {
        let input = self.usage.input.map(|input| input.saturating_add(self.beside_input));
        Usage { input, ..self.usage }
    }
}

impl EventType {
    pub(super) fn of(name: &[u8]) -> EventType {
        match name {
            b"" => EventType::Absent,
            b"error" | b"response.failed" => EventType::Error,
            b"response.completed" | b"response.incomplete" => EventType::Terminal,
            b"content_block_delta" => EventType::BlockDelta,
            b"content_block_start" => EventType::BlockStart,
            b"message_stop" => EventType::MessageStop,
            b"ping" => EventType::Ping,
            _ if [&b".delta"[..], b".done", b".partial_image"].iter().any(|end| name.ends_with(end)) => {
                EventType::Content
            }
            _ => EventType::Other,
        }
    }
}

impl Answer {
    fn signs(&mut self) -> &mut ErrorSigns {
        self.signs.get_or_insert_default()
    }
}

/// Where something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    Root,
    Choices,
    Choice,
    Index,
    FinishReason,
    Delta,
    /// A field of a delta that counts as content unless it is empty.
    Content,
    /// Something inside of it, if it is an array or object.
    ContentPart,
    Type,
    SequenceNumber,
    Status,
    Object,
    /// A block of content that begins.
    Block,
    BlockType,
    /// A response object inside an event.
    Response,
    /// Its `error`: null in most events, so its presence alone says nothing.
    ResponseError,
    Error,
    ErrorCode,
    ErrorKind,
    ErrorMessage,
    Usage,
    Input,
    Output,
    InputDetails,
    OutputDetails,
    Cached,
    /// `cache_read_input_tokens`
    CacheRead,
    /// `cache_creation_input_tokens`
    CacheWritten,
    Reasoning,
    Message,
    Audio,
    /// Audio of a streamed answer is content too.
    AudioId,
    Conversation,
    Items,
    Item,
    Parts,
    Part,
    Annotations,
    Annotation,
    /// What an answer made, named by a text.
    Made(Collect),
}

impl Document for Answer {
    type Place = Place;
    const NOWHERE: Place = Place::Nowhere;
    const ROOT: Place = Place::Root;

    #[inline]
    fn member(&mut self, object: Place, key: &[u8]) -> Place {
        match object {
            Place::Root if self.error_only && key != b"error" => Place::Nowhere,
            Place::Root => match key {
                b"choices" => Place::Choices,
                b"type" => Place::Type,
                b"response" => Place::Response,
                b"sequence_number" => Place::SequenceNumber,
                b"usage" => Place::Usage,
                b"error" => Place::Error,
                b"status" => Place::Status,
                b"object" => Place::Object,
                b"content_block" => Place::Block,
                // An error event of the Responses API is flat.
                b"code" => Place::ErrorCode,
                b"message" => Place::ErrorMessage,
                _ if self.made.is_wanted() => made_in_answer(key),
                _ => Place::Nowhere,
            },
            Place::Choice => match key {
                b"index" => Place::Index,
                b"message" if self.made.is_wanted() => Place::Message,
                // Of completions without a chat.
                b"text" => Place::Content,
                b"delta" => Place::Delta,
                b"finish_reason" => Place::FinishReason,
                _ => Place::Nowhere,
            },
            // Providers have names of their own for content; what is unknown must not be held back as if it were none.
            Place::Delta if key != b"role" => Place::Content,
            Place::Content if key == b"id" && self.made.is_wanted() => Place::AudioId,
            Place::Content => Place::ContentPart,
            Place::Block if key == b"type" => Place::BlockType,
            // The message that Anthropic's first event holds stands where an error's text stands elsewhere.
            Place::ErrorMessage if key == b"usage" => Place::Usage,
            Place::Response => match key {
                b"usage" => Place::Usage,
                b"error" => Place::ResponseError,
                _ if self.made.is_wanted() => made_in_answer(key),
                _ => Place::Nowhere,
            },
            Place::Message if key == b"audio" => Place::Audio,
            Place::Audio if key == b"id" => Place::Made(Collect::Part),
            Place::Conversation if key == b"id" => Place::Made(Collect::Lasting),
            Place::Item => match key {
                b"id" => Place::Made(Collect::Stored),
                b"encrypted_content" => Place::Made(Collect::Sealed),
                b"container_id" => Place::Made(Collect::Lasting),
                b"content" => Place::Parts,
                _ => Place::Nowhere,
            },
            Place::Part if key == b"annotations" => Place::Annotations,
            Place::Annotation if matches!(key, b"container_id" | b"file_id") => Place::Made(Collect::Part),
            Place::Error | Place::ResponseError => match key {
                b"code" => Place::ErrorCode,
                b"type" => Place::ErrorKind,
                b"message" => Place::ErrorMessage,
                _ => Place::Nowhere,
            },
            Place::Usage => match key {
                b"prompt_tokens" | b"input_tokens" => Place::Input,
                b"completion_tokens" | b"output_tokens" => Place::Output,
                b"cache_read_input_tokens" => Place::CacheRead,
                b"cache_creation_input_tokens" => Place::CacheWritten,
                b"prompt_tokens_details" | b"input_tokens_details" => Place::InputDetails,
                b"completion_tokens_details" | b"output_tokens_details" => Place::OutputDetails,
                _ => Place::Nowhere,
            },
            Place::InputDetails if key == b"cached_tokens" => Place::Cached,
            Place::OutputDetails if key == b"reasoning_tokens" => Place::Reasoning,
            _ => Place::Nowhere,
        }
    }

    #[inline]
    fn element(array: Place) -> Place {
        match array {
            Place::Choices => Place::Choice,
            Place::Content => Place::ContentPart,
            Place::Items => Place::Item,
            Place::Parts => Place::Part,
            Place::Annotations => Place::Annotation,
            _ => Place::Nowhere,
        }
    }

    #[inline]
    fn keep(place: Place) -> usize {
        /// One more than any count has digits.
        const COUNT: usize = 21;
        match place {
            // Whether there is anything.
            Place::Content | Place::FinishReason => 1,
            Place::Status | Place::Object | Place::BlockType => 16,
            Place::Type | Place::ErrorCode | Place::ErrorKind => 64,
            // An error may be a text of its own.
            Place::Error | Place::ErrorMessage => 512,
            Place::Made(_) | Place::AudioId => 512,
            Place::Index | Place::SequenceNumber => COUNT,
            Place::Input | Place::Output | Place::Cached | Place::Reasoning => COUNT,
            Place::CacheRead | Place::CacheWritten => COUNT,
            _ => 0,
        }
    }

    #[inline]
    fn value(&mut self, place: Place, value: Value<'_>) {
        let facts = &mut self.facts;
        match (place, value) {
            (Place::Content, Value::Text(text)) => facts.content |= !text.is_empty(),
            (Place::ContentPart, _) => facts.content = true,
            (Place::Made(how), Value::Text(id)) => self.made.note(how, id),
            (Place::AudioId, value) => {
                facts.content = true;
                if let Value::Text(id) = value {
                    self.made.note(Collect::Part, id);
                }
            }
            (Place::Root, Value::Object) => facts.is_object = true,
            (Place::Choice, Value::Object) => (facts.index, facts.finished) = (0, false),
            (Place::Choice, Value::Closed) => facts.choices.note(facts.index, facts.finished),
            (Place::Index, Value::Number(number)) => facts.index = count(number).unwrap_or(0),
            (Place::FinishReason, Value::Text(text)) => facts.finished = !text.is_empty(),
            (Place::FinishReason, Value::Bool | Value::Number(_)) => facts.finished = true,
            (Place::Type, Value::Text(name)) => facts.event_type = EventType::of(name),
            // vLLM's errors are flat.
            (Place::Object, Value::Text(b"error")) => facts.error = true,
            (Place::SequenceNumber, Value::Number(number)) => facts.sequence_number = count(number),
            (Place::Status, Value::Text(status)) => facts.failed = status == b"failed",
            // Any other block comes with something: a tool's name, a result, a thought that is redacted.
            (Place::BlockType, Value::Text(kind)) => facts.content = !matches!(kind, b"text" | b"thinking"),
            (Place::Usage, Value::Object) => (facts.usage, facts.beside_input) = (Usage::default(), 0),
            (Place::Input, Value::Number(number)) => facts.usage.input = count(number),
            (Place::Output, Value::Number(number)) => facts.usage.output = count(number),
            (Place::Cached, Value::Number(number)) => facts.usage.cached = count(number),
            (Place::CacheRead, Value::Number(number)) => {
                facts.usage.cached = count(number);
                facts.beside_input = facts.beside_input.saturating_add(count(number).unwrap_or(0));
            }
            (Place::CacheWritten, Value::Number(number)) => {
                facts.beside_input = facts.beside_input.saturating_add(count(number).unwrap_or(0));
            }
            (Place::Reasoning, Value::Number(number)) => facts.usage.reasoning = count(number),
            (Place::Error, Value::Object) => facts.error = true,
            (Place::Error | Place::ErrorMessage, Value::Text(text)) if !text.is_empty() => {
                facts.error |= place == Place::Error;
                self.signs().keep_message(text);
            }
            (Place::ErrorCode, Value::Text(text) | Value::Number(text)) => self.signs().keep_code(text),
            (Place::ErrorKind, Value::Text(text)) => self.signs().keep_kind(text),
            _ => {}
        }
    }
}

/// What an answer, or the response object in an event, makes.
fn made_in_answer(key: &[u8]) -> Place {
    match key {
        b"id" => Place::Made(Collect::Stored),
        b"conversation" => Place::Conversation,
        b"output" => Place::Items,
        // Of an event.
        b"item" => Place::Item,
        _ => Place::Nowhere,
    }
}

/// A number that counts something.
fn count(number: &[u8]) -> Option<u64> {
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
