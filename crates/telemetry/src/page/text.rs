//! The lines of Prometheus' text format, version 0.0.4.

use std::fmt::{self, Display, Write as _};

use crate::buckets::Seconds;
use crate::page::Number;
use crate::{Family, Histogram};

/// The line of a series.
pub(super) fn line(lines: &mut String, family: &'static Family, values: &[&str], shown: Number) {
    push(lines, format_args!("{}{} {shown}\n", family.name, Labels::new(family, values, None)));
}

/// The lines of a histogram.
pub(super) fn histogram_lines(
    lines: &mut String,
    family: &'static Family,
    values: &[&str],
    histogram: &Histogram,
) {
    let (counts, sum_us) = histogram.shown();
    let mut count = 0;
    for (end, up_to) in counts {
        let end = end.map_or_else(|| "+Inf".to_owned(), |us| Seconds(us).to_string());
        let labels = Labels::new(family, values, Some(&end));
        push(lines, format_args!("{}_bucket{labels} {up_to}\n", family.name));
        count = up_to;
    }
    let labels = Labels::new(family, values, None);
    push(
        lines,
        format_args!("{0}_sum{labels} {1}\n{0}_count{labels} {count}\n", family.name, Seconds(sum_us)),
    );
}

/// What stands before the lines of a metric.
pub(super) fn heading(text: &mut String, family: &'static Family) {
    let Family { name, help, kind, .. } = family;
    push(text, format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str()));
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
