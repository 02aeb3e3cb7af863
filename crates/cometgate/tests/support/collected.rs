//! A gateway that sends its telemetry, and what of that has arrived, made plain.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::http::Method;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Kind;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use testkit::Collector;
use tokio::time::Instant;

use super::client::request;
use super::metrics::{Series, read};
use super::program::PATIENCE;
use super::world::Setup;
use super::{ACME, CHAT, Client, Files, Map, Program, tenants};

/// The tables of a gateway that sends all of its traces, and shows its metrics.
pub(crate) const TRACED: &str = "[telemetry.traces]\nsample = \"100%\"\n[admin]\nlisten = \"127.0.0.1:0\"";

/// `[telemetry]` that leads to a collector; `more` stands within it, `tables` after it.
pub(crate) fn telemetry(collector: &Collector, protocol: &str, more: &str, tables: &str) -> String {
    let endpoint = collector.endpoint();
    format!("[telemetry]\nendpoint = \"{endpoint}\"\nprotocol = \"{protocol}\"\n{more}\n{tables}\n")
}

/// Attributes by their names.
pub(crate) fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, Value> {
    let value = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        Kind::StringValue(text) => json!(text),
        Kind::IntValue(whole) => json!(whole),
        Kind::DoubleValue(number) => json!(number),
        Kind::BoolValue(flag) => json!(flag),
        other => panic!("{other:?}"),
    };
    let found: BTreeMap<_, _> = pairs.iter().map(|pair| (pair.key.clone(), value(pair))).collect();
    assert_eq!(found.len(), pairs.len(), "one is there twice: {pairs:?}");
    found
}

/// These attributes have these values.
pub(crate) fn check(found: &BTreeMap<String, Value>, expected: &[(&str, Value)]) {
    for (name, value) in expected {
        assert_eq!(found.get(*name), Some(value), "{name} of {found:#?}");
    }
}

/// The names of the events of a span, in their order.
pub(crate) fn events(span: &Span) -> Vec<&str> {
    span.events.iter().map(|event| event.name.strip_prefix("cometgate.").unwrap()).collect()
}

/// The spans of requests and those of attempts, once so many have arrived in all.
pub(crate) async fn arrived(collector: &Collector, count: usize) -> (Vec<Span>, Vec<Span>) {
    let until = collector.until(|collector| collector.spans().len() >= count);
    let waited = tokio::time::timeout(PATIENCE, until).await;
    let spans = collector.spans();
    assert!(waited.is_ok() && spans.len() == count, "{} have arrived: {spans:#?}", spans.len());
    let mut spans = spans;
    spans.sort_by_key(|span| span.start_time_unix_nano);
    spans.into_iter().partition(|span| span.kind == 2)
}

/// A gateway that sends all of its traces, and has a listener for its metrics.
pub(crate) struct Exporting {
    pub(crate) setup: Setup,
    pub(crate) program: Program,
    probes: SocketAddr,
    _files: Files,
}

impl Exporting {
    /// With `[telemetry]` and its tables.
    pub(crate) async fn start(settings: &str) -> Exporting {
        let setup = Setup::new().await;
        let urls = (setup.primary.base_url(), setup.canary.base_url());
        let files = Files::new(settings, &Map::new(&urls.0, &urls.1, "0%").text(), &tenants());
        let (program, probes) = Program::serve_with_probes(&files).await;
        Exporting { setup, program, probes, _files: files }
    }

    pub(crate) async fn ask(&self) {
        let mut client = Client::connect(self.program.address).await;
        assert_eq!(client.chat(ACME, CHAT).await.status, 200);
    }

    /// So many requests by each of so many callers at once.
    pub(crate) async fn ask_often(&self, callers: usize, each: usize) {
        let address = self.program.address;
        let asking = (0..callers).map(|_| {
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                for _ in 0..each {
                    assert_eq!(client.chat(ACME, CHAT).await.status, 200);
                }
            })
        });
        for caller in asking.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
    }

    pub(crate) async fn scrape(&self) -> Series {
        let mut client = Client::connect(self.probes).await;
        let answer = client.send(request(Method::GET, "/metrics", "", "")).await.unwrap();
        read(std::str::from_utf8(&answer.body).unwrap())
    }

    /// What the metrics say, once something holds of it.
    pub(crate) async fn until(&self, holds: impl Fn(&Series) -> bool) -> Series {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let series = self.scrape().await;
            if holds(&series) {
                return series;
            }
            assert!(Instant::now() < deadline, "{:#?}", series.named("cometgate_otlp_failures_total"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Tries that failed by this class.
pub(crate) fn failures(series: &Series, class: &str) -> f64 {
    let name = format!("cometgate_otlp_failures_total{{signal=\"traces\",error_class=\"{class}\"}}");
    series.of(&name).unwrap()
}

/// Spans that are lost for this reason.
pub(crate) fn dropped(series: &Series, reason: &str) -> f64 {
    let name = format!("cometgate_otlp_dropped_items_total{{signal=\"traces\",reason=\"{reason}\"}}");
    series.of(&name).unwrap()
}

/// Spans that the collector has taken.
pub(crate) fn sent(series: &Series) -> f64 {
    series.of("cometgate_otlp_sent_items_total{signal=\"traces\"}").unwrap()
}
