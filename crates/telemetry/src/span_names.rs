//! Every name that a span of the gateway has: of its attributes, of its events. No other place names one; `docs/traces.md`
//! is written from these lists.
//!
//! Three kinds of names, in this order of preference: the fields of the operators' runbooks, as `--log-requests=json` and
//! the metrics have them; OpenTelemetry's conventions, pinned to v1.41.1, the last release of the main repository that has
//! the GenAI ones (all of them are still in development, so a later release renames them); and `cometgate.*` for what has
//! neither.

/// An attribute.
#[derive(Debug)]
pub struct Attribute {
    /// As it stands on the span.
    pub name: &'static str,
    /// Where it stands.
    pub on: On,
    /// What it says, in one sentence.
    pub help: &'static str,
}

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// On the span of a request.
    Request,
    /// On the span of an attempt.
    Attempt,
    /// On both.
    Both,
    /// On events.
    Event,
}

impl On {
    /// As the documentation says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            On::Request => "request",
            On::Attempt => "attempt",
            On::Both => "both",
            On::Event => "event",
        }
    }
}

/// Something that happened at one moment of a span.
#[derive(Debug)]
pub struct EventName {
    /// As it stands on the span.
    pub name: &'static str,
    /// On which span, and what it says, in one sentence.
    pub help: &'static str,
}

/// Which conventions the names of OpenTelemetry are of.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.1";

macro_rules! attributes {
    ($($id:ident = $name:literal, $on:ident, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Attribute = Attribute { name: $name, on: On::$on, help: $help };
        )*

        /// All attributes, in the order of the documentation.
        pub static ATTRIBUTES: &[&Attribute] = &[$(&$id),*];
    };
}

macro_rules! events {
    ($($id:ident = $name:literal, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: EventName = EventName { name: $name, help: $help };
        )*

        /// All events, in the order of the documentation.
        pub static EVENTS: &[&EventName] = &[$(&$id),*];
    };
}

