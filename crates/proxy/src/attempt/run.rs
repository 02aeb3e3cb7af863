//! The loop over the attempts of one request: admit, send, and on failure ask `decisions` what is next.

use std::sync::Arc;
use std::time::Duration;

use decisions::ErrorClass;
use decisions::attempts::{Attempts, Failed, Next, Policy, RetryHint, Stop};
use http::{HeaderName, HeaderValue, Response};
use tokio::time::Instant;

use crate::attempt::answer::Good;
use crate::attempt::call::Call;
use crate::attempt::failure::{Failure, Shown};
use crate::attempt::ledger::Budgets;
use crate::attempt::under_way::{Aim, Cause, UnderWay};
use crate::error::Error;
use crate::error_response;
use crate::observer::{AttemptKind, Outcome};
use crate::response::headers::{clean, stamp};
use crate::response::ticket::Ticket;
use crate::response::{GatewayBody, Relay};
use crate::target_state::{Admission, TargetState, TurnedAway};

/// What OpenAI's clients obey before any rule of their own.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The longest wait that a caller is ever asked for: Node's client ignores a longer one and comes back at once.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// What a caller is asked to wait where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Makes the attempts of a request and answers it.
pub(crate) async fn run(call: Call, mut ticket: Ticket) -> Response<GatewayBody> {
    let mut attempts = Attempts::new(Policy::of(call.route()), call.targets(), call.about.callers_retries);
    let mut kind = AttemptKind::First;
    let mut because = None;
    // What the first target said last: that is what the caller is told if nothing succeeds.
    let mut told: Option<Shown> = None;
    loop {
        let (aim, state, admission) = match admit(&call, &mut attempts, &mut kind, &mut because) {
            Ok(admitted) => admitted,
            Err(turned_away) => return give_up(&call, ticket, told, turned_away),
        };
        attempts.begin();
        ticket.target = Some((aim.provider, aim.role));
        ticket.attempts = attempts.made();
        let cause = Cause { number: attempts.made(), kind, because };
        let mut under_way = UnderWay::begin(&call.about, (state, admission), aim, cause);
        let failure = match call.attempt(&mut under_way).await {
            Ok(good) => return hand_on(good, under_way, ticket),
            Err(failure) => failure,
        };
        let Failure { class, hint, shown } = failure;
        let at = attempts.target();
        let next = decide(&call, &mut attempts, class, hint);
        under_way.fail(class, hint, name(next));
        drop(under_way);
        if at == 0 || told.is_none() {
            told = Some(shown);
        }
        because = Some(class.as_str());
        match next {
            Next::Stop(stop) => return tell(&call, ticket, told, hint, stop),
            Next::Fallback => kind = AttemptKind::Fallback,
            Next::Retry { after } => {
                kind = AttemptKind::Retry;
                let withdrawn = Withdrawn(&call, aim);
                tokio::time::sleep(after).await;
                std::mem::forget(withdrawn);
            }
        }
        if call.is_abandoned() {
            // It only lived on for the usage of an answer; there is none to come.
            return Response::new(GatewayBody::whole(bytes::Bytes::new()));
        }
    }
}

/// A retry that is paid for and waits: if the caller leaves meanwhile, it is not made and costs nothing.
struct Withdrawn<'c>(&'c Call, Aim);

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        let about = &self.0.about;
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

fn decide(call: &Call, attempts: &mut Attempts, class: ErrorClass, hint: RetryHint) -> Next {
    let remaining = call.deadline.saturating_duration_since(Instant::now());
    let mut budgets = Budgets { call, now: call.about.context.live.now() };
    let failed = Failed { class, hint, committed: false };
    attempts.next(failed, remaining, fastrand::u64(..), &mut budgets)
}

/// Finds the first target from here on that takes an attempt now. Passing over one whose breaker is open is a decision
/// about the route and costs nothing; passing over one that is full is a fallback.
fn admit(
    call: &Call,
    attempts: &mut Attempts,
    kind: &mut AttemptKind,
    because: &mut Option<&'static str>,
) -> Result<(Aim, Arc<TargetState>, Admission), TurnedAway> {
    let about = &call.about;
    let now = about.context.live.now();
    let mut first_refusal = None;
    while let Some(aim) = call.aim(attempts.target()) {
        let state = about.snapshot.targets(about.route).of(aim.role);
        let turned_away = match state.admit(about.criticality, now) {
            Ok(admission) => return Ok((aim, Arc::clone(state), admission)),
            Err(turned_away) => turned_away,
        };
        if *kind == AttemptKind::Retry {
            state.give_back_retry();
        }
        first_refusal.get_or_insert(turned_away);
        let may_pass = match turned_away {
            TurnedAway::Closed { .. } => true,
            TurnedAway::Full => may_overflow(call, attempts.target() + 1, now),
        };
        if !may_pass || !attempts.pass_over() {
            break;
        }
        *because = Some(turned_away.as_str());
        *kind = AttemptKind::Fallback;
    }
    Err(first_refusal.unwrap_or(TurnedAway::Full))
}

