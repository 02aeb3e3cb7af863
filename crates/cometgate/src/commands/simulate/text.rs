//! The result as a table for people.

use config::{format_count, format_share};
use decisions::gate::Rate;
use decisions::gate::simulation::Row;

use super::Simulated;

/// The table, line by line, with what was played above it and how to read it below.
pub(super) fn lines(simulated: &Simulated) -> Vec<String> {
    let Simulated { subject, per_second, failing, seed, harm, wrong } = simulated;
    let runs = |rows: &[Row]| rows.first().map_or(0, |row| row.runs);
    let limit = subject.rules.limit(Rate::HardFailure);
    let mut lines = vec![
        format!(
            "{}: canary at {}, {} of {per_second} requests a second",
            subject.route,
            subject.provider,
            format_share(subject.share)
        ),
        format!(
            "  in trouble: well for an hour, then {} of its requests fail ({} runs)",
            format_share(*failing),
            runs(harm)
        ),
        format!(
            "  at its limit: {} of its requests fail, for 24 hours ({} runs)",
            percent(limit),
            runs(wrong)
        ),
        String::new(),
        format!("{:<28}{:^39}{:>16}", "", "in trouble", "at its limit"),
        format!("{:<28}{:>9}{:>16}{:>14}{:>16}", "gate", "trips", "failed", "out after", "wrongly out"),
    ];
    for (harm, wrong) in harm.iter().zip(wrong) {
        lines.push(line(harm, wrong));
    }
    lines.push(String::new());
    lines.push("failed: requests until it is out, median (and what nine runs in ten do not exceed). out after: median.".to_owned());
    if harm.iter().any(|row| row.tripped_before > 0) {
        lines.push("*: in other runs it took the canary out while that was still well.".to_owned());
    }
    lines.push(format!(
        "This gate takes out a canary at its limits once in {:.0} lives at the most. Seed {seed}.",
        1.0 / subject.rules.settings().false_alarms
    ));
    if !subject.acts {
        lines.push(
            "The route has mode = \"observe\": this gate will say so, and take nothing out.".to_owned(),
        );
    }
    lines
}

fn line(harm: &Row, wrong: &Row) -> String {
    let (mut fail, mut after) = ("-".to_owned(), "-".to_owned());
    if harm.tripped > 0 {
        fail = format!("{} ({})", format_count(harm.failed_requests), format_count(harm.failed_requests_p90));
        after = duration(harm.after_ms);
    }
    let mark = if harm.tripped_before > 0 { "*" } else { " " };
    let of = |tripped, row: &Row| percent(f64::from(tripped) / f64::from(row.runs.max(1)));
    format!(
        "{:<28}{:>8}{mark}{fail:>16}{after:>14}{:>16}",
        harm.gate,
        of(harm.tripped, harm),
        of(wrong.tripped, wrong)
    )
}

/// `2 %`, `0.1 %`, with as many digits as it takes and three at the most.
pub(super) fn percent(part: f64) -> String {
    let hundredths = part * 100.0;
    let decimals = if hundredths >= 99.95 {
        0
    } else if hundredths >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{hundredths:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// Milliseconds in the two units that say most.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_lose_nothing_that_matters() {
        assert_eq!(
            [0.0, 0.0005, 0.02, 0.0512, 0.999, 0.99999, 1.0].map(percent).join(" "),
            "0% 0.05% 2% 5.12% 99.9% 100% 100%"
        );
        let times = [400, 9_990, 59_900, 300_000, 7_199_000, 7_200_000, 90_060_000].map(duration);
        assert_eq!(times.join(", "), "0.4 s, 9.9 s, 59 s, 5 min, 120 min, 2 h 00 min, 25 h 01 min");
    }
}
