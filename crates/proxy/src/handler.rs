//! One request from its head to its answer, in the order in which things happen.

use std::sync::Arc;

use decisions::decide::Reason;
use decisions::mirror::tried_ppm;
use decisions::plan::{OnDisconnect, Plan, Route};
use decisions::{Chosen, Decision, Endpoint, Facts, Refusal, Target, TenantId};
use http::{HeaderName, HeaderValue, Response, StatusCode, header, request};
use hyper::body::Incoming;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::about::{About, Aim};
use crate::attempt::call::Call;
use crate::attempt::caller_hints::Hints;
use crate::attempt::run::run;
use crate::auth::{CallerAddress, Identity, identify};
use crate::dialect::Dialect;
use crate::dispatch::refuse_gateway_key;
use crate::error::Error;
use crate::gates::AskedOnce;
use crate::leases::Checking;
use crate::observer::Outcome;
use crate::passed_on::{PassedOn, relay};
use crate::placing::decide_placed;
use crate::request::conformance;
use crate::request::path::{Asked, has_model_parameter, read};
use crate::request::peek::{PeekError, Peeked};
use crate::request::receive::receive;
use crate::response::GatewayBody;
use crate::response::headers::stamp;
use crate::response::ticket::Ticket;
use crate::response::waiting::Waiting;
use crate::trace::TracedDecision;
use crate::websocket::Socket;
use crate::worker::Context;
use crate::{error_response, mirror, models};

/// The gateway's own id of a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-cometgate-request-id");

/// A request whose head is there. The head is in a box, because it goes from step to step.
pub(crate) struct Arriving {
    pub(crate) head: Box<request::Parts>,
    pub(crate) body: Incoming,
    pub(crate) from: CallerAddress,
    /// The gateway's own id of it, or what its caller calls it.
    pub(crate) id: HeaderValue,
}

/// Answers a request; it cannot fail, since every error is an answer.
pub(crate) async fn handle(context: Arc<Context>, arriving: Arriving) -> Response<GatewayBody> {
    let dialect = Dialect::of(arriving.head.uri.path());
    let mut ticket = Ticket::open(Arc::clone(&context), dialect, &arriving);
    match prepare(&context, &mut ticket, arriving).await {
        Ok(Prepared::Routed(call)) => follow(call, ticket).await,
        // Boxed, as everything that few requests need: a future is as large as the largest thing that it may do.
        Ok(Prepared::PassedOn(mut pass)) => {
            match (pass.socket.take(), Box::pin(pass.send(&mut ticket)).await) {
                (Some(socket), Ok((response, lease, _)))
                    if response.status() == StatusCode::SWITCHING_PROTOCOLS =>
                {
                    socket.switch(ticket, response, lease, context.limits.websocket_idle_timeout)
                }
                (_, Ok((response, lease, learns))) => relay(ticket, response, lease, (context, learns)),
                (_, Err(error)) => refuse(ticket, &error),
            }
        }
        Ok(Prepared::Own(response)) => answer(ticket, *response, Outcome::Answered("ok")),
        Err(error) => refuse(ticket, &error),
    }
}

/// What a request that is in order has become.
enum Prepared {
    /// Answered by the gateway itself.
    Own(Box<Response<GatewayBody>>),
    /// Routed by its model: it may be tried at several targets.
    Routed(Box<Call>),
    /// For the tenant's primary, once, as it came.
    PassedOn(Box<PassedOn>),
}

