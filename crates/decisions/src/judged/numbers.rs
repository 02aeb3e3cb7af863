//! All that judges a target as plain numbers and back, to the bit: where a log begins, and a replay with it.
//!
//! Rules are written as what was set; what follows from it is computed again, by the same code.

use super::Judged;
use crate::gate::numbers::Pass;
use crate::gate::{Control, GATE_NUMBERS, Gate, GateRules, GateSettings, Mode, OnTrip, Tenants};
use crate::rollout::{MOST_STEPS, ROLLOUT_NUMBERS, Rollout, RolloutRules, RolloutSettings};

/// How this list of fields is told from one of another version.
const LAYOUT: u64 = 1;

/// Numbers that judge nothing: another layout, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJudged;

struct Writing<'n>(&'n mut Vec<u64>);

impl Pass for Writing<'_> {
    fn whole(&mut self, field: &mut u64) {
        self.0.push(*field);
    }
}

struct Reading<'n> {
    numbers: std::slice::Iter<'n, u64>,
    is_short: bool,
}

impl Pass for Reading<'_> {
    fn whole(&mut self, field: &mut u64) {
        match self.numbers.next() {
            Some(number) => *field = *number,
            None => self.is_short = true,
        }
    }
}

impl Judged {
    /// Adds all that it knows.
    pub fn put_numbers(&self, numbers: &mut Vec<u64>) {
        numbers.push(LAYOUT);
        numbers.extend(self.gate.to_numbers());
        numbers.extend(self.rollout.to_numbers());
        let mut writing = Writing(numbers);
        let mut rules = self.rules.map(|rules| *rules.settings());
        pass_option(&mut writing, &mut rules, pass_gate_settings);
        let mut steps = self.rollout_rules.map(|rules| Steps::of(&rules));
        pass_option(&mut writing, &mut steps, pass_steps);
    }

    /// What these numbers were made from.
    ///
    /// # Errors
    /// [`NotJudged`] where their count or layout is another, or they are none that anything can have.
    pub fn from_numbers(numbers: &[u64]) -> Result<Judged, NotJudged> {
        let (layout, rest) = numbers.split_first().ok_or(NotJudged)?;
        let (gate, rest) = rest.split_at_checked(GATE_NUMBERS).ok_or(NotJudged)?;
        let (rollout, rest) = rest.split_at_checked(ROLLOUT_NUMBERS).ok_or(NotJudged)?;
        if *layout != LAYOUT {
            return Err(NotJudged);
        }
        let mut reading = Reading { numbers: rest.iter(), is_short: false };
        let (mut rules, mut steps) = (None::<GateSettings>, None::<Steps>);
        pass_option(&mut reading, &mut rules, pass_gate_settings);
        pass_option(&mut reading, &mut steps, pass_steps);
        let judged = Judged {
            gate: Gate::from_numbers(gate).map_err(|_| NotJudged)?,
            rules: rules.map(GateRules::new).transpose().map_err(|_| NotJudged)?,
            rollout: Rollout::from_numbers(rollout).map_err(|_| NotJudged)?,
            rollout_rules: steps.map(|steps| steps.rules()).transpose()?,
        };
        let mut again = Vec::with_capacity(numbers.len());
        judged.put_numbers(&mut again);
        // What does not come out as it went in was never written.
        if again == numbers && !reading.is_short { Ok(judged) } else { Err(NotJudged) }
    }
}

/// A rollout's rules as they were set.
#[derive(Clone, Copy, Default)]
struct Steps {
    settings: RolloutSettings,
    steps: [u32; MOST_STEPS],
    count: u32,
}

impl Steps {
    fn of(rules: &RolloutRules) -> Steps {
        let mut steps = [0; MOST_STEPS];
        for (place, step) in steps.iter_mut().zip(rules.steps()) {
            *place = *step;
        }
        let count = u32::try_from(rules.steps().len()).unwrap_or(u32::MAX);
        Steps { settings: *rules.settings(), steps, count }
    }

    fn rules(&self) -> Result<RolloutRules, NotJudged> {
        let steps = self.steps.get(..self.count as usize).ok_or(NotJudged)?;
        RolloutRules::new(self.settings, steps).map_err(|_| NotJudged)
    }
}

fn pass_gate_settings(pass: &mut impl Pass, settings: &mut GateSettings) {
    pass_choice(pass, &mut settings.mode, &[Mode::Act, Mode::Observe]);
    pass_choice(pass, &mut settings.control, &[Control::Primary, Control::None]);
    pass_choice(pass, &mut settings.tenants, &[Tenants::Several, Tenants::Single]);
    pass.real(&mut settings.false_alarms);
    for rate in &mut settings.rates {
        pass.real(&mut rate.limit);
        pass.real(&mut rate.part);
        pass_choice(pass, &mut rate.on_trip, &[OnTrip::RollBack, OnTrip::Hold]);
    }
    pass_choice(pass, &mut settings.worse_than_primary, &[OnTrip::RollBack, OnTrip::Hold]);
    pass_option(pass, &mut settings.budget, |pass, field| pass.whole(field));
    pass_option(pass, &mut settings.unreported_answers, |pass, field| pass.small(field));
    pass_option(pass, &mut settings.queue_limit, |pass, field| pass.small(field));
    pass.whole(&mut settings.queue_patience_ms);
    pass.whole(&mut settings.silence_ms);
    pass_option(pass, &mut settings.hold_limit_ms, |pass, field| pass.whole(field));
}

fn pass_steps(pass: &mut impl Pass, rules: &mut Steps) {
    let Steps { settings, steps, count } = rules;
    pass_choice(pass, &mut settings.mode, &[Mode::Act, Mode::Observe]);
    pass.whole(&mut settings.dwell_ms);
    pass.whole(&mut settings.timeout_ms);
    let mut features = u32::from(settings.features);
    pass.small(&mut features);
    settings.features = u16::try_from(features).unwrap_or(u16::MAX);
    for field in [&mut settings.times_each_feature, &mut settings.tenants, &mut settings.checks, count] {
        pass.small(field);
    }
    pass.real(&mut settings.limit);
    pass.real(&mut settings.false_promotions);
    for step in steps {
        pass.small(step);
    }
}

/// Whether it is there, then what it is.
fn pass_option<P: Pass, T: Copy + Default>(
    pass: &mut P,
    field: &mut Option<T>,
    inner: impl FnOnce(&mut P, &mut T),
) {
    let mut is_there = field.is_some();
    pass.flag(&mut is_there);
    if is_there {
        let mut value = field.unwrap_or_default();
        inner(pass, &mut value);
        *field = Some(value);
    } else {
        *field = None;
    }
}

/// One of these, by its place.
fn pass_choice<T: Copy + PartialEq>(pass: &mut impl Pass, field: &mut T, all: &[T]) {
    let mut place = all.iter().position(|one| one == field).map_or(u64::MAX, |place| place as u64);
    pass.whole(&mut place);
    let chosen = usize::try_from(place).ok().and_then(|place| all.get(place));
    *field = chosen.copied().unwrap_or(*field);
}
