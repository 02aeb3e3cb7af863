//! One request from its head to its answer, in the order in which things happen.

use std::sync::Arc;

use decisions::plan::OnDisconnect;
use decisions::{Chosen, Decision, Endpoint, Facts, Refusal, tenant_pinned, tenant_primary};
use http::{HeaderName, Request, Response, StatusCode, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use upstream::RequestBody;

use crate::attempt::call::Call;
use crate::attempt::caller_hints::Hints;
use crate::attempt::run::run;
use crate::attempt::under_way::{About, Aim};
use crate::auth::{CallerAddress, Identity, identify};
use crate::dialect::Dialect;
use crate::dispatch::{Destination, Outgoing, build, refuse_gateway_key};
use crate::error::Error;
use crate::observer::Outcome;
use crate::placing::{decide_placed, operated};
use crate::request::pace::{Fault, Paced};
use crate::request::path::{Asked, has_model_parameter, read};
use crate::request::peek::PeekError;
use crate::request::{body, conformance, receive::receive, references};
use crate::response::headers::{clean, stamp};
use crate::response::ticket::Ticket;
use crate::response::waiting::Waiting;
use crate::response::{GatewayBody, Learning, Relay};
use crate::scan::made::MadeScanner;
use crate::websocket::Socket;
use crate::worker::Context;
use crate::{error_response, models, websocket};

/// The gateway's own id of a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-cometgate-request-id");

/// Answers a request; it cannot fail, since every error is an answer.
pub(crate) async fn handle(
    context: Arc<Context>,
    request: Request<Incoming>,
    from: CallerAddress,
) -> Response<GatewayBody> {
    let mut ticket = Ticket::open(Arc::clone(&context), Dialect::of(request.uri().path()));
    match prepare(&context, &mut ticket, request, from).await {
        Ok(Prepared::Routed(call)) => follow(call, ticket).await,
        // Boxed, as everything that few requests need: a future is as large as the largest thing that it may do.
        Ok(Prepared::PassedOn(mut pass)) => {
            match (pass.socket.take(), Box::pin(pass.send(&mut ticket)).await) {
                (Some(socket), Ok((response, lease, _)))
                    if response.status() == StatusCode::SWITCHING_PROTOCOLS =>
                {
                    socket.switch(ticket, response, lease)
                }
                (_, Ok((response, lease, learns))) => {
                    relay(ticket, response, lease, learns.map(|makes| (context, makes)))
                }
                (_, Err(error)) => refuse(ticket, &error),
            }
        }
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
async fn follow(call: Box<Call>, ticket: Ticket) -> Response<GatewayBody> {
    let about = Arc::clone(&call.about);
    let heartbeat = about.context.limits.heartbeat;
    let abandoned = call.abandoned.clone();
    let shape = call.stream_shape();
    if shape.is_none() && abandoned.is_none() {
        return run(call, ticket).await;
    }
    // In a box, since it may have to move into the body of the answer while it runs.
    let mut running: crate::response::waiting::Running = match abandoned {
        Some(abandoned) => Box::pin(crate::attempt::drain::outlive(call, ticket, abandoned)),
        None => Box::pin(run(call, ticket)),
    };
    let Some(shape) = shape else { return running.await };
    match tokio::time::timeout(heartbeat, &mut running).await {
        Ok(response) => response,
        Err(_) => {
            let mut response = Waiting::response(running, shape, heartbeat);
            about.tell_left(response.headers_mut());
            response
        }
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

fn relay(
    mut ticket: Ticket,
    response: Response<Incoming>,
    lease: upstream::Lease,
    learns: Option<(Arc<Context>, bool)>,
) -> Response<GatewayBody> {
    let (mut head, body) = response.into_parts();
    let learning = learns.and_then(|(context, makes)| learning(context, &ticket, &head, makes));
    clean(&mut head.headers, &ticket);
    stamp(&mut head.headers, &ticket);
    head.version = http::Version::HTTP_11;
    ticket.answer(head.status);
    let is_error = head.status.is_client_error() || head.status.is_server_error();
    let relay = Relay::new(bytes::Bytes::new(), body, lease, ticket, None).learning(learning).error(is_error);
    Response::from_parts(head, GatewayBody::Relay(Box::new(relay)))
}

/// Reads an answer for what it makes, where it is JSON.
fn learning(
    context: Arc<Context>,
    ticket: &Ticket,
    head: &http::response::Parts,
    makes: bool,
) -> Option<Learning> {
    let (provider, _) = ticket.target?;
    let kind = head.headers.get(header::CONTENT_TYPE)?.as_bytes();
    let is_json =
        kind.starts_with(b"application/json") && !head.headers.contains_key(header::CONTENT_ENCODING);
    let left = context.limits.max_answer;
    (is_json && head.status.is_success()).then_some(Learning {
        snapshot: Arc::clone(&ticket.snapshot),
        whose: (ticket.tenant?, provider),
        scanner: MadeScanner::new(makes),
        context,
        left,
    })
}

async fn prepare(
    context: &Arc<Context>,
    ticket: &mut Ticket,
    request: Request<Incoming>,
    from: CallerAddress,
) -> Result<Prepared, Error> {
    let (mut head, incoming) = request.into_parts();
    let socket = Socket::of(&mut head);
    let snapshot = Arc::clone(&ticket.snapshot);
    conformance::check(&head)?;
    let (asked, _) = read(&head.method, &head.uri)?;
    ticket.asked(asked);
    // Before any byte of the body is read.
    let identity = identify(&head, ticket.dialect, &snapshot, &context.live)?;
    let identity = Identity { from, ..identity };
    ticket.tenant = Some(identity.tenant);
    match asked {
        Asked::Routed(endpoint) => {
            ticket.begin()?;
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
    ticket.begin()?;
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
    let snapshot = Arc::clone(&ticket.snapshot);
    let plan = snapshot.plan();
    let peeked = body.peeked(endpoint, plan.asks_features())?;
    let facts = Facts {
        tenant: identity.tenant,
        caller: identity.caller,
        endpoint,
        model: &peeked.model,
        keys: peeked.sticky_keys(),
        stateful: peeked.stateful,
        features: peeked.features,
        draw: fastrand::u64(..),
    };
    let chosen = chosen(ticket, decide_placed(context, &snapshot, &facts, &peeked)?, &peeked.model)?;
    let targets = || chosen.order.iter();
    ticket.route = chosen.route;
    ticket.target = targets().next().map(|target| (target.provider, target.role));
    refuse_gateway_key(plan, &identity, targets().map(|target| target.provider))?;
    let route = chosen.route.map(|id| plan.route(id));
    let first = chosen.order.first();
    let hints = Hints::of(&head.headers);
    let patience = hints.patience;
    let timeout = route.map_or(first.timeout, |route| route.timeout);
    let drains = route.is_some_and(|route| route.on_disconnect == OnDisconnect::Drain);
    let mut aims =
        targets().map(|target| Aim { provider: target.provider, role: target.role, timeout: target.timeout });
    Ok(Call {
        aims: [aims.next(), aims.next()],
        about: Arc::new(About {
            request_id: head.headers.get(&REQUEST_ID).cloned(),
            endpoint,
            tenant: identity.tenant,
            criticality: hints.criticality(plan.tenant(identity.tenant).criticality),
            route: chosen.route,
            alias: first.model_id.and_then(|_| plan.alias_named(&peeked.model)),
            reason: chosen.reason,
            callers_retries: hints.retries,
            is_impatient: patience.is_some_and(|patience| patience < timeout),
            // A form is a file: its bytes say nothing of tokens.
            request_bytes: if body.form.is_some() { 0 } else { body.held.bytes.len() },
            snapshot: Arc::clone(&snapshot),
            context: Arc::clone(context),
        }),
        deadline: ticket.started() + patience.map_or(timeout, |patience| patience.min(timeout)),
        delivery: hints.delivery(route.map_or_else(Default::default, |route| route.delivery)),
        stream: peeked.stream,
        abandoned: drains.then(CancellationToken::new),
        wanted: peeked.wanted(endpoint),
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
    /// What it was answered, and whether that is to be read for what it makes, its own `id` included.
    async fn send(
        self,
        ticket: &mut Ticket,
    ) -> Result<(Response<Incoming>, upstream::Lease, Option<bool>), Error> {
        let PassedOn { context, identity, head, incoming, is_socket, .. } = self;
        let snapshot = Arc::clone(&ticket.snapshot);
        let plan = snapshot.plan();
        let (_, suffix) = read(&head.method, &head.uri)?;
        let path = head.uri.path().strip_prefix("/v1").unwrap_or_default();
        let operated = operated(&head.method, path)?;
        let (held, incoming) = if operated.has_references(&head.headers) && !incoming.is_end_stream() {
            if head.headers.contains_key(header::CONTENT_ENCODING) {
                return Err(Error::EncodedBody);
            }
            (Some(body::read(incoming, &context.limits, &context.live).await?), None)
        } else {
            (None, Some(incoming))
        };
        let placed = {
            let bytes = held.as_ref().map(|held| &held.bytes[..]).filter(|bytes| !bytes.is_empty());
            let references = bytes.map(references::read).transpose()?.unwrap_or_default();
            operated.place(&context, &snapshot, identity.tenant, &references)?
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
        let body = match (&held, incoming) {
            (Some(held), _) => RequestBody::whole(held.bytes.clone()),
            (None, Some(incoming)) if !incoming.is_end_stream() => {
                RequestBody::Stream(Box::pin(Paced::new(incoming, context.limits.min_body_rate, &fault)))
            }
            (None, _) => RequestBody::whole(bytes::Bytes::new()),
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
        let (response, lease) =
            tokio::time::timeout_at(deadline, provider.origin.send(context.worker, request))
                .await
                .map_err(|_| Error::HeadTimeout { provider: name(), timeout_ms: target.timeout.as_millis() })?
                .map_err(|source| {
                    fault.error().unwrap_or_else(|| Error::Unreachable { provider: name(), source })
                })?;
        Ok((response, lease, placed.learns))
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
