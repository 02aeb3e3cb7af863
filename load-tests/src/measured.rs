//! The window of a measurement: counters and CPU of the target at its begin and at its end.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use crate::clock;
use crate::proc::{Cpu, own_wait};
use crate::tally::Tally;

/// What a window has seen.
pub(crate) struct Measured {
    pub(crate) tally: Rc<Tally>,
    pub(crate) requests: u64,
    pub(crate) chunks: u64,
    pub(crate) elapsed: u64,
    /// The target's, if it has a process of its own.
    pub(crate) cpu: Option<Cpu>,
    /// Nanoseconds that load and providers used of their own core.
    pub(crate) load: u64,
    /// Nanoseconds that they waited for it, because somebody else had it.
    pub(crate) waited: u64,
}

#[allow(clippy::cast_precision_loss, reason = "counts and times of a few seconds")]
impl Measured {
    pub(crate) fn cpu_per_request(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.nanoseconds as f64 / 1e3 / self.requests.max(1) as f64)
    }

    pub(crate) fn cpu_per_chunk(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.nanoseconds as f64 / 1e3 / self.chunks.max(1) as f64)
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.requests as f64 * 1e9 / self.elapsed.max(1) as f64
    }

    /// Per cent of the time in which load and providers had work: near 100, latencies are theirs and not the target's.
    pub(crate) fn load_busy(&self) -> f64 {
        (self.load + self.waited) as f64 * 100.0 / self.elapsed.max(1) as f64
    }

    /// Per cent of the time in which they had work and somebody else their core: near 0 on a quiet machine.
    pub(crate) fn disturbed(&self) -> f64 {
        self.waited as f64 * 100.0 / self.elapsed.max(1) as f64
    }

    /// Per cent of one core that the target used.
    pub(crate) fn busy(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.nanoseconds as f64 * 100.0 / self.elapsed.max(1) as f64)
    }
}

impl Measured {
    /// The two ways of the kernel to count CPU should agree to a few ticks; if not, the figures are not to be trusted.
    pub(crate) fn warn_if_clocks_differ(&self) {
        let Some(cpu) = self.cpu else { return };
        let difference = cpu.nanoseconds.abs_diff(cpu.coarse);
        if difference > cpu.nanoseconds / 8 + 30 * clock::MILLISECOND {
            eprintln!("note: schedstat says {} ns of CPU, stat {}", cpu.nanoseconds, cpu.coarse);
        }
    }
}

/// Times of a beginning, to be compared with those of an end.
pub(crate) struct Begin {
    time: u64,
    load: u64,
    waited: u64,
    cpu: Option<Cpu>,
    pid: Option<u32>,
}

impl Begin {
    /// Now, with what a target has used so far.
    pub(crate) fn now(pid: Option<u32>) -> Result<Begin> {
        let cpu = pid.map(Cpu::of).transpose()?;
        Ok(Begin { time: clock::now(), load: clock::own_cpu(), waited: own_wait()?, cpu, pid })
    }

    /// What was counted since then.
    pub(crate) fn until_now(&self, tally: &Rc<Tally>) -> Result<Measured> {
        let after = self.pid.map(Cpu::of).transpose()?;
        Ok(Measured {
            requests: tally.requests.get(),
            chunks: tally.chunks.get(),
            elapsed: clock::now() - self.time,
            cpu: after.zip(self.cpu).map(|(after, before)| after.since(before)),
            load: clock::own_cpu() - self.load,
            waited: own_wait()?.saturating_sub(self.waited),
            tally: Rc::clone(tally),
        })
    }
}

/// How long to wait before measuring, and for how long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
}

/// Measures while workers work. A worker that ends within the window has failed.
pub(crate) async fn watch(
    workers: &mut JoinSet<Result<()>>,
    tally: Rc<Tally>,
    pid: Option<u32>,
    window: Window,
) -> Result<Measured> {
    let observed = async {
        tokio::time::sleep(window.warm_up).await;
        tally.clear();
        let begin = Begin::now(pid)?;
        tokio::time::sleep(window.length).await;
        begin.until_now(&tally)
    };
    let measured = tokio::select! {
        measured = observed => measured?,
        Some(ended) = workers.join_next() => {
            ended??;
            bail!("a worker ended before the measurement did");
        }
    };
    tally.stop.set(true);
    Ok(measured)
}

/// Waits for workers to end by themselves, and for their errors.
pub(crate) async fn join(workers: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}
