//! Our gate and the fixed ones on the same traffic, as rows of a table.
//!
//! Each run of each gate stands by itself, so that whoever has several threads may share them out: [`trip`] plays one,
//! [`row`] sums them up, and the order makes no difference.

use super::{Draws, FixedGate, FixedKind, Scenario, Script, play};
use crate::gate::outcome::Outcome;
use crate::gate::{Gate, GateRules};

/// How often and from which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Runs for each gate.
    pub runs: u32,
    /// Of the first; the others follow from it.
    pub seed: u64,
}

/// A gate that is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// Ours.
    Evidence,
    /// One that operators know.
    Fixed(FixedKind),
}

impl Contender {
    /// All of them, ours first.
    pub fn all() -> impl Iterator<Item = Contender> {
        std::iter::once(Contender::Evidence).chain(FixedKind::ALL.into_iter().map(Contender::Fixed))
    }

    /// What operators call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Contender::Evidence => "evidence (this gate)",
            Contender::Fixed(kind) => kind.as_str(),
        }
    }
}

/// A run in which a gate took the canary out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// The canary's failed requests since its trouble began; 0 without any.
    pub failed_requests: u64,
    /// When it was out, in milliseconds since the run's start.
    pub at_ms: u64,
}

/// What a gate did in all runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which gate.
    pub gate: &'static str,
    /// Runs.
    pub runs: u32,
    /// Those in which it took the canary out before its trouble began, and so was wrong.
    pub tripped_before: u32,
    /// Those in which it took it out afterwards; in a scenario without trouble, at any time.
    pub tripped: u32,
    /// Of the latter, the median of the canary's failed requests since the trouble began; 0 without any.
    pub failed_requests: u64,
    /// What nine in ten of them do not exceed.
    pub failed_requests_p90: u64,
    /// The median of the milliseconds from the beginning of the trouble, or of the run where there was none.
    pub after_ms: u64,
}

impl Row {
    /// The share of runs in which it took the canary out, before its trouble or in it: from 0 to 1.
    #[must_use]
    pub fn share_tripped(&self) -> f64 {
        f64::from(self.tripped_before + self.tripped) / f64::from(self.runs.max(1))
    }
}

/// Plays a scenario for each gate, ours first. Each hears as many runs of the same likelihoods; the draws differ, since
/// each stops the canary at another moment.
#[must_use]
pub fn side_by_side(rules: &GateRules, scenario: &Scenario, trial: Trial) -> Vec<Row> {
    let played = |contender| {
        let runs: Vec<_> =
            (0..trial.runs).map(|run| trip(contender, rules, scenario, trial.seed, run)).collect();
        row(contender, scenario, &runs)
    };
    Contender::all().map(played).collect()
}

/// Plays one run of one gate; `None` if the canary stayed.
#[must_use]
pub fn trip(
    contender: Contender,
    rules: &GateRules,
    scenario: &Scenario,
    seed: u64,
    run: u32,
) -> Option<Trip> {
    let mut draws = Draws::new(seed ^ u64::from(run).wrapping_mul(0xd134_2543_de82_ef95));
    match contender {
        Contender::Evidence => {
            let played = play(rules, Gate::new(), scenario, &mut draws, &mut |_, _, _| ());
            played.out_ms.map(|at_ms| Trip { failed_requests: played.failures_in_trouble, at_ms })
        }
        Contender::Fixed(kind) => trip_fixed(kind, scenario, &mut draws),
    }
}

fn trip_fixed(kind: FixedKind, scenario: &Scenario, draws: &mut Draws) -> Option<Trip> {
    let mut gate = FixedGate::new(kind);
    let began_ms = scenario.canary.trouble.map_or(u64::MAX, |trouble| trouble.from_ms);
    let share = f64::from(scenario.share_ppm) / 1e6;
    let script: &Script = &scenario.canary;
    let (mut now, mut failed_requests) = (0.0, 0);
    loop {
        now += draws.gap_ms(scenario.per_second * share);
        let now_ms = super::whole(now);
        if now_ms >= scenario.length_ms {
            return gate.wait_until(scenario.length_ms).map(|at_ms| Trip { failed_requests, at_ms });
        }
        if let Some(at_ms) = gate.wait_until(now_ms) {
            return Some(Trip { failed_requests, at_ms });
        }
        let failed = script.outcome(now_ms, draws.part()) != Outcome::Good;
        failed_requests += u64::from(failed && now_ms >= began_ms);
        if let Some(at_ms) = gate.count(now_ms, failed) {
            return Some(Trip { failed_requests, at_ms });
        }
    }
}

/// Sums up the runs of one gate.
#[must_use]
pub fn row(contender: Contender, scenario: &Scenario, runs: &[Option<Trip>]) -> Row {
    let began_ms = scenario.canary.trouble.map_or(0, |trouble| trouble.from_ms);
    let is_after = |trip: &&Trip| trip.at_ms >= began_ms;
    let mut failed: Vec<u64> =
        runs.iter().flatten().filter(is_after).map(|trip| trip.failed_requests).collect();
    let mut after: Vec<u64> =
        runs.iter().flatten().filter(is_after).map(|trip| trip.at_ms - began_ms).collect();
    failed.sort_unstable();
    after.sort_unstable();
    let before = runs.iter().flatten().count() - failed.len();
    let at = |sorted: &[u64], tenths: usize| {
        let index = (sorted.len() * tenths / 10).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or(0)
    };
    Row {
        gate: contender.as_str(),
        runs: counted(runs.len()),
        tripped_before: counted(before),
        tripped: counted(failed.len()),
        failed_requests: at(&failed, 5),
        failed_requests_p90: at(&failed, 9),
        after_ms: at(&after, 5),
    }
}

fn counted(runs: usize) -> u32 {
    u32::try_from(runs).unwrap_or(u32::MAX)
}
