//! One metric: its name, what it counts, and by which labels.

use crate::Buckets;

/// A metric: all series of one name.
#[derive(Debug)]
pub struct Family {
    /// With its unit at the end, and `_total` if it only goes up.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels. Their values are names of the plan or from closed sets; an empty value is left out.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Only goes up, from 0 when the process starts.
    Counter,
    /// What is so now.
    Gauge,
    /// Durations, in seconds.
    Histogram(Buckets),
}

impl Kind {
    /// As the page calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}
