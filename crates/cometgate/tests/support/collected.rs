//! A gateway that sends its telemetry, and what of that has arrived, made plain.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Kind;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use testkit::Collector;

use super::program::PATIENCE;

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
