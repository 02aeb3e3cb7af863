//! A gate as plain numbers and back, to the bit: to survive a restart, and to compare a replay with what was recorded.
//!
//! One list of fields serves both ways, so neither can forget one.

use super::change_point::ChangePoint;
use super::engine::{Gate, Phase};
use super::signal::Rate;

/// How the list of fields below is told from one of another version.
const LAYOUT: u64 = 1;

/// How many numbers a gate is.
pub const GATE_NUMBERS: usize = 134;

/// Numbers that are no gate: another layout, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAGate;

/// Goes over all fields, and reads or writes each.
pub(crate) trait Pass {
    fn whole(&mut self, field: &mut u64);

    fn real(&mut self, field: &mut f64) {
        let mut bits = field.to_bits();
        self.whole(&mut bits);
        *field = f64::from_bits(bits);
    }

    fn small(&mut self, field: &mut u32) {
        let mut number = u64::from(*field);
        self.whole(&mut number);
        *field = u32::try_from(number).unwrap_or(u32::MAX);
    }

    fn flag(&mut self, field: &mut bool) {
        let mut number = u64::from(*field);
        self.whole(&mut number);
        *field = number != 0;
    }
}

struct Writing<'n> {
    numbers: &'n mut [u64; GATE_NUMBERS],
    at: usize,
}

impl Pass for Writing<'_> {
    fn whole(&mut self, field: &mut u64) {
        if let Some(place) = self.numbers.get_mut(self.at) {
            *place = *field;
        }
        self.at += 1;
    }
}

struct Reading<'n> {
    numbers: &'n [u64],
    at: usize,
}

impl Pass for Reading<'_> {
    fn whole(&mut self, field: &mut u64) {
        if let Some(place) = self.numbers.get(self.at) {
            *field = *place;
        }
        self.at += 1;
    }
}

impl Gate {
    /// All that the gate knows.
    #[must_use]
    pub fn to_numbers(&self) -> [u64; GATE_NUMBERS] {
        let mut numbers = [0; GATE_NUMBERS];
        numbers[0] = LAYOUT;
        let mut writing = Writing { numbers: &mut numbers, at: 1 };
        let mut gate = *self;
        gate.pass(&mut writing);
        debug_assert_eq!(writing.at, GATE_NUMBERS);
        numbers
    }

    /// The gate that these numbers were made from.
    ///
    /// # Errors
    /// [`NotAGate`] where their count or layout is another, or a number is none that a gate can have. Whoever reads them
    /// must then keep the canary out of traffic: it may have been latched.
    pub fn from_numbers(numbers: &[u64]) -> Result<Gate, NotAGate> {
        if numbers.len() != GATE_NUMBERS || numbers[0] != LAYOUT {
            return Err(NotAGate);
        }
        let mut gate = Gate::new();
        let mut reading = Reading { numbers, at: 1 };
        gate.pass(&mut reading);
        // What does not come out as it went in was never written by a gate.
        let is_sound = gate.to_numbers() == numbers && gate.has_sound_numbers();
        if is_sound { Ok(gate) } else { Err(NotAGate) }
    }

    fn has_sound_numbers(&self) -> bool {
        let bets = self.limits.iter().chain(&self.control).chain([&self.aside]).flat_map(|limit| limit.bets);
        let others = self.relative.iter().flat_map(|relative| relative.bets);
        let test = self.test.well.into_iter().chain(self.test.ill).chain([self.test.rate, self.test.alpha]);
        let runs = self.runs.iter().map(|run| run.balance);
        let rest = [self.share.recent, self.share.lately, self.slowest.microseconds, self.gap_ms];
        let mut all = bets.chain(others).chain(test).chain(runs).chain(rest);
        all.all(|number| number.is_finite() && number >= 0.0)
    }

    fn pass(&mut self, pass: &mut impl Pass) {
        for field in [&mut self.events, &mut self.clock_ms, &mut self.seen_ms] {
            pass.whole(field);
        }
        let mut phase = number_of(self.phase);
        pass.whole(&mut phase);
        // A phase that no gate has must not serve.
        self.phase = phase_of(phase).unwrap_or(Phase::RolledBack);
        pass.flag(&mut self.by_order);
        pass.small(&mut self.holds.0);
        pass.whole(&mut self.held_since_ms);
        self.pass_test(pass);
        self.pass_evidence(pass);
        self.pass_tenants(pass);
        pass.whole(&mut self.slowest.seen);
        pass.real(&mut self.slowest.microseconds);
        pass.whole(&mut self.spent);
        pass.small(&mut self.unreported);
        let mut is_over = self.queue_since_ms.is_some();
        let mut since = self.queue_since_ms.unwrap_or(0);
        pass.flag(&mut is_over);
        pass.whole(&mut since);
        self.queue_since_ms = is_over.then_some(since);
        pass.whole(&mut self.last_attempt_ms);
        pass.real(&mut self.gap_ms);
        pass.whole(&mut self.last_any_ms);
    }

    fn pass_test(&mut self, pass: &mut impl Pass) {
        let test = &mut self.test;
        for field in [&mut test.started_ms, &mut test.patience_ms, &mut test.attempts, &mut test.failures] {
            pass.whole(field);
        }
        pass.real(&mut test.rate);
        pass.real(&mut test.alpha);
        for bet in test.well.iter_mut().chain(&mut test.ill) {
            pass.real(bet);
        }
        pass.flag(&mut self.decided_nothing);
        pass.whole(&mut self.tests);
    }

    fn pass_evidence(&mut self, pass: &mut impl Pass) {
        pass.whole(&mut self.attempts);
        for field in self.failures.iter_mut().chain(&mut self.shared_until_ms) {
            pass.whole(field);
        }
        for limit in self.limits.iter_mut().chain(&mut self.control).chain([&mut self.aside]) {
            let ChangePoint { seen, bets } = limit;
            pass.whole(seen);
            for bet in bets {
                pass.real(bet);
            }
        }
        for run in &mut self.runs {
            pass.whole(&mut run.attempts);
            pass.whole(&mut run.failures);
            pass.real(&mut run.balance);
        }
        for relative in &mut self.relative {
            pass.whole(&mut relative.seen);
            for bet in &mut relative.bets {
                pass.real(bet);
            }
        }
        pass.whole(&mut self.control_attempts);
        for field in &mut self.control_failures {
            pass.whole(field);
        }
        pass.real(&mut self.share.recent);
        pass.real(&mut self.share.lately);
        pass.whole(&mut self.share.seen);
        pass.small(&mut self.configured_ppm);
    }

    fn pass_tenants(&mut self, pass: &mut impl Pass) {
        for place in &mut self.tenants.places {
            pass.whole(&mut place.tenant);
            pass.small(&mut place.attempts);
            pass.small(&mut place.failures);
        }
        pass.small(&mut self.tenants.attempts);
        pass.small(&mut self.tenants.failures);
    }
}

fn number_of(phase: Phase) -> u64 {
    match phase {
        Phase::Serving => 0,
        Phase::RolledBack => 1,
        Phase::Suspended(rate) => 2 + rate as u64,
    }
}

fn phase_of(number: u64) -> Option<Phase> {
    match number {
        0 => Some(Phase::Serving),
        1 => Some(Phase::RolledBack),
        _ => {
            let rates = Rate::OF_OUTCOMES.into_iter();
            rates.map(Phase::Suspended).find(|phase| number_of(*phase) == number)
        }
    }
}
