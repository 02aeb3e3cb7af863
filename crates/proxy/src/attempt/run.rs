//! The loop over the attempts of one request: admit, send, and on failure ask `decisions` what is next.

use std::sync::Arc;
use std::time::Duration;

use decisions::ErrorClass;
use decisions::attempts::{Attempts, Failed, Ledger as _, Next, RetryHint, Stop};
use http::Response;
use tokio::time::Instant;

use crate::attempt::about::Aim;
use crate::attempt::answer::Good;
use crate::attempt::call::Call;
use crate::attempt::failure::Failure;
use crate::attempt::hedge::Raced;
use crate::attempt::ledger::Budgets;
use crate::attempt::tell::{Told, give_up, tell};
use crate::attempt::under_way::{Cause, Held, UnderWay};
use crate::observer::{AttemptKind, Outcome};
use crate::response::headers::{clean, stamp};
use crate::response::ticket::Ticket;
use crate::response::{GatewayBody, Relay};
use crate::target_state::TurnedAway;
use crate::trace::Happened;

/// Makes the attempts of a request and answers it.
pub(crate) async fn run(call: Box<Call>, mut ticket: Box<Ticket>) -> Response<GatewayBody> {
    let mut attempts = Attempts::new(call.policy(), call.targets(), call.about.callers_retries);
    let mut step = Step { kind: AttemptKind::First, because: None, is_charged: false };
    // What the first target said last: that is what the caller is told if nothing succeeds.
    let mut told: Option<Told> = None;
    loop {
        let now = Instant::now();
        let (aim, held) = match admit(&call, &mut attempts, &mut step, now) {
            Ok(admitted) => admitted,
            Err(turned_away) => return give_up(&call, ticket, told, turned_away),
        };
        attempts.begin();
        ticket.target = Some((aim.provider, aim.role));
        ticket.attempts = attempts.made();
        let Step { kind, because, is_charged } = step;
        let cause = Cause { number: attempts.made(), kind, because, is_charged };
        let under_way = UnderWay::begin(&call.about, held, aim, cause, now);
        let made = make(&call, under_way, &mut attempts).await;
        ticket.provider_took(now);
        let (failure, mut under_way, was_hedged) = match made {
            Raced::Good(good, under_way) => {
                ticket.target = Some((under_way.aim.provider, under_way.aim.role));
                ticket.attempts = attempts.made();
                return hand_on(good, under_way, ticket).await;
            }
            Raced::Failed(failure, under_way, was_hedged) => (failure, under_way, was_hedged),
        };
        let Failure { class, hint, shown } = failure;
        if call.is_abandoned() {
            under_way.fail(class, hint, "client_gone");
            return nobody_asks();
        }
        let at = attempts.target();
        let is_left = !under_way.blame(class, hint);
        let next = if was_hedged || !call.payload.is_replayable() {
            Next::Stop(Stop::LimitReached)
        } else {
            decide(&call, &mut attempts, (class, hint), is_left)
        };
        under_way.fail(class, hint, name(next));
        drop(under_way);
        if at == 0 || told.is_none() {
            told = Some(Told { shown, target: (aim.provider, aim.role) });
        }
        let because = Some(class.as_str());
        match next {
            Next::Stop(stop) => return tell(&call, ticket, told, hint, stop),
            Next::Fallback => step = Step { kind: AttemptKind::Fallback, because, is_charged: !is_left },
            Next::Retry { after } => {
                step = Step { kind: AttemptKind::Retry, because, is_charged: true };
                let withdrawn = Withdrawn(&call, aim);
                tokio::select! {
                    () = tokio::time::sleep(after) => std::mem::forget(withdrawn),
                    () = call.abandoned() => return nobody_asks(),
                }
            }
        }
    }
}

/// What only lived on for the usage of an answer ends, since none is to come.
fn nobody_asks() -> Response<GatewayBody> {
    Response::new(GatewayBody::whole(bytes::Bytes::new()))
}

/// What the next attempt is.
#[derive(Clone, Copy)]
struct Step {
    kind: AttemptKind,
    because: Option<&'static str>,
    /// A budget has paid for it.
    is_charged: bool,
}

async fn make(call: &Call, mut under_way: Box<UnderWay>, attempts: &mut Attempts) -> Raced {
    if let Some(after) = call.hedge_after(attempts) {
        return Box::pin(call.race(under_way, after, attempts)).await;
    }
    match call.attempt(&mut under_way).await {
        Ok(good) => Raced::Good(good, under_way),
        Err(failure) => Raced::Failed(failure, under_way, false),
    }
}

/// A retry that is paid for and waits: if the caller leaves meanwhile, it is not made and costs nothing.
struct Withdrawn<'c>(&'c Call, Aim);

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        let about = &self.0.about;
        if about.check.is_some() {
            return;
        }
        about.snapshot.targets(about.route).of(self.1.role).give_back_retry();
    }
}

