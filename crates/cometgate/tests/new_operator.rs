//! The whole way of a canary as a new operator would go it, one command each: from a new map that is held, over every check, to
//! traffic, to a gate that trips, and back. What is on record then has every field that the runbooks ask for.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::Value;
use support::admin::CHECK_KEY;
use support::comet::COMPLETION;
use support::world::Held;
use support::{CANARY_KEY, PRIMARY_KEY};

const LINK: &str = "https://tickets.example/REL-7";

impl Held {
    /// Runs a command that has to end well, and returns what it says.
    async fn does(&self, command: &str, more: &[&str]) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        let (code, said, errors) = self.files.run(&[&words[..], more].concat()).await;
        assert_eq!(code, 0, "{command}: {said}{errors}");
        said
    }

    async fn readiness(&self, more: &[&str]) -> (i32, String) {
        let (code, said, errors) =
            self.files.run(&[&["readiness", "the-canary", "--by", "kim"], more].concat()).await;
        (code, said + &errors)
    }

    /// Everything on record, by kind.
    async fn records(&self) -> BTreeMap<String, Vec<Value>> {
        let mut by_kind = BTreeMap::<String, Vec<Value>>::new();
        for line in self.does("evidence export", &[]).await.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            by_kind.entry(record["kind"].as_str().unwrap().to_owned()).or_default().push(record);
        }
        by_kind
    }
}

