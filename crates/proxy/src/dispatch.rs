//! Sends one request to one target and brings its answer back: the head rewritten both ways, the credential attached
//! last, the head's deadline running.

use std::time::Duration;

use decisions::plan::CredentialKind;
use decisions::{Chosen, Endpoint};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use tokio::time::Instant;
use upstream::{Lease, RequestBody};

use crate::auth::Identity;
use crate::error::Error;
use crate::request::headers::outgoing;
use crate::response::headers::{clean, stamp};
use crate::response::ticket::Ticket;
use crate::response::{GatewayBody, Relay};
use crate::snapshot::Provider;
use crate::worker::Context;

/// How long a target may take to begin its answer where no route says.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// What is sent, wherever it goes.
pub(crate) struct Outgoing<'r> {
    pub(crate) method: Method,
    /// `None` for what is not routed by model.
    pub(crate) endpoint: Option<Endpoint>,
    /// The path below `/v1`, with its query.
    pub(crate) suffix: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: RequestBody,
}

/// Sends to the first target of the order.
pub(crate) async fn dispatch(
    context: &Context,
    mut ticket: Ticket,
    identity: &Identity,
    chosen: &Chosen<'_>,
    outgoing: Outgoing<'_>,
) -> Result<Response<GatewayBody>, (Error, Ticket)> {
    let target = chosen.order.first();
    ticket.route = chosen.route;
    ticket.target = Some((target.provider, target.role));
    let is_routed = outgoing.endpoint.is_some();
    let timeout = match chosen.route {
        Some(route) if is_routed => ticket.snapshot.plan().route(route).timeout,
        _ => DEFAULT_TIMEOUT,
    };
    if let Some(provider) = wants_callers_key(&ticket, chosen).filter(|_| identity.is_gateway_key) {
        return Err((Error::GatewayKeyNotForwarded { provider }, ticket));
    }
    let sent = send(context, &ticket, identity, target.provider, outgoing, timeout).await;
    let (mut response, lease) = match sent {
        Ok(answered) => answered,
        Err(error) => return Err((error, ticket)),
    };
    remember_acceptance(context, &ticket, identity, is_routed, response.status());
    clean(response.headers_mut(), is_routed);
    stamp(response.headers_mut(), &ticket.snapshot, ticket.route, ticket.target);
    ticket.answer(response.status());
    *response.version_mut() = http::Version::HTTP_11;
    Ok(response.map(|body| GatewayBody::Relay(Relay::new(body, lease, ticket))))
}

/// A provider among the targets that takes the caller's own key: all of them count, so that a key of the gateway gets
/// the same answer on either side of a canary.
fn wants_callers_key(ticket: &Ticket, chosen: &Chosen<'_>) -> Option<String> {
    let plan = ticket.snapshot.plan();
    let mut providers = chosen.order.iter().map(|target| plan.provider(target.provider));
    let found = providers.find(|provider| provider.credential == CredentialKind::Client);
    found.map(|provider| provider.name.clone())
}

async fn send(
    context: &Context,
    ticket: &Ticket,
    identity: &Identity,
    id: decisions::ProviderId,
    outgoing: Outgoing<'_>,
    timeout: Duration,
) -> Result<(Response<Incoming>, Lease), Error> {
    let plan = ticket.snapshot.plan();
    let name = || plan.provider(id).name.clone();
    let provider = ticket.snapshot.provider(id).ok_or(Error::Internal)?;
    let request = build(provider, identity, outgoing)?;
    match tokio::time::timeout(timeout, provider.origin.send(context.worker, request)).await {
        Ok(Ok(answered)) => Ok(answered),
        Ok(Err(source)) => Err(Error::Unreachable { provider: name(), source }),
        Err(_) => Err(Error::HeadTimeout { provider: name(), timeout_ms: timeout.as_millis() }),
    }
}

fn build(
    provider: &Provider,
    identity: &Identity,
    sending: Outgoing<'_>,
) -> Result<Request<RequestBody>, Error> {
    let path: PathAndQuery = match sending.endpoint {
        // Without a query, which is almost always, the path was built with the snapshot.
        Some(endpoint) if endpoint.path().len() == sending.suffix.len() => provider.endpoint_path(endpoint),
        _ => provider.origin.path(sending.suffix).map_err(|_| Error::OddPath)?,
    };
    let encoding: Option<&HeaderValue> = match sending.endpoint {
        Some(_) => None,
        None => sending.headers.get(header::CONTENT_ENCODING),
    };
    let headers = outgoing(sending.headers, &provider.credential, &identity.authorization, encoding);
    let mut request = Request::new(sending.body);
    *request.method_mut() = sending.method;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers;
    Ok(request)
}

/// An unlisted key that the primary has just accepted for inference may use the rest of its routes for a while.
/// Other paths don't count: a provider may answer some of them to anybody.
fn remember_acceptance(
    context: &Context,
    ticket: &Ticket,
    identity: &Identity,
    is_routed: bool,
    status: StatusCode,
) {
    let Some(key) = identity.unlisted_key.filter(|_| is_routed && status.is_success()) else { return };
    let Some((id, _)) = ticket.target else { return };
    if ticket.snapshot.plan().provider(id).credential != CredentialKind::Client {
        return;
    }
    if let Some(provider) = ticket.snapshot.provider(id) {
        context.live.accept(key, provider.origin.id(), Instant::now());
    }
}
