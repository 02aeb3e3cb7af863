//! What each tenant has used of its limits: one for all workers, kept over reloads by the tenant's name.
//!
//! Every decision here is made by `decisions`; this file holds the lock around it. It is taken when a request begins and
//! when it is over, for tens of nanoseconds, and never across an await; tenants without limits have none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use decisions::TenantId;
use decisions::plan::Plan;
use decisions::tenant_limits::{Left, OverLimit, TenantLimits, TenantUse};

/// What one tenant has used.
#[derive(Debug)]
pub(crate) struct TenantState(Mutex<TenantUse>);

/// A place among a tenant's requests at one time; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<TenantState>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().end();
    }
}

/// What is left to a tenant: of the requests and of the tokens of a minute, where these are limited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WhatIsLeft {
    pub(crate) requests: Option<Left>,
    pub(crate) tokens: Option<Left>,
}

impl TenantState {
    fn new(limits: TenantLimits) -> TenantState {
        TenantState(Mutex::new(TenantUse::new(limits)))
    }

    /// Lets a request begin.
    pub(crate) fn begin(self: &Arc<Self>, now: Duration) -> Result<Place, OverLimit> {
        self.lock().begin(now)?;
        Ok(Place(Arc::clone(self)))
    }

    /// An answer has cost so many tokens.
    pub(crate) fn charge(&self, tokens: u64, now: Duration) {
        self.lock().charge(tokens, now);
    }

    pub(crate) fn left(&self, now: Duration) -> WhatIsLeft {
        let used = self.lock();
        WhatIsLeft { requests: used.requests_left(now), tokens: used.tokens_left(now) }
    }

    fn lock(&self) -> MutexGuard<'_, TenantUse> {
        // Nothing between lock and unlock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of every tenant of a plan.
#[derive(Debug)]
pub(crate) struct TenantStates(Vec<Option<Arc<TenantState>>>);

impl TenantStates {
    /// Those of a plan. What `earlier` knows of a tenant of the same name goes on; a limit that is another now begins anew.
    pub(crate) fn new(plan: &Plan, earlier: Option<(&Plan, &TenantStates)>) -> TenantStates {
        let known: HashMap<&str, &Arc<TenantState>> = earlier
            .into_iter()
            .flat_map(|(plan, states)| {
                let names = plan.parts().tenants.iter().map(|tenant| tenant.name.as_str());
                names.zip(&states.0).filter_map(|(name, state)| Some((name, state.as_ref()?)))
            })
            .collect();
        let of = |tenant: &decisions::plan::Tenant| {
            if tenant.limits.is_none() {
                return None;
            }
            let Some(kept) = known.get(tenant.name.as_str()) else {
                return Some(Arc::new(TenantState::new(tenant.limits)));
            };
            kept.lock().change(tenant.limits);
            Some(Arc::clone(kept))
        };
        TenantStates(plan.parts().tenants.iter().map(of).collect())
    }

    /// `None` for a tenant without limits.
    pub(crate) fn of(&self, tenant: TenantId) -> Option<&Arc<TenantState>> {
        self.0.get(tenant.index())?.as_ref()
    }
}
