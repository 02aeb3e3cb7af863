//! The metrics of the page as the collector gets them: sums and buckets since the process began, and what is so now.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram as HistogramMessage, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use prost::Message as _;

use crate::otlp::resource::{Resource, scope};
use crate::span::{Value, key_value};
use crate::{Family, Histogram, Kind, Number, Page};

/// Between which moments something was counted; nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) begun_ns: u64,
    pub(crate) now_ns: u64,
}

/// The points of one metric.
#[derive(Debug)]
pub(crate) enum Points {
    Numbers(Vec<NumberDataPoint>),
    Histograms(Vec<HistogramDataPoint>),
}

/// One message with all that a page has, and how many points that are.
#[must_use]
pub fn encode(resource: &Resource, page: Page) -> (u64, Bytes) {
    let mut count = 0;
    let metrics = page.points().map(|(family, points)| {
        count += points.len();
        metric(family, points)
    });
    let scope_metrics =
        ScopeMetrics { scope: Some(scope()), metrics: metrics.collect(), ..ScopeMetrics::default() };
    let resource_metrics = ResourceMetrics {
        resource: Some(resource.message()),
        scope_metrics: vec![scope_metrics],
        ..ResourceMetrics::default()
    };
    let message = ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] };
    (count, message.encode_to_vec().into())
}

impl Points {
    pub(crate) fn new(kind: Kind) -> Points {
        match kind {
            Kind::Counter | Kind::Gauge => Points::Numbers(Vec::new()),
            Kind::Histogram(_) => Points::Histograms(Vec::new()),
        }
    }

    pub(crate) fn add(&mut self, family: &Family, values: &[&str], shown: Number, span: Span) {
        let Points::Numbers(points) = self else { return };
        points.push(NumberDataPoint {
            attributes: attributes(family, values),
            // What is so now began at no moment.
            start_time_unix_nano: if matches!(family.kind, Kind::Counter) { span.begun_ns } else { 0 },
            time_unix_nano: span.now_ns,
            value: Some(match shown {
                Number::Whole(whole) => PointValue::AsInt(whole),
                Number::Real(_) | Number::Billionths(_) => PointValue::AsDouble(shown.as_f64()),
            }),
            ..NumberDataPoint::default()
        });
    }

    pub(crate) fn add_histogram(
        &mut self,
        family: &Family,
        values: &[&str],
        histogram: &Histogram,
        span: Span,
    ) {
        let Points::Histograms(points) = self else { return };
        let (counts, sum_us) = histogram.shown();
        let mut before = 0;
        let bucket_counts: Vec<u64> =
            counts.map(|(_, up_to)| up_to - std::mem::replace(&mut before, up_to)).collect();
        points.push(HistogramDataPoint {
            attributes: attributes(family, values),
            start_time_unix_nano: span.begun_ns,
            time_unix_nano: span.now_ns,
            count: before,
            sum: Some(seconds(sum_us)),
            bucket_counts,
            explicit_bounds: histogram.ends_us().iter().map(|us| seconds(*us)).collect(),
            ..HistogramDataPoint::default()
        });
    }

    fn len(&self) -> u64 {
        match self {
            Points::Numbers(points) => points.len() as u64,
            Points::Histograms(points) => points.len() as u64,
        }
    }
}

fn metric(family: &Family, points: Points) -> Metric {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match points {
        Points::Numbers(data_points) if matches!(family.kind, Kind::Counter) => {
            Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true })
        }
        Points::Numbers(data_points) => Data::Gauge(Gauge { data_points }),
        Points::Histograms(data_points) => {
            Data::Histogram(HistogramMessage { data_points, aggregation_temporality })
        }
    };
    Metric {
        // As on the page, so that what is asked of one can be asked of the other.
        name: family.name.to_owned(),
        description: family.help.to_owned(),
        unit: unit(family.name).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// As UCUM writes it, by the end of the name.
fn unit(name: &str) -> &'static str {
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "1",
    }
}

fn attributes(family: &Family, values: &[&str]) -> Vec<KeyValue> {
    let named = family.labels.iter().zip(values).filter(|(_, value)| !value.is_empty());
    named.map(|(name, value)| key_value(name, Value::from(*value))).collect()
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::names;

    #[test]
    fn a_page_and_its_points_say_the_same() {
        let histogram = Histogram::new(names::OVERHEAD);
        for us in [5, 15, 15, 2_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let mut page = Page::of_points(7, 9);
        page.write(&names::RELOADS, &["live"], 3_u64);
        page.write(&names::RELOADS, &["refused"], 0_u64);
        page.write(&names::SHARE_IN_FORCE, &["r", "p"], 0.25);
        page.write(&names::REQUESTS, &["r", "", "", "ok"], 1_u64);
        page.write_histogram(&names::OVERHEAD_SECONDS, &[], &histogram);
        let (count, message) = encode(&Resource::default(), page);
        assert_eq!(count, 5);
        let sent = ExportMetricsServiceRequest::decode(message).unwrap();
        let metrics = &sent.resource_metrics[0].scope_metrics[0].metrics;
        let of = |name: &str| {
            let metric = metrics.iter().find(|metric| metric.name == name);
            metric.map(|metric| (metric.unit.clone(), metric.data.clone().unwrap())).unwrap()
        };
        let (unit, Data::Sum(reloads)) = of(names::RELOADS.name) else { panic!("no sum") };
        assert!(reloads.is_monotonic && reloads.aggregation_temporality == 2 && unit == "1");
        let first = &reloads.data_points[0];
        assert_eq!(
            (first.start_time_unix_nano, first.time_unix_nano, first.value),
            (7, 9, Some(PointValue::AsInt(3)))
        );
        let (_, Data::Gauge(share)) = of(names::SHARE_IN_FORCE.name) else { panic!("no gauge") };
        assert_eq!(share.data_points[0].value, Some(PointValue::AsDouble(0.25)));
        assert_eq!(share.data_points[0].start_time_unix_nano, 0);
        let (unit, Data::Histogram(overhead)) = of(names::OVERHEAD_SECONDS.name) else {
            panic!("no histogram")
        };
        let point = &overhead.data_points[0];
        assert_eq!((unit.as_str(), point.count, point.sum), ("s", 4, Some(2.000035)));
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!((point.bucket_counts[..3].to_vec(), point.explicit_bounds[0]), (vec![1, 2, 0], 0.000_01));
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), 4);
        // An empty label is none.
        let (_, Data::Sum(requests)) = of(names::REQUESTS.name) else { panic!("no sum") };
        let keys: Vec<_> = requests.data_points[0].attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["llm_route", "outcome"]);
    }
}
