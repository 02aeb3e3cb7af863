//! A limiter in front of a provider that takes so many at once and refuses the rest: open-loop arrivals, as many as
//! callers care to send, answers of very different length.

mod dice;
mod scale;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use decisions::attempts::{Limiter, Sample, Slot};
use decisions::plan::Criticality;

use crate::dice::Dice;
use crate::scale::scaled;

/// How long a provider takes to refuse.
const REFUSAL: Duration = Duration::from_millis(50);

const TWO_MINUTES: Duration = Duration::from_secs(120);

const PLAIN: Story = Story {
    capacity: 100,
    at_first: 100,
    load: 2.0,
    critical: 0.0,
    mean_answer: Duration::from_secs(1),
    time: Duration::from_secs(400),
};

#[derive(Clone, Copy)]
struct Story {
    /// How many the provider serves at once.
    capacity: u32,
    /// How many it serves at once in the first half of the time; what is counted begins two minutes after that.
    at_first: u32,
    /// Requests for each one that the provider can serve.
    load: f64,
    /// How much of the provider's capacity the critical ones of them would take.
    critical: f64,
    mean_answer: Duration,
    time: Duration,
}

#[derive(Default)]
struct Counts {
    /// Places of the provider that were in use, as a share of all.
    goodput: f64,
    critical: u32,
    critical_refused: u32,
    admitted: u32,
    pushed_back: u32,
}

impl Story {
    fn tell(&self, seed: u64) -> Counts {
        let mut dice = Dice::new(seed);
        let mut limiter = Limiter::new(None);
        let mut counts = Counts::default();
        let mut under_way: BinaryHeap<Reverse<(Duration, usize)>> = BinaryHeap::new();
        let mut slots: Vec<(Slot, Sample)> = Vec::new();
        let (mut now, mut busy) = (Duration::ZERO, 0);
        let rate = f64::from(self.capacity) * self.load / self.mean_answer.as_secs_f64();
        let warm = if self.at_first == self.capacity { self.time / 4 } else { self.time / 2 + TWO_MINUTES };
        while now < self.time {
            now += Duration::from_secs_f64(-unit(&mut dice).ln() / rate);
            while let Some(Reverse((at, index))) = under_way.peek().copied().filter(|first| first.0.0 <= now)
            {
                under_way.pop();
                let (slot, sample) = slots[index];
                busy -= u32::from(sample == Sample::Ok);
                limiter.release(slot, sample, at);
            }
            let is_critical = unit(&mut dice) < self.critical / self.load;
            let criticality = if is_critical { Criticality::Critical } else { Criticality::Sheddable };
            let slot = limiter.admit(criticality, now);
            let takes = busy < if now < self.time / 2 { self.at_first } else { self.capacity };
            let (sample, took) =
                if takes { (Sample::Ok, self.answer(&mut dice)) } else { (Sample::Pushback, REFUSAL) };
            if now >= warm {
                counts.critical += u32::from(is_critical);
                counts.critical_refused += u32::from(is_critical && slot.is_none());
                counts.admitted += u32::from(slot.is_some());
                counts.pushed_back += u32::from(slot.is_some() && !takes);
                let used = took.min(self.time.saturating_sub(now)).as_secs_f64();
                counts.goodput += if slot.is_some() && takes { used } else { 0.0 };
            }
            if let Some(slot) = slot {
                busy += u32::from(takes);
                under_way.push(Reverse((now + took, slots.len())));
                slots.push((slot, sample));
            }
        }
        counts.goodput /= f64::from(self.capacity) * (self.time - warm).as_secs_f64();
        counts
    }

    /// Lognormal, with σ = 0.8: one answer in twenty takes more than 2.7 times the mean.
    fn answer(&self, dice: &mut Dice) -> Duration {
        let sigma = 0.8_f64;
        let radius = (-2.0 * unit(dice).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * unit(dice)).cos();
        self.mean_answer.mul_f64((sigma * normal - sigma * sigma / 2.0).exp())
    }
}

/// Evenly between 0 and 1, and never 0.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn unit(dice: &mut Dice) -> f64 {
    (dice.below(1 << 53) + 1) as f64 / (1_u64 << 53) as f64
}

fn seeds() -> impl Iterator<Item = u64> {
    0..u64::from(scaled(10))
}

fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole)
}

#[test]
fn at_twice_and_ten_times_the_load_a_provider_is_used_to_95_percent() {
    for load in [2.0, 10.0] {
        for mean_answer in [200, 1_000, 5_000].map(Duration::from_millis) {
            for seed in seeds() {
                let counts = Story { load, mean_answer, ..PLAIN }.tell(seed);
                let told = format!("load {load}, answers {mean_answer:?}, seed {seed}");
                assert!(counts.goodput >= 0.95, "{told}: {}", counts.goodput);
                let pushed_back = share(counts.pushed_back, counts.admitted);
                assert!(pushed_back <= 0.005, "{told}: {pushed_back} pushed back");
            }
        }
    }
}

/// What is kept for the critical ones costs goodput, the less so the larger the provider.
#[test]
fn critical_requests_for_half_of_a_provider_find_a_place_however_many_others_there_are() {
    for load in [2.0, 10.0] {
        for (capacity, goodput) in [(100, 0.85), (400, 0.93)] {
            let (mut critical, mut refused) = (0, 0);
            for seed in seeds() {
                let story = Story { load, critical: 0.5, capacity, at_first: capacity, ..PLAIN };
                let counts = story.tell(seed);
                critical += counts.critical;
                refused += counts.critical_refused;
                assert!(counts.goodput >= goodput, "load {load}, seed {seed}: {}", counts.goodput);
            }
            let lost = share(refused, critical);
            assert!(lost <= 0.001, "load {load}, capacity {capacity}: {lost} refused");
        }
    }
}

#[test]
fn a_provider_that_comes_back_is_used_again_after_two_minutes() {
    for seed in seeds() {
        for at_first in [0, 10, 50] {
            let counts = Story { at_first, ..PLAIN }.tell(seed);
            assert!(counts.goodput >= 0.9, "{at_first} at first, seed {seed}: {}", counts.goodput);
        }
    }
}
