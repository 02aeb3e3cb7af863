//! One request from its head to its answer, in the order in which things happen.

use std::sync::Arc;

use decisions::{Chosen, Decision, Endpoint, Facts, Refusal, decide, tenant_primary};
use http::{Request, Response, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use upstream::RequestBody;

use crate::auth::{Identity, identify};
use crate::dispatch::{Outgoing, dispatch};
use crate::error::Error;
use crate::observer::Outcome;
use crate::request::path::{Asked, has_model_parameter, read};
use crate::request::{body, peek::peek, splice::splice};
use crate::response::GatewayBody;
use crate::response::headers::stamp;
use crate::response::ticket::Ticket;
use crate::worker::Context;
use crate::{error_response, models};

/// Answers a request; it cannot fail, since every error is an answer.
pub(crate) async fn handle(context: Arc<Context>, request: Request<Incoming>) -> Response<GatewayBody> {
    let ticket = Ticket::open(Arc::clone(&context));
    match answer(&context, ticket, request).await {
        Ok(response) => response,
        Err((error, mut ticket)) => {
            let (mut response, code) = error_response::respond(&error);
            stamp(response.headers_mut(), &ticket.snapshot, ticket.route, ticket.target);
            ticket.answer(response.status());
            ticket.end(Outcome::Answered(code));
            response
        }
    }
}

/// An error comes with the ticket, so that the record says how far the request got.
type Answer = Result<Response<GatewayBody>, (Error, Ticket)>;

async fn answer(context: &Context, mut ticket: Ticket, request: Request<Incoming>) -> Answer {
    let (head, incoming) = request.into_parts();
    let (asked, suffix) = match read(&head.method, &head.uri) {
        Ok(asked) => asked,
        Err(error) => return Err((error, ticket)),
    };
    if let Asked::Routed(endpoint) = asked {
        ticket.endpoint = endpoint.as_str();
    }
    // Before any byte of the body is read.
    let identity = match identify(&head.headers, &ticket.snapshot, &context.live) {
        Ok(identity) => identity,
        Err(error) => return Err((error, ticket)),
    };
    ticket.tenant = Some(identity.tenant);
    match asked {
        Asked::Routed(endpoint) => {
            routed(context, ticket, &identity, &head, suffix, endpoint, incoming).await
        }
        Asked::Models => {
            let list = models::list(ticket.snapshot.plan(), identity.tenant);
            Ok(answered(ticket, list))
        }
        Asked::Model(name) => match models::one(ticket.snapshot.plan(), identity.tenant, name) {
            Some(model) => Ok(answered(ticket, model)),
            None => passed_on(context, ticket, &identity, &head, suffix, incoming).await,
        },
        Asked::Other => passed_on(context, ticket, &identity, &head, suffix, incoming).await,
    }
}

/// A request that is routed by its model.
async fn routed(
    context: &Context,
    mut ticket: Ticket,
    identity: &Identity,
    head: &request::Parts,
    suffix: &str,
    endpoint: Endpoint,
    incoming: Incoming,
) -> Answer {
    if has_model_parameter(&head.uri) {
        return Err((Error::ModelInQuery, ticket));
    }
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err((Error::EncodedBody, ticket));
    }
    let buffered = match body::read(incoming, &context.limits, &context.live).await {
        Ok(buffered) => buffered,
        Err(error) => return Err((error, ticket)),
    };
    let peeked = match peek(&buffered.bytes, endpoint) {
        Ok(peeked) => peeked,
        Err(error) => return Err((error.into(), ticket)),
    };
    // The plan is borrowed from a clone of the pointer, because the ticket moves on with the request.
    let snapshot = Arc::clone(&ticket.snapshot);
    let facts = Facts {
        tenant: identity.tenant,
        caller: identity.caller,
        endpoint,
        model: &peeked.model,
        keys: peeked.sticky_keys(),
        stateful: peeked.stateful,
        draw: fastrand::u64(..),
    };
    let chosen = match decide(snapshot.plan(), &facts) {
        Decision::Send(chosen) => chosen,
        Decision::Refuse(refusal) => {
            return Err((refused(&mut ticket, refusal, &peeked.model), ticket));
        }
    };
    let body = match chosen.order.first().model_id {
        Some(model_id) => RequestBody::Parts(splice(&buffered.bytes, peeked.model_at, model_id)),
        None => RequestBody::whole(buffered.bytes.clone()),
    };
    let outgoing = Outgoing {
        method: head.method.clone(),
        endpoint: Some(endpoint),
        suffix,
        headers: &head.headers,
        body,
    };
    dispatch(context, ticket, identity, &chosen, outgoing).await
}

/// A request that is not routed by its model: to the tenant's primary, its body as it arrives.
async fn passed_on(
    context: &Context,
    mut ticket: Ticket,
    identity: &Identity,
    head: &request::Parts,
    suffix: &str,
    incoming: Incoming,
) -> Answer {
    let snapshot = Arc::clone(&ticket.snapshot);
    let chosen: Chosen<'_> = match tenant_primary(snapshot.plan(), identity.tenant, identity.caller) {
        Decision::Send(chosen) => chosen,
        Decision::Refuse(refusal) => return Err((refused(&mut ticket, refusal, ""), ticket)),
    };
    let body = if incoming.is_end_stream() {
        RequestBody::whole(bytes::Bytes::new())
    } else {
        RequestBody::Stream(incoming)
    };
    let outgoing =
        Outgoing { method: head.method.clone(), endpoint: None, suffix, headers: &head.headers, body };
    dispatch(context, ticket, identity, &chosen, outgoing).await
}

/// An answer of the gateway's own to a request that was in order.
fn answered(mut ticket: Ticket, mut response: Response<GatewayBody>) -> Response<GatewayBody> {
    stamp(response.headers_mut(), &ticket.snapshot, None, None);
    ticket.endpoint = "models";
    ticket.answer(response.status());
    ticket.end(Outcome::Answered("ok"));
    response
}

fn refused(ticket: &mut Ticket, refusal: Refusal, model: &str) -> Error {
    match refusal {
        Refusal::UnknownModel => Error::UnknownModel { model: model.to_owned() },
        Refusal::RouteDisabled(route) => {
            ticket.route = Some(route);
            Error::RouteDisabled { route: ticket.snapshot.plan().route(route).name.clone() }
        }
        Refusal::UnknownKey => Error::UnprovenKey,
        Refusal::RestrictedTenant => Error::RestrictedTenant,
    }
}
