//! Records to write, and the counts of long runs.
#![allow(dead_code, reason = "each test uses some of it")]

mod drills;
mod probes;

use evidence::{
    Acts, CatalogCheck, CatalogDrift, CatalogModel, Check, CheckState, Decision, Digest, Entry, Exact,
    Feature, GateAction, GateDecision, GateLogSegment, Moment, OperatorAction, OperatorVerb, Override,
    ProofItem, ProofState, RollbackDecision, RollbackProof, Scope, StepDecision, Verdict,
};

pub(crate) const NOON: i64 = 1_795_262_400_000;

/// `short`, or `long` with `COMETGATE_FULL=1`.
pub(crate) fn count(short: u32, long: u32) -> u32 {
    if std::env::var_os("COMETGATE_FULL").is_some() { long } else { short }
}

pub(crate) fn at(ms: i64) -> Moment {
    Moment::from_ms(NOON + ms)
}

/// An entry about the route `acme-summaries`, recorded `ms` after noon.
pub(crate) fn entry(ms: i64, body: impl Into<evidence::Body>) -> Entry {
    Entry {
        at: at(ms),
        route: Some("acme-summaries".into()),
        route_version: Some("2026-11-21.2".into()),
        map_sha256: Some(Digest::of(b"map")),
        by: "gate".into(),
        body: body.into(),
    }
}

pub(crate) fn gate_decision(n: u64) -> GateDecision {
    GateDecision {
        ts: at(0),
        check_id: format!("gate-{n}").into(),
        route_version: "2026-11-21.2".into(),
        rollback_route_version: Some("2026-11-21.1".into()),
        target: "cometapi/gpt-5.4".into(),
        signal: Some("hard_failure".into()),
        verdict: Verdict::Rollback,
        e_value: Exact(0.1 + 0.2 + n as f64),
        relative_e_value: Some(Exact(f64::INFINITY)),
        alpha: Exact(0.004),
        theta: Exact(0.02),
        n,
        failures: n / 2,
        control_n: 0,
        control_failures: 0,
        window_start: at(-60_000),
        scope: Scope::Local,
        replica: "gateway-0".into(),
        config_sha256: Digest::of(b"map"),
        reason: "over_limit".into(),
        action: GateAction::Latch,
        mode: Acts::Act,
        share_ppm: Some(50_000),
        measured_share: Exact(0.05),
        tenant_hash: None,
        page: true,
        clock_ms: 60_000,
        told: 12,
        gate: Some("6f1d".into()),
        run: Some("00000000000000aa".into()),
        event: Some(12),
    }
}

pub(crate) fn operator_action() -> OperatorAction {
    OperatorAction {
        ts: at(5),
        check_id: "by-hand-1".into(),
        action: OperatorVerb::Rollback,
        by: "dana".into(),
        reason: "answers look | wrong\n<script>".into(),
        route_version: "2026-11-21.2".into(),
        rollback_route_version: None,
        target: "cometapi/gpt-5.4".into(),
        generation: Some(1),
        changed: true,
        from_share_ppm: Some(50_000),
        to_share_ppm: Some(0),
        config_sha256: Digest::of(b"map"),
        rollback_decision: Some(RollbackDecision {
            rolling_back_from: Some("gpt-5.4".into()),
            ..RollbackDecision::default()
        }),
    }
}

/// One of each kind.
pub(crate) fn one_of_each() -> Vec<Entry> {
    let step = StepDecision {
        ts: at(2),
        check_id: "step-1".into(),
        route_version: "2026-11-21.2".into(),
        target: "cometapi/gpt-5.4".into(),
        verdict: Verdict::Promote,
        from_step: 0,
        to_step: 1,
        from_share_ppm: 10_000,
        to_share_ppm: 50_000,
        e_value: Exact(21.7),
        alpha: Exact(0.05),
        theta: Exact(0.02),
        n: 167,
        failures: 0,
        dwell_ms: 600_000,
        required_dwell_ms: 600_000,
        tenants: 3,
        required_tenants: 3,
        features: vec![Feature { feature: "streaming".into(), passed: 20, required: 20 }],
        checks: vec![Check { check: "drill".into(), state: CheckState::Passed, sequence: Some(1) }],
        config_sha256: Digest::of(b"map"),
        reason: "enough".into(),
        missing: Vec::new(),
        mode: Acts::Observe,
        clock_ms: 600_000,
        gate: Some("6f1d".into()),
        run: Some("00000000000000aa".into()),
        event: Some(700),
    };
    let proof = RollbackProof::new(at(3), "gate-1".into(), "2026-11-21.2".into(), "cometapi/gpt-5.4".into())
        .with_items(vec![ProofItem {
            item: "in_flight".into(),
            state: ProofState::Remaining,
            expected: Some(Exact(0.0)),
            observed: Some(Exact(3.0)),
            unit: Some("requests".into()),
            since: None,
            note: None,
        }]);
    let segment = GateLogSegment {
        ts: at(4),
        gate: "6f1d".into(),
        file: "0000000001.gatelog".into(),
        sha256: Digest::of(b"segment"),
        bytes: 4096,
        first_event: 1,
        events: 80,
        missing: 0,
        began_at: at(-5),
    };
    let overridden = Override {
        ts: at(6),
        check_id: "override-1".into(),
        what: "drill".into(),
        by: "dana".into(),
        incident: "INC-7".into(),
        reason: "primary is down".into(),
        until: at(3_600_000),
        route_version: None,
        config_sha256: None,
    };
    let mut entries = vec![
        entry(1, gate_decision(1)),
        entry(2, step),
        entry(3, operator_action()),
        entry(4, proof),
        Entry { route: None, ..entry(5, segment) },
        entry(6, overridden),
    ];
    entries.extend(probes::probes(7));
    entries.extend(of_catalogs());
    entries.extend(drills::drills(20));
    entries
}

/// What a provider lists.
fn of_catalogs() -> [Entry; 2] {
    let catalog = CatalogCheck {
        ts: at(7),
        check_id: "catalog-1".into(),
        provider: "cometapi".into(),
        request_outcome: "ok".into(),
        status: Some(200),
        identifier_count: Some(301),
        response_sha256: Some(Digest::of(b"list")),
        models: vec![CatalogModel {
            model_id: "gpt-5.4".into(),
            used_as: "canary".into(),
            present: Some(false),
            approved: None,
            blocked: false,
            case_near_miss: true,
            look_alike: false,
        }],
        decision: Decision::Pause,
        ..CatalogCheck::default()
    };
    let drift = CatalogDrift {
        ts: at(8),
        check_id: "drift-1".into(),
        environment: Some("production".into()),
        provider: "cometapi".into(),
        config_source: "routes.toml".into(),
        command_owner: "dana".into(),
        evidence_location: None,
        since: at(-60),
        identifiers_before: 300,
        identifier_count: 301,
        identifiers_sha256_before: Digest::of(b"before"),
        identifiers_sha256: Digest::of(b"now"),
        new: 2,
        removed: 1,
        renamed_looking: 0,
        case_only: 0,
        alias_like: 1,
        gone_in_use: vec!["gpt-5.4".into()],
        diff_summary: "2 new, 1 removed".into(),
        severity: "high".into(),
    };
    [Entry { route: None, ..entry(7, catalog) }, Entry { route: None, ..entry(8, drift) }]
}
