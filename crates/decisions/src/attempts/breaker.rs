//! Whether a target is well enough to be sent to.
//!
//! Reversible, and apart from a canary's gate: it opens for seconds to minutes and mends itself. Each opening, closing
//! and probe starts an epoch; a permit carries the epoch it was given in, so that an attempt that was under way before
//! never decides over what came after. One probe at a time, and a probe that never reports is forgotten at a deadline:
//! nothing a caller does or omits leaves the breaker stuck.

mod evidence;

use std::time::Duration;

use crate::attempts::backoff::part_of;
use crate::attempts::breaker::evidence::Evidence;

/// How long it opens the first time, before jitter; each failed probe doubles it.
const FIRST_OPEN: Duration = Duration::from_secs(5);

/// How long it opens at the most, before jitter.
const LONGEST_OPEN: Duration = Duration::from_secs(300);

/// How long a target may hold requests off by saying when it wants the next.
const LONGEST_PACING: Duration = Duration::from_secs(60);

/// How long a probe may go without a report where the caller does not say.
const PROBE_DEADLINE: Duration = Duration::from_secs(30);

/// When it opens, and how long a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many failures in a row open it. Five come by chance once in 3,900 attempts where a fifth fail, once in three
    /// million where a twentieth do.
    pub consecutive: u32,
    /// It also opens when half of the attempts seem to fail rather than a fifth.
    pub statistics: bool,
    /// How long after its admission a probe is forgotten. Somewhat longer than an attempt may take to report, or
    /// a silent target is probed again before its silence has counted.
    pub probe_deadline: Duration,
}

impl BreakerSettings {
    /// For a target in the role of primary or fallback.
    #[must_use]
    pub fn primary() -> BreakerSettings {
        BreakerSettings { consecutive: 5, statistics: true, probe_deadline: PROBE_DEADLINE }
    }

    /// For a canary: slow to open, so that the gate that judges the canary sees its failures first.
    #[must_use]
    pub fn canary() -> BreakerSettings {
        BreakerSettings { consecutive: 12, statistics: false, probe_deadline: PROBE_DEADLINE }
    }
}

/// The breaker of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    settings: BreakerSettings,
    /// Goes up with each opening, closing and probe.
    epoch: u64,
    phase: Phase,
    /// How often it has opened since it last stayed closed for long enough.
    trips: u32,
    /// Nothing is sent before this moment: the target has said so.
    paced_until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed {
        since: Duration,
        in_a_row: u32,
        evidence: Evidence,
    },
    /// No probe before `until`, and none while there is one whose deadline is to come.
    Tripped {
        until: Duration,
        probe_deadline: Option<Duration>,
    },
}

/// Leave to send one attempt; to be given back with [`Breaker::report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    epoch: u64,
    is_probe: bool,
}

impl Permit {
    /// Whether the attempt decides if the target is well again.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.is_probe
    }
}

/// No attempt may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The earliest moment at which another answer is possible without a report before.
    pub until: Duration,
    /// For what reason.
    pub why: Why,
}

/// Why no attempt may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The target has failed.
    Open,
    /// The target has said when it wants the next.
    Pacing,
    /// Another attempt is finding out whether the target is well again.
    Probing,
}

impl Why {
    /// The name used in logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Open => "open",
            Why::Pacing => "pacing",
            Why::Probing => "probing",
        }
    }
}

/// What an attempt showed of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is well; to be reported with the first content, not at the end of a stream.
    Success,
    /// It is ill.
    Failure,
    /// It is there and wants less.
    Pushback {
        /// When it wants the next, if it says so.
        until: Option<Duration>,
    },
    /// Nothing: the caller left, or the fault is the request's or the credential's.
    Neutral,
}

/// A change that is worth a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It opened, or stays open after a probe.
    Opened {
        /// Up to this moment.
        until: Duration,
    },
    /// It closed.
    Closed,
}

