//! The gates that operators know, as they are configured by habit: to see ours beside them.

use std::collections::VecDeque;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixedKind {
    /// More than 2 % of the last five minutes' requests failed.
    Ratio,
    /// The same, once there were 50 requests in them.
    RatioOfFifty,
    /// Prometheus: more than 2 % of the last minute's, without a break `for: 5m`. An empty minute is a break.
    ForFiveMinutes,
    /// Flagger: once a minute, less than 98 % of the minute's were good; the fifth time counts, and no data is a failure.
    Flagger,
    /// Five failures in a row.
    FiveInARow,
}

impl FixedKind {
    /// All of them.
    pub const ALL: [FixedKind; 5] = [
        FixedKind::Ratio,
        FixedKind::RatioOfFifty,
        FixedKind::ForFiveMinutes,
        FixedKind::Flagger,
        FixedKind::FiveInARow,
    ];

    /// What operators call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FixedKind::Ratio => "ratio over 5 min > 2 %",
            FixedKind::RatioOfFifty => "same, at least 50 requests",
            FixedKind::ForFiveMinutes => "1 min ratio > 2 %, for: 5m",
            FixedKind::Flagger => "Flagger, 1m, threshold 5",
            FixedKind::FiveInARow => "5 failures in a row",
        }
    }
}

/// How often the windows are looked at.
const LOOK_MS: u64 = 15_000;

const MINUTE_MS: u64 = 60_000;

/// One of them at work.
#[derive(Clone, Debug)]
pub struct FixedGate {
    kind: FixedKind,
    /// The attempts of the last five minutes, and whether they failed.
    window: VecDeque<(u64, bool)>,
    next_look_ms: u64,
    pending_since_ms: Option<u64>,
    failed_checks: u32,
    in_a_row: u32,
}

impl FixedGate {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(kind: FixedKind) -> FixedGate {
        FixedGate {
            kind,
            window: VecDeque::new(),
            next_look_ms: if kind == FixedKind::Flagger { MINUTE_MS } else { LOOK_MS },
            pending_since_ms: None,
            failed_checks: 0,
            in_a_row: 0,
        }
    }

    /// Lets time pass. Says when it tripped, if it did by then.
    pub fn wait_until(&mut self, now_ms: u64) -> Option<u64> {
        while self.next_look_ms <= now_ms {
            let look_ms = self.next_look_ms;
            let every = if self.kind == FixedKind::Flagger { MINUTE_MS } else { LOOK_MS };
            self.next_look_ms += every;
            if self.look(look_ms) {
                return Some(look_ms);
            }
        }
        None
    }

    /// Counts an attempt. Says when it tripped, if it did by then.
    pub fn count(&mut self, now_ms: u64, failed: bool) -> Option<u64> {
        if let Some(tripped_ms) = self.wait_until(now_ms) {
            return Some(tripped_ms);
        }
        self.window.push_back((now_ms, failed));
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        (self.kind == FixedKind::FiveInARow && self.in_a_row >= 5).then_some(now_ms)
    }

    fn look(&mut self, now_ms: u64) -> bool {
        while self.window.front().is_some_and(|(at_ms, _)| at_ms + 5 * MINUTE_MS <= now_ms) {
            self.window.pop_front();
        }
        match self.kind {
            FixedKind::Ratio => self.is_bad(now_ms, 5 * MINUTE_MS, 1) == Some(true),
            FixedKind::RatioOfFifty => self.is_bad(now_ms, 5 * MINUTE_MS, 50) == Some(true),
            FixedKind::ForFiveMinutes => {
                if self.is_bad(now_ms, MINUTE_MS, 1) != Some(true) {
                    self.pending_since_ms = None;
                    return false;
                }
                let since = *self.pending_since_ms.get_or_insert(now_ms);
                now_ms - since >= 5 * MINUTE_MS
            }
            FixedKind::Flagger => {
                // The threshold is looked at before the next check is made.
                let trips = self.failed_checks >= 5;
                if self.is_bad(now_ms, MINUTE_MS, 1) != Some(false) {
                    self.failed_checks += 1;
                }
                trips
            }
            FixedKind::FiveInARow => false,
        }
    }

    /// Whether more than 2 % failed; `None` where there are too few to tell.
    fn is_bad(&self, now_ms: u64, length_ms: u64, fewest: usize) -> Option<bool> {
        let recent = self.window.iter().rev().take_while(|(at_ms, _)| at_ms + length_ms > now_ms);
        let (attempts, failures) = recent
            .fold((0, 0), |(all, failed), (_, is_failure)| (all + 1, failed + usize::from(*is_failure)));
        (attempts >= fewest).then_some(failures * 50 > attempts)
    }
}
