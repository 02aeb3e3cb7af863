//! A collector gets what the page shows: the same metrics, series and numbers, whatever the protocol.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::BTreeMap;

use hyper::http::Method;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Point;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, ResourceMetrics};
use support::client::request;
use support::collected::{attributes, telemetry};
use support::metrics::read;
use support::program::PATIENCE;
use support::world::Setup;
use support::{ACME, CHAT, Client, Files, Map, Program, tenants};
use testkit::{Collector, Reply};

/// Written as the page writes it.
fn series(name: &str, labels: &[KeyValue]) -> String {
    let found = attributes(labels);
    let shown = labels.iter().map(|pair| format!("{}={}", pair.key, found[&pair.key]));
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", shown.join(",")) }
}

/// What a message says, with the buckets summed up as on the page.
fn shown(sent: &ResourceMetrics) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let value = |point: &NumberDataPoint| match point.value.unwrap() {
        Point::AsInt(whole) => whole as f64,
        Point::AsDouble(number) => number,
    };
    for metric in sent.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
        let name = &metric.name;
        match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => {
                assert!(
                    sum.is_monotonic && sum.aggregation_temporality == 2 && name.ends_with("_total"),
                    "{name}"
                );
                assert!(
                    sum.data_points
                        .iter()
                        .all(|point| point.start_time_unix_nano > 1_700_000_000_000_000_000)
                );
                all.extend(
                    sum.data_points.iter().map(|point| (series(name, &point.attributes), value(point))),
                );
            }
            Data::Gauge(gauge) => {
                all.extend(
                    gauge.data_points.iter().map(|point| (series(name, &point.attributes), value(point))),
                );
            }
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    let of = |suffix: &str| series(&format!("{name}{suffix}"), &point.attributes);
                    all.insert(of("_count"), point.count as f64);
                    all.insert(of("_sum"), point.sum.unwrap());
                }
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

/// What of it stands still while nobody asks: not what is counted of the sending itself, nor budgets that fill up.
fn still(all: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let moves = ["cometgate_otlp_", "cometgate_retry_budget", "cometgate_fallback_budget"];
    let is_still =
        |name: &str| !moves.iter().any(|moving| name.starts_with(moving)) && !name.contains("_bucket");
    all.iter().filter(|(name, _)| is_still(name)).map(|(name, value)| (name.clone(), *value)).collect()
}

#[tokio::test]
async fn a_collector_gets_what_the_page_shows() {
    for protocol in ["http", "grpc"] {
        let (setup, collector) = (Setup::new().await, Collector::start().await.unwrap());
        let urls = (setup.primary.base_url(), setup.canary.base_url());
        let tables = "[telemetry.metrics]\ninterval_ms = 1000\n[admin]\nlisten = \"127.0.0.1:0\"";
        let settings = telemetry(&collector, protocol, "", tables);
        let files = Files::new(&settings, &Map::new(&urls.0, &urls.1, "50%").text(), &tenants());
        let (mut program, probes) = Program::serve_with_probes(&files).await;
        let mut client = Client::connect(program.address).await;
        setup.primary.once(
            "POST",
            "/v1/chat/completions",
            Reply::error(400, "invalid_request_error", None, "no"),
        );
        for _ in 0..20 {
            client.chat(ACME, CHAT).await;
        }
        let page =
            Client::connect(probes).await.send(request(Method::GET, "/metrics", "", "")).await.unwrap();
        let page = still(&read(std::str::from_utf8(&page.body).unwrap()).0);
        assert!(page.len() > 30, "{page:#?}");
        let is_there = |collector: &Collector| {
            collector.metrics().last().is_some_and(|sent| still(&shown(sent)) == page)
        };
        let waited = tokio::time::timeout(PATIENCE, collector.until(is_there)).await;
        assert!(waited.is_ok(), "{page:#?}\nis not\n{:#?}", collector.metrics().last().map(shown));
        assert_eq!(collector.spans().len(), 0, "no traces are configured");
        // What came after the last time goes with the end.
        client.chat(ACME, CHAT).await;
        program.terminate();
        assert_eq!(program.ended().await, 0);
        let last = shown(collector.metrics().last().unwrap());
        let requests = |all: &BTreeMap<String, f64>| {
            let of = all.iter().filter(|(name, _)| name.starts_with("cometgate_request_attempts_total"));
            of.map(|(_, value)| value).sum::<f64>()
        };
        assert_eq!(requests(&last), 21.0);
    }
}
