//! What is lent to the gateway's own checks: a route, for their requests alone, until a lease ends or nobody renews it.
//!
//! A check calls as [`TenantId::CHECKS`](decisions::TenantId::CHECKS) and names its lease in [`LEASE`]. Nothing here is asked for a caller's request; a check's
//! takes one short lock to find its lease, and one for each attempt that it is told of.

mod seen;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use decisions::bucket::Share;
use decisions::plan::Plan;
use decisions::{Decision, Facts, Lent, NotLent, Role, decide_lent};
use http::{HeaderMap, HeaderName};
use telemetry::{Counter, Page, names};
use tokio::time::Instant;

use crate::error::Error;
use crate::observer::AttemptRecord;
use seen::Log;
pub use seen::{Seen, SeenAttempt};

/// Names the lease of a check's request. It means nothing with another key than that of checks, and goes to no provider.
pub(crate) const LEASE: HeaderName = HeaderName::from_static("x-cometgate-check");

/// How long a lease holds after it was last renewed: what a check that was killed leaves behind is gone then.
pub const LAPSES_AFTER: Duration = Duration::from_secs(30);

/// How long what was seen can be asked for after the end of a lease.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Leases at one time. People and schedules make checks, a few of them.
const MOST: usize = 32;

/// What is lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Names the check in logs and tickets.
    pub check_id: String,
    /// Who makes it, as they say.
    pub by: String,
    /// The route, by name: it may change while it is lent.
    pub route: String,
    /// The canary's share of the check's requests; `None` is the map's.
    pub share: Option<Share>,
    /// The one target that they go to; then there is no other to go on to.
    pub role: Option<Role>,
    /// What that target is asked for in place of the alias's own model ID.
    pub model_id: Option<String>,
    /// The credential that providers are shown is one that is nobody's; all else is as ever.
    pub twin: bool,
    /// How long the first target may take to begin its answer, and at the most to the first content of a stream; the other one
    /// keeps to the map.
    pub timeout: Option<Duration>,
    /// Attempts after the first at the same target, in place of the route's.
    pub retries: Option<u8>,
}

/// All leases of a gateway.
#[derive(Debug, Default)]
pub struct Leases {
    by_id: Mutex<HashMap<String, Lease>>,
    served: Counter,
    refused: Counter,
    good: Counter,
    failed: Counter,
}

#[derive(Debug)]
struct Lease {
    terms: Arc<Terms>,
    /// When it ends, or ended.
    until: Instant,
    log: Arc<Log>,
}

/// A lease that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningLease {
    /// What is lent.
    pub terms: Arc<Terms>,
    /// When it lapses, unless it is renewed.
    pub lapses_in: Duration,
    /// Requests of it that are under way.
    pub in_flight: usize,
}

/// Why there is no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLease {
    /// It has ended, has lapsed, or never was.
    Unknown,
    /// There are as many as there may be.
    TooMany,
}

impl Leases {
    /// Lends something under a name that nobody can guess, and says when it lapses.
    ///
    /// # Errors
    /// [`NoLease::TooMany`]
    pub fn grant(&self, id: String, terms: Terms) -> Result<Duration, NoLease> {
        let (mut leases, now) = (self.lock(), Instant::now());
        if leases.values().filter(|lease| lease.until > now).count() >= MOST {
            return Err(NoLease::TooMany);
        }
        let lease = Lease { terms: Arc::new(terms), until: now + LAPSES_AFTER, log: Arc::default() };
        leases.insert(id, lease);
        Ok(LAPSES_AFTER)
    }

    /// What a lease lends.
    #[must_use]
    pub fn terms(&self, id: &str) -> Option<Arc<Terms>> {
        let now = Instant::now();
        self.lock().get(id).filter(|lease| lease.until > now).map(|lease| Arc::clone(&lease.terms))
    }

    /// Lends it for longer, on these terms from the next request on.
    ///
    /// # Errors
    /// [`NoLease::Unknown`]: what has lapsed stays so.
    pub fn renew(&self, id: &str, terms: Arc<Terms>) -> Result<Duration, NoLease> {
        let now = Instant::now();
        let mut leases = self.lock();
        let lease = leases.get_mut(id).filter(|lease| lease.until > now).ok_or(NoLease::Unknown)?;
        (lease.terms, lease.until) = (terms, now + LAPSES_AFTER);
        Ok(LAPSES_AFTER)
    }

