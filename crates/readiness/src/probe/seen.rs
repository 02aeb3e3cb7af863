//! What an answer shows: facts in the words of closed lists, by which it is judged and recorded.
//!
//! What a provider writes may be anything, a prompt or a key that it gives back among it. So nothing of its text is a fact
//! here: a word is one that is known, or `other`. What has to be compared with text stays inside, and out of `Debug`.

use std::fmt;
use std::time::Duration;

use decisions::attempts::classify;
use decisions::{Endpoint, ErrorClass};
use http::HeaderMap;
use serde_json::Value;
use upstream::ErrorBody;

use crate::probe::plan::{MOST_SEALED, Manner, Planned};
use crate::probe::stream::events;

mod answer;

pub use answer::Usage;

/// How the reading of an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// No request was sent: nothing to send it with.
    Unsent,
    /// The provider was not reached, or closed before it answered.
    Unanswered,
    /// The time ran out before the head of an answer.
    NoHead,
    /// The time ran out in the middle of it.
    NoEnd,
    /// It broke off.
    Cut,
    /// It was left on purpose.
    Left,
    /// It was read to its end.
    Whole,
}

/// What the body of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// There was no answer.
    None,
    /// A JSON object.
    Json,
    /// An event stream.
    EventStream,
    /// A page for browsers.
    Html,
    /// No byte.
    Empty,
    /// Anything else.
    Other,
}

impl Shape {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::None => "none",
            Shape::Json => "json",
            Shape::EventStream => "event_stream",
            Shape::Html => "html",
            Shape::Empty => "empty",
            Shape::Other => "other",
        }
    }
}

/// Which model an answer says that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// It does not say.
    Absent,
    /// The very bytes that were asked for.
    Same,
    /// A name that begins so: a dated snapshot of the same model.
    Snapshot,
    /// Another.
    Other,
}

impl Echo {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Echo::Absent => "absent",
            Echo::Same => "same",
            Echo::Snapshot => "snapshot",
            Echo::Other => "other",
        }
    }
}

/// What was seen of one answer.
#[derive(Clone)]
pub struct Seen {
    /// How the reading ended.
    pub ending: Ending,
    /// `None` without an answer.
    pub status: Option<u16>,
    /// What went wrong; `None` for a good answer, and for one that was left on purpose while it was good.
    pub class: Option<ErrorClass>,
    /// What its body is.
    pub shape: Shape,
    /// Which of the known shapes its error has (contract, 2.5 and 4.2).
    pub error_shape: Option<&'static str>,
    /// Where the request's ID stands.
    pub request_id_in: Option<&'static str>,
    /// It has an `id`.
    pub has_id: bool,
    /// `object` or `type`, if it is a known word; else `other`.
    pub object: Option<&'static str>,
    /// Why it ended, if that is a known word; else `other`.
    pub finish: Option<&'static str>,
    /// Which model it says that it is of.
    pub echo: Echo,
    /// Required fields that are not there.
    pub missing: Vec<String>,
    /// What it says that it used.
    pub usage: Option<Usage>,
    /// A stream had `[DONE]`.
    pub done: bool,
    /// Comments of a stream.
    pub comments: u64,
    /// A stream ended as its family ends one (contract, 2.7).
    pub is_complete: bool,
    /// It calls a tool.
    pub has_tool_call: bool,
    /// It has sound.
    pub has_audio: bool,
    /// It has the probabilities of its tokens.
    pub has_logprobs: bool,
    /// It says that it reasoned.
    pub has_reasoning: bool,
    /// It cites or searched the web.
    pub has_search: bool,
    /// `service_tier` and `safety_identifier` came back.
    pub echoes_fields: [bool; 2],
    /// How many models a list has.
    pub models: Option<u64>,
    /// From sending to the last byte that was read.
    pub latency: Duration,
    /// The connection was closed after it was left or ran out of time; `None` where it was not, or cannot be told.
    pub connection_closed: Option<bool>,
    /// Its text, for comparing and never for showing.
    pub(super) text: String,
    /// The IDs of a list, likewise.
    pub(super) listed: Vec<String>,
    /// What a later probe of state sends back.
    pub(super) id: Option<String>,
    pub(super) sealed: Option<Value>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("ending", &self.ending)
            .field("status", &self.status)
            .field("class", &self.class)
            .field("shape", &self.shape)
            .field("finish", &self.finish)
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}

impl Seen {
    /// Without an answer.
    #[must_use]
    pub fn nothing(ending: Ending, class: Option<ErrorClass>, latency: Duration) -> Seen {
        Seen {
            ending,
            status: None,
            class,
            shape: Shape::None,
            error_shape: None,
            request_id_in: None,
            has_id: false,
            object: None,
            finish: None,
            echo: Echo::Absent,
            missing: Vec::new(),
            usage: None,
            done: false,
            comments: 0,
            is_complete: false,
            has_tool_call: false,
            has_audio: false,
            has_logprobs: false,
            has_reasoning: false,
            has_search: false,
            echoes_fields: [false; 2],
            models: None,
            latency,
            connection_closed: None,
            text: String::new(),
            listed: Vec::new(),
            id: None,
            sealed: None,
        }
    }

