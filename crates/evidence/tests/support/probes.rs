//! Records of what was asked of a provider directly.

use evidence::{
    ContractItem, ContractState, Decision, Entry, MatrixCell, PreCutoverCheck, Probe, ProbeResult,
    ProbeSummary,
};

use super::{at, entry};

/// One of each kind, from the given millisecond after noon on.
pub(crate) fn probes(ms: i64) -> [Entry; 3] {
    [entry(ms, probe()), entry(ms + 1, summary()), Entry { route: None, ..entry(ms + 2, item()) }]
}

fn probe() -> Probe {
    Probe {
        ts: at(7),
        check_id: "probe-1".into(),
        environment: Some("production".into()),
        probe: "streaming".into(),
        endpoint_family: "chat".into(),
        provider: "cometapi".into(),
        provider_model_id: Some("gpt-5.4".into()),
        model_alias: Some("support-summary-v3".into()),
        credential: "valid".into(),
        http_status: Some(200),
        status_class: "2xx".into(),
        error_class: Some("truncated".into()),
        error_shape: None,
        latency_ms: 812,
        timeout_ms: 60_000,
        retry_count: 0,
        request_id_present: true,
        request_id_in: Some("x-request-id".into()),
        response_shape_seen: "event_stream".into(),
        response_id_present: true,
        response_object_type: Some("chat.completion.chunk".into()),
        finish_reason: None,
        model_echo: "same".into(),
        missing_fields: vec!["usage".into()],
        usage_field_present: false,
        input_token_count: None,
        output_token_count: None,
        usage_source: "none".into(),
        planned_tokens: 480,
        done_seen: Some(true),
        usage_chunk_seen: Some(false),
        keep_alive_comments: Some(1),
        stream_complete: Some(false),
        connection_closed: None,
        result: ProbeResult::Failed,
        note: "200 with a body of kind event_stream: truncated".into(),
    }
}

fn summary() -> ProbeSummary {
    ProbeSummary {
        ts: at(8),
        check_id: "probe-1".into(),
        environment: None,
        provider: "cometapi".into(),
        provider_model_id: "gpt-5.4".into(),
        model_alias: "support-summary-v3".into(),
        network_path: "straight".into(),
        budget_tokens: 9_000,
        used_tokens: 700,
        probes_sent: 12,
        probes_withheld: 0,
        checks: vec![PreCutoverCheck {
            check: "auth_success".into(),
            pass_condition: "2xx response and parseable body.".into(),
            passed: Some(true),
            result: "2 of 2 families answered".into(),
        }],
        matrix: vec![MatrixCell {
            endpoint_family: "chat".into(),
            feature: "streaming".into(),
            enabled: true,
            result: ProbeResult::Failed,
            error_class: Some("truncated".into()),
            note: "it ended early".into(),
        }],
        decision: Decision::Pause,
        next: vec!["probe again".into()],
        review_link: Some("https://tickets.example/7".into()),
    }
}

fn item() -> ContractItem {
    ContractItem {
        date: at(9),
        check_id: None,
        provider: "cometapi".into(),
        worksheet: "models".into(),
        contract_item: "billing_assumptions".into(),
        state: ContractState::Verified,
        value: "listing is free".into(),
        source: "https://vendor.example/terms".into(),
        verified_by: "dana".into(),
    }
}
