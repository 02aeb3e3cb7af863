//! What a collector gets of requests: one trace for each, with all of its attempts, under the names that log lines and metrics
//! have; which of them are kept; and what providers are told of it.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use hyper::http::{Method, Request};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use support::client::request;
use support::collected::{arrived, attributes, check, events, telemetry};
use support::fault::{begun, done, finish};
use support::markers::hex;
use support::world::Setup;
use support::{ACME, CHAT, Client, Files, GLOBEX, Map, Program, tenants_with};
use testkit::{Collector, Reply, Step};

/// Runbook 3, "Observability fields to add before fallback".
const RUNBOOK: [&str; 19] = [
    "llm_route",
    "llm_route_version",
    "provider",
    "provider_model",
    "app_model_alias",
    "request_id",
    "provider_request_id",
    "tenant_or_cohort",
    "http_status",
    "error_class",
    "retry_count",
    "fallback_attempted",
    "fallback_reason",
    "timeout_ms",
    "latency_ms",
    "input_token_count",
    "output_token_count",
    "usage_source",
    "rollback_candidate",
];

const ALL: &str = "[telemetry.traces]\nsample = \"100%\"";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const FALLBACK: &str =
    "fallback_provider = \"cometapi\"\nretry_policy = { retries = 1, on = [\"overloaded\"] }";

struct Traced {
    setup: Setup,
    collector: Collector,
    program: Program,
    _files: Files,
}

impl Traced {
    async fn start(settings: impl FnOnce(&Collector) -> String, change: impl FnOnce(&mut Map<'_>)) -> Traced {
        Traced::start_with(settings, "{ env = \"PRIMARY_KEY\" }", change).await
    }

    /// With this `credential` of the primary, and what follows it.
    async fn start_with(
        settings: impl FnOnce(&Collector) -> String,
        credential: &str,
        change: impl FnOnce(&mut Map<'_>),
    ) -> Traced {
        let (setup, collector) = (Setup::new().await, Collector::start().await.unwrap());
        let urls = (setup.primary.base_url(), setup.canary.base_url());
        let mut map = Map::new(&urls.0, &urls.1, "0%");
        (map.route, map.primary_credential) = (FALLBACK, credential);
        change(&mut map);
        let files = Files::new(&settings(&collector), &map.text(), &tenants_with("requests_per_minute = 1"));
        let program = Program::serve_and_print(&files, "json").await;
        Traced { setup, collector, program, _files: files }
    }

    async fn all() -> Traced {
        Traced::start(|collector| telemetry(collector, "http", "", ALL), |_| {}).await
    }

    async fn send(&self, request: Request<http_body_util::Full<bytes::Bytes>>) -> u16 {
        Client::connect(self.program.address).await.send(request).await.unwrap().status.as_u16()
    }

    async fn chat(&self, body: &str, traceparent: Option<&str>) -> u16 {
        let mut asked = request(Method::POST, "/v1/chat/completions?secret=in-the-query", ACME, body);
        if let Some(parent) = traceparent {
            asked.headers_mut().insert("traceparent", parent.parse().unwrap());
        }
        self.send(asked).await
    }

    fn primary_once(&self, reply: Reply) {
        self.setup.primary.once("POST", "/v1/chat/completions", reply);
    }
}

fn failing(status: u16) -> Reply {
    Reply::error(status, "server_error", None, "what went wrong").header("x-request-id", "req_1")
}

fn with_usage() -> Reply {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}});
    let choice =
        json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}});
    Reply::json(
        200,
        &json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}),
    )
    .header("x-request-id", "req_2")
}

