//! The tables that people read, as Markdown: bars, figures, ratios. Pure, from what stands in the JSON file.

use std::fmt::Write;

use anyhow::Result;

use crate::compare::bars::{Verdict, verdicts};
use crate::compare::capacity;
use crate::compare::results::Results;
use crate::compare::scenario::Scenario;
use crate::figures::Summary;
use crate::machine::not_quiet;

/// With work for more than this per cent of the time, the load is what sets latencies and rates.
const LOAD_BUSY: f64 = 95.0;

/// Everything, one table after the other.
pub(crate) fn all(results: &Results) -> Result<String> {
    let mut text = String::new();
    about(&mut text, results)?;
    text.push_str("\nAgainst the bars, everything on, medians and ranges of rounds:\n\n");
    bars(&mut text, results)?;
    text.push_str("\nFigures, medians and ranges of rounds:\n\n");
    figures(&mut text, results)?;
    for base in ["nginx", "floor"] {
        if results.proxies().contains(&base) {
            writeln!(text, "\nTimes {base}, medians and ranges of the ratios within rounds:\n")?;
            ratios(&mut text, results, base)?;
        }
    }
    let capacity = capacity::table(results)?;
    if !capacity.is_empty() {
        writeln!(text, "\nWhat that carries:\n\n{capacity}")?;
    }
    Ok(text)
}

/// When, where, what, and what to think of it.
fn about(text: &mut String, results: &Results) -> Result<()> {
    let machine = &results.machine;
    writeln!(
        text,
        "{}: {} cores ({}), {} GiB, Linux {}; {} rounds of {} s, gateway built as `{}`, {}.",
        machine.date,
        machine.cores,
        machine.processor,
        machine.memory,
        machine.kernel,
        results.rounds,
        results.seconds,
        results.gateway,
        if results.pinned { "each proxy alone on its core" } else { "proxies and load on one core" }
    )?;
    let versions: Vec<&str> = results.versions.values().map(String::as_str).collect();
    if !versions.is_empty() {
        writeln!(text, "Beside it: {}.", versions.join("; "))?;
    }
    writeln!(
        text,
        "{} requests answered within measurements, {} measurements with a failed request; {} messages of telemetry arrived.",
        results.requests,
        results.errors.len(),
        results.telemetry_messages
    )?;
    for failure in &results.errors {
        writeln!(
            text,
            "\n**Failed**: {} {} in round {}: {}",
            failure.scenario,
            failure.proxy,
            failure.round + 1,
            failure.what
        )?;
    }
    if let Some(warning) = not_quiet(&results.disturbed) {
        writeln!(text, "\n{warning}")?;
    }
    Ok(())
}

fn bars(text: &mut String, results: &Results) -> Result<()> {
    text.push_str("| measure | measured | bar | aim | |\n|---|---:|---:|---:|---|\n");
    for verdict in verdicts(results) {
        let bar = if verdict.bar.is_finite() { number(verdict.bar) } else { "-".to_owned() };
        let aim = verdict.aim.map_or_else(|| "-".to_owned(), number);
        let unit = verdict.unit;
        writeln!(
            text,
            "| {} | {} {unit} | {bar} | {aim} | {} |",
            verdict.title,
            cell(verdict.value),
            outcome(&verdict)
        )?;
    }
    Ok(())
}

fn outcome(verdict: &Verdict) -> &'static str {
    if verdict.bar.is_infinite() {
        let reached = verdict.value.zip(verdict.aim).is_some_and(|(value, aim)| value.median <= aim);
        return if reached { "aim reached" } else { "" };
    }
    match (verdict.met(), verdict.is_close()) {
        (None, _) => "not measured",
        (Some(true), false) => "met",
        (Some(true), true) => "met, not in every round",
        (Some(false), true) => "**missed**, not in every round",
        (Some(false), false) => "**missed**",
    }
}

fn figures(text: &mut String, results: &Results) -> Result<()> {
    let proxies = results.proxies();
    header(text, &proxies)?;
    for scenario in Scenario::ALL {
        for measure in scenario.measures() {
            let key = format!("{}.{}", scenario.name(), measure.name);
            if !results.values.contains_key(&key) {
                continue;
            }
            write!(text, "| {}, {} |", measure.title, measure.unit)?;
            for proxy in &proxies {
                let mark =
                    if depends_on_load(scenario, measure.name) && load_was_full(results, scenario, proxy) {
                        " *"
                    } else {
                        ""
                    };
                write!(text, " {}{mark} |", cell(results.summary(&key, proxy)))?;
            }
            text.push('\n');
        }
    }
    writeln!(
        text,
        "\n\\* the load had more than it could do ({LOAD_BUSY} % of its core or more): this says more of it than of the proxy."
    )?;
    Ok(())
}

