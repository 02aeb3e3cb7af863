//! The requests of a check are made: over one lease, one after the other, each once.

use std::time::Duration;

use evidence::Moment;
use serde_json::Value;
use tokio::time::{Instant, interval};

use crate::gateway::{CheckRequest, Gateway, GatewayError, LeaseTerms, Leased, Reply, SeenAttempt};
use crate::route_check::family::endpoint;
use crate::route_check::subject::Subject;

/// How often a lease is renewed while an answer is waited for: well before it lapses.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// How long the end of an attempt may take to be in the gateway's log once its answer is here.
const LOGGED_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks at the log.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One request that is to be made.
#[derive(Clone, Debug)]
pub struct Planned {
    /// On which terms.
    pub terms: LeaseTerms,
    /// What is sent.
    pub body: Value,
    /// Until the last byte of the answer.
    pub timeout: Duration,
}

/// One request that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// When it was sent.
    pub at: Moment,
    /// The version of the map that was in force when the lease was taken.
    pub route_version: String,
    /// SHA-256 of the map in force just before; `None` where that is not known.
    pub map_sha256: Option<String>,
    /// What came back.
    pub reply: Reply,
    /// What the gateway's decision log has of it.
    pub attempts: Vec<SeenAttempt>,
}

/// What was made of all that was planned.
#[derive(Clone, Debug, Default)]
pub struct AllMade {
    /// In the order of the plan.
    pub made: Vec<Made>,
    /// Why the rest was not: the gateway does not lend the route, or is gone.
    pub cut_short: Option<GatewayError>,
}

impl AllMade {
    /// What is to be noted of the request at this place beside what it has shown, in words of ours.
    #[must_use]
    pub fn note(&self, at: usize) -> String {
        let failure = match self.made.get(at) {
            Some(made) => made.reply.failure.clone(),
            None => self.cut_short.as_ref().map(|error| format!("not made: {error}")),
        };
        failure.unwrap_or_default()
    }
}

/// Makes them, and gives the lease back whatever happens. `now` tells the time.
pub async fn make(
    gateway: &impl Gateway,
    subject: &Subject,
    planned: &[Planned],
    now: impl Fn() -> Moment,
) -> AllMade {
    let Some(first) = planned.first() else { return AllMade::default() };
    let mut made = Vec::new();
    let leased = match gateway.lease(&first.terms).await {
        Ok(leased) => leased,
        Err(error) => return AllMade { made, cut_short: Some(error) },
    };
    let ended = make_all(gateway, &leased, subject, planned, now, &mut made).await;
    // What was seen stands; a lease that is gone has ended anyway.
    drop(gateway.end(&leased.lease).await);
    AllMade { made, cut_short: ended.err() }
}

async fn make_all(
    gateway: &impl Gateway,
    leased: &Leased,
    subject: &Subject,
    planned: &[Planned],
    now: impl Fn() -> Moment,
    made: &mut Vec<Made>,
) -> Result<(), GatewayError> {
    let mut seen_so_far = 0;
    for request in planned {
        gateway.renew(&leased.lease, Some(&request.terms)).await?;
        let map_sha256 = gateway.map_sha256().await;
        let at = now();
        let body = request.body.to_string();
        let request = CheckRequest::new(endpoint(subject.family()), body, request.timeout);
        let reply = send_and_renew(gateway, leased, &request).await;
        let attempts = logged(gateway, leased, seen_so_far).await?;
        seen_so_far = attempts.last().map_or(seen_so_far, |attempt| attempt.number);
        made.push(Made { at, route_version: leased.route_version.clone(), map_sha256, reply, attempts });
    }
    Ok(())
}

async fn send_and_renew(gateway: &impl Gateway, leased: &Leased, request: &CheckRequest) -> Reply {
    let sending = gateway.send(leased, request);
    let mut sending = std::pin::pin!(sending);
    let mut renewing = interval(RENEW_EVERY);
    // The first is at once, and the lease is fresh.
    renewing.tick().await;
    loop {
        tokio::select! {
            reply = &mut sending => return reply,
            // If the gateway does not renew it, what is under way goes on all the same.
            _ = renewing.tick() => drop(gateway.renew(&leased.lease, None).await),
        }
    }
}

/// The attempts of the last request, once none is under way.
async fn logged(
    gateway: &impl Gateway,
    leased: &Leased,
    after: u64,
) -> Result<Vec<SeenAttempt>, GatewayError> {
    let until = Instant::now() + LOGGED_WITHIN;
    loop {
        let seen = gateway.seen(&leased.lease, after).await?;
        if seen.in_flight == 0 || Instant::now() >= until {
            return Ok(seen.attempts);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
