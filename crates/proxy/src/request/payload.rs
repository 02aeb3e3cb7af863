//! A request's body on its way through: held whole, so that it can be sent as often as needed, or a form too large for
//! that, which is sent on as it arrives, once.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use decisions::Endpoint;
use decisions::plan::{Feature, FeatureSet};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use upstream::{BoxError, RequestBody};

use crate::error::Error;
use crate::request::body::Buffered;
use crate::request::form::FormScanner;
use crate::request::pace::{Fault, Flaw, Paced};
use crate::request::peek::{PeekError, Peeked, peek, peek_with_features};
use crate::request::splice::{splice, splice_asking, splice_text};

/// What has been read of a body, enough of it to decide.
pub(crate) struct Received {
    pub(crate) held: Buffered,
    pub(crate) form: Option<FormScanner>,
    /// What has not arrived yet, and where it is noted that it is not in order.
    pub(crate) rest: Option<(Paced<Incoming>, Arc<Fault>)>,
}

impl Received {
    /// The fields that route.
    pub(crate) fn peeked(&self, endpoint: Endpoint, asks_features: bool) -> Result<Peeked<'_>, PeekError> {
        let Some(form) = &self.form else {
            let peek = if asks_features { peek_with_features } else { peek };
            return peek(&self.held.bytes, endpoint);
        };
        let (model, at) = match form.model() {
            Some(found) => found,
            None if endpoint.has_default_model() => ("", 0..0),
            None => return Err(PeekError::NoModel),
        };
        let features = if asks_features { self.features_of(form, endpoint) } else { FeatureSet::EMPTY };
        let mut peeked = Peeked::of_form(model, at, form.user());
        peeked.features = features;
        Ok(peeked)
    }

    /// What a form uses of the API. Of one that is sent on before its end, also what may yet come: rather kept home than sent
    /// where it does not work.
    fn features_of(&self, form: &FormScanner, endpoint: Endpoint) -> FeatureSet {
        let seen = form.features();
        match endpoint {
            _ if self.rest.is_none() => seen,
            Endpoint::Transcriptions => seen.with(Feature::Streaming).with(Feature::Logprobs),
            Endpoint::ImageEdits => seen.with(Feature::Streaming),
            _ => seen,
        }
    }

    pub(crate) fn into_payload(self, model_at: Range<usize>) -> Payload {
        let Received { held, form, rest } = self;
        let is_form = form.is_some();
        match (form, rest) {
            (Some(scanner), Some((rest, fault))) => {
                let left = Some(Box::new(Left { held, model_at, rest, scanner }));
                Payload::Streamed { left: Mutex::new(left), fault }
            }
            _ => Payload::Held { held, model_at, is_form },
        }
    }
}

/// A body that is ready to be sent.
pub(crate) enum Payload {
    Held {
        held: Buffered,
        /// Where the value of `model` stands.
        model_at: Range<usize>,
        is_form: bool,
    },
    Streamed {
        left: Mutex<Option<Box<Left>>>,
        fault: Arc<Fault>,
    },
}

/// What is sent once.
pub(crate) struct Left {
    held: Buffered,
    model_at: Range<usize>,
    rest: Paced<Incoming>,
    scanner: FormScanner,
}

impl Payload {
    /// It can be sent once more after it was sent.
    pub(crate) fn is_replayable(&self) -> bool {
        matches!(self, Payload::Held { .. })
    }

    /// The body for a target that calls the model so; `None` leaves it as it was sent. Nothing if it was sent already
    /// and cannot be sent again.
    pub(crate) fn body(&self, model_id: Option<&str>, asks_usage: bool) -> Option<RequestBody> {
        let parts = |bytes: &Bytes, at: &Range<usize>, is_form: bool| match model_id {
            _ if asks_usage => splice_asking(bytes, at.clone(), model_id),
            None => [bytes.clone(), Bytes::new(), Bytes::new()],
            Some(model_id) if is_form => splice_text(bytes, at.clone(), model_id),
            Some(model_id) => splice(bytes, at.clone(), model_id),
        };
        match self {
            Payload::Held { held, model_at, is_form } => {
                Some(RequestBody::Parts(Box::new(parts(&held.bytes, model_at, *is_form))))
            }
            Payload::Streamed { left, fault } => {
                let left = left.lock().unwrap_or_else(PoisonError::into_inner).take()?;
                let begun = parts(&left.held.bytes, &left.model_at, true);
                let upload = Upload {
                    begun,
                    _held: left.held,
                    rest: left.rest,
                    scanner: left.scanner,
                    fault: Arc::clone(fault),
                    is_over: false,
                };
                Some(RequestBody::Stream(Box::pin(upload)))
            }
        }
    }

    /// Another that is sent for itself; nothing of one that is not held whole. Its room is not counted: whoever copies bounds
    /// size and number.
    pub(crate) fn copy(&self) -> Option<Payload> {
        match self {
            Payload::Held { held, model_at, is_form } => {
                let (model_at, is_form) = (model_at.clone(), *is_form);
                Some(Payload::Held { held: held.uncounted(), model_at, is_form })
            }
            Payload::Streamed { .. } => None,
        }
    }

    /// Why the caller is at fault for a body that could not be sent to its end.
    pub(crate) fn fault(&self) -> Option<Error> {
        match self {
            Payload::Held { .. } => None,
            Payload::Streamed { fault, .. } => fault.error(),
        }
    }
}

/// A form on its way: what was held, then the rest as it comes. It is read to its end, because a second `model` there
/// would say something else than the one that was routed by; then the provider never sees the end of the form.
struct Upload {
    begun: [Bytes; 3],
    /// Keeps the room for what was held.
    _held: Buffered,
    rest: Paced<Incoming>,
    scanner: FormScanner,
    fault: Arc<Fault>,
    is_over: bool,
}

impl Upload {
    fn refuse(&mut self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.is_over = true;
        self.fault.set(Flaw::Form);
        Poll::Ready(Some(Err("the form is not in order".into())))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(part) = this.begun.iter_mut().find(|part| !part.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(part)))));
        }
        if this.is_over {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.rest).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let is_read = frame.data_ref().is_none_or(|data| this.scanner.feed(data).is_ok());
                // The last bytes are held back until it is known that they end a form.
                let is_whole = !this.rest.is_end_stream() || this.scanner.finish().is_ok();
                if is_read && is_whole { Poll::Ready(Some(Ok(frame))) } else { this.refuse() }
            }
            Poll::Ready(None) if this.scanner.finish().is_err() => this.refuse(),
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begun.iter().all(Bytes::is_empty) && (self.is_over || self.rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let begun: usize = self.begun.iter().map(Bytes::len).sum();
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest.saturating_add(begun as u64)),
            None => SizeHint::new(),
        }
    }
}