    /// Of an answer with a head. `body` is what was read of it; `required` are the fields of the alias.
    #[must_use]
    pub fn read(
        planned: &Planned,
        required: &[String],
        (status, headers): (u16, &HeaderMap),
        body: &[u8],
        (ending, latency): (Ending, Duration),
    ) -> Seen {
        let mut seen = Seen::nothing(ending, None, latency);
        seen.status = Some(status);
        seen.shape = shape(headers, body);
        let error = ErrorBody::read(body);
        seen.request_id_in = request_id_in(headers, error.message());
        let is_good = (200..300).contains(&status);
        if !is_good || error.is_error_object() {
            seen.refused(status, &error);
            return seen;
        }
        match seen.shape {
            Shape::EventStream => seen.take_stream(planned, body),
            Shape::Json => seen.take_json(planned, required, body),
            _ => seen.class = Some(ErrorClass::Malformed),
        }
        seen.note_ending();
        // The gateway's own reading: a caller that asked for a stream cannot read anything else, and the other way round.
        let wants_stream = planned.manner != Manner::Whole;
        if seen.class.is_none() && wants_stream != (seen.shape == Shape::EventStream) {
            seen.class = Some(ErrorClass::Malformed);
        }
        seen
    }

    fn refused(&mut self, status: u16, error: &ErrorBody) {
        self.class = Some(classify(&error.signs(Some(status))));
        self.error_shape = match (self.shape, error.is_error_object(), error.has_param()) {
            (Shape::Json, true, true) => Some("message_type_param_code"),
            (Shape::Json, true, false) => Some("code_message_type"),
            (Shape::Json, false, _) => Some("json_without_error"),
            (Shape::Html, ..) => Some("html"),
            _ => None,
        };
    }

    fn take_json(&mut self, planned: &Planned, required: &[String], body: &[u8]) {
        let Ok(answer) = serde_json::from_slice::<Value>(body) else { return };
        self.take_answer(planned.endpoint, model_of(planned), &answer);
        self.sealed = self.sealed.take().filter(|item| item.to_string().len() <= MOST_SEALED);
        if let Some(endpoint) = planned.endpoint.filter(|_| planned.body.is_some()) {
            let own = answer::critical(endpoint).iter().map(|name| (*name).to_owned());
            let needed = own.chain(required.iter().cloned());
            self.missing = needed.filter(|path| !has_path(&answer, path)).collect();
            self.missing.sort();
            self.missing.dedup();
            if self.finish.is_none() && self.missing.is_empty() {
                self.missing.push("finish reason".to_owned());
            }
        }
        // A response that says it failed and not why is as good as none.
        if !self.missing.is_empty() || self.finish == Some("failed") {
            self.class = Some(ErrorClass::Malformed);
        }
    }

    fn take_stream(&mut self, planned: &Planned, body: &[u8]) {
        let events = events(body);
        (self.done, self.comments) = (events.done, events.comments);
        let endpoint = planned.endpoint.unwrap_or(Endpoint::Chat);
        let failed = self.take_events(endpoint, model_of(planned), &events.data);
        let stray = events.stray.as_ref().map(|text| ErrorBody::read(text.as_bytes()));
        if let Some(error) = failed.or(stray) {
            self.class =
                Some(classify(&decisions::attempts::Signs { is_error_object: true, ..error.signs(None) }));
        } else if events.unreadable && self.ending == Ending::Whole {
            self.class = Some(ErrorClass::Malformed);
        } else if !self.is_complete && self.ending == Ending::Whole {
            self.class = Some(ErrorClass::Truncated);
        }
    }

    /// What the transport says counts where the body names nothing worse; half an answer is not a malformed one.
    fn note_ending(&mut self) {
        match self.ending {
            Ending::Cut if matches!(self.class, None | Some(ErrorClass::Malformed)) => {
                self.class = Some(ErrorClass::Reset);
            }
            Ending::NoEnd => self.class = Some(ErrorClass::TotalTimeout),
            _ => {}
        }
    }

    /// It is an event stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.shape == Shape::EventStream
    }

    /// It ended at the limit of output: what it lacks may have come later.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        matches!(self.finish, Some("length" | "max_tokens" | "incomplete"))
    }

    /// Whether its text has a word, in whatever case.
    pub(super) fn says(&self, word: &str) -> bool {
        self.text.to_lowercase().contains(word)
    }

    pub(super) fn text_is_object(&self) -> bool {
        serde_json::from_str::<Value>(self.text.trim()).is_ok_and(|value| value.is_object())
    }

    /// Whether a list has exactly these bytes.
    #[must_use]
    pub fn lists(&self, model_id: &str) -> bool {
        self.listed.iter().any(|listed| listed == model_id)
    }
}

/// A path from the top, as `usage.total_tokens`; null is there.
fn has_path(answer: &Value, path: &str) -> bool {
    path.split('.').try_fold(answer, |place, name| place.get(name)).is_some()
}

fn model_of(planned: &Planned) -> &str {
    planned.body.as_ref().and_then(|body| body.get("model")?.as_str()).unwrap_or_default()
}

fn shape(headers: &HeaderMap, body: &[u8]) -> Shape {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let begins = body.trim_ascii_start().first();
    if content_type.starts_with("text/event-stream") {
        return Shape::EventStream;
    }
    match begins {
        None => Shape::Empty,
        Some(b'{') if serde_json::from_slice::<Value>(body).is_ok() => Shape::Json,
        Some(b'<') => Shape::Html,
        Some(_) if content_type.starts_with("text/html") => Shape::Html,
        Some(_) => Shape::Other,
    }
}

/// CometAPI says it within the message, OpenAI in a header, relays in one of their own (contract, 2.5, 2.8, 4.3).
fn request_id_in(headers: &HeaderMap, message: Option<&str>) -> Option<&'static str> {
    let known = ["x-request-id", "x-oneapi-request-id", "request-id"];
    let in_header = known.into_iter().find(|name| headers.contains_key(*name));
    in_header.or_else(|| message?.to_ascii_lowercase().contains("(request id:").then_some("message"))
}

#[cfg(test)]
mod tests;
