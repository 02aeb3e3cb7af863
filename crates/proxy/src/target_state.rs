//! What is remembered of one target of one route: breaker, limit, budgets, how fast its first content usually comes.
//!
//! Every decision here is made by `decisions`; this file holds the lock around it. It is taken when an attempt is
//! admitted and when its outcome is reported, for tens of nanoseconds, and never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use decisions::attempts::breaker::{Change, State};
use decisions::attempts::{
    Breaker, BreakerSettings, Budget, FirstToken, Limiter, Permit, Refused, Sample, Seen, Slot, Why,
};
use decisions::plan::{Criticality, Plan, Route};
use decisions::{Barred, ProviderId, Role, RouteId};
use upstream::OriginId;

use crate::snapshot::Provider;

/// What a target's memory belongs to. A reload that changes none of this keeps the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    origin: Option<OriginId>,
    role: Role,
    retry_budget: u32,
    fallback_budget: u32,
    max_concurrent: Option<u32>,
}

/// The memory of one target.
#[derive(Debug)]
pub(crate) struct TargetState {
    key: Key,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    breaker: Breaker,
    limiter: Limiter,
    retries: Budget,
    fallbacks: Budget,
    first_token: FirstToken,
}

/// What an attempt holds while it is under way: leave from the breaker, and a place under the limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    permit: Permit,
    slot: Slot,
}

impl Admission {
    /// The attempt finds out whether the target is well again.
    pub(crate) fn is_probe(&self) -> bool {
        self.permit.is_probe()
    }
}

/// Why a target takes no attempt now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TurnedAway {
    /// Its breaker is open, until this moment.
    Open { until: Duration },
    /// It has asked for a pause, until this moment.
    Paused { until: Duration },
    /// It has as many requests as it takes.
    Full,
    /// Its gate keeps it out.
    Barred(Barred),
}

/// How a target stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) breaker: State,
    pub(crate) in_flight: u32,
    /// How many attempts it takes at once; `None` while nothing limits them.
    pub(crate) limit: Option<u32>,
    /// What its budgets would pay for, in parts per million of an attempt.
    pub(crate) retries_ppm: u64,
    pub(crate) fallbacks_ppm: u64,
}

impl TargetState {
    fn new(key: Key, probe_deadline: Duration) -> TargetState {
        let settings = match key.role {
            Role::Canary => BreakerSettings { probe_deadline, ..BreakerSettings::canary() },
            Role::Primary | Role::Fallback => {
                BreakerSettings { probe_deadline, ..BreakerSettings::primary() }
            }
        };
        let memory = Memory {
            breaker: Breaker::new(settings),
            limiter: Limiter::new(key.max_concurrent),
            retries: Budget::new(key.retry_budget),
            fallbacks: Budget::new(key.fallback_budget),
            first_token: FirstToken::default(),
        };
        TargetState { key, memory: Mutex::new(memory) }
    }

    /// Asks for an attempt to be let through.
    pub(crate) fn admit(&self, criticality: Criticality, now: Duration) -> Result<Admission, TurnedAway> {
        let mut memory = self.lock();
        // The breaker first: what waits in vain at a target that is ill fills its places too.
        let permit = memory.breaker.admit(now).map_err(|Refused { until, why }| match why {
            Why::Pacing => TurnedAway::Paused { until },
            Why::Open | Why::Probing => TurnedAway::Open { until },
        })?;
        let Some(slot) = memory.limiter.admit(criticality, now) else {
            memory.breaker.report(permit, Seen::Neutral, now, 0);
            return Err(TurnedAway::Full);
        };
        Ok(Admission { permit, slot })
    }

    /// It would turn an attempt away now, for what it has shown.
    pub(crate) fn is_open(&self, now: Duration) -> bool {
        self.lock().breaker.is_open(now)
    }

    /// Whether its breaker lets attempts through.
    pub(crate) fn breaker(&self, now: Duration) -> State {
        self.lock().breaker.state(now)
    }

    /// Takes one retry of this target from its budget.
    pub(crate) fn withdraw_retry(&self, now: Duration) -> bool {
        self.lock().retries.withdraw(now)
    }

    /// Takes one fallback to this target from its budget.
    pub(crate) fn withdraw_fallback(&self, now: Duration) -> bool {
        self.lock().fallbacks.withdraw(now)
    }

    /// A retry that was withdrawn and not sent.
    pub(crate) fn give_back_retry(&self) {
        self.lock().retries.give_back();
    }

    /// A fallback that succeeded costs nothing: the budget is there to bound those that fail too.
    pub(crate) fn give_back_fallback(&self) {
        self.lock().fallbacks.give_back();
    }

    /// An attempt here succeeded that no caller had sent before.
    pub(crate) fn deposit_retry(&self) {
        self.lock().retries.deposit();
    }

    /// What an attempt has shown of the target. The place that it took is not given back by this.
    pub(crate) fn report(&self, admission: Admission, seen: Seen, now: Duration) -> Option<Change> {
        self.lock().breaker.report(admission.permit, seen, now, fastrand::u64(..))
    }

    /// Gives the place of an attempt back.
    pub(crate) fn release(&self, admission: Admission, sample: Sample, now: Duration) {
        self.lock().limiter.release(admission.slot, sample, now);
    }

    /// Time from sending to the first content of a streamed answer.
    pub(crate) fn first_token(&self, after: Duration) {
        self.lock().first_token.record(after);
    }

    /// Longer than all but a twentieth of the first contents took; `None` before enough were seen.
    pub(crate) fn slow_first_token(&self) -> Option<Duration> {
        self.lock().first_token.p95()
    }