    /// Ends a lease. What is under way goes on to its end.
    ///
    /// # Errors
    /// [`NoLease::Unknown`]: it is over.
    pub fn end(&self, id: &str) -> Result<(), NoLease> {
        let now = Instant::now();
        let mut leases = self.lock();
        let lease = leases.get_mut(id).filter(|lease| lease.until > now).ok_or(NoLease::Unknown)?;
        lease.until = now;
        Ok(())
    }

    /// What became of the attempts of a lease after the one with this number; also for a minute after its end.
    #[must_use]
    pub fn seen(&self, id: &str, after: u64) -> Option<Seen> {
        let log = self.lock().get(id).map(|lease| Arc::clone(&lease.log))?;
        Some(log.seen(after))
    }

    /// Those that hold.
    #[must_use]
    pub fn running(&self) -> Vec<RunningLease> {
        let now = Instant::now();
        let leases = self.lock();
        let holds = leases.values().filter(|lease| lease.until > now);
        holds
            .map(|lease| RunningLease {
                terms: Arc::clone(&lease.terms),
                lapses_in: lease.until - now,
                in_flight: lease.log.in_flight.load(Ordering::Relaxed),
            })
            .collect()
    }

    /// Writes what is counted of checks.
    pub fn write_to(&self, page: &mut Page) {
        page.write(&names::CHECK_LEASES, &[], self.running().len());
        page.write(&names::CHECK_REQUESTS, &["served"], self.served.shown());
        page.write(&names::CHECK_REQUESTS, &["refused"], self.refused.shown());
        page.write(&names::CHECK_ATTEMPTS, &["ok"], self.good.shown());
        page.write(&names::CHECK_ATTEMPTS, &["failed"], self.failed.shown());
    }

    /// A request of a check is over.
    pub(crate) fn count(&self, attempts: u8) {
        if attempts > 0 { self.served.add_one() } else { self.refused.add_one() }
    }

    /// A request of a check has come, which must name a lease that holds.
    pub(crate) fn enter(&self, headers: &HeaderMap) -> Result<Box<Checking>, Error> {
        let named = headers.get(LEASE).and_then(|value| value.to_str().ok());
        let now = Instant::now();
        let leases = self.lock();
        let lease = named.and_then(|id| leases.get(id)).filter(|lease| lease.until > now);
        let lease = lease.ok_or(Error::NoLease)?;
        lease.log.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Checking { terms: Arc::clone(&lease.terms), log: Arc::clone(&lease.log) }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        let mut leases = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        leases.retain(|_, lease| now < lease.until + REMEMBERED);
        leases
    }
}

/// A request of a check, from its head to the end of its last attempt.
pub(crate) struct Checking {
    terms: Arc<Terms>,
    log: Arc<Log>,
}

impl Checking {
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Where it goes.
    pub(crate) fn decide<'p>(&self, plan: &'p Plan, facts: &Facts<'_>) -> Result<Decision<'p>, Error> {
        let Terms { share, role, .. } = *self.terms;
        let (route, _) = plan.route_named(&self.terms.route).ok_or(Error::NotLent(GONE))?;
        let decision = decide_lent(plan, Lent { route, share, role }, facts).map_err(|why| {
            Error::NotLent(match why {
                NotLent::Model => "the leased route does not serve this model",
                NotLent::Endpoint => "the leased route does not serve this endpoint",
                NotLent::Role => "the leased route has no target in this role for this model",
            })
        })?;
        // What stands for the alias's own model ID must be one that the provider may be asked for, in this map too.
        if let (Some(id), Decision::Send(chosen)) = (&self.terms.model_id, &decision)
            && !plan.provider(chosen.order.first().provider).models.allow(id)
        {
            return Err(Error::NotLent(
                "the provider's `approved_models` or `blocked_models` forbid the model ID",
            ));
        }
        Ok(decision)
    }

    /// An attempt of it is over.
    pub(crate) fn attempted(&self, leases: &Leases, record: &AttemptRecord<'_>) {
        if record.error_class.is_none() {
            leases.good.add_one();
        } else {
            leases.failed.add_one();
        }
        self.log.keep(record);
    }
}

const GONE: &str = "the leased route is not in the map any more";

impl Drop for Checking {
    fn drop(&mut self) {
        self.log.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for NoLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoLease::Unknown => "there is no such lease: it was ended, or has lapsed",
            NoLease::TooMany => "as many checks run as may at one time",
        })
    }
}

#[cfg(test)]
mod tests;
