//! What each gate is told, on its way into the log of gates: as plain numbers, for a replay.
//!
//! An attempt costs its conversion into four numbers and a place in a queue. Ticks that lead to nothing are only counted,
//! and written with what comes next, so a gate that nobody asks anything of writes nothing.

use std::sync::{Arc, OnceLock};

use decisions::judged::{Judged, NotJudged, TOLD_WORDS, Told};
use evidence::gate_log;
use jiff::Timestamp;
use proxy::GateLog;

/// The log of all gates.
pub(super) type Logs = gate_log::GateLog<TOLD_WORDS>;

/// The most time that passes between two ticks that are only counted, in milliseconds: a gate counts no longer gap whole,
/// and what is written has to give the same clock again.
const LONGEST_GAP_MS: u64 = 10_000;

/// Milliseconds between the clock that gates are told by and 1970, set when the first is told something.
pub(super) type Offset = Arc<OnceLock<i64>>;

/// The log of one gate. Without a queue nothing is written down.
#[derive(Debug)]
pub(super) struct Log {
    queue: Option<gate_log::Gate<TOLD_WORDS>>,
    offset: Offset,
    /// When it was told something last, by this process and without a break.
    last_ms: Option<u64>,
    /// Ticks since then that led to nothing.
    quiet: u32,
}

impl Log {
    pub(super) fn new(queue: Option<gate_log::Gate<TOLD_WORDS>>, offset: Offset) -> Log {
        Log { queue, offset, last_ms: None, quiet: 0 }
    }

    fn offset(&self, now_ms: u64) -> i64 {
        *self.offset.get_or_init(|| Timestamp::now().as_millisecond().wrapping_sub(now_ms.cast_signed()))
    }
}

impl GateLog for Log {
    fn told(&mut self, now_ms: u64, told: &Told, before: &Judged) -> Option<u64> {
        let offset = self.offset(now_ms);
        let at = |ms: u64| offset.wrapping_add(ms.cast_signed());
        let ticks = std::mem::take(&mut self.quiet);
        let quiet = |last_ms| (at(last_ms), Told::Quiet { ticks }.to_words());
        let earlier = self.last_ms.filter(|_| ticks > 0).map(quiet);
        self.last_ms = Some(now_ms);
        self.queue.as_ref()?.tell(at(now_ms), told.to_words(), earlier, || begin(offset, before))
    }

    fn ticked(&mut self, now_ms: u64, before: &Judged) {
        let follows = |last: &u64| (*last..=last.saturating_add(LONGEST_GAP_MS)).contains(&now_ms);
        if self.last_ms.as_ref().is_some_and(follows) && self.quiet < u32::MAX {
            self.quiet += 1;
            self.last_ms = Some(now_ms);
        } else {
            self.told(now_ms, &Told::TICK, before);
        }
    }

    fn changed(&mut self) {
        (self.last_ms, self.quiet) = (None, 0);
        if let Some(queue) = &self.queue {
            queue.begin_anew();
        }
    }
}

/// What a file of the log begins with.
fn begin(offset: i64, before: &Judged) -> Vec<u64> {
    let mut state = vec![offset.cast_unsigned()];
    before.put_numbers(&mut state);
    state
}

/// What a file began with: the offset of its milliseconds, and what was known.
pub(crate) fn read_begin(state: &[u64]) -> Result<(i64, Judged), NotJudged> {
    let (offset, judged) = state.split_first().ok_or(NotJudged)?;
    Ok((offset.cast_signed(), Judged::from_numbers(judged)?))
}
