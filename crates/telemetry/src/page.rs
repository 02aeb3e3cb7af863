//! What the instruments show, put together: the page that Prometheus reads, or the same as points for a collector of
//! OpenTelemetry.
//!
//! Whoever has instruments writes them in whatever order it finds them; the page puts what belongs to one metric together,
//! as both formats want it. A metric without series is left out. There is one walk over the instruments for both, so
//! neither can know what the other does not.

mod number;
mod text;

use std::collections::BTreeMap;

pub use number::Number;
pub(crate) use number::decimal;

use crate::otlp::metrics::{Points, Span};
use crate::{Family, Histogram, Kind};

/// What the page is, as HTTP calls it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was written so far.
#[derive(Debug, Default)]
pub struct Page {
    /// Between which moments what is shown was counted; `None` where a text is written, which does not say so.
    span: Option<Span>,
    sections: BTreeMap<&'static str, Section>,
}

#[derive(Debug)]
struct Section {
    family: &'static Family,
    written: Written,
}

#[derive(Debug)]
enum Written {
    Lines(String),
    Points(Points),
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new() -> Page {
        Page::default()
    }

    /// An empty one for points, of a process that began at `begun_ns`, as things are at `now_ns`; nanoseconds since 1970.
    #[must_use]
    pub fn of_points(begun_ns: u64, now_ns: u64) -> Page {
        Page { span: Some(Span { begun_ns, now_ns }), sections: BTreeMap::new() }
    }

    /// Writes one series: `values` are those of the family's labels, in its order.
    pub fn write(&mut self, family: &'static Family, values: &[&str], shown: impl Into<Number>) {
        debug_assert!(!matches!(family.kind, Kind::Histogram(_)), "{} is a histogram", family.name);
        let span = self.span.unwrap_or_default();
        match self.written(family, values) {
            Written::Lines(lines) => text::line(lines, family, values, shown.into()),
            Written::Points(points) => points.add(family, values, shown.into(), span),
        }
    }

    /// Writes the series of a histogram; nothing while that is empty.
    pub fn write_histogram(&mut self, family: &'static Family, values: &[&str], histogram: &Histogram) {
        debug_assert!(
            matches!(family.kind, Kind::Histogram(buckets) if buckets.ends_us() == histogram.ends_us()),
            "{} has other buckets",
            family.name
        );
        if histogram.shown().0.last().is_none_or(|(_, count)| count == 0) {
            return;
        }
        let span = self.span.unwrap_or_default();
        match self.written(family, values) {
            Written::Lines(lines) => text::histogram_lines(lines, family, values, histogram),
            Written::Points(points) => points.add_histogram(family, values, histogram, span),
        }
    }

    /// The whole page as a text.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = String::new();
        for Section { family, written } in self.sections.into_values() {
            if let Written::Lines(lines) = written {
                text::heading(&mut text, family);
                text.push_str(&lines);
            }
        }
        text
    }

    /// The points of all metrics.
    pub(crate) fn points(self) -> impl Iterator<Item = (&'static Family, Points)> {
        self.sections.into_values().filter_map(|section| match section.written {
            Written::Points(points) => Some((section.family, points)),
            Written::Lines(_) => None,
        })
    }

    fn written(&mut self, family: &'static Family, values: &[&str]) -> &mut Written {
        debug_assert_eq!(family.labels.len(), values.len(), "the labels of {}", family.name);
        let is_text = self.span.is_none();
        let new = || match is_text {
            true => Written::Lines(String::new()),
            false => Written::Points(Points::new(family.kind)),
        };
        let section = self.sections.entry(family.name);
        &mut section.or_insert_with(|| Section { family, written: new() }).written
    }
}

#[cfg(test)]
mod tests;
