//! How bytes get to the collector: over the very connections that providers are reached by, of which it is no part.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use telemetry::otlp::{Answer, Sending, Transport, Unsent};
use upstream::{Origin, RequestBody, SendError, SendErrorKind};

/// No answer of a collector is longer.
const MOST_OF_AN_ANSWER: usize = 64 << 10;

/// The collector's server.
#[derive(Debug)]
pub(super) struct ToOrigin(pub(super) Origin);

impl Transport for ToOrigin {
    fn send(&self, request: Request<Bytes>) -> Sending<'_> {
        Box::pin(async move {
            // What lay idle for too long goes before it is found to be closed.
            self.0.sweep(0);
            let sent = self.0.send(0, request.map(RequestBody::whole)).await;
            let (response, lease) = sent.map_err(|error| unsent(&error))?;
            let (head, mut body) = response.into_parts();
            let (mut read, mut trailers) = (BytesMut::new(), HeaderMap::new());
            while let Some(frame) = body.frame().await {
                match frame.map_err(|_| Unsent::Unreachable)?.into_data() {
                    Ok(data) if read.len() + data.len() > MOST_OF_AN_ANSWER => return Err(Unsent::Garbage),
                    Ok(data) => read.extend_from_slice(&data),
                    Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
                }
            }
            lease.release();
            Ok(Answer { status: head.status, headers: head.headers, body: read.freeze(), trailers })
        })
    }
}

fn unsent(error: &SendError) -> Unsent {
    tracing::debug!(%error, "the collector was not reached");
    match error.kind {
        SendErrorKind::Tls => Unsent::Tls,
        SendErrorKind::Malformed => Unsent::Garbage,
        SendErrorKind::Dns
        | SendErrorKind::Connect
        | SendErrorKind::ConnectTimeout
        | SendErrorKind::NoAnswer
        | SendErrorKind::Reset => Unsent::Unreachable,
    }
}
