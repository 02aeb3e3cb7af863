//! Every metric of the gateway. No other place names one; `docs/metrics.md` is written from this list.
//!
//! The labels have the names that runbooks and the lines of `--log-requests=json` use. Their values are names of the
//! plan (`llm_route`, `llm_route_version`, `provider`, `tenant`) or from closed sets; what a caller sends is never one. Without
//! `llm_route` it is what no route applies to, or of a route beyond the first so many that were used.

use crate::{Buckets, Family, Kind};

/// The start of every name.
pub const PREFIX: &str = "cometgate_";

/// From 10 ms to 11 minutes, each twice the one before: what OpenTelemetry advises for calls of models, and three more.
pub const DURATIONS: Buckets = Buckets::new(&[
    10_000,
    20_000,
    40_000,
    80_000,
    160_000,
    320_000,
    640_000,
    1_280_000,
    2_560_000,
    5_120_000,
    10_240_000,
    20_480_000,
    40_960_000,
    81_920_000,
    163_840_000,
    327_680_000,
    655_360_000,
]);

/// What OpenTelemetry advises for the time of an output token.
pub const BETWEEN_TOKENS: Buckets = Buckets::new(&[
    10_000, 25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000, 400_000, 500_000, 750_000, 1_000_000,
    2_500_000,
]);

/// From 10 µs to 10 ms: what the gateway itself takes is far below what a provider takes.
pub const OVERHEAD: Buckets =
    Buckets::new(&[10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000, 1_000_000]);

/// The labels of a target.
const TARGET: &[&str] = &["llm_route", "provider", "target_role"];

macro_rules! families {
    ($($id:ident = $kind:expr, $name:literal, $labels:expr, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Family =
                Family { name: concat!("cometgate_", $name), kind: $kind, labels: $labels, help: $help };
        )*

        /// All of them, in the order of the documentation.
        pub static ALL: &[&Family] = &[$(&$id),*];
    };
}

