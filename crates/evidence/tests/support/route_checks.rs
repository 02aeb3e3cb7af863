//! An attempt of a smoke test, and one of a check before rolling forward.

use evidence::{
    Assertion, Decision, Digest, EndpointFamily, Entry, FallbackDecision, ModelAsked, OperatorResult,
    Presence, RequestType, RetryDecision, RollforwardCheck, RollforwardDecision, ShapeSeen, SmokeCheck,
    StatusClass,
};

use super::{at, entry};

/// One of each, recorded from so many milliseconds after noon.
pub(super) fn route_checks(ms: i64) -> Vec<Entry> {
    vec![entry(ms, smoke()), entry(ms + 1, rollforward())]
}

fn smoke() -> SmokeCheck {
    SmokeCheck {
        ts: at(10),
        check_id: "smoke-1".into(),
        review_date: "2026-11-21".into(),
        operator: "kim".into(),
        environment: "production".into(),
        endpoint_family: EndpointFamily::ChatCompletions,
        model_reference: "gpt-5.4".into(),
        request_type: RequestType::HappyPath,
        status_class: StatusClass::Success,
        response_id_present: Presence::True,
        response_object_type: "chat.completion".into(),
        usage_field_present: Presence::True,
        retry_decision: RetryDecision::NoRetry,
        fallback_decision: FallbackDecision::RouteCanary,
        evidence_links: vec!["https://tickets.example/7".into()],
        notes: "a minimal request".into(),
        endpoint_family_because: "the route says so".into(),
        model_alias: "support-summary-v3".into(),
        model_asked: ModelAsked::Current,
        left_out: None,
        token_limit: 64,
        http_status: Some(200),
        finish_state: "stop".into(),
        route: "acme-summaries".into(),
        target: "cometapi/gpt-5.4".into(),
        selected_model_id: Some("gpt-5.4".into()),
        expected_model_selected: true,
        response_accepted: true,
        error_class: None,
        request_id: Some("3f2a9c5be1d04b7786f0c1de52a4b9e7".into()),
        decisions_logged: 1,
        assertions: vec![Assertion { assertion: "one attempt".into(), holds: true }],
        holds: Vec::new(),
        decision: Decision::Proceed,
        next: "drill it".into(),
        config_sha256: Digest::of(b"map"),
    }
}

fn rollforward() -> RollforwardCheck {
    RollforwardCheck {
        ts: at(11),
        check_id: "route-rollforward-check-20261121-1200".into(),
        route_label: "acme-summaries".into(),
        request_family: "chat_completions".into(),
        http_status_class: StatusClass::ClientError,
        response_shape_seen: ShapeSeen::Expected,
        fallback_decision: RollforwardDecision::Stay,
        retry_count: Some(0),
        operator_result: OperatorResult::Pass,
        review_link: "https://tickets.example/7".into(),
        operator: "kim".into(),
        environment: "production".into(),
        request_type: RequestType::ErrorPath,
        http_status: Some(401),
        intended_upstream: "cometapi/gpt-5.4".into(),
        selected_upstream: Some("cometapi/gpt-5.4".into()),
        model_id: Some("gpt-5.4".into()),
        response_id_present: Presence::NotReturned,
        completion_marker: "none".into(),
        usage_field_present: Presence::NotReturned,
        error_class: Some("auth".into()),
        request_id: None,
        decisions_logged: vec!["done".into()],
        assertions: vec![Assertion { assertion: "no retry".into(), holds: true }],
        holds: Vec::new(),
        decision: Decision::Proceed,
        next: "roll forward".into(),
        notes: "refused as it should be".into(),
        config_sha256: Digest::of(b"map"),
    }
}
