//! The numbers of a run: per measure and target, one value per round.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::statistics::{median, median_ratio, range};
use crate::target::Kind;

/// What is measured. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    SmallCpu,
    SmallRate,
    SmallBusy,
    OpenP50,
    OpenP99,
    OpenCpu,
    LargeCpu,
    FastCpu,
    PacedCpu,
    PacedFirstP50,
    PacedDelayP50,
    PacedDelayP99,
    PacedGapP99,
    StreamMemory,
    IdleMemory,
}

impl Measure {
    /// All of them, in the report's order.
    pub(crate) const ALL: [Measure; 15] = [
        Measure::SmallCpu,
        Measure::SmallRate,
        Measure::SmallBusy,
        Measure::OpenP50,
        Measure::OpenP99,
        Measure::OpenCpu,
        Measure::LargeCpu,
        Measure::FastCpu,
        Measure::PacedCpu,
        Measure::PacedFirstP50,
        Measure::PacedDelayP50,
        Measure::PacedDelayP99,
        Measure::PacedGapP99,
        Measure::StreamMemory,
        Measure::IdleMemory,
    ];

    /// Name in JSON, title and unit in the table.
    pub(crate) fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Measure::SmallCpu => ("small_cpu", "small request, CPU", "us"),
            Measure::SmallRate => ("small_rate", "small request, rate", "req/s"),
            Measure::SmallBusy => ("small_busy", "small request, core busy", "%"),
            Measure::OpenP50 => ("open_p50", "constant rate, p50", "us"),
            Measure::OpenP99 => ("open_p99", "constant rate, p99", "us"),
            Measure::OpenCpu => ("open_cpu", "constant rate, CPU/request", "us"),
            Measure::LargeCpu => ("large_cpu", "64 KB answer, CPU", "us"),
            Measure::FastCpu => ("fast_cpu", "chunk flat out, CPU", "us"),
            Measure::PacedCpu => ("paced_cpu", "chunk paced 20 ms, CPU", "us"),
            Measure::PacedFirstP50 => ("paced_first_p50", "paced, first chunk p50", "us"),
            Measure::PacedDelayP50 => ("paced_delay_p50", "paced, chunk delay p50", "us"),
            Measure::PacedDelayP99 => ("paced_delay_p99", "paced, chunk delay p99", "us"),
            Measure::PacedGapP99 => ("paced_gap_p99", "paced, chunk gap p99", "us"),
            Measure::StreamMemory => ("stream_memory", "memory per open stream", "KB"),
            Measure::IdleMemory => ("idle_memory", "memory when idle", "KB"),
        }
    }

    /// Whether what a target adds over `direct` says more than the value.
    pub(crate) fn is_latency(self) -> bool {
        matches!(
            self,
            Measure::OpenP50
                | Measure::OpenP99
                | Measure::PacedFirstP50
                | Measure::PacedDelayP50
                | Measure::PacedDelayP99
        )
    }
}

/// All values of a run.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<(Measure, Kind), Vec<f64>>);

/// Median, least and greatest over rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Figures {
    /// Adds a round's value; `None`, what a target without a process has for CPU, adds nothing.
    pub(crate) fn add(&mut self, measure: Measure, kind: Kind, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.0.entry((measure, kind)).or_default().push(value);
        }
    }

    pub(crate) fn values(&self, measure: Measure, kind: Kind) -> &[f64] {
        self.0.get(&(measure, kind)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn summary(&self, measure: Measure, kind: Kind) -> Option<Summary> {
        summary(self.values(measure, kind))
    }

    /// What a target adds over `direct`, round by round.
    pub(crate) fn added(&self, measure: Measure, kind: Kind) -> Option<Summary> {
        let (values, direct) = (self.values(measure, kind), self.values(measure, Kind::Direct));
        if values.len() != direct.len() {
            return None;
        }
        summary(&values.iter().zip(direct).map(|(value, direct)| value - direct).collect::<Vec<_>>())
    }

    pub(crate) fn ratio_to_floor(&self, measure: Measure, kind: Kind) -> Option<f64> {
        median_ratio(self.values(measure, kind), self.values(measure, Kind::Floor))
    }

    /// Everything, for machines.
    pub(crate) fn to_json(&self, kinds: &[Kind]) -> Value {
        let mut measures = Map::new();
        for measure in Measure::ALL {
            let (name, title, unit) = measure.texts();
            let mut targets = Map::new();
            for kind in kinds {
                let Some(summary) = self.summary(measure, *kind) else { continue };
                let figures = json!({
                    "rounds": self.values(measure, *kind),
                    "median": summary.median,
                    "min": summary.least,
                    "max": summary.greatest,
                    "ratio_to_floor": self.ratio_to_floor(measure, *kind),
                });
                targets.insert(kind.name().to_owned(), figures);
            }
            measures.insert(name.to_owned(), json!({"title": title, "unit": unit, "targets": targets}));
        }
        Value::Object(measures)
    }
}

/// Of some values; `None` of none.
pub(crate) fn summary(values: &[f64]) -> Option<Summary> {
    let (least, greatest) = range(values)?;
    Some(Summary { median: median(values)?, least, greatest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_adds_is_taken_round_by_round() {
        let mut figures = Figures::default();
        for (direct, gateway) in [(10.0, 30.0), (100.0, 125.0), (10.0, 31.0)] {
            figures.add(Measure::OpenP50, Kind::Direct, direct);
            figures.add(Measure::OpenP50, Kind::Cometgate, gateway);
        }
        let added = figures.added(Measure::OpenP50, Kind::Cometgate).unwrap();
        assert_eq!(added, Summary { median: 21.0, least: 20.0, greatest: 25.0 });
        figures.add(Measure::SmallCpu, Kind::Direct, None);
        assert_eq!(figures.summary(Measure::SmallCpu, Kind::Direct), None);
    }
}
