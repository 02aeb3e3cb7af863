//! The one clock of a run: monotonic nanoseconds that mean the same in every process, and an alarm that is on time.
//!
//! Tokio's timers tick in milliseconds, which is the size of what is measured here; timerfd does not. Its `Instant` also
//! cannot be sent to another process, and the provider stamps its chunks.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Nanoseconds in a millisecond.
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// Monotonic nanoseconds.
pub(crate) fn now() -> u64 {
    read(ClockId::Monotonic)
}

/// Nanoseconds of CPU that this process has used itself, without its children: load and providers.
pub(crate) fn own_cpu() -> u64 {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * SECOND + u64::try_from(time.tv_nsec).unwrap_or_default()
}

/// Seconds as nanoseconds.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an option of some seconds, checked to be positive"
)]
pub(crate) fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

/// Wakes one task at given times.
pub(crate) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    #[expect(
        deprecated,
        reason = "sound for an OwnedFd, which keeps its descriptor to itself; the successor is an unsafe fn, which this \
                  workspace forbids"
    )]
    pub(crate) fn new() -> Result<Alarm> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).context("no timer")?;
        Ok(Alarm(AsyncFd::new(timer)?))
    }

    /// Returns at once if that time has passed.
    pub(crate) async fn wait_until(&self, due: u64) -> Result<()> {
        if due <= now() {
            return Ok(());
        }
        let at = Timespec { tv_sec: i64::try_from(due / SECOND)?, tv_nsec: i64::try_from(due % SECOND)? };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            match rustix::io::read(self.0.get_ref(), &mut [0_u8; 8]) {
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
