//! A request that is not routed by its model: once to where what it refers to lives, else to the tenant's primary. Its body
//! is read only where it may refer to something, its answer only where it may name something.

use std::sync::Arc;

use decisions::{tenant_pinned, tenant_primary};
use http::{HeaderMap, Response, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;
use upstream::RequestBody;

use crate::affinity::Made;
use crate::attempt::answer::is_event_stream;
use crate::auth::Identity;
use crate::dispatch::{Destination, Outgoing, build, refuse_gateway_key};
use crate::error::Error;
use crate::handler::chosen;
use crate::placing::{Reads, operated};
use crate::request::body::{self, Buffered};
use crate::request::form::FormScanner;
use crate::request::pace::{Fault, Paced};
use crate::request::path::read;
use crate::request::payload::Payload;
use crate::request::receive::receive_form;
use crate::request::references::{self, References};
use crate::response::headers::{clean, stamp};
use crate::response::keeping::keep;
use crate::response::ticket::Ticket;
use crate::response::{GatewayBody, Learning, Reader, Relay};
use crate::scan::made::{MadeInEvents, MadeScanner};
use crate::websocket::{self, Socket};
use crate::worker::Context;

/// A request that is not routed by its model: to the tenant's primary, its body as it arrives.
pub(crate) struct PassedOn {
    pub(crate) context: Arc<Context>,
    pub(crate) identity: Identity,
    pub(crate) head: Box<request::Parts>,
    pub(crate) incoming: Incoming,
    pub(crate) is_socket: bool,
    pub(crate) socket: Option<Socket>,
}

impl PassedOn {
    /// What it was answered, and whether that is to be read for what it makes, its own `id` included.
    pub(crate) async fn send(
        self,
        ticket: &mut Ticket,
    ) -> Result<(Response<Incoming>, upstream::Lease, Option<bool>), Error> {
        let PassedOn { context, identity, head, incoming, is_socket, .. } = self;
        let snapshot = Arc::clone(&ticket.snapshot);
        let plan = snapshot.plan();
        let (_, suffix) = read(&head.method, &head.uri)?;
        let path = head.uri.path().strip_prefix("/v1").unwrap_or_default();
        let operated = operated(&head.method, path, head.uri.query())?;
        let arrived = Arrived::read(operated.reads(&head.headers), incoming, &head.headers, &context).await?;
        let placed = {
            let place = |references: &References<'_>| {
                operated.place(&context, &snapshot, identity.tenant, references)
            };
            match &arrived {
                Arrived::Json(held) if !held.bytes.is_empty() => place(&references::read(&held.bytes)?)?,
                Arrived::Form(_, found) => place(found)?,
                Arrived::Json(_) | Arrived::Unread(_) => place(&References::default())?,
            }
        };
        let decision = match placed.at {
            Some(provider) => tenant_pinned(plan, identity.tenant, identity.caller, provider),
            None => tenant_primary(plan, identity.tenant, identity.caller),
        };
        let chosen = chosen(ticket, decision, "")?;
        let target = chosen.order.first();
        ticket.route = chosen.route;
        ticket.target = Some((target.provider, target.role));
        ticket.attempts = 1;
        refuse_gateway_key(plan, &identity, [target.provider])?;
        let fault = Arc::new(Fault::default());
        // What is held keeps its room until the answer begins.
        let (body, held) = match arrived {
            Arrived::Json(held) => {
                let body = RequestBody::whole(held.bytes.clone());
                (body, Some(Payload::Held { held, model_at: 0..0, is_form: false }))
            }
            Arrived::Form(payload, _) => (payload.body(None, false).ok_or(Error::Internal)?, Some(payload)),
            Arrived::Unread(incoming) if !incoming.is_end_stream() => {
                let paced = Paced::new(incoming, context.limits.min_body_rate, &fault);
                (RequestBody::Stream(Box::pin(paced)), None)
            }
            Arrived::Unread(_) => (RequestBody::whole(bytes::Bytes::new()), None),
        };
        let to = Destination::Path(suffix);
        let span = ticket.trace.own_span(None);
        let outgoing = Outgoing { method: head.method.clone(), to, headers: &head.headers, body, span };
        let provider = snapshot.provider(target.provider).ok_or(Error::Internal)?;
        let mut request = build(provider, &identity, outgoing)?;
        if is_socket {
            websocket::ask(&mut request, &head.headers);
        }
        let name = || plan.provider(target.provider).name.clone();
        let deadline = Instant::now() + target.timeout;
        let (response, lease) =
            tokio::time::timeout_at(deadline, provider.origin.send(context.worker, request))
                .await
                .map_err(|_| Error::HeadTimeout { provider: name(), timeout_ms: target.timeout.as_millis() })?
                .map_err(|source| {
                    let own = fault.error().or_else(|| held.as_ref().and_then(Payload::fault));
                    own.unwrap_or_else(|| Error::Unreachable { provider: name(), source })
                })?;
        if operated.begins_call() {
            let whose = (identity.tenant, target.provider);
            if let Some(keeping) = keep(&context, &snapshot, whose, &call_named(&response)) {
                keeping.await;
            }
        }
        Ok((response, lease, placed.learns))
    }
}

