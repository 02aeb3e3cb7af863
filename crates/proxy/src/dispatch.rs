//! Sends one request to one target and waits for the head of its answer: the head rewritten, the credential attached
//! last, the deadline running.

use decisions::plan::{CredentialKind, Plan};
use decisions::{Chosen, Endpoint};
use http::{HeaderMap, Method, Request, Response, Uri, header};
use hyper::body::Incoming;
use tokio::time::Instant;
use upstream::{Credential, Lease, RequestBody};

use crate::auth::Identity;
use crate::error::Error;
use crate::request::headers::outgoing;
use crate::response::ticket::Ticket;
use crate::snapshot::Provider;
use crate::worker::Context;

/// What is sent, wherever it goes.
pub(crate) struct Outgoing<'r> {
    pub(crate) method: Method,
    /// Which of the routed endpoints, if one.
    pub(crate) endpoint: Option<Endpoint>,
    /// The path below `/v1`, with its query.
    pub(crate) suffix: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: RequestBody,
}

/// Sends to the first target of the order.
pub(crate) async fn dispatch(
    context: &Context,
    ticket: &mut Ticket,
    identity: &Identity,
    chosen: &Chosen<'_>,
    outgoing: Outgoing<'_>,
) -> Result<(Response<Incoming>, Lease), Error> {
    let id = chosen.order.first().provider;
    ticket.route = chosen.route;
    ticket.target = Some((id, chosen.order.first().role));
    let plan = ticket.snapshot.plan();
    let name = || plan.provider(id).name.clone();
    if let Some(provider) = wants_callers_key(plan, chosen).filter(|_| identity.is_gateway_key) {
        return Err(Error::GatewayKeyNotForwarded { provider });
    }
    let timeout = chosen.order.first().timeout;
    let provider = ticket.snapshot.provider(id).ok_or(Error::Internal)?;
    let request = build(provider, identity, outgoing)?;
    let (response, lease) = tokio::time::timeout(timeout, provider.origin.send(context.worker, request))
        .await
        .map_err(|_| Error::HeadTimeout { provider: name(), timeout_ms: timeout.as_millis() })?
        .map_err(|source| Error::Unreachable { provider: name(), source })?;
    if ticket.is_routed && response.status().is_success() {
        remember_acceptance(context, identity, provider);
    }
    Ok((response, lease))
}

/// A provider among the targets that takes the caller's own key: all of them count, so that a key of the gateway gets
/// the same answer on either side of a canary.
fn wants_callers_key(plan: &Plan, chosen: &Chosen<'_>) -> Option<String> {
    let mut providers = chosen.order.iter().map(|target| plan.provider(target.provider));
    let found = providers.find(|provider| provider.credential == CredentialKind::Client);
    found.map(|provider| provider.name.clone())
}

fn build(
    provider: &Provider,
    identity: &Identity,
    sending: Outgoing<'_>,
) -> Result<Request<RequestBody>, Error> {
    let path = match sending.endpoint {
        Some(endpoint) => {
            let query = sending.suffix.split_once('?').map(|(_, query)| query);
            provider.endpoint_path(endpoint, query)
        }
        None => provider.origin.path(sending.suffix),
    };
    let path = path.map_err(|_| Error::OddPath)?;
    let encoding = sending.headers.get(header::CONTENT_ENCODING).filter(|_| sending.endpoint.is_none());
    let headers = outgoing(sending.headers, provider, &identity.authorization, encoding);
    let mut request = Request::new(sending.body);
    *request.method_mut() = sending.method;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers;
    Ok(request)
}

/// An unlisted key that the primary has just accepted for inference may use the rest of its routes for a while.
/// Other paths don't count: a provider may answer some of them to anybody.
fn remember_acceptance(context: &Context, identity: &Identity, provider: &Provider) {
    if let (Some(key), Credential::Client) = (identity.unlisted_key, &provider.credential) {
        context.live.accept(key, provider.origin.id(), Instant::now());
    }
}
