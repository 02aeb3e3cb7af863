//! Sending one probe, and seeing what comes of it.

use std::time::Duration;

use decisions::{Endpoint, ErrorClass};
use http::HeaderValue;
use tokio::time::{Instant, sleep};

use crate::probe::plan::{Manner, Planned};
use crate::probe::seen::{Ending, Seen};
use crate::{Message, Provider, Unanswered};

/// How much of an answer is read. Sound of a few seconds is the longest that probes ask for.
const MOST_BYTES: usize = 4 << 20;

/// How long a connection that was left may take to be closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Sends a probe, once, and reads its answer as planned. `required` are the fields of the alias.
pub async fn ask(provider: &Provider, planned: &Planned, required: &[String]) -> Seen {
    let is_left_early = planned.manner == Manner::Leave;
    // Whether a connection that is left is closed can be told where no other is open.
    provider.origin.close_idle();
    let mut provider = provider.clone();
    if planned.endpoint.is_some_and(Endpoint::is_anthropics) {
        // That API refuses what does not say it; a map's own header comes first.
        provider.headers.entry("anthropic-version").or_insert(HeaderValue::from_static("2023-06-01"));
    }
    let provider = &provider;
    let begun = Instant::now();
    let message = Message {
        method: planned.method.clone(),
        path: &planned.path,
        auth: planned.auth,
        body: planned.body.as_ref().map(|body| body.to_string().into()),
        timeout: planned.timeout,
    };
    let mut answer = match provider.ask(message).await {
        Ok(answer) => answer,
        Err(why) => {
            let mut seen = unanswered(&why, begun.elapsed());
            if seen.ending == Ending::NoHead {
                seen.connection_closed = closed(provider).await;
            }
            return seen;
        }
    };
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let mut body = Vec::new();
    let ending = loop {
        match answer.chunk().await {
            Ok(None) => break Ending::Whole,
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            Err(Unanswered::Timeout(_)) => break Ending::NoEnd,
            Err(_) => break Ending::Cut,
        }
        if body.len() > MOST_BYTES {
            break Ending::Cut;
        }
        if is_left_early && !body.is_empty() {
            break Ending::Left;
        }
    };
    let latency = begun.elapsed();
    drop(answer);
    let mut seen = Seen::read(planned, required, (status, &headers), &body, (ending, latency));
    if matches!(ending, Ending::Left | Ending::NoEnd) {
        seen.connection_closed = closed(provider).await;
    }
    seen
}

fn unanswered(why: &Unanswered, latency: Duration) -> Seen {
    let (ending, class) = match why {
        Unanswered::Send(error) => (Ending::Unanswered, error.kind.into()),
        Unanswered::Timeout(_) => (Ending::NoHead, ErrorClass::HeadTimeout),
        Unanswered::Cut | Unanswered::TooLong(_) => (Ending::Cut, ErrorClass::Reset),
        Unanswered::Path(_) | Unanswered::NoKey => return Seen::nothing(Ending::Unsent, None, latency),
    };
    Seen::nothing(ending, Some(class), latency)
}

/// Whether no connection is left open. Over HTTP/2 a stream is reset and its connection stays: then nothing can be told.
async fn closed(provider: &Provider) -> Option<bool> {
    if provider.origin.address().http2.is_some() {
        return None;
    }
    let by = Instant::now() + CLOSED_WITHIN;
    while provider.origin.connections() > 0 {
        if Instant::now() >= by {
            return Some(false);
        }
        sleep(LOOK).await;
    }
    Some(true)
}