#[tokio::test]
async fn a_request_that_failed_over_is_one_trace_whatever_the_protocol() {
    for (protocol, more) in [("http", ""), ("grpc", ""), ("grpc", "compression = \"none\"")] {
        let traced = Traced::start(|collector| telemetry(collector, protocol, more, ALL), |_| {}).await;
        traced.primary_once(failing(503));
        traced.primary_once(failing(500));
        traced.setup.canary.once("POST", "/v1/chat/completions", with_usage());
        assert_eq!(traced.chat(CHAT, Some(PARENT)).await, 200);
        let (requests, attempts) = arrived(&traced.collector, 4).await;
        let [request] = requests.as_slice() else { panic!("{requests:#?}") };
        let trace = &PARENT[3..35];
        assert_eq!(
            (hex(&request.trace_id).as_str(), hex(&request.parent_span_id).as_str()),
            (trace, &PARENT[36..52])
        );
        assert!(
            attempts.iter().all(|one| hex(&one.trace_id) == trace && one.parent_span_id == request.span_id)
        );
        assert!(attempts.iter().all(|one| one.kind == 3 && one.flags == 0x101), "{attempts:#?}");
        assert_eq!((request.flags, request.name.as_str()), (0x301, "POST /v1/chat/completions"));
        assert_eq!(request.status.as_ref().map_or(0, |status| status.code), 0);
        assert_eq!(events(request), ["retry", "fallback", "commit"]);

        let whole = attributes(&request.attributes);
        check(
            &whole,
            &[
                ("llm_route", json!("the-canary")),
                ("provider", json!("cometapi")),
                ("provider_request_id", json!("req_2")),
                ("http_status", json!(200)),
                ("error_class", json!("server")),
                ("retry_count", json!(2)),
                ("fallback_attempted", json!(true)),
                ("fallback_reason", json!("server")),
                ("input_token_count", json!(7)),
                ("route_reason", json!("outside_share")),
                ("http.route", json!("/v1/chat/completions")),
                ("cometgate.outcome", json!("ok")),
                ("cometgate.kept_for", json!("fallback")),
                ("cometgate.attempts", json!(3)),
            ],
        );
        check_attempts(request, &attempts, traced.setup.canary.address().port());
        let text = format!("{:?}", traced.collector.resource_spans());
        for said in ["in-the-query", "what went wrong", "sk-primary", "sk-canary", "cgk-acme"] {
            assert!(!text.contains(said), "{said}");
        }
    }
}

/// The first failed, as did the retry, and the fallback has answered.
fn check_attempts(request: &Span, attempts: &[Span], port: u16) {
    let kinds: Vec<_> = attempts
        .iter()
        .map(|one| {
            let found = attributes(&one.attributes);
            let of = |name: &str| found.get(name).cloned().unwrap_or_default();
            assert!(one.start_time_unix_nano >= request.start_time_unix_nano);
            (
                one.name.clone(),
                of("cometgate.attempt_kind"),
                of("error.type"),
                of("cometgate.decision"),
                of("http.request.resend_count"),
            )
        })
        .collect();
    let name = |model: &str| format!("chat {model}");
    assert_eq!(
        kinds,
        [
            (name("gpt-primary"), json!("first"), json!("overloaded"), json!("retry"), Value::Null),
            (name("gpt-primary"), json!("retry"), json!("server"), json!("fallback"), json!(1)),
            (name("gpt-canary"), json!("fallback"), Value::Null, json!("done"), json!(2)),
        ]
    );
    let answered = attributes(&attempts[2].attributes);
    check(
        &answered,
        &[
            ("gen_ai.operation.name", json!("chat")),
            ("gen_ai.provider.name", json!("cometapi")),
            ("gen_ai.request.model", json!("gpt-canary")),
            ("gen_ai.usage.input_tokens", json!(7)),
            ("gen_ai.usage.output_tokens", json!(5)),
            ("gen_ai.usage.cache_read.input_tokens", json!(3)),
            ("gen_ai.usage.reasoning.output_tokens", json!(2)),
            ("server.address", json!("127.0.0.1")),
            ("server.port", json!(port)),
        ],
    );
}