    /// How it stands.
    pub(crate) fn shown(&self, now: Duration) -> Shown {
        let memory = self.lock();
        Shown {
            breaker: memory.breaker.state(now),
            in_flight: memory.limiter.in_flight(),
            limit: memory.limiter.limit(),
            retries_ppm: memory.retries.balance(now),
            fallbacks_ppm: memory.fallbacks.balance(now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Nothing between lock and unlock can panic half-way through a change.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The targets of one route, by role.
#[derive(Clone, Debug)]
pub(crate) struct RouteTargets {
    primary: Arc<TargetState>,
    canary: Option<Arc<TargetState>>,
    fallback: Option<Arc<TargetState>>,
    /// Of requests that stay where the route does not send any more.
    elsewhere: Arc<TargetState>,
}

impl RouteTargets {
    pub(crate) fn of(&self, role: Role) -> &Arc<TargetState> {
        let found = match role {
            Role::Primary => None,
            Role::Canary => self.canary.as_ref(),
            Role::Fallback => self.fallback.as_ref().or(Some(&self.elsewhere)),
        };
        found.unwrap_or(&self.primary)
    }

    /// A request of the route has succeeded: of that, every target's budget for fallbacks gets its share.
    pub(crate) fn deposit_fallbacks(&self) {
        if self.canary.is_some() || self.fallback.is_some() {
            self.each().for_each(|state| state.lock().fallbacks.deposit());
        }
    }

    fn each(&self) -> impl Iterator<Item = &Arc<TargetState>> {
        std::iter::once(&self.primary).chain(&self.canary).chain(&self.fallback)
    }
}

/// The targets of all routes of a plan.
#[derive(Debug)]
pub(crate) struct Targets {
    by_route: Vec<RouteTargets>,
    /// Of requests that no route matches.
    unrouted: RouteTargets,
}

/// What a target without a route may retry, in parts per million of its successes.
const UNROUTED_BUDGET: u32 = 100_000;

/// What requests are remembered by that stay where their route does not send any more: together, since they are few.
const ELSEWHERE: Key = Key {
    origin: None,
    role: Role::Fallback,
    retry_budget: UNROUTED_BUDGET,
    fallback_budget: 0,
    max_concurrent: None,
};

/// How long a probe may take where no route says.
const PROBE: Duration = Duration::from_secs(60);

impl Targets {
    /// Those of a plan; what `earlier` remembers of a route with the same name is kept where the target is the same.
    pub(crate) fn new(plan: &Plan, providers: &[Provider], earlier: Option<(&Plan, &Targets)>) -> Targets {
        let known: std::collections::HashMap<&str, &RouteTargets> = earlier
            .into_iter()
            .flat_map(|(plan, targets)| {
                plan.routes().map(|(_, route)| route.name.as_str()).zip(&targets.by_route)
            })
            .collect();
        let elsewhere = earlier.map(|(_, targets)| Arc::clone(&targets.unrouted.elsewhere));
        let elsewhere = elsewhere.unwrap_or_else(|| Arc::new(TargetState::new(ELSEWHERE, PROBE)));
        let origin = |id: ProviderId| providers.get(id.index()).map(|provider| provider.origin.id());
        let of = |route: &Route| {
            let known = known.get(route.name.as_str());
            let state = |provider: ProviderId, role, begin: Duration| {
                let key = Key {
                    origin: origin(provider),
                    role,
                    retry_budget: route.retry_budget,
                    fallback_budget: route.fallback_budget,
                    max_concurrent: plan.provider(provider).max_concurrent,
                };
                let kept = known.and_then(|known| known.each().find(|state| state.key == key));
                // Somewhat longer than a probe's own limit, so that its silence is counted before the next begins.
                let begin = begin.min(route.first_token_timeout) + Duration::from_secs(1);
                kept.map_or_else(|| Arc::new(TargetState::new(key, begin)), Arc::clone)
            };
            RouteTargets {
                primary: state(route.primary, Role::Primary, route.primary_timeout),
                canary: route
                    .canary
                    .as_ref()
                    .map(|canary| state(canary.provider, Role::Canary, canary.timeout)),
                fallback: route
                    .fallback
                    .map(|provider| state(provider, Role::Fallback, route.fallback_timeout)),
                elsewhere: Arc::clone(&elsewhere),
            }
        };
        let unrouted = Key {
            origin: origin(plan.parts().primary_provider),
            role: Role::Primary,
            retry_budget: UNROUTED_BUDGET,
            fallback_budget: 0,
            max_concurrent: plan.provider(plan.parts().primary_provider).max_concurrent,
        };
        let kept = earlier.map(|(_, targets)| &targets.unrouted).filter(|kept| kept.primary.key == unrouted);
        let unrouted = kept.cloned().unwrap_or_else(|| RouteTargets {
            primary: Arc::new(TargetState::new(unrouted, PROBE)),
            canary: None,
            fallback: None,
            elsewhere: Arc::clone(&elsewhere),
        });
        Targets { by_route: plan.routes().map(|(_, route)| of(route)).collect(), unrouted }
    }

    pub(crate) fn of(&self, route: Option<RouteId>) -> &RouteTargets {
        route.and_then(|id| self.by_route.get(id.index())).unwrap_or(&self.unrouted)
    }
}

impl TurnedAway {
    /// The name used in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TurnedAway::Open { .. } => "breaker_open",
            TurnedAway::Paused { .. } => "paused",
            TurnedAway::Full => "full",
            TurnedAway::Barred(barred) => barred.as_str(),
        }
    }
}

#[cfg(test)]
mod tests;
