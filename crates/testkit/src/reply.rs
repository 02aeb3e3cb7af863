//! What a provider answers: status, headers and a body given whole or step by step.
//!
//! A reply is a value, so one script can give it any number of times. Steps may also come before the head: a provider
//! that hangs, is slow or drops the connection before it says anything is the case that retries are made for.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::Gate;

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends bytes. Chunks with nothing between them may share a TCP segment.
    Chunk(Bytes),
    /// Waits this long; what came before is flushed.
    Pause(Duration),
    /// Waits for the test; what came before is flushed.
    Wait(Gate),
    /// Flushes, then drops the connection without ending the body.
    Abort,
    /// Says nothing more, ever.
    Hang,
}

impl Step {
    /// A chunk of text or bytes.
    pub fn chunk(bytes: impl Into<Bytes>) -> Step {
        Step::Chunk(bytes.into())
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) before_head: Vec<Step>,
    pub(crate) answer: Answer,
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// What the provider answers where no script speaks.
    Standard,
    Scripted(Scripted),
}

#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<Step>,
    /// `Some` sends a content-length, `None` chunked coding.
    pub(crate) length: Option<u64>,
}

impl Reply {
    /// A status and an empty body.
    #[must_use]
    pub fn new(status: u16) -> Reply {
        Reply::scripted(status, Vec::new(), Some(0))
    }

    /// A body given whole, with a content-length.
    #[must_use]
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
        let body = body.into();
        let length = body.len() as u64;
        Reply::scripted(status, vec![Step::Chunk(body)], Some(length)).header("content-type", content_type)
    }

    /// A JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::bytes(status, "application/json", body.to_string())
    }

    /// An OpenAI-shaped error.
    #[must_use]
    pub fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Reply {
        let error = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        Reply::json(status, &error)
    }

    /// A body given step by step, in chunked coding.
    #[must_use]
    pub fn steps(status: u16, content_type: &str, steps: Vec<Step>) -> Reply {
        Reply::scripted(status, steps, None).header("content-type", content_type)
    }

    /// 200 and an event stream given step by step.
    #[must_use]
    pub fn sse(steps: Vec<Step>) -> Reply {
        Reply::steps(200, "text/event-stream; charset=utf-8", steps).header("cache-control", "no-cache")
    }

    /// What the provider answers where no script speaks; with [`Reply::delayed`] it is slow, otherwise as ever.
    #[must_use]
    pub fn standard() -> Reply {
        Reply { before_head: Vec::new(), answer: Answer::Standard }
    }

    /// Takes the request and never answers.
    #[must_use]
    pub fn hang_before_head() -> Reply {
        Reply::new(200).before_head(Step::Hang)
    }

    /// Takes the request and drops the connection.
    #[must_use]
    pub fn abort_before_head() -> Reply {
        Reply::new(200).before_head(Step::Abort)
    }

    /// Adds a header; a name that comes twice is sent twice. Has no effect on [`Reply::standard`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        if let Answer::Scripted(scripted) = &mut self.answer {
            scripted.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Waits this long before the head.
    #[must_use]
    pub fn delayed(self, pause: Duration) -> Reply {
        self.before_head(Step::Pause(pause))
    }

    /// Waits for the test before the head.
    #[must_use]
    pub fn gated(self, gate: &Gate) -> Reply {
        self.before_head(Step::Wait(gate.clone()))
    }

    /// Adds a step before the head. Chunks there are ignored.
    #[must_use]
    pub fn before_head(mut self, step: Step) -> Reply {
        self.before_head.push(step);
        self
    }

    fn scripted(status: u16, body: Vec<Step>, length: Option<u64>) -> Reply {
        let scripted = Scripted { status, headers: Vec::new(), body, length };
        Reply { before_head: Vec::new(), answer: Answer::Scripted(scripted) }
    }
}
