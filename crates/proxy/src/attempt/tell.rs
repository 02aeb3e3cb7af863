//! What the caller is told when nothing has succeeded: the first target's failure, and what its own retries should do.

use std::time::Duration;

use decisions::attempts::{RetryHint, Stop};
use decisions::{ProviderId, Role};
use http::{HeaderName, HeaderValue, Response};

use crate::attempt::call::Call;
use crate::attempt::failure::Shown;
use crate::error::Error;
use crate::error_response::{self, LONGEST_RETRY_AFTER};
use crate::observer::Outcome;
use crate::response::GatewayBody;
use crate::response::headers::{clean, stamp};
use crate::response::ticket::Ticket;
use crate::target_state::TurnedAway;

/// What OpenAI's clients obey before any rule of their own.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What a caller is asked to wait where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What the caller is told if nothing succeeds, and of which target that is.
pub(crate) struct Told {
    pub(crate) shown: Shown,
    pub(crate) target: (ProviderId, Role),
}

/// No attempt may be made: the caller hears what the first target said, or that none takes a request now.
pub(crate) fn give_up(
    call: &Call,
    ticket: Box<Ticket>,
    told: Option<Told>,
    turned_away: TurnedAway,
) -> Response<GatewayBody> {
    let now = call.about.context.live.now();
    let (after, should_retry) = match turned_away {
        TurnedAway::Open { until } => (Some(until.saturating_sub(now)), Some(false)),
        // Nothing was sent and the wait is known: the caller's own client keeps to it and is served then.
        TurnedAway::Paused { until } => (Some(until.saturating_sub(now)), None),
        TurnedAway::Full => (Some(Duration::from_secs(1)), Some(false)),
        // The next request goes home.
        TurnedAway::Barred(_) => (None, None),
    };
    let told = told.or_else(|| {
        let aim = call.aim(0)?;
        let provider = call.name(aim);
        let shown = Shown::Own(match turned_away {
            TurnedAway::Open { .. } | TurnedAway::Barred(_) => Error::BreakerOpen { provider },
            TurnedAway::Paused { .. } => Error::Paused { provider },
            TurnedAway::Full => Error::Full { provider },
        });
        Some(Told { shown, target: (aim.provider, aim.role) })
    });
    respond(ticket, told, &Advice { should_retry, after })
}

/// No attempt has succeeded.
pub(crate) fn tell(
    call: &Call,
    ticket: Box<Ticket>,
    told: Option<Told>,
    hint: RetryHint,
    stop: Stop,
) -> Response<GatewayBody> {
    if call.about.check.is_none() {
        call.about.snapshot.series().route(call.about.route).given_up(stop);
    }
    // Whoever tries again what was tried more than once, or what there is no budget for, makes the outage worse.
    let spent = stop == Stop::BudgetSpent;
    let tried_often = ticket.attempts > 1 || stop == Stop::LimitReached && call.about.callers_retries > 0;
    let after = hint.after.or(spent.then_some(RETRY_AFTER));
    let is_long = after.is_some_and(|after| after > LONGEST_RETRY_AFTER);
    let should_retry = if spent || tried_often || is_long { Some(false) } else { hint.should_retry };
    respond(ticket, told, &Advice { should_retry, after })
}

/// What the caller's own retries should do.
struct Advice {
    should_retry: Option<bool>,
    after: Option<Duration>,
}

fn respond(mut ticket: Box<Ticket>, told: Option<Told>, advice: &Advice) -> Response<GatewayBody> {
    let shown = match told {
        Some(told) => {
            ticket.target = Some(told.target);
            told.shown
        }
        None => Shown::Own(Error::Internal),
    };
    let (mut head, body) = match shown {
        Shown::Provider(mut head, bytes) => {
            clean(&mut head.headers, &ticket);
            head.version = http::Version::HTTP_11;
            ticket.end(Outcome::Complete);
            (head, GatewayBody::whole(bytes))
        }
        Shown::Own(error) => {
            let (response, code) = error_response::respond(&error, ticket.dialect);
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
    ticket.answered_with(body.held());
    Response::from_parts(head, body)
}
