//! On what a run was made: figures mean nothing without it.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::statistics::median;

/// The machine and the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Of the begin of the run, as RFC 3339.
    pub(crate) date: String,
    pub(crate) cores: usize,
    pub(crate) processor: String,
    /// GiB.
    pub(crate) memory: u64,
    pub(crate) kernel: String,
}

impl Machine {
    /// This one, now. Ask before cores are pinned.
    pub(crate) fn here() -> Result<Machine> {
        let processors = fs::read_to_string("/proc/cpuinfo").context("no /proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo").context("no /proc/meminfo")?;
        Ok(Machine {
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            cores: std::thread::available_parallelism()?.get(),
            processor: field(&processors, "model name").unwrap_or("unknown").to_owned(),
            memory: kilobytes(&memory, "MemTotal").unwrap_or_default() >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        })
    }
}

/// Above this per cent of the time in which somebody else had the load's core, he surely had the proxies' as well.
const DISTURBED: f64 = 5.0;

/// What to say of a machine that was not quiet, by the per cent of each measurement in which the load had work and somebody else
/// its core; nothing of one that was.
pub(crate) fn not_quiet(disturbed: &[f64]) -> Option<String> {
    let middle = median(disturbed).filter(|middle| *middle > DISTURBED)?;
    Some(format!(
        "**The machine was not quiet**: for {middle:.0} % of the time somebody else had the load's core. Ratios may be off, \
         latencies say nothing."
    ))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_called_busy_by_its_usual_measurement_not_by_one() {
        assert_eq!(not_quiet(&[0.1, 0.2, 40.0]), None);
        assert_eq!(not_quiet(&[]), None);
        assert!(not_quiet(&[0.1, 9.0, 40.0]).unwrap().contains("for 9 % of the time"));
    }

    #[test]
    fn a_machine_is_described_by_what_the_kernel_says() {
        assert_eq!(
            field("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", "model name"),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(kilobytes("MemTotal:       24683516 kB\n", "MemTotal"), Some(24_683_516));
        let here = Machine::here().unwrap();
        assert!(here.cores > 0 && here.date.ends_with('Z') && !here.kernel.is_empty());
    }
}
