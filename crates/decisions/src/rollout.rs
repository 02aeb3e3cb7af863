//! How a canary climbs: from step to step, when everything that was asked for is there.
//!
//! A [`Rollout`] stands beside the [`Gate`] of the same canary. The gate may stop it at any moment;
//! the rollout only ever decides to grow, and only by one step. It is off unless an operator lists steps, and it is a value as the
//! gate is: told of attempts and checks, asked every second, kept as plain numbers. The operator's file is never edited: the share in
//! force is [`Rollout::share_ppm`].

mod missing;
mod numbers;
mod settings;

pub use missing::{Missing, Requirement};
pub use numbers::{NotARollout, ROLLOUT_NUMBERS};
pub use settings::{BadRollout, MOST_CHECKS, MOST_FEATURES, MOST_STEPS, MOST_TENANTS};
pub use settings::{RolloutRules, RolloutSettings};

use crate::gate::{Arm, Attempt, Gate, GoodEvidence, Outcome, Phase};

/// Where a canary stands on its way up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rollout {
    step: u32,
    /// By the gate's clock; moved on by every hold.
    since_ms: u64,
    good: GoodEvidence,
    attempts: u64,
    failures: u64,
    /// Good attempts with each feature, in this step.
    features: [u32; MOST_FEATURES],
    /// Hashes of the first tenants that were served well, in this step.
    tenants: [u64; MOST_TENANTS],
    tenants_seen: u32,
    /// One bit for each check that passed last time, in this step.
    checks: u32,
    /// One bit for each check that did not pass last time, in whatever step.
    failed_checks: u32,
}

/// One step up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepVerdict {
    /// When, by the gate's clock in milliseconds.
    pub at_ms: u64,
    /// From this share, in parts per million.
    pub from_ppm: u32,
    /// To this one.
    pub to_ppm: u32,
    /// Whether it is carried out, or only what would have been done.
    pub acts: bool,
    /// Whether an operator said so; then nothing else was asked for.
    pub by_hand: bool,
    /// What was missing, which is nothing unless an operator said so.
    pub missing: Missing,
    /// The evidence that failures are below the limit: an e-value.
    pub e_value: f64,
    /// The likelihood of a false promotion; the evidence suffices at `1 / alpha`.
    pub alpha: f64,
    /// The limit, as a share of attempts.
    pub theta: f64,
    /// Attempts in this step.
    pub n: u64,
    /// Those that failed in any way.
    pub failures: u64,
    /// The step before, counted from 0.
    pub from_step: u32,
    /// How long the canary stood there, in milliseconds of the gate's clock.
    pub stood_ms: u64,
    /// Tenants that were served well there, of those that are remembered.
    pub tenants: u32,
    /// Good attempts there with each feature.
    pub features: [u32; MOST_FEATURES],
    /// One bit for each check that passed there.
    pub checks: u32,
}

impl Rollout {
    /// At the first step.
    #[must_use]
    pub fn new() -> Rollout {
        Rollout::default()
    }

    /// The step, counted from 0.
    #[must_use]
    pub fn step(&self) -> usize {
        self.step as usize
    }

    /// The share that the canary has, or in `mode = observe` would have, in parts per million.
    #[must_use]
    pub fn share_ppm(&self, rules: &RolloutRules) -> u32 {
        let steps = rules.steps();
        steps.get(self.step()).or(steps.last()).copied().unwrap_or(0)
    }

    /// Counts an attempt; those of the primary change nothing. `features` has one bit for each of the route's
    /// `enabled_features` that the request used.
    pub fn attempt(&mut self, rules: &RolloutRules, attempt: &Attempt, features: u16) {
        if attempt.arm != Arm::Canary || attempt.outcome == Outcome::NotCounted {
            return;
        }
        let is_good = attempt.outcome == Outcome::Good;
        self.good.step(rules.factors(), !is_good);
        self.attempts = self.attempts.saturating_add(1);
        self.failures = self.failures.saturating_add(u64::from(!is_good));
        if !is_good {
            return;
        }
        for (at, count) in self.features.iter_mut().enumerate() {
            *count = count.saturating_add(u32::from(features >> at & 1));
        }
        self.meet(attempt.tenant);
    }

    fn meet(&mut self, tenant: u64) {
        let seen = self.tenants_seen as usize;
        let is_known = self.tenants.iter().take(seen).any(|known| *known == tenant);
        if let Some(place) = self.tenants.get_mut(seen).filter(|_| !is_known) {
            *place = tenant;
            self.tenants_seen += 1;
        }
    }

