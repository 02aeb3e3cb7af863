//! A drill, a readiness record and the answers of a person.

use evidence::{
    Decision, Digest, Drill, DrillAttempt, DrillChange, DrillOutcome, DrillRoute, DrillStep, Entry,
    ErrorCount, Readiness, ReadinessItem, ReadinessModel, ReadinessState, RollbackDecision, RollbackNote,
};

use super::{at, entry};

/// One of each, recorded from so many milliseconds after noon.
pub(super) fn drills(ms: i64) -> Vec<Entry> {
    vec![entry(ms, drill()), entry(ms + 1, readiness()), entry(ms + 2, note())]
}

fn drill() -> Drill {
    let step = DrillStep {
        step: "canary_cohort".into(),
        outcome: DrillOutcome::Passed,
        began_at: Some(at(1)),
        ended_at: Some(at(2)),
        approved_by: Some("kim".into()),
        requests: 50,
        note: None,
    };
    let change =
        DrillChange { at: at(1), route_version: "2026-11-21.2".into(), to: "20% to the canary".into() };
    let route = DrillRoute {
        role: "canary".into(),
        target: "cometapi/gpt-5.4".into(),
        request_count: 10,
        attempt_count: 11,
        error_count: 1,
        errors: vec![ErrorCount { error_class: "reset".into(), count: 1 }],
        p50_ms: Some(400),
        p95_ms: Some(900),
        p99_ms: Some(950),
        timeout_count: 0,
        retry_count: 1,
        fallback_count: 0,
        malformed_response_count: 0,
        input_token_count: 200,
        output_token_count: 90,
        usage_missing_count: 0,
    };
    let attempt = DrillAttempt {
        step: "canary_cohort".into(),
        route_version: "2026-11-21.2".into(),
        request_id: "3f2a9c5be1d04b7786f0c1de52a4b9e7".into(),
        provider_request_id: Some("req_1".into()),
        role: "canary".into(),
        kind: "first".into(),
        latency_ms: 400,
        http_status: Some(200),
        error_class: None,
        provider_model: Some("gpt-5.4".into()),
        input_token_count: Some(20),
        output_token_count: Some(9),
        accepted: Some(true),
    };
    Drill {
        ts: at(7),
        check_id: "drill-1".into(),
        began_at: at(0),
        by: "kim".into(),
        link: Some("https://tickets.example/7".into()),
        environment: Some("production".into()),
        route_version: "2026-11-21.2".into(),
        config_sha256: Digest::of(b"map"),
        rollback_route_version: "2026-11-21.1".into(),
        rollback_config_sha256: Digest::of(b"old map"),
        role: "canary".into(),
        target: "cometapi/gpt-5.4".into(),
        prior_target: "openai/gpt-5.4".into(),
        identity: "5d1f0f7cbc24e2a1".into(),
        generation: 1,
        requests: 50,
        share_ppm: 200_000,
        while_live: false,
        rollback_model_id: None,
        outcome: DrillOutcome::Passed,
        verdict: Decision::Proceed,
        reason: "every step was clean".into(),
        next: "raise the share".into(),
        stop_conditions: vec!["any malformed answer".into()],
        steps: vec![step],
        changes: vec![change],
        routes: vec![route],
        queue_depth: 1,
        accepted_count: 10,
        rejected_count: 0,
        rollback_validation: Vec::new(),
        attempts: vec![attempt],
        attempts_left_out: 0,
    }
}

fn readiness() -> Readiness {
    let check = ReadinessItem {
        check: "drill".into(),
        state: ReadinessState::Fresh,
        last_at: Some(at(7)),
        max_age_s: 2_592_000,
        evidence: Some(7),
        note: None,
    };
    let model = ReadinessModel {
        model_id: Some("gpt-5.4".into()),
        provider: Some("cometapi".into()),
        present: Some(true),
    };
    Readiness {
        ts: at(8),
        check_id: "readiness-1".into(),
        environment: Some("production".into()),
        route_version: "2026-11-21.2".into(),
        config_sha256: Digest::of(b"map"),
        rollback_route_version: Some("2026-11-21.1".into()),
        current: model.clone(),
        rollback: model,
        fallback: ReadinessModel::default(),
        models_endpoint_checked: true,
        canary_completed: true,
        evidence_location: "records 7".into(),
        checks: vec![check],
        rollback_decision: RollbackDecision::default(),
        decision: Decision::Pause,
        reason: "questions are open".into(),
        next: vec!["answer them".into()],
        approver: None,
    }
}

fn note() -> RollbackNote {
    let rollback_decision =
        RollbackDecision { may_revert: Some("platform-oncall".into()), ..RollbackDecision::default() };
    RollbackNote {
        ts: at(9),
        check_id: "note-1".into(),
        by: "kim".into(),
        route_version: "2026-11-21.2".into(),
        config_sha256: Digest::of(b"map"),
        rollback_decision,
    }
}