/// Whoever has a line of the log finds the same words in the trace, and the other way round.
#[tokio::test]
async fn each_field_of_the_runbook_is_on_spans_and_in_lines_and_says_the_same() {
    let prices = "{ env = \"PRIMARY_KEY\" }\nprices = { gpt-primary = { input = 1, output = 2 } }";
    let settings = |collector: &Collector| telemetry(collector, "http", "", ALL);
    let mut traced = Traced::start_with(settings, prices, |_| {}).await;
    traced.primary_once(failing(500));
    traced.setup.canary.once("POST", "/v1/chat/completions", with_usage());
    assert_eq!(traced.chat(CHAT, None).await, 200);
    traced.primary_once(begun(3, [finish(), done()]));
    assert_eq!(traced.chat(r#"{"model":"summary","messages":[],"stream":true}"#, None).await, 200);
    let (requests, attempts) = arrived(&traced.collector, 5).await;
    let of_attempts = traced.program.lines(3).await;
    let of_requests = traced.program.request_lines(2).await;
    let lines = of_attempts.iter().zip(&attempts).chain(of_requests.iter().zip(&requests));
    for (line, span) in lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["trace_id"], hex(&span.trace_id));
        let span = attributes(&span.attributes);
        for field in RUNBOOK {
            let of_line = line.get(field).unwrap_or_else(|| panic!("{field} is not in {line}"));
            assert_eq!(span.get(field).unwrap_or(&Value::Null), of_line, "{field} of {span:#?}");
        }
        // Whatever else the two have in common.
        for (name, value) in &span {
            let of_line = line.get(name.strip_prefix("cometgate.").unwrap_or(name));
            assert!(of_line.is_none_or(|of_line| of_line == value), "{name}: {value} in {line}");
        }
    }
    let seen = |field: &str, spans: &[_]| {
        spans.iter().any(|span: &Span| attributes(&span.attributes).contains_key(field))
    };
    for field in RUNBOOK {
        assert!(seen(field, &attempts) && seen(field, &requests), "{field} is on no span");
    }
    let streamed = attributes(&attempts[2].attributes);
    assert_eq!(streamed["gen_ai.request.stream"], true);
    assert!(streamed["cometgate.cost"].is_f64());
    assert!(streamed["gen_ai.response.time_to_first_chunk"].is_f64());
    assert!(!streamed.contains_key("gen_ai.usage.output_tokens"), "that was estimated");
    assert_eq!(
        (&streamed["usage_source"], &streamed["output_token_count"]),
        (&json!("estimated"), &json!(3))
    );
    assert_eq!(events(&attempts[2]), ["first_token"]);
}

#[tokio::test]
async fn who_sends_is_said_once_and_with_the_key_of_the_collector() {
    let settings = |collector: &Collector| {
        let headers = "headers = { x-team = { env = \"PRIMARY_KEY\" } }";
        let resource = "[telemetry.resource]\n\"service.name\" = \"gate\"\nteam = \"platform\"";
        telemetry(collector, "http", headers, &format!("{resource}\n{ALL}"))
    };
    let traced = Traced::start(settings, |_| {}).await;
    assert_eq!(traced.chat(CHAT, None).await, 200);
    arrived(&traced.collector, 2).await;
    let taken = traced.collector.taken();
    assert_eq!(taken[0].path, "/v1/traces");
    assert_eq!(taken[0].headers["x-team"], support::PRIMARY_KEY);
    let sent = traced.collector.resource_spans();
    let resource = attributes(&sent[0].resource.as_ref().unwrap().attributes);
    assert_eq!((&resource["service.name"], &resource["team"]), (&json!("gate"), &json!("platform")));
    assert_eq!(resource["service.instance.id"].as_str().unwrap().len(), 32);
    assert_eq!(sent[0].schema_url, "https://opentelemetry.io/schemas/1.41.1");
}

