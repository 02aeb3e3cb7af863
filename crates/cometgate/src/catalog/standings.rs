//! How the providers' catalogs stand for the running gateway: what `status` and `/metrics` say of the checks, in numbers and
//! in names of the plan.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use evidence::Moment;
use readiness::catalog::{Class, Drift, Severity, Signal};
use serde_json::{Value, json};
use telemetry::{Page, names};

use crate::catalog::round::Round;

/// Of each provider of the map in force that was checked.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<BTreeMap<String, Standing>>);

#[derive(Debug, Default)]
struct Standing {
    counts: BTreeMap<Class, u64>,
    new: u64,
    removed: u64,
    last: Option<Last>,
    /// When a list last came, in seconds.
    listed_at: Option<i64>,
    /// Of the last list.
    identifiers: Option<usize>,
    missing: usize,
    alerts: Vec<(Signal, Severity)>,
    /// Routes whose canary does not grow for what was found here.
    holds: Vec<String>,
}

#[derive(Debug)]
struct Last {
    at: Moment,
    class: Class,
    detail: &'static str,
    status: Option<u16>,
    seconds: f64,
    decision: &'static str,
}

impl Standings {
    /// Takes in a check, and what is wrong since.
    pub(super) fn note(&self, round: &Round, missing: usize, alerts: Vec<(Signal, Severity)>) {
        let mut all = self.lock();
        let standing = all.entry(round.provider.clone()).or_default();
        let outcome = &round.seen.outcome;
        *standing.counts.entry(outcome.class).or_default() += 1;
        if let Some(catalog) = &round.seen.catalog {
            standing.identifiers = Some(catalog.ids.len());
            standing.listed_at = Some(round.record.ts.ms() / 1000);
        }
        standing.last = Some(Last {
            at: round.record.ts,
            class: outcome.class,
            detail: outcome.detail,
            status: outcome.status,
            seconds: round.seen.took.as_secs_f64(),
            decision: round.decision().as_str(),
        });
        (standing.missing, standing.alerts) = (missing, alerts);
    }

    /// Counts what has changed since the check before.
    pub(super) fn drifted(&self, provider: &str, drift: &Drift) {
        let count = |ids: &Vec<String>| u64::try_from(ids.len()).unwrap_or(u64::MAX);
        if let Some(standing) = self.lock().get_mut(provider) {
            standing.new += count(&drift.new);
            standing.removed += count(&drift.removed);
        }
    }

    /// Routes whose canary does not grow for what was found at a provider.
    pub(super) fn hold(&self, provider: &str, routes: Vec<String>) {
        if let Some(standing) = self.lock().get_mut(provider) {
            standing.holds = routes;
        }
    }

    /// Whoever is no more in the map has no standing.
    pub(super) fn keep_only(&self, providers: &[&str]) {
        self.lock().retain(|name, _| providers.contains(&name.as_str()));
    }

    /// As `status` shows it.
    pub(crate) fn report(&self) -> Value {
        let all = self.lock();
        let each = all.iter().map(|(provider, standing)| {
            let last = standing.last.as_ref();
            let alert = |(signal, severity): &(Signal, Severity)| {
                json!({ "signal": signal.as_str(), "severity": severity.as_str() })
            };
            json!({
                "provider": provider,
                "at": last.map(|last| last.at.to_string()),
                "outcome": last.map(|last| last.class.as_str()),
                "detail": last.map(|last| last.detail).filter(|detail| !detail.is_empty()),
                "status": last.and_then(|last| last.status),
                "decision": last.map(|last| last.decision),
                "identifiers": standing.identifiers,
                "configured_missing": standing.missing,
                "alerts": standing.alerts.iter().map(alert).collect::<Vec<_>>(),
                "holds_canaries_of": standing.holds,
            })
        });
        Value::Array(each.collect())
    }

    pub(crate) fn write_to(&self, page: &mut Page) {
        for (provider, standing) in self.lock().iter() {
            let provider = provider.as_str();
            for (class, count) in &standing.counts {
                page.write(&names::CATALOG_CHECKS, &[provider, class.as_str()], *count);
            }
            let of = |class: Class| standing.counts.get(&class).copied().unwrap_or(0);
            page.write(&names::CATALOG_SCHEMA_FAILURES, &[provider], of(Class::Unparsable));
            page.write(&names::CATALOG_AUTH_FAILURES, &[provider], of(Class::Auth));
            page.write(&names::CATALOG_CHANGES, &[provider, "new"], standing.new);
            page.write(&names::CATALOG_CHANGES, &[provider, "removed"], standing.removed);
            page.write(&names::CATALOG_MISSING, &[provider], standing.missing);
            if let Some(last) = standing.last.as_ref().filter(|last| last.class != Class::NoKey) {
                let is_listed = matches!(last.class, Class::Ok | Class::Empty);
                page.write(&names::CATALOG_UP, &[provider], u8::from(is_listed));
                page.write(&names::CATALOG_SECONDS, &[provider], last.seconds);
            }
            if let Some(identifiers) = standing.identifiers {
                page.write(&names::CATALOG_IDENTIFIERS, &[provider], identifiers);
            }
            if let Some(at) = standing.listed_at {
                page.write(&names::CATALOG_LISTED_AT, &[provider], at);
            }
            for (signal, severity) in &standing.alerts {
                page.write(&names::CATALOG_ALERT, &[provider, signal.as_str(), severity.as_str()], 1);
            }
            for route in &standing.holds {
                page.write(&names::CATALOG_HELD, &[route, provider], 1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        // Nothing between lock and unlock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
