//! A gate and its rollout under the rules in force: one value, and the one function by which it changes.
//!
//! A running gateway tells it of each attempt, and a replay tells it the same from a log: what both get is equal to the
//! bit. `words` is what is written of one telling, `numbers` what is written of all that is known.

mod numbers;
mod words;

pub use numbers::NotJudged;
pub use words::TOLD_WORDS;

use crate::gate::{Event, Gate, GateRules, GateSettings, Verdict};
use crate::rollout::{Rollout, RolloutRules, StepVerdict};

/// What judges one target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judged {
    /// The engine.
    pub gate: Gate,
    /// By what it judges; `None` where the map switches it off.
    pub rules: Option<GateRules>,
    /// Where the canary stands on its way up.
    pub rollout: Rollout,
    /// Its steps; `None` where it has none.
    pub rollout_rules: Option<RolloutRules>,
}

/// One thing that it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// An event of the gate; `features` has a bit for each feature that an attempt's request used.
    Event {
        /// Which.
        event: Event,
        /// 0 where it is no attempt.
        features: u16,
    },
    /// So many ticks, evenly spread since what was told before, none of which led to anything: only a log says this.
    Quiet {
        /// One at least.
        ticks: u32,
    },
    /// An operator promotes the canary by one step.
    Promote,
    /// A check that the next step may require has run.
    Checked {
        /// Its place among those of the rollout.
        check: u32,
        /// What came of it.
        passed: bool,
    },
}

impl Told {
    /// Time has passed.
    pub const TICK: Told = Told::Event { event: Event::Tick, features: 0 };
}

/// What being told leads to: mostly nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer {
    /// The gate has decided.
    pub verdict: Option<Verdict>,
    /// The canary climbs a step, or would.
    pub climbed: Option<StepVerdict>,
}

impl Answer {
    /// Whether nothing was decided.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.verdict.is_none() && self.climbed.is_none()
    }
}

impl Judged {
    /// Tells it of one thing at `now_ms` milliseconds of the clock that it is always told by.
    pub fn tell(&mut self, now_ms: u64, told: &Told) -> Answer {
        match told {
            Told::Event { event, features } => self.event(now_ms, event, *features),
            Told::Quiet { ticks } => self.quiet(now_ms, *ticks),
            Told::Promote => {
                let Judged { gate, rollout, rollout_rules, .. } = self;
                let climbed = rollout_rules.as_ref().and_then(|rules| rollout.promote_by_hand(rules, gate));
                Answer { climbed, ..Answer::default() }
            }
            Told::Checked { check, passed } => {
                self.rollout.checked(usize::try_from(*check).unwrap_or(usize::MAX), *passed);
                Answer::default()
            }
        }
    }

    /// Whether it differs from `before` in nothing but the time that it knows.
    #[must_use]
    pub fn has_only_aged(&self, before: &Judged) -> bool {
        self.gate.has_only_aged(&before.gate) && self.rollout.has_only_aged(&before.rollout)
    }

    fn event(&mut self, now_ms: u64, event: &Event, features: u16) -> Answer {
        let Judged { gate, rules, rollout, rollout_rules } = self;
        let verdict = match rules {
            Some(rules) => gate.step(rules, now_ms, event),
            None => step_unjudged(gate, now_ms, event),
        };
        let Some(steps) = rollout_rules else { return Answer { verdict, climbed: None } };
        let climbed = match event {
            Event::Attempt(attempt) => {
                rollout.attempt(steps, attempt, features);
                None
            }
            Event::Tick => rollout.tick(steps, gate),
            _ => None,
        };
        Answer { verdict, climbed }
    }

    /// Ticks that were an even time apart came to the same as those that were told, since only the sum of their gaps counts,
    /// and none was longer than the longest that a gate counts whole.
    fn quiet(&mut self, now_ms: u64, ticks: u32) -> Answer {
        let from = self.gate.seen_ms();
        let passed = u128::from(now_ms.saturating_sub(from));
        let mut answer = Answer::default();
        for tick in 1..=ticks {
            let part = passed * u128::from(tick) / u128::from(ticks);
            let at_ms = from.saturating_add(u64::try_from(part).unwrap_or(u64::MAX));
            let said = self.event(at_ms, &Event::Tick, 0);
            // The first of what should not be there.
            answer = if answer.is_nothing() { said } else { answer };
        }
        answer
    }
}

/// Where the map switches the gate off, what an operator says is taken by the usual rules.
#[cold]
fn step_unjudged(gate: &mut Gate, now_ms: u64, event: &Event) -> Option<Verdict> {
    let usual = GateRules::new(GateSettings::default()).ok()?;
    gate.step(&usual, now_ms, event)
}