families! {
    REQUESTS = Kind::Counter, "requests_total", &["llm_route", "provider", "target_role", "outcome"],
        "Requests that are over, by who answered (without provider where nobody was asked) and how they ended.";
    REQUEST_ATTEMPTS = Kind::Counter, "request_attempts_total", &["llm_route", "provider", "target_role", "attempts"],
        "The same requests by how many attempts it took; 0 is a request that no target took.";
    REQUEST_DURATION = Kind::Histogram(DURATIONS), "request_duration_seconds", TARGET,
        "From the head of a request to the end of its answer, streams included.";
    REQUESTS_BY_VERSION = Kind::Counter, "requests_by_version_total", &["llm_route_version"],
        "Requests that have begun, by the route map they are decided by; of the map in force, and of those before that still have requests.";
    REQUESTS_IN_FLIGHT = Kind::Gauge, "requests_in_flight", &["llm_route_version"],
        "Requests under way, by the route map they keep to their end.";
    OVERHEAD_SECONDS = Kind::Histogram(OVERHEAD), "gateway_overhead_seconds", &[],
        "From the end of a request's body to its first attempt: what reading, deciding and admitting it takes.";
    BUFFERED_BYTES = Kind::Gauge, "buffered_bytes", &[],
        "Bytes of request bodies held for further attempts; bounded by limits.max_buffered_bytes.";

    ROUTE_DECISIONS = Kind::Counter, "route_decisions_total", &["llm_route", "route_reason"],
        "Why requests are on their side of the route.";
    PASSED_OVER = Kind::Counter, "targets_passed_over_total", &["llm_route", "provider", "target_role", "reason"],
        "Requests that a target did not take, and why: breaker_open, paused, full, or its gate's latched, suspended, unusable.";
    GIVEN_UP = Kind::Counter, "given_up_total", &["llm_route", "reason"],
        "Requests that ended with a failed attempt, and why nothing more was tried.";

    ATTEMPTS = Kind::Counter, "attempts_total",
        &["llm_route", "provider", "target_role", "attempt_kind", "outcome", "error_class"],
        "Attempts that are over: ok, failed with a class, or lost to the hedge beside it.";
    ATTEMPT_DURATION = Kind::Histogram(DURATIONS), "attempt_duration_seconds", TARGET,
        "From sending an attempt to its end.";
    TIME_TO_FIRST_TOKEN = Kind::Histogram(DURATIONS), "time_to_first_token_seconds", TARGET,
        "From sending an attempt to the first content of its streamed answer.";
    TIME_BETWEEN_TOKENS = Kind::Histogram(BETWEEN_TOKENS), "time_between_tokens_seconds", TARGET,
        "Of each streamed answer that came to its end, the mean time between its events with content.";
    TOKENS = Kind::Counter, "tokens_total", &["llm_route", "provider", "target_role", "token_type", "usage_source"],
        "Tokens of attempts, as the provider reported them or, in a stream without usage, estimated; cached is part of input, reasoning of output.";

    COST = Kind::Counter, "cost_total", TARGET,
        "What attempts cost by the prices of the route map, in the money that these are in; nothing for a model without a price.";

    TENANT_REQUESTS = Kind::Counter, "tenant_requests_total", &["tenant", "outcome"],
        "A tenant's requests that are over, by how they ended.";
    TENANT_TOKENS = Kind::Counter, "tenant_tokens_total", &["tenant", "provider", "token_type"],
        "Tokens of all attempts for a tenant's requests, reported or estimated; input includes what was cached, output what was reasoning.";
    TENANT_COST = Kind::Counter, "tenant_cost_total", &["tenant", "provider"],
        "What these tokens cost by the prices of the route map.";

    TARGET_IN_FLIGHT = Kind::Gauge, "target_in_flight", TARGET,
        "Attempts under way at a target.";
    TARGET_LIMIT = Kind::Gauge, "target_limit", TARGET,
        "How many attempts a target takes at once now; without a series nothing limits it.";
    BREAKER_OPEN = Kind::Gauge, "breaker_open", TARGET,
        "1 while a target is passed over for its failures, also while probes find out whether it is well again.";
    BREAKER_OPENED = Kind::Counter, "breaker_opened_total", TARGET,
        "How often the breaker of a target has opened.";
    RETRY_BUDGET = Kind::Gauge, "retry_budget_attempts", TARGET,
        "Retries that a target's budget would pay for now.";
    FALLBACK_BUDGET = Kind::Gauge, "fallback_budget_attempts", TARGET,
        "Fallbacks to a target that its budget would pay for now.";

    SHARE_CONFIGURED = Kind::Gauge, "canary_share_configured_ratio", &["llm_route", "provider"],
        "The canary's share as the map says it, from 0 to 1.";
    SHARE_IN_FORCE = Kind::Gauge, "canary_share_in_force_ratio", &["llm_route", "provider"],
        "The canary's share by which requests are decided now: the map's, or that of its step, or nothing.";
    CANARY_STEP = Kind::Gauge, "canary_step", &["llm_route", "provider"],
        "The step that a canary with steps is at, from 1.";
    CANARY_STEPS = Kind::Gauge, "canary_steps", &["llm_route", "provider"],
        "How many steps it has.";
    ROUTE_HELD = Kind::Gauge, "route_held_by_map", &["llm_route"],
        "1 for a route that stays at its primary because the way back of its map is not proven.";
    GATE_STATE = Kind::Gauge, "gate_state", &["llm_route", "provider", "target_role", "state"],
        "1 for the state that a gate is in: serving, suspended, latched (rolled back for good), unusable.";
    GATE_HELD = Kind::Gauge, "gate_held", &["llm_route", "provider", "target_role", "cause"],
        "1 for each reason for which a gate lets its canary grow no further.";
    GATE_EVIDENCE = Kind::Gauge, "gate_evidence", &["llm_route", "provider", "target_role", "signal"],
        "The e-value against a signal's limit: of so many canaries that keep it, one at most ever shows so much.";
    GATE_TRIPS_AT = Kind::Gauge, "gate_trips_at", &["llm_route", "provider", "target_role", "signal"],
        "The e-value at which the signal trips.";
    GATE_ATTEMPTS = Kind::Gauge, "gate_counted_attempts", &["llm_route", "provider", "target_role", "signal"],
        "Attempts that a gate has counted as evidence for a signal, in this try.";
    GATE_FAILURES = Kind::Gauge, "gate_counted_failures", &["llm_route", "provider", "target_role", "signal"],
        "Those of them that failed by the signal.";
    GATES_KEPT = Kind::Gauge, "gates_kept", &[],
        "1 while what gates decide can be written to the state directory; at 0 canaries are out of traffic.";
    EVIDENCE_RECORDED = Kind::Gauge, "evidence_recorded", &[],
        "1 while decisions can be appended to the store of evidence; at 0 gates act all the same.";
    EVIDENCE_RECORDS = Kind::Counter, "evidence_records_total", &["kind", "outcome"],
        "Records that the running gateway was to write, by what became of them: recorded, refused (too long for the store), lost (the store took none).";
    EVIDENCE_FAILURES = Kind::Counter, "evidence_write_failures_total", &[],
        "Tries to append to the store of evidence that failed; what gates decide waits then, and is tried again every second.";
    EVIDENCE_LAST_FAILURE = Kind::Gauge, "evidence_last_failure_timestamp_seconds", &[],
        "When one last failed.";

    CATALOG_CHECKS = Kind::Counter, "catalog_checks_total", &["provider", "outcome"],
        "Checks of a provider's models endpoint by what came: ok, empty, network, tls, timeout, auth, path_or_method, rate_limited, service, unparsable, other_status or no_key.";
    CATALOG_UP = Kind::Gauge, "catalog_request_success", &["provider"],
        "1 if the last check got a list, be it an empty one.";
    CATALOG_SECONDS = Kind::Gauge, "catalog_request_seconds", &["provider"],
        "How long the last check took, from sending to the last byte.";
    CATALOG_IDENTIFIERS = Kind::Gauge, "catalog_identifiers", &["provider"],
        "Model IDs in the last list that came, each once.";
    CATALOG_LISTED_AT = Kind::Gauge, "catalog_listed_timestamp_seconds", &["provider"],
        "When that came.";
    CATALOG_MISSING = Kind::Gauge, "catalog_configured_missing", &["provider"],
        "Model IDs of the map that the last list that said something of them lacked.";
    CATALOG_SCHEMA_FAILURES = Kind::Counter, "catalog_schema_failures_total", &["provider"],
        "Checks that got a 2xx that is no list of models.";
    CATALOG_AUTH_FAILURES = Kind::Counter, "catalog_auth_failures_total", &["provider"],
        "Checks whose key was refused.";
    CATALOG_CHANGES = Kind::Counter, "catalog_identifier_changes_total", &["provider", "change"],
        "Model IDs that were new in a list, or removed from it, since the one before.";
    CATALOG_ALERT = Kind::Gauge, "catalog_alert", &["provider", "signal", "severity"],
        "1 for each thing that is wrong about a catalog now: high is that two consecutive checks say so.";
    CATALOG_HELD = Kind::Gauge, "catalog_holds_canary", &["llm_route", "provider"],
        "1 for each route whose canary takes no step because a model of it is gone from this provider's list, or not allowed.";
    CHECK_LEASES = Kind::Gauge, "check_leases", &[],
        "Leases of the gateway's own checks that hold.";
    CHECK_REQUESTS = Kind::Counter, "check_requests_total", &["outcome"],
        "Requests of checks that are over: served, or refused without an attempt. They are in no count of a route or target.";
    CHECK_ATTEMPTS = Kind::Counter, "check_attempts_total", &["outcome"],
        "Attempts of checks that are over: ok or failed, as often on purpose.";
    CHECK_RESULTS = Kind::Counter, "check_results_total", &["check", "outcome"],
        "Checks by hand or by schedule that the running gateway was told of, by kind (models, probe, smoke, rollforward, drill, readiness): passed, failed or no_result; one for each route.";
    CHECK_RESULT_AT = Kind::Gauge, "check_result_timestamp_seconds", &["check", "outcome"],
        "When such a check last came to that.";

    ROUTE_MAP = Kind::Gauge, "route_map_info", &["llm_route_version"],
        "1 for the route map in force.";
    RELOADS = Kind::Counter, "reloads_total", &["outcome"],
        "Changes of the files: live (rollback, expired, lapsed say why it was no ordinary change) or refused.";
    FILES_DIFFER = Kind::Gauge, "files_differ", &[],
        "1 while the files say something else than what is in force: they were refused, cannot be read, or have expired.";
    LIVE_SINCE = Kind::Gauge, "route_map_live_timestamp_seconds", &[],
        "When what is in force went live.";
    BUILD = Kind::Gauge, "build_info", &["version"],
        "1 for the version of the program.";
    STARTED = Kind::Gauge, "process_start_timestamp_seconds", &[],
        "When the process started.";
    OTLP_SENT = Kind::Counter, "otlp_sent_items_total", &["signal"],
        "Spans (signal traces) and points (signal metrics) that the OpenTelemetry collector has taken.";
    OTLP_DROPPED = Kind::Counter, "otlp_dropped_items_total", &["signal", "reason"],
        "Those that are lost: queue_full (more came than could wait), undeliverable (the collector was tried in vain), rejected (it took the rest), ending (the process ended first).";
    OTLP_FAILURES = Kind::Counter, "otlp_failures_total", &["signal", "error_class"],
        "Tries at the collector that failed: unreachable, tls, timeout, throttled, server, refused, garbage.";
    OTLP_LAST_SUCCESS = Kind::Gauge, "otlp_last_success_timestamp_seconds", &["signal"],
        "When the collector last took something.";
    SERIES_LEFT = Kind::Gauge, "series_left", &[],
        "How many more routes and targets get series of their own when they are first used; at 0 they count without llm_route.";
    TENANT_SERIES_LEFT = Kind::Gauge, "tenant_series_left", &[],
        "How many more tenants, and providers of a tenant, get series of their own when they are first used; at 0 they count without tenant.";
}
