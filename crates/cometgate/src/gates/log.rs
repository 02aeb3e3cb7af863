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
    /// A gate that has come back knows what it was restored from, so what was written before does not lead to it.
    pub(super) fn new(queue: Option<gate_log::Gate<TOLD_WORDS>>, offset: Offset) -> Log {
        if let Some(queue) = &queue {
            queue.begin_anew();
        }
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
        // What is told first begins with a state that knows of all ticks before it.
        let Some(last_ms) = self.last_ms else { return };
        let follows = (last_ms..=last_ms.saturating_add(LONGEST_GAP_MS)).contains(&now_ms);
        if follows && self.quiet < u32::MAX {
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

#[cfg(test)]
mod tests {
    use decisions::gate::{Arm, Attempt, Event, GateRules, GateSettings, Outcome, Usage};
    use decisions::judged::Answer;
    use decisions::rollout::{RolloutRules, RolloutSettings};
    use evidence::gate_log::{Segment, Segments, Settings};
    use fastrand::Rng;

    use super::*;

    /// A gate that is told and logged as live ones are.
    struct Live {
        judged: Judged,
        log: Log,
        answers: Vec<Answer>,
    }

    impl Live {
        fn tell(&mut self, now_ms: u64, told: &Told) {
            let before = self.judged;
            let answer = self.judged.tell(now_ms, told);
            let is_quiet = answer.is_nothing() && self.judged.has_only_aged(&before);
            if *told == Told::TICK && is_quiet {
                self.log.ticked(now_ms, &before);
            } else {
                self.log.told(now_ms, told, &before);
            }
            self.answers.extend(Some(answer).filter(|answer| !answer.is_nothing()));
        }

        fn rule(&mut self, rules: GateRules) {
            self.judged.rules = Some(rules);
            self.log.changed();
        }
    }

    fn attempt(random: &mut Rng, failing: f64) -> Told {
        let outcome = if random.f64() < failing { Outcome::HardFailure } else { Outcome::Good };
        let attempt = Attempt {
            arm: if random.bool() { Arm::Canary } else { Arm::Primary },
            outcome,
            tenant: random.u64(0..4),
            share_ppm: 500_000,
            first_token_us: random.bool().then(|| random.u32(1_000..900_000)),
            usage: if random.bool() { Usage::Reported(random.u64(..1_000)) } else { Usage::NotExpected },
        };
        Told::Event { event: Event::Attempt(attempt), features: random.u16(..) }
    }

    fn rules(limit: f64) -> GateRules {
        let mut settings = GateSettings { hold_limit_ms: Some(40 * 60_000), ..GateSettings::default() };
        settings.rates[0].limit = limit;
        GateRules::new(settings).unwrap()
    }

    fn play(segment: &Segment) -> (Judged, Vec<Answer>) {
        let (offset, mut judged) = read_begin(segment.state()).unwrap();
        let mut answers = Vec::new();
        for event in segment.events() {
            let told = Told::from_words(&event.words).unwrap();
            let answer = judged.tell((event.at_ms - offset).cast_unsigned(), &told);
            answers.extend(Some(answer).filter(|answer| !answer.is_nothing()));
        }
        (judged, answers)
    }

    /// Nights without a request, clocks that jump both ways, new rules, holds, and files that end anywhere: each file leads to
    /// what was decided, and to what is known in the end.
    #[test]
    fn what_is_read_of_a_log_decides_what_was_decided_and_knows_what_was_known() {
        let mut decided = 0;
        for seed in 0..60 {
            let mut random = Rng::with_seed(seed);
            let directory = tempfile::tempdir().unwrap();
            let settings = Settings { segment_bytes: 4_000, ..Settings::default() };
            let logs = Logs::open(directory.path(), settings).unwrap();
            let log = Log::new(logs.gate("gate").ok(), Offset::default());
            let steps = RolloutRules::new(RolloutSettings::default(), &[10_000, 500_000, 1_000_000]).unwrap();
            let judged = Judged {
                rules: Some(rules(0.02)),
                rollout_rules: random.bool().then_some(steps),
                ..Judged::default()
            };
            let mut live = Live { judged, log, answers: Vec::new() };
            let (mut now_ms, failing) = (1_000_000, random.f64() * 0.03);
            for _ in 0..2_000 {
                now_ms += random.u64(900..1_100);
                match random.u32(..1_000) {
                    0..600 => live.tell(now_ms, &Told::TICK),
                    600..985 => live.tell(now_ms, &attempt(&mut random, failing)),
                    985 => live.tell(now_ms, &Told::Event { event: Event::Hold, features: 0 }),
                    986 => live.tell(now_ms, &Told::Event { event: Event::Resume, features: 0 }),
                    987 => live.tell(now_ms, &Told::Promote),
                    988 => {
                        live.tell(now_ms, &Told::Checked { check: random.u32(..8), passed: random.bool() });
                    }
                    989 => live.rule(rules(0.01 + random.f64() / 10.0)),
                    990 => now_ms += random.u64(..100_000),
                    991 => now_ms -= random.u64(..100_000),
                    _ => (0..random.u64(..900)).for_each(|_| {
                        now_ms += 1_000;
                        live.tell(now_ms, &Told::TICK);
                    }),
                }
            }
            // So that no tick is only counted.
            live.tell(now_ms, &attempt(&mut random, 0.0));
            assert!(!logs.close().is_empty());
            let read = Segments::of(directory.path(), "gate").unwrap();
            let played: Vec<_> = read.map(|segment| play(&segment.unwrap())).collect();
            let answers: Vec<Answer> = played.iter().flat_map(|(_, answers)| answers.clone()).collect();
            assert_eq!(answers, live.answers, "seed {seed}");
            assert_eq!(played.last().unwrap().0, live.judged, "seed {seed}");
            decided += answers.len();
        }
        assert!(decided > 300, "{decided}");
    }

    #[test]
    fn a_gate_that_nobody_asks_anything_of_writes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::open(directory.path(), Settings::default()).unwrap();
        let mut log = Log::new(logs.gate("gate").ok(), Offset::default());
        let ticks = |log: &mut Log, from: u64| {
            (from..from + 5_000).for_each(|tick| log.ticked(tick * 1_000, &Judged::default()));
        };
        ticks(&mut log, 0);
        assert!(logs.sync().is_ok() && !directory.path().join("gates").exists());
        log.told(5_000_000, &attempt(&mut Rng::with_seed(1), 0.0), &Judged::default());
        ticks(&mut log, 5_001);
        assert_eq!(logs.close()[0].events, 1);
    }
}
