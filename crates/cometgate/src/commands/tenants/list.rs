//! `cometgate tenants list`: who may call, how much, with which keys; never a key.

use config::{ListedKey, ListedTenant, list_tenants};
use decisions::tenant_limits::TenantLimits;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::{Format, TenantsList};
use crate::commands::tenants::Given;
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &TenantsList) -> Result<(), Failure> {
    let given = Given::of(&options.given.config)?;
    let tenants = list_tenants(given.source()).map_err(Failure::invalid)?;
    let now = Timestamp::now();
    match options.given.format {
        Format::Json => {
            let tenants: Vec<_> = tenants.iter().map(|tenant| to_json(tenant, now)).collect();
            terminal::result(&json!(tenants).to_string());
        }
        Format::Text => {
            for tenant in &tenants {
                print(tenant, now);
            }
            if tenants.is_empty() {
                terminal::say("there are no tenants; `cometgate tenants add NAME` makes one");
            }
        }
    }
    Ok(())
}

fn print(tenant: &ListedTenant, now: Timestamp) {
    terminal::result(&format!("{}: {}", tenant.name, limits(&tenant.limits)));
    for key in &tenant.keys {
        terminal::result(&format!("  {}", describe(key, now)));
    }
    if tenant.keys.is_empty() {
        terminal::result("  no keys");
    }
}

/// One key on one line.
pub(super) fn describe(key: &ListedKey, now: Timestamp) -> String {
    let name = key.name.as_deref().unwrap_or("(no name)");
    let end = match key.expires_at {
        None => "does not expire".to_owned(),
        Some(end) if end <= now => format!("expired {end}"),
        Some(end) => format!("expires {end}"),
    };
    format!("{name:<20} {}  {end}", key.hash_beginning())
}

fn limits(limits: &TenantLimits) -> String {
    let each = [
        limits.requests_per_minute.map(|most| format!("{most} requests per minute")),
        limits.tokens_per_minute.map(|most| format!("{most} tokens per minute")),
        limits.max_concurrent_requests.map(|most| format!("{most} requests at one time")),
    ];
    let each: Vec<String> = each.into_iter().flatten().collect();
    if each.is_empty() { "no limits".to_owned() } else { each.join(", ") }
}

fn to_json(tenant: &ListedTenant, now: Timestamp) -> serde_json::Value {
    let key = |key: &ListedKey| {
        json!({
            "name": key.name,
            "sha256_begins": key.hash_beginning(),
            "expires_at": key.expires_at.map(|end| end.to_string()),
            "expired": key.expires_at.is_some_and(|end| end <= now),
        })
    };
    json!({
        "name": tenant.name,
        "keys": tenant.keys.iter().map(key).collect::<Vec<_>>(),
        "requests_per_minute": tenant.limits.requests_per_minute,
        "tokens_per_minute": tenant.limits.tokens_per_minute,
        "max_concurrent_requests": tenant.limits.max_concurrent_requests,
        "allowed_aliases": tenant.allowed_aliases,
        "allowed_providers": tenant.allowed_providers,
        "priority": tenant.priority,
    })
}
