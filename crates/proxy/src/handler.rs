//! One request from its head to its answer, in the order in which things happen.

use std::sync::Arc;

use decisions::plan::OnDisconnect;
use decisions::{Chosen, Decision, Endpoint, Facts, Refusal, decide, tenant_primary};
use http::{HeaderName, Request, Response, StatusCode, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;
use upstream::RequestBody;

use crate::attempt::call::Call;
use crate::attempt::caller_hints;
use crate::attempt::run::run;
use crate::attempt::under_way::{About, Aim};
use crate::auth::{Identity, identify};
use crate::dialect::Dialect;
use crate::dispatch::{Destination, Outgoing, build, refuse_gateway_key};
use crate::error::Error;
use crate::observer::Outcome;
use crate::request::pace::{Fault, Paced};
use crate::request::path::{Asked, has_model_parameter, read};
use crate::request::peek::PeekError;
use crate::request::{conformance, receive::receive};
use crate::response::headers::{clean, stamp};
use crate::response::ticket::Ticket;
use crate::response::waiting::Waiting;
use crate::response::{GatewayBody, Relay};
use crate::websocket::Socket;
use crate::worker::Context;
use crate::{error_response, models, websocket};

/// The gateway's own id of a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-cometgate-request-id");

/// Answers a request; it cannot fail, since every error is an answer.
pub(crate) async fn handle(context: Arc<Context>, request: Request<Incoming>) -> Response<GatewayBody> {
    let mut ticket = Ticket::open(Arc::clone(&context), Dialect::of(request.uri().path()));
    match prepare(&context, &mut ticket, request).await {
        Ok(Prepared::Routed(call)) => follow(*call, ticket).await,
        Ok(Prepared::PassedOn(mut pass)) => match (pass.socket.take(), pass.send(&mut ticket).await) {
            (Some(socket), Ok((response, lease))) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                socket.switch(ticket, response, lease)
            }
            (_, Ok((response, lease))) => relay(ticket, response, lease),
            (_, Err(error)) => refuse(ticket, &error),
        },
        Ok(Prepared::Own(response)) => answer(ticket, response, Outcome::Answered("ok")),
        Err(error) => refuse(ticket, &error),
    }
}

/// What a request that is in order has become.
enum Prepared {
    /// Answered by the gateway itself.
    Own(Response<GatewayBody>),
    /// Routed by its model: it may be tried at several targets.
    Routed(Box<Call>),
    /// For the tenant's primary, once, as it came.
    PassedOn(Box<PassedOn>),
}

/// Makes the attempts of a routed request. A streaming caller that waits long gets its head meanwhile.
async fn follow(call: Call, ticket: Ticket) -> Response<GatewayBody> {
    let heartbeat = call.about.context.limits.heartbeat;
    let drains = call.route().is_some_and(|route| route.on_disconnect == OnDisconnect::Drain);
    let shape = call.stream_shape();
    if shape.is_none() && !drains {
        return run(call, ticket).await;
    }
    // In a box, since it may have to move into the body of the answer while it runs.
    let mut running: crate::response::waiting::Running = if drains {
        Box::pin(crate::attempt::drain::outlive(call, ticket))
    } else {
        Box::pin(run(call, ticket))
    };
    let Some(shape) = shape else { return running.await };
    match tokio::time::timeout(heartbeat, &mut running).await {
        Ok(response) => response,
        Err(_) => Waiting::response(running, shape, heartbeat),
    }
}

fn answer(mut ticket: Ticket, response: Response<GatewayBody>, outcome: Outcome) -> Response<GatewayBody> {
    let (mut head, body) = response.into_parts();
    stamp(&mut head.headers, &ticket);
    ticket.answer(head.status);
    ticket.end(outcome);
    Response::from_parts(head, body)
}

fn refuse(ticket: Ticket, error: &Error) -> Response<GatewayBody> {
    let (response, code) = error_response::respond(error, ticket.dialect);
    answer(ticket, response, Outcome::Answered(code))
}

fn relay(mut ticket: Ticket, response: Response<Incoming>, lease: upstream::Lease) -> Response<GatewayBody> {
    let (mut head, body) = response.into_parts();
    clean(&mut head.headers, ticket.is_routed);
    stamp(&mut head.headers, &ticket);
    head.version = http::Version::HTTP_11;
    ticket.answer(head.status);
    let relay = Relay::new(bytes::Bytes::new(), body, lease, ticket, None);
    Response::from_parts(head, GatewayBody::Relay(Box::new(relay)))
}

async fn prepare(
    context: &Arc<Context>,
    ticket: &mut Ticket,
    request: Request<Incoming>,
) -> Result<Prepared, Error> {
    let (mut head, incoming) = request.into_parts();
    let socket = Socket::of(&mut head);
    let snapshot = Arc::clone(&ticket.snapshot);
    conformance::check(&head)?;
    let (asked, _) = read(&head.method, &head.uri)?;
    ticket.asked(asked);
    // Before any byte of the body is read.
    let identity = identify(&head.headers, ticket.dialect, &snapshot, &context.live)?;
    ticket.tenant = Some(identity.tenant);
    match asked {
        Asked::Routed(endpoint) => {
            let call = route(context, ticket, identity, head, (endpoint, incoming)).await?;
            return Ok(Prepared::Routed(Box::new(call)));
        }
        Asked::Models => return Ok(Prepared::Own(models::list(snapshot.plan(), identity.tenant))),
        Asked::Model(name) => {
            if let Some(model) = models::one(snapshot.plan(), identity.tenant, name) {
                return Ok(Prepared::Own(model));
            }
        }
        Asked::Other => {}
    }
    let context = Arc::clone(context);
    Ok(Prepared::PassedOn(Box::new(PassedOn {
        context,
        identity,
        is_socket: socket.is_some(),
        socket,
        head,
        incoming,
    })))
}