/// Makes the attempts of a routed request. A streaming caller that waits long gets its head meanwhile.
async fn follow(call: Box<Call>, ticket: Box<Ticket>) -> Response<GatewayBody> {
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

fn answer(
    mut ticket: Box<Ticket>,
    response: Response<GatewayBody>,
    outcome: Outcome,
) -> Response<GatewayBody> {
    let (mut head, body) = response.into_parts();
    stamp(&mut head.headers, &ticket);
    ticket.answer(head.status);
    ticket.answered_with(body.held());
    ticket.end(outcome);
    Response::from_parts(head, body)
}

fn refuse(ticket: Box<Ticket>, error: &Error) -> Response<GatewayBody> {
    let (response, code) = error_response::respond(error, ticket.dialect);
    answer(ticket, response, Outcome::Answered(code))
}

async fn prepare(context: &Arc<Context>, ticket: &mut Ticket, arriving: Arriving) -> Result<Prepared, Error> {
    let Arriving { mut head, body: incoming, from, id } = arriving;
    let socket = Socket::of(&mut head);
    let snapshot = Arc::clone(&ticket.snapshot);
    conformance::check(&head)?;
    let (asked, _) = read(&head.method, &head.uri)?;
    ticket.asked(asked);
    // Before any byte of the body is read.
    let identity = identify(&head, ticket.dialect, &snapshot, &context.live)?;
    let identity = Identity { from, ..identity };
    ticket.tenant = Some(identity.tenant);
    let check = match identity.tenant {
        TenantId::CHECKS => Some(context.leases.enter(&head.headers)?),
        _ => None,
    };
    match asked {
        Asked::Routed(endpoint) => {
            ticket.begin()?;
            let call = route(context, ticket, (identity, check), (head, id), (endpoint, incoming)).await?;
            ticket.trace.decided(|| decision_of(&call));
            return Ok(Prepared::Routed(call));
        }
        _ if check.is_some() => {
            return Err(Error::NotLent("a lease is of a route, which serves models by name"));
        }
        Asked::Models => return Ok(Prepared::Own(Box::new(models::list(snapshot.plan(), identity.tenant)))),
        Asked::Model(name) => {
            if let Some(model) = models::one(snapshot.plan(), identity.tenant, name) {
                return Ok(Prepared::Own(Box::new(model)));
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

/// A stream of chat whose caller has not said whether it is to tell its tokens. The other shapes tell them anyway.
fn leaves_usage_open(endpoint: Endpoint, peeked: &Peeked<'_>) -> bool {
    matches!(endpoint, Endpoint::Chat | Endpoint::Completions)
        && peeked.stream
        && peeked.leaves_stream_options
}

/// What was decided of a request, for its trace.
fn decision_of(call: &Call) -> TracedDecision {
    TracedDecision {
        alias: call.about.alias,
        reason: call.about.reason,
        stream: call.stream,
        timeout: call
            .route()
            .map(|route| route.timeout)
            .or(call.aim(0).map(|aim| aim.timeout))
            .unwrap_or_default(),
        callers_retries: call.about.callers_retries,
        body_after: call.about.trace.after(call.about.body_at),
        body_bytes: Some(call.about.request_bytes as u64).filter(|bytes| *bytes > 0),
    }
}

/// What nobody could route by reading it.
fn refuse_unroutable(head: &request::Parts) -> Result<(), Error> {
    if has_model_parameter(&head.uri) {
        return Err(Error::ModelInQuery);
    }
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Error::EncodedBody);
    }
    Ok(())
}

/// A request that is routed by its model, read and decided.
async fn route(
    context: &Arc<Context>,
    ticket: &mut Ticket,
    (identity, check): (Identity, Option<Box<Checking>>),
    (head, id): (Box<request::Parts>, HeaderValue),
    (endpoint, incoming): (Endpoint, Incoming),
) -> Result<Box<Call>, Error> {
    refuse_unroutable(&head)?;
    let body = receive(incoming, &head.headers, endpoint, &context.limits, &context.live).await?;
    let body_at = Instant::now();
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
    let gates = snapshot.gates().asked_once();
    let decision = match &check {
        None => decide_placed(context, &snapshot, &gates, &facts, &peeked)?,
        Some(check) => check.decide(plan, &facts)?,
    };
    note_unlisted(context, plan, &decision, (&peeked.model, body_at));
    let chosen = chosen(ticket, decision, &peeked.model)?;
    ticket.route = chosen.route;
    if check.is_none() {
        snapshot.series().route(chosen.route).decided(chosen.reason);
    }
    let route = chosen.route.map(|id| plan.route(id));
    let first = chosen.order.first();
    ticket.target = Some((first.provider, first.role));
    let shown_the_key = chosen.order.iter().map(|target| target.provider).filter(|id| {
        check.is_none() || snapshot.provider(*id).is_some_and(|provider| !provider.takes_checks())
    });
    refuse_gateway_key(plan, &identity, shown_the_key)?;
    let copy = mirror::drawn(&snapshot, &gates, &facts, &chosen, (&peeked, &body, &context.live));
    let hints = Hints::of(&head.headers);
    let patience = hints.patience;
    let timeout = route.map_or(first.timeout, |route| route.timeout);
    let drains = route.is_some_and(|route| route.on_disconnect == OnDisconnect::Drain);
    let call = Box::new(Call {
        aims: aims(&chosen, check.as_deref()),
        about: Arc::new(About {
            request_id: id,
            endpoint,
            tenant: identity.tenant,
            criticality: hints.criticality(plan.tenant(identity.tenant).criticality),
            route: chosen.route,
            alias: first.model_id.and_then(|_| plan.alias_named(&peeked.model)),
            reason: chosen.reason,
            share_ppm: share_ppm(&chosen, route, &gates),
            features: facts.features.bits(),
            callers_retries: hints.retries,
            is_impatient: patience.is_some_and(|patience| patience < timeout),
            body_at,
            // A form is a file: its bytes say nothing of tokens.
            request_bytes: if body.form.is_some() { 0 } else { body.held.bytes.len() },
            trace: ticket.trace.clone(),
            snapshot: Arc::clone(&snapshot),
            context: Arc::clone(context),
            check,
        }),
        deadline: ticket.started() + patience.map_or(timeout, |patience| patience.min(timeout)),
        delivery: hints.delivery(route.map_or_else(Default::default, |route| route.delivery)),
        stream: peeked.stream,
        leaves_usage_open: leaves_usage_open(endpoint, &peeked),
        abandoned: drains.then(CancellationToken::new),
        wanted: peeked.wanted(endpoint),
        payload: {
            let model_at = peeked.model_at.clone();
            body.into_payload(model_at)
        },
        identity,
        head,
    });
    if let Some(copy) = copy {
        mirror::send(&call, copy);
    }
    Ok(call)
}

/// Remembers a model that no alias has. A tenant is refused an alias that it may not use in the same words as one that is
/// not there, so then it is looked up.
fn note_unlisted(context: &Context, plan: &Plan, decision: &Decision<'_>, (model, body_at): (&str, Instant)) {
    let is_unlisted = match decision {
        Decision::Send(chosen) => chosen.reason == Reason::Unlisted,
        Decision::Refuse(refusal) => *refusal == Refusal::UnknownModel && plan.alias_named(model).is_none(),
    };
    if is_unlisted {
        context.live.unlisted.note(model, body_at);
    }
}

/// The canary's share that a request was decided by, in parts per million.
fn share_ppm(chosen: &Chosen<'_>, route: Option<&Route>, gates: &AskedOnce<'_>) -> u32 {
    let found = chosen.route.zip(route);
    found.map_or(0, |(id, route)| tried_ppm(route, gates.standing(id).share_of(route)))
}

/// The targets in their order. A check may set the time of the first; all else is as the map says.
fn aims(chosen: &Chosen<'_>, check: Option<&Checking>) -> [Option<Aim>; 2] {
    let aim = |target: Target<'_>| Aim {
        provider: target.provider,
        role: target.role,
        timeout: target.timeout,
        is_lent: false,
    };
    let lent = check.and_then(|check| check.terms().timeout);
    let mut aims = chosen.order.iter().map(aim);
    let first = aims.next().map(|aim| match lent {
        Some(timeout) => Aim { timeout, is_lent: true, ..aim },
        None => aim,
    });
    [first, aims.next()]
}

/// Where it goes, or why the gateway refuses it.
pub(crate) fn chosen<'p>(
    ticket: &mut Ticket,
    decision: Decision<'p>,
    model: &str,
) -> Result<Chosen<'p>, Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every request that waits holds one, and whatever it is moved through copies it.
    #[test]
    fn a_request_that_waits_is_small() {
        fn held<A, B, F: Future>(_: fn(A, B) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = held(handle);
        assert!(bytes <= 3 << 10, "{bytes}");
    }
}
