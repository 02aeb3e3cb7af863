//! A routed request, ready to be sent to any of its targets.

use std::sync::Arc;

use decisions::Endpoint;
use decisions::attempts::Policy;
use decisions::plan::{Delivery, Route};
use http::request;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use upstream::RequestBody;

use crate::attempt::about::{About, Aim};
use crate::auth::Identity;
use crate::request::payload::Payload;
use crate::scan::made::Wanted;
use crate::scan::{BodyShape, Shape};

/// All that the attempts of one request need. They only read it, so that two can be under way side by side.
pub(crate) struct Call {
    pub(crate) about: Arc<About>,
    pub(crate) identity: Identity,
    pub(crate) head: Box<request::Parts>,
    pub(crate) payload: Payload,
    /// The targets to try, first to last.
    pub(crate) aims: [Option<Aim>; 2],
    /// A streamed answer is asked for.
    pub(crate) stream: bool,
    /// Whoever sends it on may ask what its stream takes: a chat that says nothing of that itself.
    pub(crate) leaves_usage_open: bool,
    pub(crate) delivery: Delivery,
    /// What of the answer can be referred to later.
    pub(crate) wanted: Wanted,
    /// When the answer must have begun.
    pub(crate) deadline: Instant,
    /// Where an answer is read to its end for its usage: the caller has left, and nothing is begun any more.
    pub(crate) abandoned: Option<CancellationToken>,
}

impl Call {
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// Waits until its caller has left; where that ends the request anyway, for ever.
    pub(crate) async fn abandoned(&self) {
        match &self.abandoned {
            Some(abandoned) => abandoned.cancelled().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn route(&self) -> Option<&Route> {
        self.about.route.map(|id| self.about.snapshot.plan().route(id))
    }

    /// What its route says about attempts, and what its check says otherwise.
    pub(crate) fn policy(&self) -> Policy {
        let policy = Policy::of(self.route());
        let retries = self.about.check.as_ref().and_then(|check| check.terms().retries);
        Policy { retries: retries.unwrap_or(policy.retries), ..policy }
    }

    pub(crate) fn aim(&self, target: u8) -> Option<Aim> {
        self.aims.get(usize::from(target)).copied().flatten()
    }

    pub(crate) fn targets(&self) -> u8 {
        if self.aims[1].is_some() { 2 } else { 1 }
    }

    /// The body for one target: only the value of `model` differs, and where the map has it asked for, that the stream is to
    /// say what it took. Nothing if it is gone.
    pub(crate) fn body_for(&self, aim: Aim) -> Option<RequestBody> {
        self.payload.body(self.about.model_id(aim.provider), self.asks_usage(aim))
    }

    /// Whether the gateway asks for the tokens of the stream, which its caller has not.
    pub(crate) fn asks_usage(&self, aim: Aim) -> bool {
        self.leaves_usage_open && self.about.snapshot.plan().provider(aim.provider).asks_usage
    }

    /// What the events of a streamed answer look like, where it is text. Streamed sound and images go on as they come.
    pub(crate) fn stream_shape(&self) -> Option<Shape> {
        match self.about.endpoint {
            Endpoint::Chat | Endpoint::Completions if self.stream => Some(Shape::Chat),
            Endpoint::Responses if self.stream => Some(Shape::Responses),
            Endpoint::Messages if self.stream => Some(Shape::Messages),
            _ => None,
        }
    }

    pub(crate) fn body_shape(&self) -> BodyShape {
        match self.about.endpoint {
            Endpoint::Chat => BodyShape::Chat,
            Endpoint::Responses => BodyShape::Responses,
            Endpoint::Embeddings => BodyShape::Embeddings,
            _ => BodyShape::Object,
        }
    }

    /// Fields without which an answer that is not streamed is malformed. A count of tokens has none of an answer's.
    pub(crate) fn required_fields(&self) -> &[String] {
        if self.about.endpoint.counts_tokens() {
            return &[];
        }
        self.about.alias.map_or(&[], |id| &self.about.snapshot.plan().alias(id).required_fields)
    }
}
