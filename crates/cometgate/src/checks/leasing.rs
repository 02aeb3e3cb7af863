//! Leases of checks, as commands ask for them over the admin socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use config::{Settings, format_share, parse_share};
use decisions::Role;
use decisions::lent::{aliases_of, provider_in};
use http::StatusCode;
use proxy::{LAPSES_AFTER, Leases, NoLease, SeenAttempt, Snapshot, Terms};
use readiness::gateway::{LeaseTerms, Leased, Paying};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gates::acting::Refusal;

/// Characters in the longest text of a lease.
const LONGEST_TEXT: usize = 256;
/// Milliseconds; as long as a target of a map may take.
const LONGEST_TIMEOUT_MS: u64 = 3_600_000;
/// As many as a route may make.
const MOST_RETRIES: u8 = 2;

/// What is lent, and where checks connect to.
#[derive(Debug)]
pub(crate) struct Leasing {
    leases: Arc<Leases>,
    /// Of the public listener, as a URL.
    listen: String,
    /// The settings name a key.
    has_key: bool,
}

/// Which lease is meant, and what is to be different from now on.
#[derive(Debug, Deserialize)]
pub(crate) struct Renewal {
    lease: String,
    #[serde(flatten)]
    changes: serde_json::Map<String, Value>,
}

/// Which lease is meant.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    lease: String,
}

impl Leasing {
    /// `address` is that of the public listener.
    pub(crate) fn new(settings: &Settings, leases: Arc<Leases>, address: SocketAddr) -> Leasing {
        let listen = reachable_url(address, settings.tls.is_some());
        Leasing { leases, listen, has_key: settings.checks.is_some() }
    }

    pub(crate) fn grant(&self, snapshot: &Snapshot, asked: LeaseTerms) -> Result<Value, Refusal> {
        if !self.has_key {
            let why = "cometgate.toml of the running gateway has no `[checks]`: with a `key` there, and a restart, its \
                       checks can call it";
            return Err(conflict(why));
        }
        let terms = terms(snapshot, asked)?;
        let id = new_id().map_err(|error| Refusal {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            why: format!("no random numbers: {error}"),
        })?;
        tracing::info!(
            check_id = terms.check_id,
            by = terms.by,
            route = terms.route,
            "a route is lent to a check"
        );
        let lapses_in = self.leases.grant(id.clone(), terms).map_err(refused)?;
        Ok(json!(Leased {
            lease: id,
            lapses_in_ms: millis(lapses_in),
            route_version: snapshot.plan().route_version().to_owned(),
            listen: self.listen.clone(),
        }))
    }

    /// What is not named stays as it is.
    pub(crate) fn renew(&self, snapshot: &Snapshot, asked: Renewal) -> Result<Value, Refusal> {
        let now = self.leases.terms(&asked.lease).ok_or_else(|| refused(NoLease::Unknown))?;
        let changed = if asked.changes.is_empty() {
            now
        } else {
            let mut said = json!(said(&now));
            for (name, value) in asked.changes {
                said[name] = value;
            }
            let said = serde_json::from_value(said).map_err(|error| bad(error.to_string()))?;
            Arc::new(terms(snapshot, said)?)
        };
        let lapses_in = self.leases.renew(&asked.lease, changed).map_err(refused)?;
        Ok(json!({ "lease": asked.lease, "lapses_in_ms": millis(lapses_in) }))
    }

    pub(crate) fn end(&self, named: &Named) -> Result<Value, Refusal> {
        self.leases.end(&named.lease).map_err(refused)?;
        Ok(json!({ "lease": named.lease, "lapses_in_ms": 0 }))
    }

    /// `lease=L&after=N`, as no client writes it otherwise.
    pub(crate) fn seen(&self, query: &str) -> Result<Value, Refusal> {
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.split_once('=').filter(|(found, _)| *found == name))
        };
        let after = value("after").map_or(Ok(0), |(_, number)| number.parse::<u64>());
        let after = after.map_err(|_| bad("`after` is not a number".to_owned()))?;
        let id = value("lease").map_or("", |(_, id)| id);
        let seen = self.leases.seen(id, after).ok_or_else(|| refused(NoLease::Unknown))?;
        let attempts: Vec<Value> = seen.attempts.iter().map(shown).collect();
        Ok(json!({ "in_flight": seen.in_flight, "attempts": attempts }))
    }

    /// Those that hold, for `status`.
    pub(crate) fn report(&self) -> Value {
        let shown = |lease: &proxy::RunningLease| {
            json!({
                "check_id": lease.terms.check_id,
                "by": lease.terms.by,
                "route": lease.terms.route,
                "share": lease.terms.share.map(format_share),
                "role": lease.terms.role.map(Role::as_str),
                "lapses_in_ms": millis(lease.lapses_in),
                "in_flight": lease.in_flight,
            })
        };
        self.leases.running().iter().map(shown).collect()
    }
}

/// Where a command on this machine reaches a listener.
fn reachable_url(address: SocketAddr, is_tls: bool) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if is_tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

