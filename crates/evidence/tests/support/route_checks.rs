//! Records of checks of a route through the running gateway.

use evidence::{
    Assertion, Decision, Digest, EndpointFamily, Entry, FallbackDecision, ModelAsked, OperatorResult,
    Presence, RequestType, RetryDecision, RollforwardCheck, RollforwardDecision, ShapeSeen, SmokeCheck,
    StatusClass,
};

use super::{at, entry};

/// One of each kind, from the given millisecond after noon on.
pub(crate) fn route_checks(ms: i64) -> [Entry; 2] {
    [entry(ms, smoke()), entry(ms + 1, rollforward())]
}

fn asserted(assertion: &str, holds: bool) -> Vec<Assertion> {
    vec![Assertion { assertion: assertion.into(), holds }]
}

fn smoke() -> SmokeCheck {
    SmokeCheck {
        ts: at(10),
        check_id: "smoke-acme-summaries-20261121-120000".into(),
        review_date: "2026-11-21".into(),
        operator: "kim".into(),
        environment: "staging".into(),
        endpoint_family: EndpointFamily::ChatCompletions,
        model_reference: "gpt-5.4".into(),
        request_type: RequestType::ErrorPath,
        status_class: StatusClass::ServerError,
        response_id_present: Presence::False,
        response_object_type: "not_returned".into(),
        usage_field_present: Presence::NotReturned,
        retry_decision: RetryDecision::NoRetry,
        fallback_decision: FallbackDecision::KeepPrimary,
        evidence_links: vec!["https://tickets.example/INC-7".into()],
        notes: "status 500, classed as validation; one attempt".into(),
        endpoint_family_because: "`--endpoint chat` says so".into(),
        model_alias: "support-summary-v3".into(),
        model_asked: ModelAsked::Rollback,
        left_out: Some("messages".into()),
        token_limit: 128,
        http_status: Some(500),
        finish_state: "not_returned".into(),
        route: "acme-summaries".into(),
        target: "canary cometapi".into(),
        selected_model_id: Some("gpt-5.4".into()),
        expected_model_selected: true,
        response_accepted: false,
        error_class: Some("validation".into()),
        request_id: Some("3f2a9c5be1d04b77".into()),
        decisions_logged: 1,
        assertions: asserted("enough_context_to_repeat", true),
        holds: vec!["documentation_not_reviewed".into()],
        decision: Decision::Pause,
        next: "change no route".into(),
        config_sha256: Digest::of(b"map"),
    }
}

fn rollforward() -> RollforwardCheck {
    RollforwardCheck {
        ts: at(11),
        check_id: "route-rollforward-check-20261121-1200".into(),
        route_label: "not_seen".into(),
        request_family: "responses".into(),
        http_status_class: StatusClass::NetworkError,
        response_shape_seen: ShapeSeen::Unexpected,
        fallback_decision: RollforwardDecision::Hold,
        retry_count: None,
        operator_result: OperatorResult::Fail,
        review_link: "https://tickets.example/INC-7".into(),
        operator: "kim".into(),
        environment: "staging".into(),
        request_type: RequestType::HappyPath,
        http_status: None,
        intended_upstream: "canary cometapi".into(),
        selected_upstream: None,
        model_id: None,
        response_id_present: Presence::NotReturned,
        completion_marker: "not_returned".into(),
        usage_field_present: Presence::NotReturned,
        error_class: Some("connect".into()),
        request_id: None,
        decisions_logged: Vec::new(),
        assertions: asserted("response_is_parseable", false),
        holds: vec!["decision_not_logged".into()],
        decision: Decision::Escalate,
        next: "hold the rollforward".into(),
        notes: "no status; no attempt is in the decision log".into(),
        config_sha256: Digest::of(b"map"),
    }
}
