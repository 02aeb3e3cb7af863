//! On what a run was made, and how quiet it was: figures mean nothing without it.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The machine and the moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Of the begin of the run, as RFC 3339.
    pub(crate) date: String,
    pub(crate) cores: usize,
    pub(crate) processor: String,
    /// GiB.
    pub(crate) memory: u64,
    pub(crate) kernel: String,
    /// Processes that wanted a core in the minute before the run: near 0 on a quiet machine.
    pub(crate) load_before: f64,
}

impl Machine {
    /// This one, now. Ask before cores are pinned.
    pub(crate) fn here() -> Result<Machine> {
        let processors = fs::read_to_string("/proc/cpuinfo").context("no /proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo").context("no /proc/meminfo")?;
        let load = fs::read_to_string("/proc/loadavg").context("no /proc/loadavg")?;
        Ok(Machine {
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            cores: std::thread::available_parallelism()?.get(),
            processor: field(&processors, "model name").unwrap_or("unknown").to_owned(),
            memory: kilobytes(&memory, "MemTotal").unwrap_or_default() >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            load_before: first(&load).unwrap_or_default(),
        })
    }

    /// Whether so little else ran before that figures can be trusted.
    pub(crate) fn was_quiet(&self) -> bool {
        self.load_before < 0.5
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.split_ascii_whitespace().next()?.parse().ok()
}

fn first(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_described_by_what_the_kernel_says() {
        assert_eq!(
            field("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", "model name"),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(kilobytes("MemTotal:       24683516 kB\n", "MemTotal"), Some(24_683_516));
        assert_eq!(first("0.12 0.34 0.56 1/200 3\n"), Some(0.12));
        let here = Machine::here().unwrap();
        assert!(here.cores > 0 && here.date.ends_with('Z') && !here.kernel.is_empty());
    }
}
