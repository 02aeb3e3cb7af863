//! One request from its head to its answer, in the order in which things happen.

use std::sync::Arc;

use decisions::{Chosen, Decision, Endpoint, Facts, Refusal, decide, tenant_primary};
use http::{Request, Response, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use upstream::{Lease, RequestBody};

use crate::auth::{Identity, identify};
use crate::dispatch::{Outgoing, dispatch};
use crate::error::Error;
use crate::observer::Outcome;
use crate::request::path::{Asked, has_model_parameter, read};
use crate::request::{body, peek::peek, splice::splice};
use crate::response::headers::{clean, stamp};
use crate::response::ticket::Ticket;
use crate::response::{GatewayBody, Relay};
use crate::snapshot::Snapshot;
use crate::worker::Context;
use crate::{error_response, models};

/// Answers a request; it cannot fail, since every error is an answer.
pub(crate) async fn handle(context: Arc<Context>, request: Request<Incoming>) -> Response<GatewayBody> {
    let mut ticket = Ticket::open(Arc::clone(&context));
    let (response, outcome) = match answer(&context, &mut ticket, request).await {
        Ok(Answer::Provider(response, lease)) => return relay(ticket, response, lease),
        Ok(Answer::Own(response)) => (response, Outcome::Answered("ok")),
        Err(error) => {
            let (response, code) = error_response::respond(&error);
            (response, Outcome::Answered(code))
        }
    };
    let (mut head, body) = response.into_parts();
    stamp(&mut head.headers, &ticket);
    ticket.answer(head.status);
    ticket.end(outcome);
    Response::from_parts(head, body)
}

/// What a request that was in order is answered with.
enum Answer {
    /// By the gateway itself.
    Own(Response<GatewayBody>),
    /// By a provider; its body is still to come.
    Provider(Response<Incoming>, Lease),
}

fn relay(mut ticket: Ticket, response: Response<Incoming>, lease: Lease) -> Response<GatewayBody> {
    let (mut head, body) = response.into_parts();
    clean(&mut head.headers, ticket.is_routed);
    stamp(&mut head.headers, &ticket);
    head.version = http::Version::HTTP_11;
    ticket.answer(head.status);
    Response::from_parts(head, GatewayBody::Relay(Relay::new(body, lease, ticket)))
}

/// A request whose caller is known.
struct Call<'r> {
    context: &'r Context,
    snapshot: &'r Snapshot,
    identity: &'r Identity,
    head: &'r request::Parts,
    /// The path below `/v1`, with its query.
    suffix: &'r str,
}

async fn answer(context: &Context, ticket: &mut Ticket, request: Request<Incoming>) -> Result<Answer, Error> {
    let (head, incoming) = request.into_parts();
    let snapshot = Arc::clone(&ticket.snapshot);
    let (asked, suffix) = read(&head.method, &head.uri)?;
    ticket.asked(asked);
    // Before any byte of the body is read.
    let identity = identify(&head.headers, &snapshot, &context.live)?;
    ticket.tenant = Some(identity.tenant);
    let call = Call { context, snapshot: &snapshot, identity: &identity, head: &head, suffix };
    match asked {
        Asked::Routed(endpoint) => call.route(ticket, endpoint, incoming).await,
        Asked::Models => Ok(Answer::Own(models::list(snapshot.plan(), identity.tenant))),
        Asked::Model(name) => match models::one(snapshot.plan(), identity.tenant, name) {
            Some(model) => Ok(Answer::Own(model)),
            None => call.pass_on(ticket, incoming).await,
        },
        Asked::Other => call.pass_on(ticket, incoming).await,
    }
}

impl Call<'_> {
    /// A request that is routed by its model.
    async fn route(
        &self,
        ticket: &mut Ticket,
        endpoint: Endpoint,
        incoming: Incoming,
    ) -> Result<Answer, Error> {
        if has_model_parameter(&self.head.uri) {
            return Err(Error::ModelInQuery);
        }
        if self.head.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Error::EncodedBody);
        }
        let buffered = body::read(incoming, &self.context.limits, &self.context.live).await?;
        let peeked = peek(&buffered.bytes, endpoint)?;
        let facts = Facts {
            tenant: self.identity.tenant,
            caller: self.identity.caller,
            endpoint,
            model: &peeked.model,
            keys: peeked.sticky_keys(),
            stateful: peeked.stateful,
            draw: fastrand::u64(..),
        };
        let decision = decide(self.snapshot.plan(), &facts);
        let chosen = chosen(ticket, decision, &peeked.model)?;
        let body = match chosen.order.first().model_id {
            Some(model_id) => RequestBody::Parts(splice(&buffered.bytes, peeked.model_at, model_id)),
            None => RequestBody::whole(buffered.bytes.clone()),
        };
        self.send(ticket, &chosen, Some(endpoint), body).await
    }

    /// A request that is not routed by its model: to the tenant's primary, its body as it arrives.
    async fn pass_on(&self, ticket: &mut Ticket, incoming: Incoming) -> Result<Answer, Error> {
        let decision = tenant_primary(self.snapshot.plan(), self.identity.tenant, self.identity.caller);
        let chosen = chosen(ticket, decision, "")?;
        let body = if incoming.is_end_stream() {
            RequestBody::whole(bytes::Bytes::new())
        } else {
            RequestBody::Stream(incoming)
        };
        self.send(ticket, &chosen, None, body).await
    }

    async fn send(
        &self,
        ticket: &mut Ticket,
        chosen: &Chosen<'_>,
        endpoint: Option<Endpoint>,
        body: RequestBody,
    ) -> Result<Answer, Error> {
        let (method, headers) = (self.head.method.clone(), &self.head.headers);
        let outgoing = Outgoing { method, endpoint, suffix: self.suffix, headers, body };
        let (response, lease) = dispatch(self.context, ticket, self.identity, chosen, outgoing).await?;
        Ok(Answer::Provider(response, lease))
    }
}

/// Where it goes, or why the gateway refuses it.
fn chosen<'p>(ticket: &mut Ticket, decision: Decision<'p>, model: &str) -> Result<Chosen<'p>, Error> {
    let refusal = match decision {
        Decision::Send(chosen) => return Ok(chosen),
        Decision::Refuse(refusal) => refusal,
    };
    Err(match refusal {
        Refusal::UnknownModel => Error::UnknownModel { model: model.to_owned() },
        Refusal::RouteDisabled(route) => {
            ticket.route = Some(route);
            Error::RouteDisabled { route: ticket.snapshot.plan().route(route).name.clone() }
        }
        Refusal::UnknownKey => Error::UnprovenKey,
        Refusal::RestrictedTenant => Error::RestrictedTenant,
        Refusal::ProviderNotAllowed => Error::ProviderNotAllowed,
    })
}