fn may_overflow(call: &Call, target: u8, now: Duration) -> bool {
    use decisions::attempts::Ledger as _;
    let named = Policy::of(call.route()).fallback_on.contains(ErrorClass::Overloaded);
    named && Budgets { call, now }.withdraw_fallback(target)
}

/// Hands a good answer on.
fn hand_on(good: Good, mut under_way: UnderWay, mut ticket: Ticket) -> Response<GatewayBody> {
    let (head, body) = match good {
        Good::Whole(mut head, bytes) => {
            under_way.succeed();
            finish(&mut head, &mut ticket);
            ticket.end(Outcome::Complete);
            (head, GatewayBody::whole(bytes))
        }
        Good::Open(mut head, first, rest, lease) => {
            finish(&mut head, &mut ticket);
            (head, GatewayBody::Relay(Box::new(Relay::new(first, rest, lease, ticket, Some(under_way)))))
        }
        Good::Stream(mut head, mut stream) => {
            finish(&mut head, &mut ticket);
            head.headers.remove(http::header::CONTENT_LENGTH);
            stream.hand_over(under_way, ticket);
            (head, GatewayBody::Stream(stream))
        }
    };
    Response::from_parts(head, body)
}

fn finish(head: &mut http::response::Parts, ticket: &mut Ticket) {
    clean(&mut head.headers, ticket.is_routed);
    stamp(&mut head.headers, ticket);
    head.version = http::Version::HTTP_11;
    ticket.answer(head.status);
}

/// No attempt may be made: the caller hears what the first target said, or that none takes a request now.
fn give_up(
    call: &Call,
    ticket: Ticket,
    told: Option<Shown>,
    turned_away: TurnedAway,
) -> Response<GatewayBody> {
    let after = match turned_away {
        TurnedAway::Closed { until } => until.saturating_sub(call.about.context.live.now()),
        TurnedAway::Full => Duration::from_secs(1),
    };
    let shown = told.unwrap_or_else(|| {
        let provider = call.aim(0).map_or_else(String::new, |aim| call.name(aim));
        Shown::Own(match turned_away {
            TurnedAway::Closed { .. } => Error::BreakerOpen { provider },
            TurnedAway::Full => Error::Full { provider },
        })
    });
    respond(ticket, shown, Advice { should_retry: Some(false), after: Some(after) })
}

/// No attempt has succeeded.
fn tell(
    call: &Call,
    ticket: Ticket,
    told: Option<Shown>,
    hint: RetryHint,
    stop: Stop,
) -> Response<GatewayBody> {
    let shown = told.unwrap_or(Shown::Own(Error::Internal));
    // Whoever tries again what was tried more than once, or what there is no budget for, makes the outage worse.
    let spent = stop == Stop::BudgetSpent;
    let tried_often = ticket.attempts > 1 || stop == Stop::LimitReached && call.about.callers_retries > 0;
    let after = hint.after.or(spent.then_some(RETRY_AFTER));
    let should_retry = if spent || tried_often { Some(false) } else { hint.should_retry };
    respond(ticket, shown, Advice { should_retry, after })
}

/// What the caller's own retries should do.
struct Advice {
    should_retry: Option<bool>,
    after: Option<Duration>,
}

fn respond(mut ticket: Ticket, shown: Shown, advice: Advice) -> Response<GatewayBody> {
    let (mut head, body) = match shown {
        Shown::Provider(mut head, bytes) => {
            clean(&mut head.headers, ticket.is_routed);
            head.version = http::Version::HTTP_11;
            ticket.end(Outcome::Complete);
            (head, GatewayBody::whole(bytes))
        }
        Shown::Own(error) => {
            let (response, code) = error_response::respond(&error);
            ticket.end(Outcome::Answered(code));
            response.into_parts()
        }
    };
    stamp(&mut head.headers, &ticket);
    if let Some(should_retry) = advice.should_retry {
        let value = HeaderValue::from_static(if should_retry { "true" } else { "false" });
        head.headers.insert(SHOULD_RETRY, value);
    }
    if let Some(after) = advice.after {
        head.headers.remove("retry-after-ms");
        let seconds = after.min(LONGEST_RETRY_AFTER).as_secs_f64().ceil();
        if let Ok(value) = HeaderValue::try_from(format!("{seconds:.0}")) {
            head.headers.insert(http::header::RETRY_AFTER, value);
        }
    }
    ticket.answer(head.status);
    Response::from_parts(head, body)
}