/// What to display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Attempts are sent.
    Closed,
    /// None is sent.
    Open {
        /// Up to this moment.
        until: Duration,
    },
    /// One at a time is sent.
    HalfOpen,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Breaker {
        let phase = Phase::Closed { since: Duration::ZERO, in_a_row: 0, evidence: Evidence::default() };
        Breaker { settings, epoch: 0, phase, trips: 0, paced_until: Duration::ZERO }
    }

    /// Asks for leave to send an attempt. Whoever gets it reports, whatever becomes of the attempt.
    ///
    /// # Errors
    ///
    /// No attempt may be sent now.
    pub fn admit(&mut self, now: Duration) -> Result<Permit, Refused> {
        if let Some(refused) = self.refusal(now) {
            return Err(refused);
        }
        let mut is_probe = false;
        if let Phase::Tripped { probe_deadline, .. } = &mut self.phase {
            *probe_deadline = Some(now.saturating_add(self.settings.probe_deadline));
            is_probe = true;
            self.epoch += 1;
        }
        Ok(Permit { epoch: self.epoch, is_probe })
    }

    /// What became of an admitted attempt. One whose epoch is over changes nothing. `jitter` is drawn evenly from all
    /// of `u64`. A probe past its deadline still decides as long as no other was admitted.
    pub fn report(&mut self, permit: Permit, seen: Seen, now: Duration, jitter: u64) -> Option<Change> {
        if permit.epoch != self.epoch {
            return None;
        }
        match &mut self.phase {
            Phase::Closed { in_a_row, evidence, .. } => {
                match seen {
                    Seen::Success => {
                        *in_a_row = 0;
                        evidence.see_success();
                    }
                    Seen::Failure => {
                        *in_a_row = in_a_row.saturating_add(1);
                        evidence.see_failure();
                    }
                    Seen::Pushback { until } => self.pace(until, now),
                    Seen::Neutral => {}
                }
                self.trip_if_due(now, jitter)
            }
            Phase::Tripped { probe_deadline, .. } => {
                *probe_deadline = None;
                self.judge_probe(seen, now, jitter)
            }
        }
    }

    /// Whether [`Breaker::admit`] would refuse now.
    #[must_use]
    pub fn is_open(&self, now: Duration) -> bool {
        self.refusal(now).is_some()
    }

    /// What to display; pacing is not shown by it, see [`Breaker::paced_until`].
    #[must_use]
    pub fn state(&self, now: Duration) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Tripped { until, .. } if now < until => State::Open { until },
            Phase::Tripped { .. } => State::HalfOpen,
        }
    }

    /// Until when the target wants no attempt, if that is still to come.
    #[must_use]
    pub fn paced_until(&self, now: Duration) -> Option<Duration> {
        (now < self.paced_until).then_some(self.paced_until)
    }

    fn refusal(&self, now: Duration) -> Option<Refused> {
        if let Phase::Tripped { until, probe_deadline } = self.phase {
            if now < until {
                return Some(Refused { until, why: Why::Open });
            }
            if let Some(deadline) = probe_deadline.filter(|deadline| now < *deadline) {
                return Some(Refused { until: deadline, why: Why::Probing });
            }
        }
        self.paced_until(now).map(|until| Refused { until, why: Why::Pacing })
    }

    fn trip_if_due(&mut self, now: Duration, jitter: u64) -> Option<Change> {
        let Phase::Closed { since, in_a_row, evidence } = self.phase else { return None };
        if in_a_row < self.settings.consecutive.max(1) && !(self.settings.statistics && evidence.suffices()) {
            return None;
        }
        if now.saturating_sub(since) >= self.last_open() {
            self.trips = 0;
        }
        Some(self.open_longer(now, jitter))
    }

    fn judge_probe(&mut self, seen: Seen, now: Duration, jitter: u64) -> Option<Change> {
        match seen {
            Seen::Success => {
                self.epoch += 1;
                self.phase = Phase::Closed { since: now, in_a_row: 0, evidence: Evidence::default() };
                Some(Change::Closed)
            }
            Seen::Failure => Some(self.open_longer(now, jitter)),
            Seen::Pushback { until: None } => {
                let length = self.last_open();
                Some(self.open_for(half_fixed(length, jitter), now))
            }
            Seen::Pushback { until: Some(until) } => {
                let told = until.saturating_sub(now).min(LONGEST_PACING);
                Some(self.open_for(told.max(half_fixed(FIRST_OPEN, jitter)), now))
            }
            Seen::Neutral => None,
        }
    }

    /// Opens for twice as long as the last time.
    fn open_longer(&mut self, now: Duration, jitter: u64) -> Change {
        self.trips = self.trips.saturating_add(1);
        self.open_for(half_fixed(self.last_open(), jitter), now)
    }

    fn open_for(&mut self, length: Duration, now: Duration) -> Change {
        let until = now.saturating_add(length);
        self.epoch += 1;
        self.phase = Phase::Tripped { until, probe_deadline: None };
        Change::Opened { until }
    }

    /// How long it opened the last time, before jitter. Since each opening lasts at least as long as the one before,
    /// this is also the longest since trips were forgotten: after it has stayed closed for so long, they are.
    fn last_open(&self) -> Duration {
        let Some(doublings) = self.trips.checked_sub(1) else { return Duration::ZERO };
        let doubled = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        FIRST_OPEN.saturating_mul(doubled).min(LONGEST_OPEN)
    }

    fn pace(&mut self, until: Option<Duration>, now: Duration) {
        let bound = now.saturating_add(LONGEST_PACING);
        if let Some(until) = until {
            self.paced_until = self.paced_until.max(until.min(bound));
        }
    }
}

/// Equal jitter: half of a length fixed, so that a target gets its rest, and half drawn, so that many gateways do not
/// return together.
fn half_fixed(length: Duration, jitter: u64) -> Duration {
    let half = length / 2;
    half.saturating_add(part_of(half, jitter))
}

#[cfg(test)]
mod tests;