/// What was decided, as logs call it.
fn name(next: Next) -> &'static str {
    match next {
        Next::Retry { .. } => "retry",
        Next::Fallback => "fallback",
        Next::Stop(stop) => stop.as_str(),
    }
}

fn decide(
    call: &Call,
    attempts: &mut Attempts,
    (class, hint): (ErrorClass, RetryHint),
    is_left: bool,
) -> Next {
    let remaining = call.deadline.saturating_duration_since(Instant::now());
    let mut budgets = Budgets { call, now: call.about.context.live.now(), is_left };
    let failed = Failed { class, hint, committed: false };
    attempts.next(failed, remaining, fastrand::u64(..), &mut budgets)
}

/// Finds the first target from here on that takes an attempt now. Passing over one whose breaker is open, or that its
/// gate keeps out, is a decision about the route and costs nothing; passing over one that is full is a fallback. Checks are
/// let through everywhere: what keeps callers away is what they look at, and they take no caller's place.
fn admit(
    call: &Call,
    attempts: &mut Attempts,
    step: &mut Step,
    at: Instant,
) -> Result<(Aim, Option<Held>), TurnedAway> {
    let about = &call.about;
    if about.check.is_some() {
        return call.aim(attempts.target()).map(|aim| (aim, None)).ok_or(TurnedAway::Full);
    }
    let now = about.context.live.at(at);
    let mut first_refusal = None;
    while let Some(aim) = call.aim(attempts.target()) {
        let state = about.snapshot.targets(about.route).of(aim.role);
        let admitted = match about.barred(aim) {
            Some(barred) => Err(TurnedAway::Barred(barred)),
            None => state.admit(about.criticality, now),
        };
        let turned_away = match admitted {
            Ok(admission) => return Ok((aim, Some((Arc::clone(state), admission)))),
            Err(turned_away) => turned_away,
        };
        if let Some(series) = about.series(aim) {
            series.passed_over(turned_away);
        }
        about.trace.note(Happened::PassedOver(aim.provider, aim.role, turned_away.as_str()));
        match step.kind {
            AttemptKind::Retry if step.is_charged => state.give_back_retry(),
            AttemptKind::Fallback if step.is_charged => state.give_back_fallback(),
            _ => {}
        }
        // That a gate keeps one out says nothing of when the next may be asked.
        if matches!(first_refusal, None | Some(TurnedAway::Barred(_))) {
            first_refusal = Some(turned_away);
        }
        let is_full = matches!(turned_away, TurnedAway::Full);
        if is_full && !may_overflow(call, attempts.target() + 1, now) || !attempts.pass_over() {
            break;
        }
        let because = Some(turned_away.as_str());
        *step = Step { kind: AttemptKind::Fallback, because, is_charged: is_full };
    }
    Err(first_refusal.unwrap_or(TurnedAway::Full))
}

/// Whether a request may go to the next target because this one is full; if so, that is paid for.
fn may_overflow(call: &Call, target: u8, now: Duration) -> bool {
    let named = call.policy().fallback_on.contains(ErrorClass::Overloaded);
    named && Budgets { call, now, is_left: false }.withdraw_fallback(target)
}

/// Hands a good answer on.
async fn hand_on(good: Good, mut under_way: Box<UnderWay>, mut ticket: Box<Ticket>) -> Response<GatewayBody> {
    under_way.answers();
    ticket.trace.note(Happened::Committed);
    let (head, body) = match good {
        Good::Whole(mut head, frames, made) => {
            if let Some(keeping) = under_way.keep(&made) {
                keeping.await;
            }
            under_way.succeed();
            finish(&mut head, &mut ticket);
            ticket.answered_with(frames.len());
            ticket.end(Outcome::Complete);
            (head, GatewayBody::Whole(frames))
        }
        Good::Open(mut head, (first, made), rest, lease) => {
            if let Some(keeping) = under_way.keep(&made) {
                keeping.await;
            }
            finish(&mut head, &mut ticket);
            let longest_silence = under_way.longest_silence();
            let relay = Relay::new(first, rest, lease, *ticket, Some(*under_way), longest_silence);
            (head, GatewayBody::Relay(Box::new(relay)))
        }
        Good::Stream(mut head, mut stream) => {
            finish(&mut head, &mut ticket);
            head.headers.remove(http::header::CONTENT_LENGTH);
            stream.hand_over(*under_way, *ticket);
            (head, GatewayBody::Stream(stream))
        }
    };
    Response::from_parts(head, body)
}

fn finish(head: &mut http::response::Parts, ticket: &mut Ticket) {
    clean(&mut head.headers, ticket);
    stamp(&mut head.headers, ticket);
    head.version = http::Version::HTTP_11;
    ticket.answer(head.status);
}
