//! What every outgoing request has in common: the head rewritten, the credential attached last.

use decisions::plan::{CredentialKind, Plan};
use decisions::{Endpoint, ProviderId};
use http::{HeaderMap, Method, Request, Uri, header};
use tokio::time::Instant;
use upstream::{Credential, RequestBody};

use crate::auth::Identity;
use crate::error::Error;
use crate::request::headers::outgoing;
use crate::snapshot::Provider;
use crate::trace::OwnSpan;
use crate::worker::Context;

/// What is sent, wherever it goes.
pub(crate) struct Outgoing<'r> {
    pub(crate) method: Method,
    /// Where at the provider.
    pub(crate) to: Destination<'r>,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: RequestBody,
    /// The span that it is, where traces are made.
    pub(crate) span: Option<OwnSpan>,
}

/// Where at a provider a request goes.
#[derive(Clone, Copy)]
pub(crate) enum Destination<'r> {
    /// A routed endpoint, with the query that the caller sent.
    Endpoint(Endpoint, Option<&'r str>),
    /// Any other path below `/v1`, with its query.
    Path(&'r str),
}

/// A key of the gateway is not sent to a provider that takes the caller's own, nor is a request without any. All targets count, so that such a key
/// gets the same answer on either side of a canary.
pub(crate) fn refuse_gateway_key(
    plan: &Plan,
    identity: &Identity,
    targets: impl IntoIterator<Item = ProviderId>,
) -> Result<(), Error> {
    let has_own_key = identity.authorization.is_some() && !identity.is_gateway_key;
    if has_own_key {
        return Ok(());
    }
    let mut providers = targets.into_iter().map(|id| plan.provider(id));
    match providers.find(|provider| provider.credential == CredentialKind::Client) {
        Some(provider) if identity.is_gateway_key => {
            Err(Error::GatewayKeyNotForwarded { provider: provider.name.clone() })
        }
        Some(provider) => Err(Error::OwnKeyMissing { provider: provider.name.clone() }),
        None => Ok(()),
    }
}

/// The request as one provider gets it.
pub(crate) fn build(
    provider: &Provider,
    identity: &Identity,
    sending: Outgoing<'_>,
) -> Result<Request<RequestBody>, Error> {
    let path = match sending.to {
        Destination::Endpoint(endpoint, query) => provider.endpoint_path(endpoint, query),
        Destination::Path(path) => provider.origin.path(path),
    };
    let path = path.map_err(|_| Error::OddPath)?;
    let is_routed = matches!(sending.to, Destination::Endpoint(..));
    let encoding = sending.headers.get(header::CONTENT_ENCODING).filter(|_| !is_routed);
    let headers = outgoing(sending.headers, provider, identity, encoding, sending.span);
    let mut request = Request::new(sending.body);
    *request.method_mut() = sending.method;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers;
    Ok(request)
}

/// An unlisted key that the primary has just accepted for inference may use the rest of its routes for a while.
/// Other paths don't count: a provider may answer some of them to anybody.
pub(crate) fn remember_acceptance(context: &Context, identity: &Identity, provider: &Provider) {
    if let (Some(key), Credential::Client) = (identity.unlisted_key, &provider.credential) {
        context.live.accept(key, provider.origin.id(), Instant::now());
    }
}
