//! Our gate and the fixed ones on the same traffic, as rows of a table.

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

/// What a gate did in all runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Which gate.
    pub gate: &'static str,
    /// The share of runs in which it took the canary out, from 0 to 1.
    pub tripped: f64,
    /// Of those, the median of the canary's failed requests since the trouble began, and 0 without any.
    pub failed_requests: u64,
    /// Of those, the median of the milliseconds from the beginning of the trouble, or of the run where there was none.
    pub after_ms: u64,
}

/// Plays a scenario for each gate, ours first. Each hears as many runs of the same likelihoods; the draws differ, since
/// each stops the canary at another moment.
#[must_use]
pub fn side_by_side(rules: &GateRules, scenario: &Scenario, trial: Trial) -> Vec<Row> {
    let began_ms = scenario.canary.trouble.map_or(0, |trouble| trouble.from_ms);
    let ours = (0..trial.runs).filter_map(|run| {
        let played = play(rules, Gate::new(), scenario, &mut draws(trial, run), &mut |_, _, _| ());
        played.out_ms.map(|out_ms| (played.failures_in_trouble, out_ms))
    });
    let mut rows = vec![row("evidence (this gate)", ours.collect(), began_ms, trial)];
    for kind in FixedKind::ALL {
        let runs = (0..trial.runs).filter_map(|run| run_fixed(kind, scenario, &mut draws(trial, run)));
        rows.push(row(kind.as_str(), runs.collect(), began_ms, trial));
    }
    rows
}

fn draws(trial: Trial, run: u32) -> Draws {
    Draws::new(trial.seed ^ u64::from(run).wrapping_mul(0xd134_2543_de82_ef95))
}

/// The failed requests in trouble and the moment of the trip.
fn run_fixed(kind: FixedKind, scenario: &Scenario, draws: &mut Draws) -> Option<(u64, u64)> {
    let mut gate = FixedGate::new(kind);
    let began_ms = scenario.canary.trouble.map_or(u64::MAX, |trouble| trouble.from_ms);
    let share = f64::from(scenario.share_ppm) / 1e6;
    let script: &Script = &scenario.canary;
    let (mut now, mut failures) = (0.0, 0);
    loop {
        now += draws.gap_ms(scenario.per_second * share);
        let now_ms = super::whole(now);
        if now_ms >= scenario.length_ms {
            return gate.wait_until(scenario.length_ms).map(|tripped_ms| (failures, tripped_ms));
        }
        if let Some(tripped_ms) = gate.wait_until(now_ms) {
            return Some((failures, tripped_ms));
        }
        let failed = script.outcome(now_ms, draws.part()) != Outcome::Good;
        failures += u64::from(failed && now_ms >= began_ms);
        if let Some(tripped_ms) = gate.count(now_ms, failed) {
            return Some((failures, tripped_ms));
        }
    }
}

fn row(gate: &'static str, mut trips: Vec<(u64, u64)>, began_ms: u64, trial: Trial) -> Row {
    let tripped = crate::gate::prior::real(trips.len() as u64) / f64::from(trial.runs.max(1));
    let mut median = |of: fn(&(u64, u64)) -> u64| {
        trips.sort_unstable_by_key(of);
        trips.get(trips.len() / 2).map_or(0, of)
    };
    let failed_requests = median(|trip| trip.0);
    let after_ms = median(|trip| trip.1).saturating_sub(began_ms);
    Row { gate, tripped, failed_requests, after_ms }
}