#[tokio::test]
async fn what_is_no_good_answer_is_kept_and_what_is_in_no_share_is_not() {
    let none = "[telemetry.traces]\nsample = \"0%\"\ncanary_share = \"0%\"";
    let traced = Traced::start(|collector| telemetry(collector, "http", "", none), |_| {}).await;
    let unsampled = PARENT.replace("-01", "-00");
    assert_eq!(traced.chat(CHAT, None).await, 200);
    assert_eq!(traced.chat(CHAT, Some(&unsampled)).await, 200);
    // The caller's own fault.
    traced.primary_once(Reply::error(400, "invalid_request_error", None, "no"));
    assert_eq!(traced.chat(CHAT, None).await, 400);
    assert_eq!(traced.send(request(Method::POST, "/v1/chat/completions", "cgk-nobody", CHAT)).await, 401);
    // These are kept.
    assert_eq!(traced.chat(CHAT, Some(PARENT)).await, 200);
    traced.primary_once(failing(429));
    traced.setup.canary.once("POST", "/v1/chat/completions", failing(500));
    assert_eq!(traced.chat(CHAT, Some(&unsampled)).await, 429);
    let broken = Reply::sse(vec![Step::chunk(support::FIRST), Step::Abort]);
    traced.primary_once(broken);
    assert_eq!(traced.chat(r#"{"model":"summary","messages":[],"stream":true}"#, None).await, 200);
    let (requests, _) = arrived(&traced.collector, 2 + 3 + 2).await;
    let kept: Vec<_> = requests
        .iter()
        .map(|span| {
            let found = attributes(&span.attributes);
            let is_error = span.status.as_ref().is_some_and(|status| status.code == 2);
            (found["cometgate.kept_for"].clone(), found["cometgate.outcome"].clone(), is_error)
        })
        .collect();
    assert_eq!(
        kept,
        [
            (json!("parent"), json!("ok"), false),
            (json!("error"), json!("provider_error"), false),
            (json!("error"), json!("cut"), true),
        ]
    );
}

#[tokio::test]
async fn what_the_gateway_turns_away_and_passes_over_is_told() {
    let traced = Traced::all().await;
    let ask = |key| traced.send(request(Method::POST, "/v1/chat/completions", key, CHAT));
    assert_eq!(ask(GLOBEX).await, 200);
    assert_eq!(ask(GLOBEX).await, 429);
    assert_eq!(traced.send(request(Method::GET, "/v1/of-tomorrow/id-of-a-caller", ACME, "")).await, 200);
    let (requests, _) = arrived(&traced.collector, 4).await;
    assert_eq!(events(&requests[1]), ["turned_away"]);
    let shed = attributes(&requests[1].attributes);
    assert_eq!(
        (&shed["cometgate.outcome"], &shed["cometgate.code"]),
        (&json!("shed"), &json!("rate_limit_exceeded"))
    );
    // A path may hold an ID.
    assert_eq!(requests[2].name, "GET");
    assert!(!format!("{:?}", requests[2]).contains("id-of-a-caller"));
    assert_eq!(attributes(&requests[2].attributes)["provider"], "openai");
}

#[tokio::test]
async fn a_provider_is_told_of_the_trace_that_the_map_says() {
    let told = async |word: &str, sent: Option<&str>, tracestate: bool| {
        let credential = format!(
            "{{ env = \"PRIMARY_KEY\" }}\ntrace_parent = \"{word}\"\nforward_headers = [\"tracestate\"]"
        );
        let settings = |collector: &Collector| telemetry(collector, "http", "", ALL);
        let traced = Traced::start_with(settings, &credential, |_| {}).await;
        let mut asked = request(Method::POST, "/v1/chat/completions", ACME, CHAT);
        if let Some(parent) = sent {
            asked.headers_mut().insert("traceparent", parent.parse().unwrap());
        }
        if tracestate {
            asked.headers_mut().insert("tracestate", "a=b".parse().unwrap());
        }
        assert_eq!(traced.send(asked).await, 200);
        let arrived_there = traced.setup.primary.requests().remove(0);
        let (_, attempts) = arrived(&traced.collector, 2).await;
        let header = |name: &str| arrived_there.header(name).map(str::to_owned);
        (header("traceparent"), header("tracestate"), attempts[0].clone())
    };
    let (parent, state, _) = told("caller", Some(PARENT), true).await;
    assert_eq!((parent.as_deref(), state.as_deref()), (Some(PARENT), Some("a=b")));
    assert_eq!(told("caller", None, false).await.0, None);
    let (parent, state, _) = told("none", Some(PARENT), true).await;
    assert_eq!((parent, state), (None, None));
    let (parent, state, attempt) = told("gateway", Some(PARENT), true).await;
    assert_eq!(parent.unwrap(), format!("{}-{}-01", &PARENT[..35], hex(&attempt.span_id)));
    assert_eq!(state.as_deref(), Some("a=b"));
    // One that begins here has no state from elsewhere, and is random.
    for sent in [None, Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01")] {
        let (parent, state, attempt) = told("gateway", sent, true).await;
        assert_eq!(parent.unwrap(), format!("00-{}-{}-03", hex(&attempt.trace_id), hex(&attempt.span_id)));
        assert_eq!(state, None, "{sent:?}");
    }
}
