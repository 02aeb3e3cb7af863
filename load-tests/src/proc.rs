//! What the kernel says about a process: CPU time and memory, from `/proc`.
//!
//! CPU comes from the scheduler's own nanoseconds of every thread; the tick counts of `stat` are read beside it as a
//! check, since they also hold threads that have ended. Memory is PSS, which charges shared pages once.

use std::fs;

use anyhow::{Context, Result};

/// Ticks per second in `/proc/PID/stat`. 100 on every Linux that runs this (`getconf CLK_TCK`).
const TICKS: u64 = 100;

/// CPU time used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpu {
    /// From `schedstat`.
    pub(crate) nanoseconds: u64,
    /// From `stat`, in steps of 10 ms.
    pub(crate) coarse: u64,
}

impl Cpu {
    pub(crate) fn of(pid: u32) -> Result<Cpu> {
        let mut nanoseconds = 0;
        for task in
            fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} has ended"))?
        {
            // A thread may end between the listing and here; `coarse` keeps its time.
            if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                nanoseconds += schedstat(&text).context("schedstat")?;
            }
        }
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Ok(Cpu { nanoseconds, coarse: stat(&text).context("stat")? })
    }

    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
            coarse: self.coarse.saturating_sub(before.coarse),
        }
    }
}

/// Proportional set size in KB.
pub(crate) fn pss_kb(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("no smaps_rollup")?;
    pss(&text).context("no Pss in smaps_rollup")
}

fn schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// User and system time in nanoseconds: fields 14 and 15, counted after the name, which may hold spaces and brackets.
fn stat(text: &str) -> Option<u64> {
    let (_, after_name) = text.rsplit_once(") ")?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * (crate::clock::SECOND / TICKS))
}

fn pss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_as_the_kernel_writes_them() {
        assert_eq!(schedstat("289170 63414 3\n"), Some(289_170));
        let text = "42 (a) b) R 1 42 42 0 -1 4194560 113 0 0 0 7 5 0 0 20 0 1 0 12 1 1 1";
        assert_eq!(stat(text), Some(120_000_000));
        assert_eq!(
            pss("5573-7ffd ---p 0 00:00 0 [rollup]\nRss:  1804 kB\nPss:   531 kB\nPss_Dirty: 1 kB\n"),
            Some(531)
        );
    }

    #[test]
    fn a_process_that_works_is_seen_working() {
        let pid = std::process::id();
        let before = Cpu::of(pid).unwrap();
        let end = crate::clock::now() + 30 * crate::clock::MILLISECOND;
        while crate::clock::now() < end {}
        assert!(Cpu::of(pid).unwrap().since(before).nanoseconds > 1_000_000);
        assert!(pss_kb(pid).unwrap() > 100);
    }
}