/// Reads what is asked for, against the map in force.
fn terms(snapshot: &Snapshot, asked: LeaseTerms) -> Result<Terms, Refusal> {
    for text in [&asked.by, &asked.check_id] {
        if text.trim().is_empty() || text.chars().count() > LONGEST_TEXT || text.chars().any(char::is_control)
        {
            return Err(bad(format!("`by` and `check_id` have 1 to {LONGEST_TEXT} characters, on one line")));
        }
    }
    let plan = snapshot.plan();
    let Some((id, route)) = plan.route_named(&asked.route) else {
        let why = format!("the map in force ({}) has no route {:?}", plan.route_version(), asked.route);
        return Err(Refusal { status: StatusCode::NOT_FOUND, why });
    };
    let share = asked.share.as_deref().map(parse_share).transpose();
    let share = share.map_err(|error| bad(format!("`share`: {error}")))?;
    let role = asked.role.as_deref().map(role_named).transpose()?;
    let provider = role.map(|role| (role, provider_in(route, role)));
    if let Some((role, None)) = provider {
        return Err(conflict(format!("the route {} has no {}", route.name, role.as_str())));
    }
    if share.is_some() && role.is_none() && route.canary.is_none() {
        return Err(conflict(format!("the route {} has no canary to send a share to", route.name)));
    }
    if aliases_of(plan, id).next().is_none() {
        return Err(conflict(format!("the route {} serves no alias", route.name)));
    }
    if asked.model_id.is_some() && role.is_none() {
        return Err(bad("a `model_id` is one target's: name its `role`".to_owned()));
    }
    if let (Some(id), Some((_, Some((provider, _))))) = (&asked.model_id, provider)
        && !plan.provider(provider).models.allow(id)
    {
        let provider = &plan.provider(provider).name;
        return Err(conflict(format!(
            "`approved_models` or `blocked_models` of provider {provider} do not let {id:?} through"
        )));
    }
    if asked.timeout_ms.is_some_and(|ms| ms == 0 || ms > LONGEST_TIMEOUT_MS) {
        return Err(bad(format!("`timeout_ms` is 1 to {LONGEST_TIMEOUT_MS}")));
    }
    if asked.retries.is_some_and(|retries| retries > MOST_RETRIES) {
        return Err(bad(format!("`retries` is {MOST_RETRIES} at the most")));
    }
    Ok(Terms {
        check_id: asked.check_id,
        by: asked.by,
        route: asked.route,
        share,
        role,
        model_id: asked.model_id,
        twin: asked.credential == Paying::Twin,
        timeout: asked.timeout_ms.map(Duration::from_millis),
        retries: asked.retries,
    })
}

/// The words that would make these terms.
fn said(terms: &Terms) -> LeaseTerms {
    LeaseTerms {
        route: terms.route.clone(),
        check_id: terms.check_id.clone(),
        by: terms.by.clone(),
        share: terms.share.map(format_share),
        role: terms.role.map(|role| role.as_str().to_owned()),
        model_id: terms.model_id.clone(),
        credential: if terms.twin { Paying::Twin } else { Paying::Good },
        timeout_ms: terms.timeout.map(millis),
        retries: terms.retries,
    }
}

fn role_named(name: &str) -> Result<Role, Refusal> {
    let role = [Role::Primary, Role::Canary, Role::Fallback].into_iter().find(|role| role.as_str() == name);
    role.ok_or_else(|| bad(format!("no `role` is called {name:?}: primary, canary or fallback")))
}

fn shown(attempt: &SeenAttempt) -> Value {
    json!({
        "number": attempt.number,
        "request_id": attempt.request_id,
        "attempt": attempt.attempt,
        "endpoint": attempt.endpoint,
        "route": attempt.route,
        "route_version": attempt.route_version,
        "route_reason": attempt.reason,
        "role": attempt.role.as_str(),
        "provider": attempt.provider,
        "model_id": attempt.model_id,
        "kind": attempt.kind.as_str(),
        "because": attempt.because,
        "status": attempt.status.map(|status| status.as_u16()),
        "error_class": attempt.error_class.map(decisions::ErrorClass::as_str),
        "malformed": attempt.is_malformed(),
        "timed_out": attempt.has_timed_out(),
        "decision": attempt.decision,
        "provider_request_id": attempt.provider_request_id,
        "latency_ms": millis(attempt.elapsed),
        "first_token_ms": attempt.first_token_after.map(millis),
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "usage_source": attempt.usage_source.as_str(),
        "at": jiff::Timestamp::try_from(attempt.at).map(|at| at.to_string()).ok(),
    })
}

/// 128 random bits: whoever has the key of checks shall not find another's lease either.
fn new_id() -> anyhow::Result<String> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow!("{error}"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn refused(why: NoLease) -> Refusal {
    let status = match why {
        NoLease::Unknown => StatusCode::NOT_FOUND,
        NoLease::TooMany => StatusCode::CONFLICT,
    };
    let why = match why {
        NoLease::Unknown => format!("{why}; one holds for {LAPSES_AFTER:?} after it was last renewed"),
        NoLease::TooMany => why.to_string(),
    };
    Refusal { status, why }
}

fn bad(why: String) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, why }
}

fn conflict(why: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::CONFLICT, why: why.into() }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
