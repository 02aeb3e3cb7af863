//! What one attempt looks like in a line: its fields under the names that operators' runbooks use.

use proxy::{AttemptKind, AttemptRecord};
use serde::Serialize;

use crate::request_lines::{in_money, millis, object};

/// The fields, in the order of `telemetry::line_names`. Names are a contract: collectors and queries are written against
/// them.
#[derive(Serialize)]
struct Fields<'r> {
    event: &'static str,
    ts: String,
    request_id: &'r str,
    trace_id: Option<String>,
    request_family: &'r str,
    tenant_or_cohort: &'r str,
    llm_route: Option<&'r str>,
    llm_route_version: &'r str,
    app_model_alias: Option<&'r str>,
    route_reason: &'static str,
    attempt: u8,
    attempt_kind: &'static str,
    provider: &'r str,
    provider_model: Option<&'r str>,
    target_role: &'static str,
    provider_request_id: Option<&'r str>,
    http_status: Option<u16>,
    error_class: Option<&'static str>,
    /// What was decided after it.
    decision: &'static str,
    /// Attempts of this request before it, and how often the caller had tried before.
    retry_count: u8,
    callers_retry_count: u32,
    fallback_attempted: bool,
    fallback_reason: Option<&'static str>,
    timeout_ms: u128,
    latency_ms: f64,
    head_ms: Option<f64>,
    first_token_ms: Option<f64>,
    input_token_count: Option<u64>,
    output_token_count: Option<u64>,
    cached_token_count: Option<u64>,
    reasoning_token_count: Option<u64>,
    usage_source: &'static str,
    cost: Option<f64>,
    possibly_billed: bool,
    /// Where the request would have gone had the route been rolled back.
    rollback_candidate: Option<&'r str>,
}

/// One JSON object in one line.
pub(super) fn json(record: &AttemptRecord<'_>) -> String {
    let plan = record.snapshot.plan();
    let route = record.route.map(|id| plan.route(id));
    let is_fallback = record.kind == AttemptKind::Fallback;
    object(&Fields {
        event: "attempt",
        ts: jiff::Timestamp::now().to_string(),
        request_id: record.request_id,
        trace_id: record.trace_id.map(|id| id.to_string()),
        request_family: record.endpoint,
        tenant_or_cohort: &plan.tenant(record.tenant).name,
        llm_route: route.map(|route| route.name.as_str()),
        llm_route_version: plan.route_version(),
        app_model_alias: record.alias,
        route_reason: record.reason.as_str(),
        attempt: record.number,
        attempt_kind: record.kind.as_str(),
        provider: &plan.provider(record.provider).name,
        provider_model: record.model_id,
        target_role: record.role.as_str(),
        provider_request_id: record.provider_request_id,
        http_status: record.status.map(|status| status.as_u16()),
        error_class: record.error_class.map(|class| class.as_str()),
        decision: record.decision,
        retry_count: record.number.saturating_sub(1),
        callers_retry_count: record.callers_retries,
        fallback_attempted: is_fallback,
        fallback_reason: record.because.filter(|_| is_fallback),
        timeout_ms: record.timeout.as_millis(),
        latency_ms: millis(record.elapsed),
        head_ms: record.head_after.map(millis),
        first_token_ms: record.first_token_after.map(millis),
        input_token_count: record.usage.input,
        output_token_count: record.usage.output,
        cached_token_count: record.usage.cached,
        reasoning_token_count: record.usage.reasoning,
        usage_source: record.usage_source.as_str(),
        cost: record.cost.map(in_money),
        possibly_billed: record.possibly_billed,
        rollback_candidate: route.map(|route| plan.provider(route.primary).name.as_str()),
    })
}

/// For people, before the line of the request: what failed, and what was done about it.
pub(super) fn text(record: &AttemptRecord<'_>) -> String {
    let plan = record.snapshot.plan();
    let status = record.status.map_or_else(String::new, |status| format!(" {}", status.as_u16()));
    format!(
        "{}  attempt {} ({}) at {} ({}){status}: {} after {:.1} ms, then: {}",
        jiff::Zoned::now().strftime("%H:%M:%S%.3f"),
        record.number,
        record.kind.as_str(),
        plan.provider(record.provider).name,
        record.role.as_str(),
        record.error_class.map_or("-", |class| class.as_str()),
        record.elapsed.as_secs_f64() * 1000.0,
        record.decision,
    )
}
