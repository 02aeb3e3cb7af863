//! Facts of a request to spans: one for the request, one for each attempt. Every value is a name of the plan or of a closed
//! set, a number, or an ID; nothing that anybody wrote.

use std::time::{Duration, UNIX_EPOCH};

use decisions::price::Cost;
use decisions::{Barred, Endpoint};
use proxy::{AttemptKind, Happened, Moment, Traced, TracedAttempt, TracedEnd, UsageSource};
use telemetry::span::{Attributes, Event, Parent, Span, SpanKind};
use telemetry::span_names as names;
use telemetry::span_names::{Attribute, EventName};

use crate::export::queue::Kept;

/// All spans of a request.
pub(super) fn spans(kept: &Kept) -> Vec<Span> {
    let facts = Facts { traced: &kept.traced };
    let attempts = kept.traced.attempts.iter().flatten();
    let mut spans = vec![facts.request(kept)];
    spans.extend(attempts.map(|attempt| facts.attempt(attempt)));
    spans
}

/// A request, asked for its parts.
struct Facts<'k> {
    traced: &'k Traced,
}

impl Facts<'_> {
    fn request(&self, kept: &Kept) -> Span {
        let traced = self.traced;
        let end = traced.end.as_ref();
        let endpoint = end.and_then(|end| Endpoint::ALL.into_iter().find(|one| one.as_str() == end.endpoint));
        let route = endpoint.map(|endpoint| format!("/v1{}", endpoint.path()));
        let mut attributes = self.shared();
        attributes.put(&names::HTTP_REQUEST_METHOD, traced.method);
        attributes.put_some(&names::HTTP_ROUTE, route.as_deref());
        attributes.put(&names::KEPT_FOR, kept.because.as_str());
        if let Some(end) = end {
            self.put_end(&mut attributes, end);
        }
        self.put_attempts(&mut attributes);
        Span {
            trace_id: traced.place.trace_id,
            id: traced.place.span,
            parent: traced.place.parent.map(|(id, _)| Parent { id, is_remote: true }),
            flags: traced.place.flags,
            name: route
                .map_or_else(|| traced.method.to_owned(), |route| format!("{} {route}", traced.method)),
            kind: SpanKind::Server,
            begun_ns: self.at(Duration::ZERO),
            ended_ns: self.at(end.map_or_else(|| self.last_known(), |end| end.elapsed)),
            attributes,
            events: self.events(),
            // As OpenTelemetry's conventions of HTTP: what the caller did wrong is no error of the server.
            is_error: end
                .is_some_and(|end| end.is_bad && !end.status.is_some_and(|status| status.is_client_error())),
        }
    }

    /// What stands on the request and on each of its attempts.
    fn shared(&self) -> Attributes {
        let traced = self.traced;
        let plan = traced.snapshot.plan();
        let end = traced.end.as_ref();
        let route = end.and_then(|end| end.route).map(|id| plan.route(id));
        let mut attributes = Attributes::default();
        attributes.put_some(&names::REQUEST_ID, traced.request_id.to_str().ok());
        attributes.put_some(&names::REQUEST_FAMILY, end.map(|end| end.endpoint));
        let tenant = end.and_then(|end| end.tenant).map(|id| plan.tenant(id).name.as_str());
        attributes.put_some(&names::TENANT_OR_COHORT, tenant);
        attributes.put_some(&names::LLM_ROUTE, route.map(|route| route.name.as_str()));
        attributes.put(&names::LLM_ROUTE_VERSION, plan.route_version());
        let primary = route.map(|route| plan.provider(route.primary).name.as_str());
        attributes.put_some(&names::ROLLBACK_CANDIDATE, primary);
        if let Some(decision) = &traced.decision {
            let alias = decision.alias.map(|id| plan.alias(id).name.as_str());
            attributes.put_some(&names::APP_MODEL_ALIAS, alias);
            attributes.put(&names::ROUTE_REASON, decision.reason.as_str());
            attributes.put(&names::CALLERS_RETRY_COUNT, u64::from(decision.callers_retries));
        }
        attributes
    }

    fn put_end(&self, attributes: &mut Attributes, end: &TracedEnd) {
        let plan = self.traced.snapshot.plan();
        if let Some((provider, role)) = end.target {
            attributes.put(&names::PROVIDER, plan.provider(provider).name.as_str());
            attributes.put(&names::TARGET_ROLE, role.as_str());
            attributes.put_some(&names::PROVIDER_MODEL, self.traced.model_id(provider));
        }
        let status = end.status.map(|status| u64::from(status.as_u16()));
        attributes.put_some(&names::HTTP_STATUS, status);
        attributes.put_some(&names::HTTP_RESPONSE_STATUS_CODE, status);
        attributes.put(&names::OUTCOME, end.outcome);
        attributes.put_some(&names::CODE, end.code.filter(|code| *code != "ok"));
        attributes.put_some(&names::ERROR_TYPE, Some(end.outcome).filter(|outcome| *outcome != "ok"));
        attributes.put(&names::ATTEMPTS, u64::from(end.attempts));
        attributes.put(&names::RETRY_COUNT, u64::from(end.attempts.saturating_sub(1)));
        attributes.put(&names::LATENCY_MS, millis(end.elapsed));
        attributes.put_some(&names::HEAD_MS, end.head_after.map(millis));
        if let Some(decision) = &self.traced.decision {
            attributes.put(&names::TIMEOUT_MS, whole_millis(decision.timeout));
        }
    }

    /// What the attempts say of the request as a whole. A copy is none of it.
    fn put_attempts(&self, attributes: &mut Attributes) {
        let fallback = self.traced.own_attempts().find(|attempt| attempt.kind == AttemptKind::Fallback);
        attributes.put(&names::FALLBACK_ATTEMPTED, fallback.is_some());
        attributes.put_some(&names::FALLBACK_REASON, fallback.and_then(|attempt| attempt.because));
        let failed = self.traced.own_attempts().filter_map(|attempt| attempt.error_class).next_back();
        attributes.put_some(&names::ERROR_CLASS, failed.map(|class| class.as_str()));
        let Some(answered) = self.traced.answered() else { return };
        put_usage(attributes, answered);
        attributes.put_some(&names::PROVIDER_REQUEST_ID, provider_id(answered));
    }

    fn attempt(&self, attempt: &TracedAttempt) -> Span {
        let traced = self.traced;
        let provider = traced.snapshot.plan().provider(attempt.provider);
        let endpoint = traced.end.map_or("other", |end| end.endpoint);
        let model = traced.model_id(attempt.provider);
        let is_fallback = attempt.kind == AttemptKind::Fallback;
        let mut attributes = self.shared();
        attributes.put(&names::PROVIDER, provider.name.as_str());
        attributes.put_some(&names::PROVIDER_MODEL, model);
        attributes.put_some(&names::PROVIDER_REQUEST_ID, provider_id(attempt));
        attributes.put(&names::TARGET_ROLE, attempt.role.as_str());
        let status = attempt.status.map(|status| u64::from(status.as_u16()));
        attributes.put_some(&names::HTTP_STATUS, status);
        attributes.put_some(&names::HTTP_RESPONSE_STATUS_CODE, status);
        attributes.put(&names::HTTP_REQUEST_METHOD, "POST");
        let class = attempt.error_class.map(|class| class.as_str());
        attributes.put_some(&names::ERROR_CLASS, class);
        attributes.put_some(&names::ERROR_TYPE, class);
        let before = u64::from(attempt.number.saturating_sub(1));
        attributes.put(&names::RETRY_COUNT, before);
        attributes.put_some(&names::HTTP_REQUEST_RESEND_COUNT, Some(before).filter(|before| *before > 0));
        attributes.put(&names::FALLBACK_ATTEMPTED, is_fallback);
        attributes.put_some(&names::FALLBACK_REASON, attempt.because.filter(|_| is_fallback));
        attributes.put(&names::TIMEOUT_MS, whole_millis(attempt.timeout));
        attributes.put(&names::LATENCY_MS, millis(attempt.elapsed));
        attributes.put_some(&names::HEAD_MS, attempt.head_after.map(millis));
        attributes.put(&names::ATTEMPT, u64::from(attempt.number));
        attributes.put(&names::ATTEMPT_KIND, attempt.kind.as_str());
        attributes.put(&names::DECISION, attempt.decision);
        attributes.put(&names::POSSIBLY_BILLED, attempt.possibly_billed);
        put_usage(&mut attributes, attempt);
        attributes.put_some(&names::COST, attempt.cost.map(|Cost(billionths)| billionths as f64 / 1e9));
        attributes.put_some(&names::CACHED_TOKEN_COUNT, attempt.usage.cached);
        attributes.put_some(&names::REASONING_TOKEN_COUNT, attempt.usage.reasoning);
        self.put_gen_ai(&mut attributes, attempt, (endpoint, &provider.name, model));
        let operation = operation(endpoint);
        Span {
            trace_id: traced.place.trace_id,
            id: attempt.span,
            parent: Some(Parent { id: traced.place.span, is_remote: false }),
            flags: traced.place.flags,
            name: model.map_or_else(|| operation.to_owned(), |model| format!("{operation} {model}")),
            kind: SpanKind::Client,
            begun_ns: self.at(attempt.begun_after),
            ended_ns: self.at(attempt.begun_after + attempt.elapsed),
            attributes,
            events: attempt
                .first_token_after
                .map(|after| self.event(&names::FIRST_TOKEN, attempt.begun_after + after, &[]))
                .into_iter()
                .collect(),
            is_error: attempt.error_class.is_some(),
        }
    }

    /// OpenTelemetry's conventions for calls of models. Only what a provider has counted is a count of theirs.
    fn put_gen_ai(
        &self,
        attributes: &mut Attributes,
        attempt: &TracedAttempt,
        (endpoint, provider, model): (&'static str, &str, Option<&str>),
    ) {
        attributes.put(&names::GEN_AI_OPERATION_NAME, operation(endpoint));
        attributes.put(&names::GEN_AI_PROVIDER_NAME, provider);
        attributes.put_some(&names::GEN_AI_REQUEST_MODEL, model);
        let stream = self.traced.decision.is_some_and(|decision| decision.stream);
        attributes.put_some(&names::GEN_AI_REQUEST_STREAM, Some(stream).filter(|stream| *stream));
        let first = attempt.first_token_after.map(|after| after.as_secs_f64());
        attributes.put_some(&names::GEN_AI_TIME_TO_FIRST_CHUNK, first);
        if attempt.usage_source == UsageSource::Reported {
            attributes.put_some(&names::GEN_AI_INPUT_TOKENS, attempt.usage.input);
            attributes.put_some(&names::GEN_AI_OUTPUT_TOKENS, attempt.usage.output);
            attributes.put_some(&names::GEN_AI_CACHE_READ_TOKENS, attempt.usage.cached);
            attributes.put_some(&names::GEN_AI_REASONING_TOKENS, attempt.usage.reasoning);
        }
        let api = match endpoint {
            "chat" => Some("chat_completions"),
            "responses" => Some("responses"),
            _ => None,
        };
        attributes.put_some(&names::OPENAI_API_TYPE, api.filter(|_| provider == "openai"));
        if let Some(provider) = self.traced.snapshot.providers().get(attempt.provider.index()) {
            let address = provider.origin.address();
            attributes.put(&names::SERVER_ADDRESS, address.host.as_str());
            attributes.put(&names::SERVER_PORT, u64::from(address.port));
        }
    }

    fn events(&self) -> Vec<Event> {
        let attempts = self.traced.attempts.iter().flatten().filter_map(|attempt| self.beginning(attempt));
        let moments = self.traced.moments.iter().flatten().map(|moment| self.moment(moment));
        let shed = self.traced.end.filter(|end| end.outcome == "shed").map(|end| {
            let code = Detail::Reason(end.code.unwrap_or_default());
            self.event(&names::TURNED_AWAY, end.elapsed, &[code])
        });
        let mut events: Vec<Event> = moments.chain(attempts).chain(shed).collect();
        events.sort_by_key(|event| event.at_ns);
        events
    }

    /// That of an attempt after the first.
    fn beginning(&self, attempt: &TracedAttempt) -> Option<Event> {
        let name = match attempt.kind {
            AttemptKind::First => return None,
            AttemptKind::Retry => &names::RETRY,
            AttemptKind::Fallback => &names::FALLBACK,
            AttemptKind::Hedge => &names::HEDGE,
            AttemptKind::Mirror => &names::MIRROR,
        };
        let provider = self.traced.snapshot.plan().provider(attempt.provider).name.as_str();
        let mut details = vec![
            Detail::Attempt(attempt.number),
            Detail::Provider(provider),
            Detail::Role(attempt.role.as_str()),
        ];
        details.extend(attempt.because.map(Detail::Reason));
        Some(self.event(name, attempt.begun_after, &details))
    }

    fn moment(&self, moment: &Moment) -> Event {
        let plan = self.traced.snapshot.plan();
        let provider = |id| Detail::Provider(plan.provider(id).name.as_str());
        match moment.what {
            Happened::Committed => self.event(&names::COMMIT, moment.after, &[]),
            Happened::PassedOver(id, role, why) => {
                let details = [provider(id), Detail::Role(role.as_str()), Detail::Reason(why)];
                self.event(&names::PASSED_OVER, moment.after, &details)
            }
            Happened::BreakerOpened(id, role) => {
                self.event(&names::BREAKER_OPENED, moment.after, &[provider(id), Detail::Role(role.as_str())])
            }
            Happened::GateSays(role, says) => {
                let says = says.map_or("serving", Barred::as_str);
                self.event(&names::GATE, moment.after, &[Detail::Role(role.as_str()), Detail::Reason(says)])
            }
            Happened::ShareMoved(ppm) => self.event(&names::GATE, moment.after, &[Detail::Share(ppm)]),
        }
    }

    fn event(&self, name: &'static EventName, after: Duration, details: &[Detail<'_>]) -> Event {
        let mut attributes = Attributes::default();
        for detail in details {
            detail.put_on(&mut attributes);
        }
        Event { name, at_ns: self.at(after), attributes }
    }

    /// Nanoseconds since 1970.
    fn at(&self, after: Duration) -> u64 {
        let since = (self.traced.begun + after).duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The end of what is known, where the request's own is not.
    fn last_known(&self) -> Duration {
        let ends = self.traced.attempts.iter().flatten().map(|attempt| attempt.begun_after + attempt.elapsed);
        ends.max().unwrap_or_default()
    }
}

