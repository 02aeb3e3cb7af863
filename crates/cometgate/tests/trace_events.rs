//! What happens during a request stands in its trace: verdicts of gates and breakers that it caused or met, copies, and attempts
//! beside a slow one.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use support::collected::{arrived, attributes, check, events, telemetry};
use support::fault::{done, finish, role};
use support::world::Setup;
use support::{ACME, CHAT, Client, FIRST, Files, Map, Program, tenants};
use testkit::{Collector, Reply, Step};

const ALL: &str = "[telemetry.traces]\nsample = \"100%\"";
const STREAM: &str = r#"{"model":"summary","messages":[],"stream":true}"#;

struct Traced {
    setup: Setup,
    collector: Collector,
    client: Client,
    _program: Program,
    _files: Files,
}

impl Traced {
    async fn start(share: &str, route: &str, after_canary: &str) -> Traced {
        let (setup, collector) = (Setup::new().await, Collector::start().await.unwrap());
        let urls = (setup.primary.base_url(), setup.canary.base_url());
        let map = Map { route, sticky_by: after_canary, ..Map::new(&urls.0, &urls.1, share) };
        let agreed = tenants().replace("[tenants.globex]", "allow_mirror = true\n[tenants.globex]");
        let files = Files::new(&telemetry(&collector, "http", "", ALL), &map.text(), &agreed);
        let program = Program::serve(&files).await;
        let client = Client::connect(program.address).await;
        Traced { setup, collector, client, _program: program, _files: files }
    }

    async fn ask(&mut self, body: &str, times: usize) {
        for _ in 0..times {
            assert_eq!(self.client.chat(ACME, body).await.status, 200);
        }
    }

    /// The spans of so many requests.
    async fn requests(&self, count: usize) -> Vec<Span> {
        let of_requests = |collector: &Collector| {
            collector.spans().into_iter().filter(|span| span.kind == 2).collect::<Vec<_>>()
        };
        let until = self.collector.until(|collector| of_requests(collector).len() == count);
        tokio::time::timeout(support::program::PATIENCE, until).await.unwrap();
        let mut spans = of_requests(&self.collector);
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }
}

fn broken() -> Reply {
    Reply::error(500, "server_error", None, "it broke")
}

/// The attributes of the only event of this name.
fn event(spans: &[Span], name: &str) -> Vec<(usize, serde_json::Value, serde_json::Value)> {
    let found =
        spans.iter().enumerate().flat_map(|(at, span)| span.events.iter().map(move |event| (at, event)));
    let named = found.filter(|(_, event)| event.name == format!("cometgate.{name}"));
    let shown = named.map(|(at, event)| {
        let of = attributes(&event.attributes);
        let value = |name: &str| of.get(&format!("cometgate.event.{name}")).cloned().unwrap_or_default();
        (at, value("target_role"), value("reason"))
    });
    shown.collect()
}

#[tokio::test]
async fn the_request_that_trips_a_gate_says_so_and_those_after_it_say_why_they_went_home() {
    const IN_ALL: usize = 140;
    let mut traced = Traced::start("100%", "", "").await;
    traced.ask(CHAT, 40).await;
    traced.setup.canary.on("POST", "*", broken());
    traced.ask(CHAT, IN_ALL - 40).await;
    let requests = traced.requests(IN_ALL).await;
    let verdicts = event(&requests, "gate");
    // Suspended by what failed; latched once the primary's answers have shown that it is not ill as well.
    let [(at, role, says), (latched_at, _, then)] = verdicts.as_slice() else { panic!("{verdicts:?}") };
    assert_eq!((role, says, then), (&json!("canary"), &json!("suspended"), &json!("latched")));
    assert!((40..*latched_at).contains(at), "{verdicts:?}");
    let tripped = attributes(&requests[*at].attributes);
    check(&tripped, &[("route_reason", json!("in_share")), ("fallback_attempted", json!(true))]);
    assert!(events(&requests[*at]).contains(&"fallback"));
    for (later, span) in requests.iter().enumerate().skip(at + 1) {
        let reason = if later > *latched_at { "latched" } else { "suspended" };
        check(
            &attributes(&span.attributes),
            &[("route_reason", json!(reason)), ("provider", json!("openai"))],
        );
    }
}