/// Not of rates, which the load bounds, nor of the slowest chunks, which say more of the machine.
fn ratios(text: &mut String, results: &Results, base: &str) -> Result<()> {
    let proxies: Vec<&str> =
        results.proxies().into_iter().filter(|proxy| *proxy != "direct" && *proxy != base).collect();
    header(text, &proxies)?;
    for scenario in Scenario::ALL {
        for measure in scenario.measures() {
            if matches!(measure.name, "rate" | "busy" | "delay_p99") {
                continue;
            }
            let key = format!("{}.{}", scenario.name(), measure.name);
            if results.summary(&key, base).is_none() {
                continue;
            }
            write!(text, "| {} |", measure.title)?;
            for proxy in &proxies {
                write!(text, " {} |", cell(results.ratio(&key, proxy, base)))?;
            }
            text.push('\n');
        }
    }
    Ok(())
}

fn header(text: &mut String, proxies: &[&str]) -> Result<()> {
    writeln!(text, "| | {} |\n|---|{}", proxies.join(" | "), "---:|".repeat(proxies.len()))?;
    Ok(())
}

/// Times and rates do; and CPU of a chunk that should be alone, since chunks that come late come together, which is cheaper.
fn depends_on_load(scenario: Scenario, measure: &str) -> bool {
    !matches!(measure, "cpu" | "busy") || matches!(scenario, Scenario::Constant | Scenario::Paced)
}

fn load_was_full(results: &Results, scenario: Scenario, proxy: &str) -> bool {
    let rounds = results.load_busy.get(scenario.name()).and_then(|proxies| proxies.get(proxy));
    let busy: Vec<f64> = rounds.into_iter().flatten().copied().flatten().collect();
    crate::statistics::median(&busy).is_some_and(|busy| busy > LOAD_BUSY)
}

fn cell(summary: Option<Summary>) -> String {
    let Some(summary) = summary else { return "-".to_owned() };
    if summary.least == summary.greatest {
        return number(summary.median);
    }
    format!("{} [{}–{}]", number(summary.median), number(summary.least), number(summary.greatest))
}

/// Three digits: more than five rounds of a second can carry, and enough to compare.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 10_000.0 => format!("{:.0}", value / 100.0).to_owned() + "00",
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::results::{Failure, tests::example};

    #[test]
    fn a_table_shows_medians_ranges_ratios_and_what_was_missed() {
        let mut results = example();
        results.stripped_bytes = Some(16_000_000);
        let text = all(&results).unwrap();
        assert!(text.contains("| small request, 16 connections: CPU, µs | 10.0 [10.0–20.0] | 15.0 [10.0–20.0] | 15.0 [15.0–30.0] |"), "{text}");
        assert!(
            text.contains("| CPU of a small request, 16 connections | 1.50 x nginx | 1.50 | - | met |"),
            "{text}"
        );
        assert!(
            text.contains("| binary of the profile `dist`, stripped | 16.0 MB | 15.0 | - | **missed** |"),
            "{text}"
        );
        assert!(
            text.contains("| CPU of a chunk, 200 flat out | - x nginx | 1.20 | - | not measured |"),
            "{text}"
        );
    }

    #[test]
    fn failures_and_a_busy_machine_are_said_first() {
        let mut results = example();
        results.disturbed = vec![0.0, 9.0, 30.0];
        results.errors.push(Failure {
            scenario: "fast".to_owned(),
            proxy: "nginx".to_owned(),
            round: 1,
            what: "status 502: bad".to_owned(),
        });
        let text = all(&results).unwrap();
        let (before, _) = text.split_once("Against the bars").unwrap();
        assert!(before.contains("**Failed**: fast nginx in round 2: status 502: bad"));
        assert!(before.contains("**The machine was not quiet**"));
        assert!(
            text.contains("| measurements with a failed request | 1.00  | 0.00 | - | **missed** |"),
            "{text}"
        );
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            [0.876, 9.999, 12.34, 123.4, 45_678.0].map(number),
            ["0.88", "10.00", "12.3", "123", "45700"]
        );
    }
}
