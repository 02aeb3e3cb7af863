//! What a run has found, as it stands in the JSON file: one value for each round, measure and proxy.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::figures::{Summary, summary};
use crate::machine::Machine;
use crate::target::Kind;

/// Raised when a file of before could be misread.
const FORMAT: u32 = 1;

/// All of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) format: u32,
    /// Says which tables are made of a file.
    pub(crate) kind: String,
    pub(crate) machine: Machine,
    /// Seconds of one measurement.
    pub(crate) seconds: f64,
    /// Those that are over.
    pub(crate) rounds: usize,
    /// Requests a second of the constant rate.
    pub(crate) rate: u64,
    /// Whether proxies had a core to themselves.
    pub(crate) pinned: bool,
    /// The cargo profile of the gateway, or the file that was given.
    pub(crate) gateway: String,
    /// Of the gateway's binary without symbols, where `strip` is installed.
    pub(crate) stripped_bytes: Option<u64>,
    /// What each proxy says it is.
    pub(crate) versions: BTreeMap<String, String>,
    /// Messages that the collector took: none would mean that telemetry was not on.
    pub(crate) telemetry_messages: u64,
    /// Requests answered within measurements.
    pub(crate) requests: u64,
    /// `small-16.cpu` to proxy to one value for each round.
    pub(crate) values: BTreeMap<String, BTreeMap<String, Vec<Option<f64>>>>,
    /// Per cent of the time in which the load had work, as `values`, by scenario.
    pub(crate) load_busy: BTreeMap<String, BTreeMap<String, Vec<Option<f64>>>>,
    /// Per cent of the time in which it had work and somebody else its core, of each measurement.
    pub(crate) disturbed: Vec<f64>,
    /// Measurements that ended because a request failed.
    pub(crate) errors: Vec<Failure>,
}

/// A measurement in which a request failed; it has no values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) scenario: String,
    pub(crate) proxy: String,
    pub(crate) round: usize,
    pub(crate) what: String,
}

impl Results {
    /// Of a run that is about to begin.
    pub(crate) fn new(machine: Machine, gateway: String, seconds: f64, rate: u64) -> Results {
        Results {
            format: FORMAT,
            kind: "compare".to_owned(),
            machine,
            seconds,
            rounds: 0,
            rate,
            pinned: crate::process::pins(),
            gateway,
            stripped_bytes: None,
            versions: BTreeMap::new(),
            telemetry_messages: 0,
            requests: 0,
            values: BTreeMap::new(),
            load_busy: BTreeMap::new(),
            disturbed: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Reads a file of `compare --json`.
    pub(crate) fn parse(text: &str) -> Result<Results> {
        let results: Results = serde_json::from_str(text).context("not a file of `compare --json`")?;
        ensure!(results.format == FORMAT, "a file of another version of this program");
        Ok(results)
    }

    /// Adds a round's value (rounds count from 0).
    pub(crate) fn add(&mut self, key: &str, kind: Kind, round: usize, value: f64) {
        place(&mut self.values, key, kind, round, value);
    }

    /// Adds how busy the load's core was.
    pub(crate) fn add_load(&mut self, scenario: &str, kind: Kind, round: usize, busy: f64) {
        place(&mut self.load_busy, scenario, kind, round, busy);
    }

    /// One proxy's values of a measure, a place for each round.
    pub(crate) fn rounds_of(&self, key: &str, proxy: &str) -> &[Option<f64>] {
        self.values.get(key).and_then(|proxies| proxies.get(proxy)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn summary(&self, key: &str, proxy: &str) -> Option<Summary> {
        summary(&self.rounds_of(key, proxy).iter().copied().flatten().collect::<Vec<_>>())
    }

    /// What `combine` makes of two proxies' values, taken within each round that has both.
    pub(crate) fn paired(
        &self,
        key: &str,
        [left, right]: [&str; 2],
        combine: impl Fn(f64, f64) -> f64,
    ) -> Option<Summary> {
        let pairs = self.rounds_of(key, left).iter().zip(self.rounds_of(key, right));
        let both = pairs.filter_map(|(left, right)| Some(combine((*left)?, (*right)?)));
        summary(&both.collect::<Vec<_>>())
    }

    /// How many times the other proxy's value.
    pub(crate) fn ratio(&self, key: &str, proxy: &str, base: &str) -> Option<Summary> {
        self.paired(key, [proxy, base], |value, base| value / base).filter(|ratio| ratio.median.is_finite())
    }

    /// Proxies of this run, in the order in which tables have them.
    pub(crate) fn proxies(&self) -> Vec<&'static str> {
        let kinds = <Kind as clap::ValueEnum>::value_variants().iter().map(|kind| kind.name());
        kinds.filter(|name| self.values.values().any(|proxies| proxies.contains_key(*name))).collect()
    }
}

fn place(
    values: &mut BTreeMap<String, BTreeMap<String, Vec<Option<f64>>>>,
    key: &str,
    kind: Kind,
    round: usize,
    value: f64,
) {
    let rounds = values.entry(key.to_owned()).or_default().entry(kind.name().to_owned()).or_default();
    rounds.resize(rounds.len().max(round + 1), None);
    if let Some(place) = rounds.get_mut(round) {
        *place = Some(value);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three rounds, the second on a machine twice as slow, the third of which nginx has lost.
    pub(crate) fn example() -> Results {
        let mut results = Results::new(Machine::default(), "dist".to_owned(), 1.0, 2000);
        results.rounds = 3;
        for (round, factor) in [(0, 1.0), (1, 2.0), (2, 1.0)] {
            for (kind, value) in [(Kind::Floor, 10.0), (Kind::Cometgate, 15.0), (Kind::Nginx, 10.0)] {
                if (round, kind) != (2, Kind::Nginx) {
                    results.add("small-16.cpu", kind, round, value * factor);
                }
            }
        }
        results
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_only_where_both_were_measured() {
        let results = example();
        let cometgate = results.summary("small-16.cpu", "cometgate").unwrap();
        assert_eq!(cometgate, Summary { median: 15.0, least: 15.0, greatest: 30.0 });
        let one_and_a_half = Summary { median: 1.5, least: 1.5, greatest: 1.5 };
        assert_eq!(results.ratio("small-16.cpu", "cometgate", "nginx"), Some(one_and_a_half));
        assert_eq!(results.ratio("small-16.cpu", "cometgate", "haproxy"), None);
        assert_eq!(results.rounds_of("small-16.cpu", "nginx").len(), 2);
        assert_eq!(results.proxies(), ["floor", "nginx", "cometgate"]);
    }

    #[test]
    fn a_file_is_read_back_and_one_of_another_format_is_not() {
        let mut results = example();
        let text = serde_json::to_string(&results).unwrap();
        assert_eq!(Results::parse(&text).unwrap().values, results.values);
        results.format = 2;
        assert!(Results::parse(&serde_json::to_string(&results).unwrap()).is_err());
    }
}
