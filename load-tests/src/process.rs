//! Child processes: on which core they start, and that none outlives the harness.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, kill_process, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::proc::tree;

/// Where the harness and its provider run; what is measured has the other core to itself.
pub(crate) const LOAD_CORE: usize = 0;

/// Where what is measured runs.
pub(crate) const PROXY_CORE: usize = 1;

/// Whether there are cores to keep apart. Asked once: on a pinned thread the answer would be one core.
pub(crate) fn pins() -> bool {
    static PINS: OnceLock<bool> = OnceLock::new();
    *PINS.get_or_init(|| std::thread::available_parallelism().is_ok_and(|cores| cores.get() > PROXY_CORE))
}

/// Puts this thread, and children that it starts from here on, on one core.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on core {core}"))
}

/// As many open files as allowed: a stream through a proxy takes four on this machine.
pub(crate) fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// For our own subcommands: ends this process when the harness ends, however that happens.
pub(crate) fn end_with_parent() -> Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// A running child, killed when dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts a command on a core, its output going to a file.
    pub(crate) fn start(mut command: Command, core: usize, log: &Path) -> Result<Running> {
        let log = File::create(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Running::spawn(command, core)
    }

    /// Starts one of our own subcommands and returns its first line, in which it says its ports.
    pub(crate) fn start_own(arguments: &[&str], core: usize) -> Result<(Running, String)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut running = Running::spawn(command, core)?;
        let mut line = String::new();
        let output = running.0.stdout.take().context("no output of a child")?;
        BufReader::new(output).read_line(&mut line)?;
        ensure!(!line.is_empty(), "a child ended before it listened");
        Ok((running, line.trim().to_owned()))
    }

    fn spawn(mut command: Command, core: usize) -> Result<Running> {
        // A child inherits the affinity of the thread that starts it, so there is no moment on the wrong core.
        if pins() {
            pin(core)?;
        }
        let child =
            command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()));
        if pins() {
            pin(LOAD_CORE)?;
        }
        Ok(Running(child?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // With what it has started: a worker of nginx outlives its master. All may have ended by themselves, which is as good.
        let family = tree(self.pid()).unwrap_or_default();
        let others =
            family.into_iter().skip(1).filter_map(|process| Pid::from_raw(i32::try_from(process).ok()?));
        for process in others.collect::<Vec<_>>() {
            kill_process(process, Signal::KILL).unwrap_or_default();
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
