//! Plays a route's traffic against a gate: how soon it trips, how many requests fail until then, how often it is wrong.
//!
//! Attempts come at random moments (Poisson), each is the canary's with the likelihood of its share, and fails with the
//! likelihood that a script gives for that moment. All draws come from one seed, so a run is the same everywhere and
//! every time. What a script cannot say: failures that cluster by caller, and attempts that take long, are told to the
//! gate when they begin.

mod fixed;
mod side_by_side;

pub use fixed::{FixedGate, FixedKind};
pub use side_by_side::{Contender, Row, Trial, Trip, row, side_by_side, trip};

use super::engine::{Gate, Phase};
use super::outcome::{Arm, Attempt, Event, Outcome, Usage};
use super::settings::GateRules;
use super::verdict::{Action, Verdict};

/// How often the gate is told that time passes.
const TICK_MS: u64 = 5_000;

/// Draws from a seed: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Copy, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The draws of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Draws {
        Draws(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1, 1 excluded.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    pub fn part(&mut self) -> f64 {
        (self.any() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// The milliseconds to the next of events that come so often in a second, with the part that is left over.
    fn gap_ms(&mut self, per_second: f64) -> f64 {
        -libm::log(1.0 - self.part()) / per_second * 1_000.0
    }
}

/// A time in which a target fails oftener than usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trouble {
    /// It begins so many milliseconds after the run's start.
    pub from_ms: u64,
    /// It is over by then.
    pub until_ms: u64,
    /// The share of attempts that fail.
    pub failing: f64,
    /// How they do.
    pub outcome: Outcome,
}

/// When a target fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Script {
    /// The share of attempts that fail for good, as hard failures, where there is no trouble.
    pub usually: f64,
    /// When it is otherwise.
    pub trouble: Option<Trouble>,
}

impl Script {
    /// A target that always fails equally often.
    #[must_use]
    pub fn steady(failing: f64) -> Script {
        Script { usually: failing, trouble: None }
    }

    /// How an attempt at this moment ends, for a draw between 0 and 1.
    fn outcome(&self, now_ms: u64, draw: f64) -> Outcome {
        let (failing, outcome) = match self.trouble {
            Some(trouble) if (trouble.from_ms..trouble.until_ms).contains(&now_ms) => {
                (trouble.failing, trouble.outcome)
            }
            _ => (self.usually, Outcome::HardFailure),
        };
        if draw < failing { outcome } else { Outcome::Good }
    }
}

/// A route's traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scenario {
    /// How long it is played, in milliseconds.
    pub length_ms: u64,
    /// Requests in a second, for canary and primary together.
    pub per_second: f64,
    /// The canary's share, in parts per million.
    pub share_ppm: u32,
    /// When the canary fails.
    pub canary: Script,
    /// When the primary fails.
    pub primary: Script,
    /// From how many tenants the requests come, equally.
    pub tenants: u64,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Played {
    /// The gate at the end.
    pub gate: Gate,
    /// What latched it, if anything did.
    pub latched: Option<Verdict>,
    /// When the canary was first out of traffic, suspended or latched.
    pub out_ms: Option<u64>,
    /// Attempts of the canary.
    pub attempts: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that failed since its trouble began.
    pub failures_in_trouble: u64,
}

/// Plays a scenario to its end, or to the latch, from a gate as it is. `heard` is told of every event that the gate was,
/// with its moment and what the gate said.
pub fn play(
    rules: &GateRules,
    gate: Gate,
    scenario: &Scenario,
    draws: &mut Draws,
    heard: &mut dyn FnMut(u64, &Event, Option<&Verdict>),
) -> Played {
    let mut played =
        Played { gate, latched: None, out_ms: None, attempts: 0, failures: 0, failures_in_trouble: 0 };
    let mut arrival = draws.gap_ms(scenario.per_second);
    let mut tick_ms = TICK_MS;
    loop {
        let arrival_ms = whole(arrival);
        let (now_ms, event) = if tick_ms <= arrival_ms {
            tick_ms += TICK_MS;
            (tick_ms - TICK_MS, Event::Tick)
        } else {
            arrival += draws.gap_ms(scenario.per_second);
            (arrival_ms, Event::Attempt(attempt(rules, &played.gate, scenario, arrival_ms, draws)))
        };
        if now_ms >= scenario.length_ms {
            return played;
        }
        count(&mut played, scenario, now_ms, &event);
        let verdict = played.gate.step(rules, now_ms, &event);
        heard(now_ms, &event, verdict.as_ref());
        if let Some(verdict) = verdict {
            if matches!(verdict.action, Action::Suspend | Action::Latch) {
                played.out_ms.get_or_insert(now_ms);
            }
            if played.gate.phase() == Phase::RolledBack {
                played.latched = Some(verdict);
                return played;
            }
        }
    }
}

fn attempt(rules: &GateRules, gate: &Gate, scenario: &Scenario, now_ms: u64, draws: &mut Draws) -> Attempt {
    let in_share = draws.any() % 1_000_000 < u64::from(scenario.share_ppm);
    let (arm, script) = if in_share && gate.serves(rules) {
        (Arm::Canary, &scenario.canary)
    } else {
        (Arm::Primary, &scenario.primary)
    };
    Attempt {
        arm,
        outcome: script.outcome(now_ms, draws.part()),
        tenant: draws.any() % scenario.tenants.max(1),
        share_ppm: scenario.share_ppm,
        first_token_us: None,
        usage: Usage::NotExpected,
    }
}

fn count(played: &mut Played, scenario: &Scenario, now_ms: u64, event: &Event) {
    if let Event::Attempt(Attempt { arm: Arm::Canary, outcome, .. }) = event {
        let failed = u64::from(*outcome != Outcome::Good);
        played.attempts += 1;
        played.failures += failed;
        if scenario.canary.trouble.is_some_and(|trouble| trouble.from_ms <= now_ms) {
            played.failures_in_trouble += failed;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sums of gaps, which are positive"
)]
fn whole(milliseconds: f64) -> u64 {
    milliseconds as u64
}
