//! What the kernel says about a process and all that it has started: CPU time, memory and cores, from `/proc`.
//!
//! CPU comes from the scheduler's own nanoseconds of every thread; the tick counts of `stat` are read beside it as a
//! check, since they also hold threads that have ended. Memory is PSS, which charges shared pages once.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

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
    /// Of a process and its descendants. An error if it has ended.
    pub(crate) fn of(pid: u32) -> Result<Cpu> {
        let mut used = Cpu { nanoseconds: 0, coarse: 0 };
        for process in tree(pid)? {
            for task in tasks(process)? {
                // A thread may end between the listing and here; `coarse` keeps its time.
                if let Ok(text) = fs::read_to_string(task.join("schedstat")) {
                    used.nanoseconds += schedstat(&text).context("schedstat")?;
                }
            }
            used.coarse += stat(&fs::read_to_string(format!("/proc/{process}/stat"))?).context("stat")?;
        }
        Ok(used)
    }

    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
            coarse: self.coarse.saturating_sub(before.coarse),
        }
    }
}

/// Nanoseconds for which this process's threads were ready and waited for their core, because somebody else had it.
pub(crate) fn own_wait() -> Result<u64> {
    let mut sum = 0;
    for task in tasks(std::process::id())? {
        if let Ok(text) = fs::read_to_string(task.join("schedstat")) {
            sum += waited(&text).context("schedstat")?;
        }
    }
    Ok(sum)
}

/// Proportional set size in KB, of a process and its descendants.
pub(crate) fn pss_kb(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for process in tree(pid)? {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).context("no smaps_rollup")?;
        sum += pss(&text).context("no Pss in smaps_rollup")?;
    }
    Ok(sum)
}

/// A process and its descendants, parents first: nginx works in a child.
pub(crate) fn tree(pid: u32) -> Result<Vec<u32>> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&process) = found.get(next) {
        for task in tasks(process)? {
            let children = fs::read_to_string(task.join("children")).unwrap_or_default();
            found.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    Ok(found)
}

/// On which cores the threads of a process and its descendants may run, as the kernel writes it (`1`, `0-3`), each once.
pub(crate) fn cores(pid: u32) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for process in tree(pid)? {
        for task in tasks(process)? {
            let text = fs::read_to_string(task.join("status")).context("no status of a thread")?;
            found.insert(allowed(&text).context("no cores in a thread's status")?.to_owned());
        }
    }
    Ok(found)
}

fn tasks(pid: u32) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(format!("/proc/{pid}/task"));
    let listed = listed.with_context(|| format!("process {pid} has ended"))?;
    listed.map(|task| Ok(task?.path())).collect()
}

fn allowed(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).map(str::trim)
}

fn schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// The second field: time on the run queue.
fn waited(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
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
        assert_eq!(waited("289170 63414 3\n"), Some(63_414));
        let text = "42 (a) b) R 1 42 42 0 -1 4194560 113 0 0 0 7 5 0 0 20 0 1 0 12 1 1 1";
        assert_eq!(stat(text), Some(120_000_000));
        assert_eq!(
            pss("5573-7ffd ---p 0 00:00 0 [rollup]\nRss:  1804 kB\nPss:   531 kB\nPss_Dirty: 1 kB\n"),
            Some(531)
        );
        assert_eq!(allowed("Cpus_allowed:\t2\nCpus_allowed_list:\t1\n"), Some("1"));
    }

    #[test]
    fn what_a_child_uses_is_its_parents() {
        let mut shell = std::process::Command::new("sh");
        // The shell must stay: it would become the command if nothing came after it.
        let mut shell = shell.args(["-c", "sleep 60; true"]).spawn().unwrap();
        let deadline = crate::clock::now() + 10 * crate::clock::SECOND;
        let mut family = Vec::new();
        while family.len() < 2 && crate::clock::now() < deadline {
            family = tree(shell.id()).unwrap();
        }
        let together = pss_kb(shell.id());
        for process in &family {
            let process = rustix::process::Pid::from_raw(i32::try_from(*process).unwrap()).unwrap();
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        }
        shell.wait().unwrap();
        assert_eq!((family.len(), family[0]), (2, shell.id()));
        assert!(together.unwrap() > 0);
        assert!(tree(shell.id()).is_err());
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