/// A body of a request that is not routed by its model, read as far as it may refer to something.
enum Arrived {
    Unread(Incoming),
    Json(Buffered),
    Form(Payload, Box<References<'static>>),
}

impl Arrived {
    async fn read(
        reads: Reads,
        incoming: Incoming,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Arrived, Error> {
        if reads == Reads::Nothing || incoming.is_end_stream() {
            return Ok(Arrived::Unread(incoming));
        }
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Error::EncodedBody);
        }
        let (limits, live) = (&context.limits, &context.live);
        if reads == Reads::Json {
            return Ok(Arrived::Json(body::read(incoming, limits, live).await?));
        }
        let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        let scanner = FormScanner::new(kind)?.for_references();
        let received = receive_form(incoming, scanner, limits, live).await?;
        let found = received.form.as_ref().and_then(FormScanner::references).cloned().unwrap_or_default();
        Ok(Arrived::Form(received.into_payload(0..0), Box::new(found)))
    }
}

/// The call that an answer has begun, by the last segment of its `Location`.
fn call_named(response: &Response<Incoming>) -> Vec<Made> {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let path = location.unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let id = path.rsplit('/').next().filter(|id| !id.is_empty() && response.status().is_success());
    id.map(|id| Made { id: id.into(), lifetime: None }).into_iter().collect()
}

/// Hands the answer to such a request on, and reads it for what it makes where it is said to.
pub(crate) fn relay(
    mut ticket: Box<Ticket>,
    response: Response<Incoming>,
    lease: upstream::Lease,
    (context, learns): (Arc<Context>, Option<bool>),
) -> Response<GatewayBody> {
    let (mut head, body) = response.into_parts();
    let longest_silence = context.limits.relay_idle_timeout;
    let learning = learns.and_then(|makes| learning(context, &ticket, &head, makes));
    clean(&mut head.headers, &ticket);
    stamp(&mut head.headers, &ticket);
    head.version = http::Version::HTTP_11;
    ticket.answer(head.status);
    let first = bytes::Bytes::new();
    // An error within a stream is not told apart here, so credentials are covered in all of it.
    let is_error =
        head.status.is_client_error() || head.status.is_server_error() || is_event_stream(&head.headers);
    let relay =
        Relay::new(first, body, lease, *ticket, None, longest_silence).learning(learning).error(is_error);
    Response::from_parts(head, GatewayBody::Relay(Box::new(relay)))
}

/// Reads an answer for what it makes, where it is JSON or a stream of it.
fn learning(
    context: Arc<Context>,
    ticket: &Ticket,
    head: &http::response::Parts,
    makes: bool,
) -> Option<Learning> {
    let (provider, _) = ticket.target?;
    if !head.status.is_success() || head.headers.contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let reader = match head.headers.get(header::CONTENT_TYPE)?.as_bytes() {
        kind if kind.starts_with(b"application/json") => {
            Reader::Whole { scanner: MadeScanner::new(makes), left: Some(context.limits.max_answer) }
        }
        kind if kind.starts_with(b"text/event-stream") => Reader::Events(MadeInEvents::new()),
        _ => return None,
    };
    let (snapshot, whose) = (Arc::clone(&ticket.snapshot), (ticket.tenant?, provider));
    Some(Learning { context, snapshot, whose, reader, keeping: None })
}
