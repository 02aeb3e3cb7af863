//! The window of a measurement: counters and CPU of the target at its begin and at its end.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use crate::clock;
use crate::proc::Cpu;
use crate::tally::Tally;

/// What a window has seen.
pub(crate) struct Measured {
    pub(crate) tally: Rc<Tally>,
    pub(crate) requests: u64,
    pub(crate) chunks: u64,
    pub(crate) elapsed: u64,
    /// The target's, if it has a process of its own.
    pub(crate) cpu: Option<Cpu>,
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

    /// Per cent of one core that the target used.
    pub(crate) fn busy(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.nanoseconds as f64 * 100.0 / self.elapsed.max(1) as f64)
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
        let before = pid.map(Cpu::of).transpose()?;
        let start = clock::now();
        tokio::time::sleep(window.length).await;
        let after = pid.map(Cpu::of).transpose()?;
        anyhow::Ok(Measured {
            requests: tally.requests.get(),
            chunks: tally.chunks.get(),
            elapsed: clock::now() - start,
            cpu: after.zip(before).map(|(after, before)| after.since(before)),
            tally: Rc::clone(&tally),
        })
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
