//! The page that Prometheus reads: its text format, version 0.0.4.
//!
//! Whoever has instruments writes them in whatever order it finds them; the page puts the lines of one metric together,
//! as the format wants it. A metric without series is left out.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

use crate::buckets::Seconds;
use crate::{Family, Histogram, Kind};

/// What the page is, as HTTP calls it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was written so far.
#[derive(Debug, Default)]
pub struct Page {
    sections: BTreeMap<&'static str, Section>,
}

#[derive(Debug)]
struct Section {
    family: &'static Family,
    lines: String,
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new() -> Page {
        Page::default()
    }

    /// Writes one series: `values` are those of the family's labels, in its order.
    pub fn write(&mut self, family: &'static Family, values: &[&str], shown: impl Display) {
        debug_assert!(!matches!(family.kind, Kind::Histogram(_)), "{} is a histogram", family.name);
        let lines = self.lines(family, values);
        push(lines, format_args!("{}{} {shown}\n", family.name, Labels::new(family, values, None)));
    }

    /// Writes the series of a histogram; nothing while that is empty.
    pub fn write_histogram(&mut self, family: &'static Family, values: &[&str], histogram: &Histogram) {
        debug_assert!(
            matches!(family.kind, Kind::Histogram(buckets) if buckets.ends_us() == histogram.ends_us()),
            "{} has other buckets",
            family.name
        );
        let (counts, sum_us) = histogram.shown();
        let counts: Vec<_> = counts.collect();
        let count = counts.last().map_or(0, |(_, count)| *count);
        if count == 0 {
            return;
        }
        let lines = self.lines(family, values);
        for (end, up_to) in counts {
            let end = end.map_or_else(|| "+Inf".to_owned(), |us| Seconds(us).to_string());
            let labels = Labels::new(family, values, Some(&end));
            push(lines, format_args!("{}_bucket{labels} {up_to}\n", family.name));
        }
        let labels = Labels::new(family, values, None);
        push(
            lines,
            format_args!("{0}_sum{labels} {1}\n{0}_count{labels} {count}\n", family.name, Seconds(sum_us)),
        );
    }

    /// The whole page.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = String::new();
        for Section { family, lines } in self.sections.into_values() {
            let Family { name, help, .. } = family;
            push(&mut text, format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", family.kind.as_str()));
            text.push_str(&lines);
        }
        text
    }

    fn lines(&mut self, family: &'static Family, values: &[&str]) -> &mut String {
        debug_assert_eq!(family.labels.len(), values.len(), "the labels of {}", family.name);
        let section = self.sections.entry(family.name);
        &mut section.or_insert_with(|| Section { family, lines: String::new() }).lines
    }
}

/// The labels of a series, without those that are empty: to Prometheus they are the same.
struct Labels<'p> {
    family: &'static Family,
    values: &'p [&'p str],
    /// The end of a bucket.
    le: Option<&'p str>,
}

impl<'p> Labels<'p> {
    fn new(family: &'static Family, values: &'p [&'p str], le: Option<&'p str>) -> Labels<'p> {
        Labels { family, values, le }
    }
}

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.family.labels.iter().copied().zip(self.values.iter().copied());
        let shown = named.chain(self.le.map(|le| ("le", le))).filter(|(_, value)| !value.is_empty());
        let mut before = '{';
        for (name, value) in shown {
            write!(f, "{before}{name}=\"{}\"", Escaped(value))?;
            before = ',';
        }
        if before == ',' { f.write_char('}') } else { Ok(()) }
    }
}

/// A value between quotes. Names are checked to need none of this when the file is loaded; whatever happens there, a
/// name makes no line of its own here.
struct Escaped<'p>(&'p str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|each| match each {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

fn push(text: &mut String, what: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    text.write_fmt(what).ok();
}

#[cfg(test)]
mod tests;
