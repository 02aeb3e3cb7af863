//! What the gateway must cost at the most, and whether it does. Bars are ratios where machines differ, and figures where
//! they do not.

use crate::compare::results::Results;
use crate::figures::Summary;

const US: &str = "cometgate";

/// A bar and what was measured against it.
pub(crate) struct Verdict {
    pub(crate) title: &'static str,
    /// In `unit`; `None` if this run did not measure it.
    pub(crate) value: Option<Summary>,
    pub(crate) bar: f64,
    /// Where we want to be, where that is further.
    pub(crate) aim: Option<f64>,
    pub(crate) unit: &'static str,
}

impl Verdict {
    /// By the median. `None` if it was not measured.
    pub(crate) fn met(&self) -> Option<bool> {
        self.value.map(|value| value.median <= self.bar)
    }

    /// Whether some rounds say one thing and some the other, so that another run may end otherwise.
    pub(crate) fn is_close(&self) -> bool {
        self.value.is_some_and(|value| value.least <= self.bar && value.greatest > self.bar)
    }
}

/// All bars, in the order of the table.
pub(crate) fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = RATIOS
        .iter()
        .map(|(title, key, base, bar)| Verdict {
            title,
            value: results.ratio(key, US, base),
            bar: *bar,
            aim: None,
            unit: if *base == "nginx" { "x nginx" } else { "x floor" },
        })
        .collect();
    let mut absolute = |title, value, bar, aim, unit| verdicts.push(Verdict { title, value, bar, aim, unit });
    absolute("delay added to a chunk, p50", added_delay(results), 1.1, None, "x floor");
    absolute(
        "memory of a further open stream",
        results.ratio("memory.stream", US, "floor"),
        1.0,
        None,
        "x floor",
    );
    absolute("the same", results.summary("memory.stream", US), f64::INFINITY, Some(20.0), "KB");
    let idle = results.summary("memory.idle", US).map(|idle| scaled(idle, 1.0 / 1024.0));
    absolute("memory when idle (PSS)", idle, 13.0, Some(7.0), "MB");
    let size = results.stripped_bytes.filter(|_| results.gateway == "dist").map(megabytes);
    absolute("binary of the profile `dist`, stripped", size, 15.0, None, "MB");
    let telemetry = results.paired("small-16.cpu", [US, "cometgate-quiet"], |with, without| with - without);
    absolute("telemetry, for each small request", telemetry, 3.0, None, "µs");
    let errors = f64::from(u32::try_from(results.errors.len()).unwrap_or(u32::MAX));
    let errors = Summary { median: errors, least: errors, greatest: errors };
    absolute("measurements with a failed request", Some(errors), 0.0, None, "");
    verdicts
}

/// Title, measure, whose multiple, bar.
const RATIOS: [(&str, &str, &str, f64); 7] = [
    ("CPU of a small request, 16 connections", "small-16.cpu", "nginx", 1.5),
    ("the same", "small-16.cpu", "floor", 1.4),
    ("CPU of a small request, 128 connections", "small-128.cpu", "nginx", 1.5),
    ("the same", "small-128.cpu", "floor", 1.4),
    ("CPU of a request with a 64 KB answer", "large-16.cpu", "nginx", 0.9),
    ("CPU of a chunk, 200 flat out", "fast.cpu", "nginx", 1.2),
    ("CPU of a chunk, 500 streams 20 ms apart", "paced.cpu", "nginx", 1.15),
];

/// What the gateway adds to a chunk's delay over a direct connection, as a multiple of what the floor adds, within rounds.
fn added_delay(results: &Results) -> Option<Summary> {
    let key = "paced.delay_p50";
    let rounds = |proxy| results.rounds_of(key, proxy).iter();
    let ratios = rounds(US).zip(rounds("floor")).zip(rounds("direct")).filter_map(|((us, floor), direct)| {
        let direct = (*direct)?;
        let floor = (*floor)? - direct;
        (floor > 0.0).then_some(((*us)? - direct) / floor)
    });
    crate::figures::summary(&ratios.collect::<Vec<_>>())
}

fn scaled(summary: Summary, factor: f64) -> Summary {
    Summary {
        median: summary.median * factor,
        least: summary.least * factor,
        greatest: summary.greatest * factor,
    }
}

#[allow(clippy::cast_precision_loss, reason = "the size of a file, to three digits")]
fn megabytes(bytes: u64) -> Summary {
    let megabytes = bytes as f64 / 1e6;
    Summary { median: megabytes, least: megabytes, greatest: megabytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::results::tests::example;
    use crate::target::Kind;

    fn verdict(results: &Results, title: &str) -> Verdict {
        verdicts(results).into_iter().find(|verdict| verdict.title == title).unwrap()
    }

    #[test]
    fn a_bar_is_met_by_the_median_missed_above_it_and_open_where_nothing_was_measured() {
        let mut results = example();
        let small = "CPU of a small request, 16 connections";
        // 1.5 x nginx in every round: at the bar is met.
        assert_eq!(verdict(&results, small).met(), Some(true));
        assert!(!verdict(&results, small).is_close());
        results.add("small-16.cpu", Kind::Cometgate, 0, 15.4);
        assert_eq!(verdict(&results, small).met(), Some(false));
        assert!(verdict(&results, small).is_close());
        assert_eq!(verdict(&results, "CPU of a request with a 64 KB answer").met(), None);
        assert_eq!(verdict(&results, "measurements with a failed request").met(), Some(true));
    }

    #[test]
    fn what_is_added_is_counted_over_direct() {
        let mut results = example();
        for (kind, delay) in [(Kind::Direct, 100.0), (Kind::Floor, 200.0), (Kind::Cometgate, 205.0)] {
            results.add("paced.delay_p50", kind, 0, delay);
        }
        let added = verdict(&results, "delay added to a chunk, p50").value.unwrap();
        assert!((added.median - 1.05).abs() < 1e-9);
    }

    #[test]
    fn only_what_ships_is_weighed() {
        let mut results = example();
        results.stripped_bytes = Some(16_000_000);
        let title = "binary of the profile `dist`, stripped";
        assert_eq!(verdict(&results, title).met(), Some(false));
        results.gateway = "release".to_owned();
        assert_eq!(verdict(&results, title).met(), None);
    }
}
