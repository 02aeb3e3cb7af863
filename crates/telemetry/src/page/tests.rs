use std::time::Duration;

use super::*;
use crate::Buckets;

const BUCKETS: Buckets = Buckets::new(&[10_000, 20_000]);
static COUNTS: Family =
    Family { name: "b_total", kind: Kind::Counter, labels: &["route", "why"], help: "What was counted." };
static TIMES: Family =
    Family { name: "a_seconds", kind: Kind::Histogram(BUCKETS), labels: &["route"], help: "How long." };

#[test]
fn the_lines_of_a_metric_stand_together_in_whatever_order_they_came() {
    let histogram = Histogram::new(BUCKETS);
    histogram.record(Duration::from_millis(15));
    histogram.record(Duration::from_secs(1));
    let mut page = Page::new();
    page.write(&COUNTS, &["one", "x"], 1_u64);
    page.write_histogram(&TIMES, &["one"], &histogram);
    page.write(&COUNTS, &["two", ""], 2_u64);
    page.write(&COUNTS, &["", ""], 3_u64);
    let expected = "\
# HELP a_seconds How long.
# TYPE a_seconds histogram
a_seconds_bucket{route=\"one\",le=\"0.01\"} 0
a_seconds_bucket{route=\"one\",le=\"0.02\"} 1
a_seconds_bucket{route=\"one\",le=\"+Inf\"} 2
a_seconds_sum{route=\"one\"} 1.015
a_seconds_count{route=\"one\"} 2
# HELP b_total What was counted.
# TYPE b_total counter
b_total{route=\"one\",why=\"x\"} 1
b_total{route=\"two\"} 2
b_total 3
";
    assert_eq!(page.text(), expected);
}

#[test]
fn no_name_makes_a_line_of_its_own() {
    let mut page = Page::new();
    page.write(&COUNTS, &["a\"} 9\nevil_total 1\n\\", "x"], 1_u64);
    let text = page.text();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.ends_with("b_total{route=\"a\\\"} 9\\nevil_total 1\\n\\\\\",why=\"x\"} 1\n"), "{text}");
}

#[test]
fn an_empty_histogram_is_no_series() {
    let mut page = Page::new();
    page.write_histogram(&TIMES, &["one"], &Histogram::new(BUCKETS));
    assert_eq!(page.text(), "");
}