/// What an event says.
enum Detail<'k> {
    Attempt(u8),
    Provider(&'k str),
    Role(&'static str),
    Reason(&'static str),
    Share(u32),
}

impl Detail<'_> {
    fn put_on(&self, attributes: &mut Attributes) {
        let mut put = |attribute: &'static Attribute, text: &str| attributes.put(attribute, text);
        match self {
            Detail::Provider(name) => put(&names::EVENT_PROVIDER, name),
            Detail::Role(role) => put(&names::EVENT_ROLE, role),
            Detail::Reason(reason) => put(&names::EVENT_REASON, reason),
            Detail::Attempt(number) => attributes.put(&names::EVENT_ATTEMPT, u64::from(*number)),
            Detail::Share(ppm) => attributes.put(&names::EVENT_SHARE, f64::from(*ppm) / 1e6),
        }
    }
}

fn put_usage(attributes: &mut Attributes, attempt: &TracedAttempt) {
    attributes.put_some(&names::INPUT_TOKEN_COUNT, attempt.usage.input);
    attributes.put_some(&names::OUTPUT_TOKEN_COUNT, attempt.usage.output);
    attributes.put(&names::USAGE_SOURCE, attempt.usage_source.as_str());
}

fn provider_id(attempt: &TracedAttempt) -> Option<&str> {
    attempt.provider_request_id.as_ref()?.to_str().ok()
}

/// As OpenTelemetry calls what an endpoint does, where it has a word for that.
fn operation(endpoint: &'static str) -> &'static str {
    match endpoint {
        "chat" | "responses" | "messages" => "chat",
        "completions" => "text_completion",
        other => other,
    }
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