    /// A check has run. One that fails, or gives no result, is missing again, and until it passes it is missing also where
    /// nobody requires it: what somebody looked at and found wanting is no canary to grow.
    pub fn checked(&mut self, check: usize, passed: bool) {
        if check < MOST_CHECKS {
            let bit = 1 << check;
            self.checks = if passed { self.checks | bit } else { self.checks & !bit };
            self.failed_checks = if passed { self.failed_checks & !bit } else { self.failed_checks | bit };
        }
    }

    /// Whether it differs from `before` in nothing but the time that it knows.
    pub(crate) fn has_only_aged(&self, before: &Rollout) -> bool {
        Rollout { since_ms: self.since_ms, ..*before } == *self
    }

    /// What is missing for the next step.
    #[must_use]
    pub fn missing(&self, rules: &RolloutRules, gate: &Gate) -> Missing {
        let settings = rules.settings();
        let mut missing = Missing::default();
        let stood_ms = gate.clock_ms().saturating_sub(self.since_ms);
        missing.note(Requirement::Released, gate.phase() != Phase::Serving || !gate.holds().is_empty());
        missing.note(Requirement::Dwell, stood_ms < rules.dwell_ms());
        missing.note(Requirement::Evidence, self.good.evidence() * settings.false_promotions < 1.0);
        let uncovered = |(at, count): (usize, &u32)| {
            settings.features >> at & 1 == 1 && *count < settings.times_each_feature
        };
        missing.note(Requirement::Features, self.features.iter().enumerate().any(uncovered));
        missing.note(Requirement::Tenants, self.tenants_seen < settings.tenants);
        let lacks_checks = self.checks & settings.checks != settings.checks || self.failed_checks != 0;
        missing.note(Requirement::Checks, lacks_checks);
        missing
    }

    /// Features, as bits, of which too few good attempts were seen in this step.
    #[must_use]
    pub fn uncovered_features(&self, rules: &RolloutRules) -> u16 {
        let settings = rules.settings();
        let seen = self.features.iter().enumerate();
        let covered = seen.filter(|(_, count)| **count >= settings.times_each_feature);
        covered.fold(settings.features, |open, (at, _)| open & !(1 << at))
    }

    /// How many good attempts in a row are enough evidence; `None` where 100,000 are not.
    #[must_use]
    pub fn good_to_go(&self, rules: &RolloutRules) -> Option<u32> {
        self.good.good_until(rules.factors(), 1.0 / rules.settings().false_promotions)
    }

    /// To be asked every second: grows by a step when nothing is missing. A hold restarts the dwell.
    pub fn tick(&mut self, rules: &RolloutRules, gate: &Gate) -> Option<StepVerdict> {
        if !gate.holds().is_empty() {
            self.since_ms = gate.clock_ms();
        }
        let missing = self.missing(rules, gate);
        if missing.is_empty() { self.climb(rules, gate, missing, false) } else { None }
    }

    /// An operator promotes the canary by one step, whatever is missing; `None` where it is out of traffic or at
    /// its last step.
    pub fn promote_by_hand(&mut self, rules: &RolloutRules, gate: &Gate) -> Option<StepVerdict> {
        let missing = self.missing(rules, gate);
        if gate.phase() == Phase::Serving { self.climb(rules, gate, missing, true) } else { None }
    }

    fn climb(
        &mut self,
        rules: &RolloutRules,
        gate: &Gate,
        missing: Missing,
        by_hand: bool,
    ) -> Option<StepVerdict> {
        let to_ppm = *rules.steps().get(self.step() + 1)?;
        let verdict = StepVerdict {
            at_ms: gate.clock_ms(),
            from_ppm: self.share_ppm(rules),
            to_ppm,
            acts: rules.acts(),
            by_hand,
            missing,
            e_value: self.good.evidence(),
            alpha: rules.settings().false_promotions,
            theta: rules.settings().limit,
            n: self.attempts,
            failures: self.failures,
            from_step: self.step,
            stood_ms: gate.clock_ms().saturating_sub(self.since_ms),
            tenants: self.tenants_seen,
            features: self.features,
            checks: self.checks,
        };
        // What was shown at a small share is to be shown again at the larger one.
        *self = Rollout {
            step: self.step + 1,
            since_ms: gate.clock_ms(),
            failed_checks: self.failed_checks,
            ..Rollout::default()
        };
        Some(verdict)
    }
}
