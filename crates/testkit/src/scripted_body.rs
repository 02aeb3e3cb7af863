//! Plays the steps of an answer as an HTTP body.
//!
//! A step that waits returns "not ready", which makes hyper flush what came before; that is what lets a test see a first
//! chunk while the second is still held back.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::exchange::Exchange;
use crate::reply::Step;

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The script dropped the connection.
#[derive(Debug)]
pub(crate) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the script drops the connection here")
    }
}

impl std::error::Error for Dropped {}

pub(crate) struct ScriptedBody {
    steps: VecDeque<Step>,
    waiting: Option<Waiting>,
    flushed: bool,
    left: Option<u64>,
    exchange: Exchange,
}

impl ScriptedBody {
    pub(crate) fn new(steps: Vec<Step>, length: Option<u64>, mut exchange: Exchange) -> ScriptedBody {
        if steps.is_empty() {
            exchange.end();
        }
        ScriptedBody { steps: steps.into(), waiting: None, flushed: false, left: length, exchange }
    }

    fn send(&mut self, bytes: Bytes) -> Frame<Bytes> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        if self.steps.is_empty() {
            self.exchange.end();
        }
        Frame::data(bytes)
    }
}

/// How long a step that sends nothing takes. `None` for those that do not wait.
pub(crate) fn wait(step: &Step) -> Option<Waiting> {
    match step {
        Step::Chunk(_) | Step::Abort => None,
        Step::Pause(pause) => Some(Box::pin(tokio::time::sleep(*pause))),
        Step::Wait(gate) => {
            let gate = gate.clone();
            Some(Box::pin(async move { gate.pass().await }))
        }
        Step::Hang => Some(Box::pin(std::future::pending())),
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        let this = self.get_mut();
        loop {
            if let Some(waiting) = &mut this.waiting {
                ready!(waiting.as_mut().poll(context));
                this.waiting = None;
            }
            let Some(step) = this.steps.pop_front() else {
                this.exchange.end();
                return Poll::Ready(None);
            };
            match step {
                Step::Chunk(bytes) if bytes.is_empty() => {}
                Step::Chunk(bytes) => return Poll::Ready(Some(Ok(this.send(bytes)))),
                Step::Abort if this.flushed => {
                    this.exchange.end();
                    return Poll::Ready(Some(Err(Dropped)));
                }
                Step::Abort => {
                    this.flushed = true;
                    this.steps.push_front(Step::Abort);
                    this.waiting = Some(Box::pin(tokio::task::yield_now()));
                }
                step @ (Step::Pause(_) | Step::Wait(_) | Step::Hang) => this.waiting = wait(&step),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
