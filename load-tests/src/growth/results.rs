//! What a run of `growth` has found, as it stands in its JSON file, and the tables that people read.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::compare::tables::number;
use crate::growth::fit::{Shape, fit, knees};
use crate::growth::series::Series;
use crate::machine::{Machine, not_quiet};
use crate::statistics::median;

const FORMAT: u32 = 1;

/// All of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) format: u32,
    /// Says which tables are made of a file.
    pub(crate) kind: String,
    pub(crate) machine: Machine,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    /// The cargo profile of the gateway, or the file that was given.
    pub(crate) gateway: String,
    /// `body` to proxy to points, in the order of growth.
    pub(crate) series: BTreeMap<String, BTreeMap<String, Vec<Point>>>,
    /// Per cent of the time in which the load had work and somebody else its core, of each measurement.
    pub(crate) disturbed: Vec<f64>,
    /// What failed, in words.
    pub(crate) errors: Vec<String>,
}

/// CPU per request at one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) grown: u64,
    /// Microseconds, one for each round.
    pub(crate) cpu: Vec<f64>,
}

impl Growth {
    pub(crate) fn new(machine: Machine, gateway: String, seconds: f64, rounds: usize) -> Growth {
        Growth {
            format: FORMAT,
            kind: "growth".to_owned(),
            machine,
            seconds,
            rounds,
            gateway,
            series: BTreeMap::new(),
            disturbed: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Reads a file of `growth --json`.
    pub(crate) fn parse(text: &str) -> Result<Growth> {
        let growth: Growth = serde_json::from_str(text).context("not a file of `growth --json`")?;
        ensure!(growth.format == FORMAT, "a file of another version of this program");
        Ok(growth)
    }

    pub(crate) fn add(&mut self, series: Series, proxy: &str, grown: u64, cpu: f64) {
        let points =
            self.series.entry(series.name().to_owned()).or_default().entry(proxy.to_owned()).or_default();
        match points.iter_mut().find(|point| point.grown == grown) {
            Some(point) => point.cpu.push(cpu),
            None => points.push(Point { grown, cpu: vec![cpu] }),
        }
    }

    /// A table for each series, with the shape of each proxy's cost.
    pub(crate) fn tables(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "{}: {} rounds of {} s, gateway built as `{}`, CPU of a request in µs, medians.",
            self.machine.date, self.rounds, self.seconds, self.gateway
        )?;
        if let Some(warning) = not_quiet(&self.disturbed) {
            writeln!(text, "\n{warning}")?;
        }
        for error in &self.errors {
            writeln!(text, "\n**Failed**: {error}")?;
        }
        for series in Series::ALL {
            if let Some(proxies) = self.series.get(series.name()) {
                table(&mut text, series, proxies)?;
            }
        }
        Ok(text)
    }
}

fn table(text: &mut String, series: Series, proxies: &BTreeMap<String, Vec<Point>>) -> Result<()> {
    let names: Vec<&str> = proxies.keys().map(String::as_str).collect();
    writeln!(
        text,
        "\n| {} | {} |\n|---:|{}",
        series.title(),
        names.join(" | "),
        "---:|".repeat(names.len())
    )?;
    for grown in series.sizes() {
        write!(text, "| {} |", series.shown(*grown))?;
        for points in proxies.values() {
            let cpu = points.iter().find(|point| point.grown == *grown).and_then(|point| median(&point.cpu));
            write!(text, " {} |", cpu.map_or_else(|| "-".to_owned(), number))?;
        }
        text.push('\n');
    }
    text.push('\n');
    for (proxy, points) in proxies {
        writeln!(text, "- {proxy}: {}", described(series, points))?;
    }
    Ok(())
}

/// The shape in words.
#[allow(clippy::cast_precision_loss, reason = "sizes of a few megabytes at the most")]
fn described(series: Series, points: &[Point]) -> String {
    let medians: Vec<(f64, f64)> = points
        .iter()
        .filter_map(|point| Some((point.grown as f64 / series.unit_size(), median(&point.cpu)?)))
        .collect();
    let Some(fit) = fit(&medians) else { return "too few points".to_owned() };
    let base = number(fit.base);
    let explained = format!("explains {:.0} % of the variation", fit.explained * 100.0);
    let unit = series.unit();
    let mut text = match fit.shape {
        Shape::Constant => format!("constant, {base} µs"),
        Shape::NotGrowing => format!("no growth that stands out of the noise; {base} µs in the middle"),
        Shape::Logarithmic => {
            format!("logarithmic, {base} µs and {} µs for each doubling; {explained}", number(fit.slope))
        }
        Shape::Linear if fit.slope < 0.01 => {
            format!(
                "linear, {base} µs and {} µs for each 1,000 {unit}s; {explained}",
                number(fit.slope * 1e3)
            )
        }
        Shape::Linear => {
            format!("linear, {base} µs and {} µs for each {unit}; {explained}", number(fit.slope))
        }
    };
    let knees: Vec<String> = knees(&medians).into_iter().map(number).collect();
    if !knees.is_empty() {
        text += &format!("; steeper from {} {unit}", knees.join(", "));
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Growth {
        let mut growth = Growth::new(Machine::default(), "dist".to_owned(), 1.0, 2);
        for grown in Series::Body.sizes() {
            let kilobytes = f64::from(u32::try_from(*grown / 1024).unwrap());
            for noise in [0.0, 1.0] {
                growth.add(Series::Body, "cometgate", *grown, 30.0 + 0.25 * kilobytes + noise);
            }
        }
        for (index, routes) in Series::Routes.sizes().iter().enumerate() {
            growth.add(Series::Routes, "cometgate", *routes, if index % 2 == 0 { 20.0 } else { 21.0 });
        }
        growth
    }

    #[test]
    fn tables_name_the_shape_of_each_series() {
        let text = example().tables().unwrap();
        assert!(
            text.contains("cometgate: linear, 30.5 µs and 0.25 µs for each KB; explains 100 %"),
            "{text}"
        );
        assert!(text.contains("cometgate: constant, 20.0 µs"), "{text}");
        assert!(text.contains("| 1 MB | 286 |"), "{text}");
    }

    #[test]
    fn a_file_is_read_back() {
        let text = serde_json::to_string(&example()).unwrap();
        assert_eq!(Growth::parse(&text).unwrap().series, example().series);
    }
}