/// A request that is routed by its model, read and decided.
async fn route(
    context: &Arc<Context>,
    ticket: &mut Ticket,
    identity: Identity,
    head: request::Parts,
    (endpoint, incoming): (Endpoint, Incoming),
) -> Result<Call, Error> {
    if has_model_parameter(&head.uri) {
        return Err(Error::ModelInQuery);
    }
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Error::EncodedBody);
    }
    let body = receive(incoming, &head.headers, endpoint, &context.limits, &context.live).await?;
    let peeked = body.peeked(endpoint)?;
    let snapshot = Arc::clone(&ticket.snapshot);
    let plan = snapshot.plan();
    let facts = Facts {
        tenant: identity.tenant,
        caller: identity.caller,
        endpoint,
        model: &peeked.model,
        keys: peeked.sticky_keys(),
        stateful: peeked.stateful,
        draw: fastrand::u64(..),
    };
    let chosen = chosen(ticket, decide(plan, &facts), &peeked.model)?;
    let targets = || chosen.order.iter();
    ticket.route = chosen.route;
    ticket.target = targets().next().map(|target| (target.provider, target.role));
    refuse_gateway_key(plan, &identity, targets().map(|target| target.provider))?;
    let route = chosen.route.map(|id| plan.route(id));
    let first = chosen.order.first();
    let patience = caller_hints::patience(&head.headers);
    let timeout = route.map_or(first.timeout, |route| route.timeout);
    let mut aims =
        targets().map(|target| Aim { provider: target.provider, role: target.role, timeout: target.timeout });
    Ok(Call {
        aims: [aims.next(), aims.next()],
        about: Arc::new(About {
            request_id: head.headers.get(&REQUEST_ID).cloned(),
            endpoint,
            tenant: identity.tenant,
            criticality: caller_hints::criticality(&head.headers, plan.tenant(identity.tenant).criticality),
            route: chosen.route,
            alias: first.model_id.and_then(|_| plan.alias_named(&peeked.model)),
            reason: chosen.reason,
            callers_retries: caller_hints::retries(&head.headers),
            is_impatient: patience.is_some_and(|patience| patience < timeout),
            snapshot: Arc::clone(&snapshot),
            context: Arc::clone(context),
        }),
        deadline: ticket.started() + patience.map_or(timeout, |patience| patience.min(timeout)),
        delivery: caller_hints::delivery(
            &head.headers,
            route.map_or_else(Default::default, |route| route.delivery),
        ),
        stream: peeked.stream,
        abandoned: Arc::default(),
        payload: {
            let model_at = peeked.model_at.clone();
            body.into_payload(model_at)
        },
        identity,
        head,
    })
}

/// A request that is not routed by its model: to the tenant's primary, its body as it arrives.
struct PassedOn {
    context: Arc<Context>,
    identity: Identity,
    head: request::Parts,
    incoming: Incoming,
    is_socket: bool,
    socket: Option<Socket>,
}

impl PassedOn {
    async fn send(self, ticket: &mut Ticket) -> Result<(Response<Incoming>, upstream::Lease), Error> {
        let PassedOn { context, identity, head, incoming, is_socket, .. } = self;
        let snapshot = Arc::clone(&ticket.snapshot);
        let plan = snapshot.plan();
        let (_, suffix) = read(&head.method, &head.uri)?;
        let chosen = chosen(ticket, tenant_primary(plan, identity.tenant, identity.caller), "")?;
        let target = chosen.order.first();
        ticket.route = chosen.route;
        ticket.target = Some((target.provider, target.role));
        ticket.attempts = 1;
        refuse_gateway_key(plan, &identity, [target.provider])?;
        let fault = Arc::new(Fault::default());
        let body = if incoming.is_end_stream() {
            RequestBody::whole(bytes::Bytes::new())
        } else {
            RequestBody::Stream(Box::pin(Paced::new(incoming, context.limits.min_body_rate, &fault)))
        };
        let to = Destination::Path(suffix);
        let outgoing = Outgoing { method: head.method.clone(), to, headers: &head.headers, body };
        let provider = snapshot.provider(target.provider).ok_or(Error::Internal)?;
        let mut request = build(provider, &identity, outgoing)?;
        if is_socket {
            websocket::ask(&mut request, &head.headers);
        }
        let name = || plan.provider(target.provider).name.clone();
        let deadline = Instant::now() + target.timeout;
        tokio::time::timeout_at(deadline, provider.origin.send(context.worker, request))
            .await
            .map_err(|_| Error::HeadTimeout { provider: name(), timeout_ms: target.timeout.as_millis() })?
            .map_err(|source| {
                fault.error().unwrap_or_else(|| Error::Unreachable { provider: name(), source })
            })
    }
}

/// Where it goes, or why the gateway refuses it.
fn chosen<'p>(ticket: &mut Ticket, decision: Decision<'p>, model: &str) -> Result<Chosen<'p>, Error> {
    let refusal = match decision {
        Decision::Send(chosen) => return Ok(chosen),
        Decision::Refuse(refusal) => refusal,
    };
    Err(match refusal {
        Refusal::UnknownModel if model.is_empty() => Error::Body(PeekError::NoModel),
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