#[tokio::test]
async fn the_request_that_opens_a_breaker_says_so_and_those_after_it_that_they_passed_it_over() {
    const IN_ALL: usize = 30;
    let route = "fallback_provider = \"cometapi\"\nfallback_budget = \"100%\"";
    let mut traced = Traced::start("0%", route, "").await;
    traced.setup.primary.on("POST", "*", broken());
    traced.ask(CHAT, IN_ALL).await;
    let requests = traced.requests(IN_ALL).await;
    let opened = event(&requests, "breaker_opened");
    assert_eq!((opened.len(), &opened[0].1), (1, &json!("primary")), "{opened:?}");
    let passed_over = event(&requests, "passed_over");
    assert_eq!(passed_over.len(), IN_ALL - 1 - opened[0].0);
    for (_, role, reason) in &passed_over {
        assert_eq!((role, reason), (&json!("primary"), &json!("breaker_open")));
    }
    let last = attributes(&requests[IN_ALL - 1].attributes);
    check(&last, &[("fallback_attempted", json!(true)), ("fallback_reason", json!("breaker_open"))]);
}

#[tokio::test]
async fn a_copy_is_an_attempt_of_its_own_that_says_nothing_of_the_request() {
    let mirror = "[routes.mirror]\nshare = \"100%\"\nmost_per_second = 10000\nmost_in_flight = 1000";
    let mut traced = Traced::start("0%", "", mirror).await;
    traced.setup.canary.on("POST", "*", broken());
    traced.ask(CHAT, 1).await;
    let (requests, attempts) = arrived(&traced.collector, 3).await;
    assert!(events(&requests[0]).contains(&"mirror"), "{:?}", events(&requests[0]));
    let whole = attributes(&requests[0].attributes);
    check(&whole, &[("provider", json!("openai")), ("cometgate.attempts", json!(1))]);
    assert!(!whole.contains_key("error_class"), "{whole:#?}");
    let kinds = attempts.iter().map(|one| attributes(&one.attributes)["cometgate.attempt_kind"].clone());
    let mut kinds: Vec<_> = kinds.map(|kind| kind.as_str().unwrap().to_owned()).collect();
    kinds.sort();
    assert_eq!(kinds, ["first", "mirror"]);
}

#[tokio::test]
async fn an_attempt_beside_a_slow_one_and_the_one_that_lost_are_both_there() {
    const LEARNT: usize = 20;
    let route = "fallback_provider = \"cometapi\"\nhedge = true";
    let mut traced = Traced::start("0%", route, "").await;
    traced.ask(STREAM, LEARNT).await;
    let slow = Reply::sse(vec![role(), Step::Pause(support::fault::LONG)]);
    traced.setup.primary.once("POST", "/v1/chat/completions", slow);
    let quick = Reply::sse(vec![Step::chunk(FIRST), finish(), done()]);
    traced.setup.canary.once("POST", "/v1/chat/completions", quick);
    traced.ask(STREAM, 1).await;
    let requests = traced.requests(LEARNT + 1).await;
    let last = &requests[LEARNT];
    assert_eq!(events(last), ["hedge", "commit"]);
    let attempts = traced.collector.spans();
    let own = attempts.iter().filter(|span| span.parent_span_id == last.span_id);
    let mut decisions: Vec<_> = own
        .map(|span| {
            let of = attributes(&span.attributes);
            format!("{} {}", of["cometgate.attempt_kind"], of["cometgate.decision"])
        })
        .collect();
    decisions.sort();
    assert_eq!(decisions, ["\"first\" \"hedge_lost\"", "\"hedge\" \"done\""]);
}