#[tokio::test]
async fn from_a_new_canary_over_every_check_to_traffic_and_back() {
    let world = Held::start("100%").await;
    assert_eq!(world.program.served_by().await, "primary", "nobody has proven the way back");
    assert_eq!(world.readiness(&[]).await.0, 4);

    world.does("models check", &["--by", "kim", "--negative", "--provider", "cometapi"]).await;
    world.does("models check", &["--by", "kim", "--link", LINK]).await;
    world.does("models diff", &[]).await;
    world.does("models inventory", &[]).await;
    let probe = ["--by", "kim", "--yes", "--contract", "--short-timeout-ms", "20", "--link", LINK];
    world.does("probe", &probe).await;
    for item in [
        "inference.rate_limit_or_billing_assumptions",
        "models.rate_limit_assumptions",
        "models.billing_assumptions",
        "models.logging_policy",
    ] {
        let said = ["said by the vendor", "--source", "https://vendor.example/terms", "--by", "kim"];
        world.does("probe worksheet set", &[&[item][..], &said].concat()).await;
    }
    let reviewed = ["the-canary", "--by", "kim", "--docs-reviewed", "--link", LINK];
    world.does("smoke", &reviewed).await;
    let checked = ["the-canary", "--by", "kim", "--review-link", LINK];
    world.does("rollforward", &checked).await;
    world.does("drill", &["the-canary", "--by", "kim", "--yes", "--requests", "10", "--link", LINK]).await;
    let answers = ["--answer", "watched_metric=CanaryErrors", "--answer", "may_revert=platform"];
    let (code, said) = world.readiness(&answers).await;
    assert_eq!(code, 0, "{said}");

    // The drill has ended the hold.
    world.program.until_served_by("canary").await;
    world.is_ill.store(true, Ordering::Relaxed);
    world.program.until_served_by("primary").await;
    let status = world.does("status", &["the-canary"]).await;
    assert!(status.contains("rolled back"), "{status}");
    let proven = async {
        while !world.does("status", &["the-canary"]).await.contains("rollback proven") {
            // Silence proves nothing.
            assert_eq!(world.program.served_by().await, "primary");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(support::program::PATIENCE, proven).await.unwrap();
    let (code, said, _) = world.files.run(&[&["rollforward"][..], &checked].concat()).await;
    assert_eq!(code, 4, "what is ill is no way forward: {said}");
    world.is_ill.store(false, Ordering::Relaxed);
    world.does("rollforward", &checked).await;
    assert_eq!(world.program.served_by().await, "primary", "no check lets a canary in again");

    world.does("evidence verify", &[]).await;
    let page = world.does("evidence export", &["--markdown"]).await;
    let records = world.records().await;
    let mut missing = Vec::new();
    for (kind, fields) in FIELDS {
        let kept = records.get(*kind).unwrap_or_else(|| panic!("no {kind} is on record"));
        for field in *fields {
            let pointer = format!("/body/{}", field.replace('.', "/"));
            if !kept.iter().any(|record| record.pointer(&pointer).is_some()) {
                missing.push(format!("{kind}: {field}"));
            }
            let name = field.split('.').next().unwrap();
            if name != "rollback_decision" && !page.contains(&format!("| {name} |")) {
                missing.push(format!("the page: {name}"));
            }
        }
    }
    missing.extend(
        evidence::QUESTIONS
            .iter()
            .filter(|(_, question)| !page.contains(question))
            .map(|(name, _)| format!("the page: {name}")),
    );
    assert!(missing.is_empty(), "{missing:#?}");
    let everything = page + &format!("{records:?}");
    for secret in [PRIMARY_KEY, CANARY_KEY, CHECK_KEY, COMPLETION, "COMPLMRK"] {
        assert!(!everything.contains(secret), "{secret} is on record");
    }
}

/// What the runbooks ask for, by the kind of record that has it. What a list holds is asked of its first element.
const FIELDS: &[(&str, &[&str])] = &[
    // 1: the readiness record, and what is to be stored as evidence. 2: logged summaries.
    (
        "readiness",
        &[
            "ts",
            "environment",
            "current.model_id",
            "rollback.model_id",
            "fallback",
            "models_endpoint_checked",
            "current.present",
            "rollback.present",
            "canary_completed",
            "evidence_location",
            "decision",
            "approver",
            "rollback_decision.rolling_back_from",
            "rollback_decision.rolling_back_to",
            "rollback_decision.mapping_approved_by",
            "rollback_decision.rollback_id_last_confirmed",
            "rollback_decision.canary_request",
            "rollback_decision.watched_metric",
            "rollback_decision.may_revert",
            "checks.0.state",
            "next",
        ],
    ),
    (
        "catalog_check",
        &[
            "ts",
            "environment",
            "provider",
            "config_source",
            "command_owner",
            "evidence_location",
            "request_outcome",
            "status",
            "identifier_count",
            "configured_ids_missing",
            "response_sha256",
            "duplicate_count",
            "checks.0.state",
            "models.0.present",
            "negative.0",
            "credential_source",
            "endpoint",
            "decision",
        ],
    ),
    // 3: contract items, probes, the eight checks.
    ("contract_item", &["contract_item", "worksheet", "value", "source", "verified_by", "date"]),
    (
        "probe",
        &[
            "ts",
            "environment",
            "provider",
            "provider_model_id",
            "endpoint_family",
            "error_class",
            "latency_ms",
            "request_id_present",
        ],
    ),
    ("probe_summary", &["decision", "checks.0.check", "checks.0.passed", "matrix.0.feature"]),
    (
        "drill",
        &[
            "route_version",
            "rollback_route_version",
            "changes",
            "steps.0.step",
            "steps.0.approved_by",
            "routes.0.request_count",
            "routes.0.error_count",
            "routes.0.errors",
            "routes.0.p50_ms",
            "routes.0.p95_ms",
            "routes.0.p99_ms",
            "routes.0.timeout_count",
            "routes.0.retry_count",
            "routes.0.malformed_response_count",
            "routes.0.input_token_count",
            "routes.0.output_token_count",
            "queue_depth",
            "attempts.0.route_version",
            "attempts.0.request_id",
            "attempts.0.provider_request_id",
            "attempts.0.latency_ms",
            "attempts.0.http_status",
            "attempts.0.error_class",
            "attempts.0.provider_model",
            "attempts.0.accepted",
            "rollback_validation.0.item",
            "verdict",
            "reason",
            "next",
        ],
    ),
    // 4 and 5: the templates.
    (
        "smoke_check",
        &[
            "review_date",
            "operator",
            "environment",
            "endpoint_family",
            "model_reference",
            "request_type",
            "status_class",
            "response_id_present",
            "response_object_type",
            "usage_field_present",
            "retry_decision",
            "fallback_decision",
            "evidence_links",
            "notes",
        ],
    ),
    (
        "rollforward_check",
        &[
            "check_id",
            "route_label",
            "request_family",
            "http_status_class",
            "response_shape_seen",
            "fallback_decision",
            "retry_count",
            "operator_result",
            "review_link",
        ],
    ),
    ("gate_decision", &["route_version", "target", "verdict", "reason"]),
    ("rollback_proof", &["decision_sequence", "rolled_back_at", "items.0.item", "items.0.state", "verdict"]),
    ("rollback_note", &["by"]),
];
