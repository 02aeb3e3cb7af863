//! What one request looks like in a line, once it and all its attempts are over. Where a field is also one of its attempts',
//! it has the same name, and says the same as on the span of the request.
//!
//! All of it comes from [`Traced`], which has names of the plan, words of closed sets, numbers and IDs, so nothing that
//! anybody wrote can get in.

use decisions::price::Cost;
use jiff::Timestamp;
use proxy::{AttemptKind, Traced, TracedDecision, UsageSource};
use serde::Serialize;

use crate::request_lines::{in_money, millis, object};

/// The fields, in the order of `telemetry::line_names`.
#[derive(Serialize)]
struct Fields<'r> {
    event: &'static str,
    ts: Option<String>,
    request_id: Option<&'r str>,
    trace_id: Option<String>,
    request_family: &'static str,
    tenant_or_cohort: Option<&'r str>,
    llm_route: Option<&'r str>,
    llm_route_version: &'r str,
    app_model_alias: Option<&'r str>,
    route_reason: Option<&'static str>,
    outcome: Option<&'static str>,
    code: Option<&'static str>,
    attempts: u8,
    provider: Option<&'r str>,
    provider_model: Option<&'r str>,
    target_role: Option<&'static str>,
    provider_request_id: Option<&'r str>,
    http_status: Option<u16>,
    error_class: Option<&'static str>,
    decision: Option<&'static str>,
    retry_count: u8,
    callers_retry_count: Option<u32>,
    fallback_attempted: bool,
    fallback_reason: Option<&'static str>,
    stream: Option<bool>,
    timeout_ms: Option<u128>,
    latency_ms: Option<f64>,
    head_ms: Option<f64>,
    first_token_ms: Option<f64>,
    overhead_ms: Option<f64>,
    request_bytes: Option<u64>,
    answer_bytes: u64,
    input_token_count: Option<u64>,
    output_token_count: Option<u64>,
    cached_token_count: Option<u64>,
    reasoning_token_count: Option<u64>,
    usage_source: &'static str,
    cost: Option<f64>,
    rollback_candidate: Option<&'r str>,
}

/// One JSON object in one line.
pub(super) fn json(traced: &Traced) -> String {
    let plan = traced.snapshot.plan();
    let (end, decision) = (traced.end.as_ref(), traced.decision.as_ref());
    let route = end.and_then(|end| end.route).map(|id| plan.route(id));
    let target = end.and_then(|end| end.target);
    let answered = traced.answered();
    let usage = answered.map(|attempt| attempt.usage).unwrap_or_default();
    let fallback = traced.own_attempts().find(|attempt| attempt.kind == AttemptKind::Fallback);
    let attempts = end.map_or(0, |end| end.attempts);
    object(&Fields {
        event: "request",
        ts: end.and_then(|end| Timestamp::try_from(traced.begun + end.elapsed).ok()).map(|at| at.to_string()),
        request_id: traced.request_id.to_str().ok(),
        trace_id: traced.place.known_trace().map(|id| id.to_string()),
        request_family: end.map_or("other", |end| end.endpoint),
        tenant_or_cohort: end.and_then(|end| end.tenant).map(|id| plan.tenant(id).name.as_str()),
        llm_route: route.map(|route| route.name.as_str()),
        llm_route_version: plan.route_version(),
        app_model_alias: decision.and_then(|decision| decision.alias).map(|id| plan.alias(id).name.as_str()),
        route_reason: decision.map(|decision| decision.reason.as_str()),
        outcome: end.map(|end| end.outcome),
        code: end.and_then(|end| end.code).filter(|code| *code != "ok"),
        attempts,
        provider: target.map(|(provider, _)| plan.provider(provider).name.as_str()),
        provider_model: target.and_then(|(provider, _)| traced.model_id(provider)),
        target_role: target.map(|(_, role)| role.as_str()),
        provider_request_id: answered
            .and_then(|attempt| attempt.provider_request_id.as_ref())
            .and_then(|id| id.to_str().ok()),
        http_status: end.and_then(|end| end.status).map(|status| status.as_u16()),
        error_class: traced
            .own_attempts()
            .filter_map(|attempt| attempt.error_class)
            .next_back()
            .map(|class| class.as_str()),
        decision: answered.or_else(|| traced.own_attempts().next_back()).map(|attempt| attempt.decision),
        retry_count: attempts.saturating_sub(1),
        callers_retry_count: decision.map(|decision| decision.callers_retries),
        fallback_attempted: fallback.is_some(),
        fallback_reason: fallback.and_then(|attempt| attempt.because),
        stream: decision.map(|decision| decision.stream),
        timeout_ms: decision.map(|decision| decision.timeout.as_millis()),
        latency_ms: end.map(|end| millis(end.elapsed)),
        head_ms: end.and_then(|end| end.head_after).map(millis),
        first_token_ms: answered
            .and_then(|attempt| Some(attempt.begun_after + attempt.first_token_after?))
            .map(millis),
        overhead_ms: decision.and_then(|decision| overhead(traced, decision)),
        request_bytes: decision.and_then(|decision| decision.body_bytes).or(traced.announced_bytes),
        answer_bytes: end.map_or(0, |end| end.answer_bytes),
        input_token_count: usage.input,
        output_token_count: usage.output,
        cached_token_count: usage.cached,
        reasoning_token_count: usage.reasoning,
        usage_source: answered.map_or(UsageSource::Unread, |attempt| attempt.usage_source).as_str(),
        cost: cost(traced),
        rollback_candidate: route.map(|route| plan.provider(route.primary).name.as_str()),
    })
}

/// From the end of its body to its first attempt, as the metric has it.
fn overhead(traced: &Traced, decision: &TracedDecision) -> Option<f64> {
    let first = traced.own_attempts().find(|attempt| attempt.number == 1)?;
    Some(millis(first.begun_after.saturating_sub(decision.body_after)))
}

/// What all its attempts cost, as far as somebody knows.
fn cost(traced: &Traced) -> Option<f64> {
    let known = traced.own_attempts().filter_map(|attempt| attempt.cost);
    known.reduce(|Cost(all), Cost(one)| Cost(all.saturating_add(one))).map(in_money)
}