attributes! {
    LLM_ROUTE = "llm_route", Both, "The route.";
    LLM_ROUTE_VERSION = "llm_route_version", Both, "The `route_version` of the map that the request was served by.";
    PROVIDER = "provider", Both, "Where the attempt went; of a request, who answered.";
    PROVIDER_MODEL = "provider_model", Both, "The model ID that the provider was sent; absent where the request went on as it came.";
    APP_MODEL_ALIAS = "app_model_alias", Both, "The alias that was asked for; absent for any other model.";
    REQUEST_ID = "request_id", Both, "`x-cometgate-request-id`.";
    PROVIDER_REQUEST_ID = "provider_request_id", Both, "The provider's own ID of the attempt; of a request, of the one that answered.";
    TENANT_OR_COHORT = "tenant_or_cohort", Both, "The tenant.";
    HTTP_STATUS = "http_status", Both, "Of the provider's answer; of a request, what the caller was told.";
    ERROR_CLASS = "error_class", Both, "The class of the failure; of a request, of its last attempt that failed.";
    RETRY_COUNT = "retry_count", Both, "How many attempts of the request came before; of a request, how many came after the first.";
    FALLBACK_ATTEMPTED = "fallback_attempted", Both, "Whether it is a fallback; of a request, whether there was one.";
    FALLBACK_REASON = "fallback_reason", Both, "After which failure, or why the target before was passed over.";
    TIMEOUT_MS = "timeout_ms", Both, "How long the attempt could take to begin its answer; of a request, its route's.";
    LATENCY_MS = "latency_ms", Both, "From its beginning to its end.";
    INPUT_TOKEN_COUNT = "input_token_count", Both, "As far as known; of a request, those of the attempt that answered.";
    OUTPUT_TOKEN_COUNT = "output_token_count", Both, "Likewise.";
    USAGE_SOURCE = "usage_source", Both, "`reported` by the provider, `estimated`: one token for each event with content, or `unread`.";
    ROLLBACK_CANDIDATE = "rollback_candidate", Both, "The route's primary: where the request would have gone without the canary.";
    ROUTE_REASON = "route_reason", Both, "Why the request is on its side of the route, as in `routes explain`.";

    HTTP_REQUEST_METHOD = "http.request.method", Both, "The method; `_OTHER` for one that is not known.";
    HTTP_ROUTE = "http.route", Request, "The path of a routed endpoint; no other path is named, as it may hold an ID.";
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code", Both, "As `http_status`.";
    HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count", Attempt, "Its place after the first attempt.";
    ERROR_TYPE = "error.type", Both, "`error_class` of an attempt; of a request how it ended, where that was no success.";
    SERVER_ADDRESS = "server.address", Attempt, "The provider's host.";
    SERVER_PORT = "server.port", Attempt, "The provider's port.";
    GEN_AI_OPERATION_NAME = "gen_ai.operation.name", Attempt, "`chat`, `text_completion` or `embeddings`; for other endpoints their name.";
    GEN_AI_PROVIDER_NAME = "gen_ai.provider.name", Attempt, "As `provider`.";
    GEN_AI_REQUEST_MODEL = "gen_ai.request.model", Attempt, "As `provider_model`.";
    GEN_AI_REQUEST_STREAM = "gen_ai.request.stream", Attempt, "True where a stream was asked for.";
    GEN_AI_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk", Attempt, "From sending to the first content of a stream, in seconds.";
    GEN_AI_INPUT_TOKENS = "gen_ai.usage.input_tokens", Attempt, "As the provider reported them, cached ones included.";
    GEN_AI_OUTPUT_TOKENS = "gen_ai.usage.output_tokens", Attempt, "As the provider reported them, reasoning included.";
    GEN_AI_CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens", Attempt, "As the provider reported them.";
    GEN_AI_REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens", Attempt, "As the provider reported them.";
    OPENAI_API_TYPE = "openai.api.type", Attempt, "`chat_completions` or `responses`, where the provider is called `openai`.";

    REQUEST_FAMILY = "cometgate.request_family", Both, "What was called, for example `chat`; `other` for a path that is not routed by model.";
    OUTCOME = "cometgate.outcome", Request, "`ok`, `provider_error`, `refused`, `shed`, `failed`, `cut` or `client_gone`, as the metrics have it.";
    CODE = "cometgate.code", Request, "The gateway's own answer, by the `code` of its errors; absent where a provider's was passed on.";
    ATTEMPTS = "cometgate.attempts", Request, "How many attempts were made, without copies.";
    KEPT_FOR = "cometgate.kept_for", Request, "Why the trace is kept: `error`, `fallback`, `slow`, `parent`, `share` or `canary`.";
    TARGET_ROLE = "cometgate.target_role", Both, "`primary`, `canary` or `fallback`.";
    ATTEMPT = "cometgate.attempt", Attempt, "Its number, from 1.";
    ATTEMPT_KIND = "cometgate.attempt_kind", Attempt, "`first`, `retry`, `fallback`, `hedge` or `mirror`.";
    DECISION = "cometgate.decision", Attempt, "What was decided after it, as in the log lines.";
    CALLERS_RETRY_COUNT = "cometgate.callers_retry_count", Both, "How often the caller says to have tried before.";
    POSSIBLY_BILLED = "cometgate.possibly_billed", Attempt, "It failed after the provider had the whole request.";
    HEAD_MS = "cometgate.head_ms", Both, "From its beginning to the head of the answer.";
    CACHED_TOKEN_COUNT = "cometgate.cached_token_count", Attempt, "Part of `input_token_count`.";
    COST = "cometgate.cost", Attempt, "What its tokens cost, where the map has a price for the model; as in the log lines.";
    REASONING_TOKEN_COUNT = "cometgate.reasoning_token_count", Attempt, "Part of `output_token_count`.";

    EVENT_ATTEMPT = "cometgate.event.attempt", Event, "The number of the attempt that it is about.";
    EVENT_PROVIDER = "cometgate.event.provider", Event, "The provider that it is about.";
    EVENT_ROLE = "cometgate.event.target_role", Event, "The role that it is about.";
    EVENT_REASON = "cometgate.event.reason", Event, "Why: the class of a failure, why a target was passed over, what a gate says, or the `code` of an answer.";
    EVENT_SHARE = "cometgate.event.canary_share_ratio", Event, "The canary's share from then on.";
}

events! {
    COMMIT = "cometgate.commit", "On the request: its first content goes to the caller; nothing is tried again after it.";
    FIRST_TOKEN = "cometgate.first_token", "On the attempt: the first content of its streamed answer is there.";
    RETRY = "cometgate.retry", "On the request: another attempt begins at the same target, and after which failure.";
    FALLBACK = "cometgate.fallback", "On the request: an attempt begins at the next target, and why.";
    HEDGE = "cometgate.hedge", "On the request: an attempt begins beside a slow one.";
    MIRROR = "cometgate.mirror", "On the request: a copy of it begins at the canary.";
    PASSED_OVER = "cometgate.passed_over", "On the request: a target takes no attempt: `breaker_open`, `paused`, `full`, or what its gate says: `latched`, `suspended`, `unusable`.";
    TURNED_AWAY = "cometgate.turned_away", "On the request: the gateway sheds it, with the `code` of its answer.";
    GATE = "cometgate.gate", "On the request: its gate has changed its mind by one of its attempts: the target is `serving`, `latched`, `suspended` or `unusable` from then on.";
    BREAKER_OPENED = "cometgate.breaker_opened", "On the request: by one of its attempts a target is passed over from then on.";
}
