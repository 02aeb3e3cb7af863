//! Every field of the lines of `--log-requests=json`. `docs/log-lines.md` is written from this list, and a test holds the
//! lines to it.
//!
//! Names are a contract: collectors and queries are written against them. What a span or a metric has too has the same
//! name there, without the `cometgate.` that OpenTelemetry asks for.

use crate::span_names::{Attribute, On};

const fn field(name: &'static str, on: On, help: &'static str) -> Attribute {
    Attribute { name, on, help }
}

/// All fields, in the order in which they stand in a line.
pub static FIELDS: &[Attribute] = &[
    field("event", On::Both, "`attempt` or `request`."),
    field("ts", On::Both, "When it was over, RFC 3339 in UTC."),
    field("request_id", On::Both, "`x-cometgate-request-id`; the same for a request and all its attempts."),
    field(
        "trace_id",
        On::Both,
        "The trace that they are in: the caller's, or one of the gateway's own where it [makes traces](traces.md).",
    ),
    field(
        "request_family",
        On::Both,
        "What was called, for example `chat`; `other` for a path that is not routed by model.",
    ),
    field(
        "tenant_or_cohort",
        On::Both,
        "The tenant, by its name in the tenants file; `cometgate-checks` for the gateway's own [checks](adr/0025-checks.md).",
    ),
    field("llm_route", On::Both, "The route."),
    field("llm_route_version", On::Both, "The `route_version` of the map that the request was served by."),
    field("app_model_alias", On::Both, "The alias that was asked for; `null` for any other model."),
    field(
        "route_reason",
        On::Both,
        "Why the request is on its side of the route, as in `routes explain`; `latched`, `suspended` or `unusable` where the [gate](gates.md) of its target has sent it home; `check` where a [check](adr/0025-checks.md) has named the target.",
    ),
    field(
        "outcome",
        On::Request,
        "How it ended: `ok`, `provider_error`, `refused`, `shed`, `failed`, `cut` or `client_gone`, as the [metrics](metrics.md#all-of-them) have it.",
    ),
    field(
        "code",
        On::Request,
        "The gateway's own answer, by the [`code`](configuration.md#errors) of its errors; `null` where a provider's was passed on.",
    ),
    field("attempts", On::Request, "How many attempts were made, without [copies](configuration.md#copies)."),
    field("attempt", On::Attempt, "Its number, from 1."),
    field(
        "attempt_kind",
        On::Attempt,
        "`first`, `retry` (the same target again), `fallback` (the next one), `hedge` (beside a slow one) or `mirror` (a [copy](configuration.md#copies), in no count of its request).",
    ),
    field("provider", On::Both, "Where the attempt went; of a request, who answered, or who was asked last."),
    field(
        "provider_model",
        On::Both,
        "The model ID that the provider was sent; `null` where the request went on as it came.",
    ),
    field("target_role", On::Both, "`primary`, `canary` or `fallback`."),
    field(
        "provider_request_id",
        On::Both,
        "The provider's own ID of the attempt; of a request, of the one that answered.",
    ),
    field(
        "http_status",
        On::Both,
        "Of the provider's answer; of a request, what the caller was told; `null` where there was none.",
    ),
    field(
        "error_class",
        On::Both,
        "The [failure](configuration.md#routes), `client_gone` where the caller left, `null` for a success; of a request, of its last attempt that failed, also where another then succeeded.",
    ),
    field(
        "decision",
        On::Both,
        "`done`; `retry` or `fallback`, which is then made; or why nothing more was tried: `committed` (the answer had begun), `not_named`, `no_target`, `limit_reached`, `told_not_to` (by the provider), `no_time`, `budget_spent`, `client_gone`; `hedge`, `hedge_failed`, `hedge_lost` where two ran side by side; `mirror` of a copy that failed, `client_gone` of one that was cut off. Of a request, of the attempt that answered, or of the last.",
    ),
    field(
        "retry_count",
        On::Both,
        "How many attempts of the request came before; of a request, how many came after the first.",
    ),
    field("callers_retry_count", On::Both, "How often the caller says to have tried before."),
    field("fallback_attempted", On::Both, "Whether it is a fallback; of a request, whether there was one."),
    field(
        "fallback_reason",
        On::Both,
        "After which failure; `breaker_open`, `full`, or what its [gate](gates.md) says (`latched`, `suspended`, `unusable`) where the target before was passed over.",
    ),
    field("stream", On::Request, "Whether a stream was asked for."),
    field(
        "timeout_ms",
        On::Both,
        "How long the attempt could take to begin its answer; of a request, its route's.",
    ),
    field(
        "latency_ms",
        On::Both,
        "From sending to its end; of a request, from its head to the end of its answer.",
    ),
    field("head_ms", On::Both, "Likewise to the head of the answer."),
    field("first_token_ms", On::Both, "Likewise to the first content of a stream."),
    field(
        "overhead_ms",
        On::Request,
        "From the end of its body to its first attempt: what reading, deciding and admitting it took.",
    ),
    field(
        "request_bytes",
        On::Request,
        "How long its body is; of what goes on as it arrives, as the caller has announced it.",
    ),
    field(
        "answer_bytes",
        On::Request,
        "How much of the answer's body was there, as whoever gave it has sent it.",
    ),
    field(
        "input_token_count",
        On::Both,
        "As far as known; of a request, those of the attempt that answered.",
    ),
    field("output_token_count", On::Both, "Likewise."),
    field("cached_token_count", On::Both, "Part of `input_token_count`."),
    field("reasoning_token_count", On::Both, "Part of `output_token_count`."),
    field(
        "usage_source",
        On::Both,
        "`reported` by the provider; `estimated`: one token for each event with content; `unread`.",
    ),
    field(
        "cost",
        On::Both,
        "What its tokens cost by the map's [prices](configuration.md#prices), in the money that these are in, `null` for a model without a price; of a request, all its attempts together, without copies.",
    ),
    field(
        "possibly_billed",
        On::Attempt,
        "It failed after the provider had the whole request and had not refused it.",
    ),
    field(
        "rollback_candidate",
        On::Both,
        "The route's primary: where the request would have gone without the canary.",
    ),
];
