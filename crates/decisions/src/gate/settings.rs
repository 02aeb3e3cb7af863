//! What an operator sets of a gate, and what follows from it once: limits, budget, factors.

use super::change_point::Factors;
use super::control::Run;
use super::signal::Rate;

/// What a trip does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTrip {
    /// The canary is rolled back, unless the primary has the same trouble.
    RollBack,
    /// The canary stays as it is and grows no further.
    Hold,
}

/// Whether a verdict is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Act,
    /// It is recorded only: what the gate would have done.
    Observe,
}

/// What the canary is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The attempts at the route's primary.
    Primary,
    /// Nothing: a fallback is asked when the primary has failed, so its requests are not a fair sample. Only limits count.
    None,
}

/// Which tenants a canary is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// Several; no single one decides alone while others are served well.
    Several,
    /// One, and the operator says so.
    Single,
}

/// One rate: its limit and its part in false alarms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSettings {
    /// The highest share of attempts that may fail so, from 0.0001 to 0.3.
    pub limit: f64,
    /// Its part of [`GateSettings::false_alarms`], from 0 to 1; all parts together are one at the most. With no part
    /// the signal is not judged.
    pub part: f64,
    /// What its trip does.
    pub on_trip: OnTrip,
}

/// All that is set of one gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateSettings {
    /// Whether its verdicts are carried out.
    pub mode: Mode,
    /// What the canary is compared with.
    pub control: Control,
    /// Which tenants the canary is for.
    pub tenants: Tenants,
    /// How likely the gate may be to roll back, once in the canary's whole life, a canary that keeps every limit, and how
    /// likely to blame a canary for an outage that its primary shares. From 0.0001 to 0.1.
    pub false_alarms: f64,
    /// The rates, in the order of [`Rate::ALL`].
    pub rates: [RateSettings; 5],
    /// What a canary does that fails clearly oftener than its primary and is not shown to be above its own limit.
    pub worse_than_primary: OnTrip,
    /// What may be spent, in the unit of [`Usage::Reported`](super::Usage::Reported); beyond it the canary is rolled back.
    pub budget: Option<u64>,
    /// How many answers in a row may leave out the usage that they should report, before the canary is held; `None`
    /// where usage does not matter.
    pub unreported_answers: Option<u32>,
    /// How many requests may wait for the canary's target; above it the canary is held, and rolled back after
    /// [`queue_patience_ms`](GateSettings::queue_patience_ms) without a break.
    pub queue_limit: Option<u32>,
    /// See [`queue_limit`](GateSettings::queue_limit).
    pub queue_patience_ms: u64,
    /// After how long without an attempt that counts there is no data, and so a hold.
    pub silence_ms: u64,
    /// How long a hold may last that has a cause, until it ends in a rollback; `None` leaves that to `expires_at`.
    pub hold_limit_ms: Option<u64>,
}

impl Default for GateSettings {
    /// The example gates of runbook 3, for a canary.
    fn default() -> GateSettings {
        let rate = |limit, part| RateSettings { limit, part, on_trip: OnTrip::RollBack };
        GateSettings {
            mode: Mode::Act,
            control: Control::Primary,
            tenants: Tenants::Several,
            false_alarms: 0.01,
            rates: [
                rate(0.02, 0.4),
                rate(0.01, 0.25),
                rate(0.001, 0.15),
                // Runbook 3: "latency higher: keep canary small and monitor".
                RateSettings { limit: 0.1, part: 0.1, on_trip: OnTrip::Hold },
                rate(0.05, 0.1),
            ],
            worse_than_primary: OnTrip::Hold,
            budget: None,
            unreported_answers: Some(10),
            queue_limit: None,
            queue_patience_ms: 60_000,
            silence_ms: 10 * 60_000,
            hold_limit_ms: Some(72 * 3_600_000),
        }
    }
}

impl GateSettings {
    /// For a fallback target, which has no fair comparison.
    #[must_use]
    pub fn fallback() -> GateSettings {
        GateSettings { control: Control::None, ..GateSettings::default() }
    }
}

/// A setting that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSetting {
    /// `false_alarms` is not between 0.0001 and 0.1.
    FalseAlarms,
    /// The limit of this rate is not between 0.0001 and 0.3.
    Limit(Rate),
    /// The parts are not between 0 and 1 each, or more than 1 together.
    Parts,
}

/// Settings that can be, with what follows from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateRules {
    settings: GateSettings,
    thresholds: [f64; 5],
    factors: [Factors; 5],
    run_factors: [[f64; 2]; 5],
    /// Of the primary's hard failures and timeouts, and of its malformed answers.
    shared_limits: [f64; 2],
    shared_factors: [Factors; 2],
    /// Of all outcomes of a tenant that is set aside.
    aside_factors: Factors,
}

impl GateRules {
    /// Checks settings.
    ///
    /// # Errors
    /// [`BadSetting`] names the one that cannot be.
    pub fn new(settings: GateSettings) -> Result<GateRules, BadSetting> {
        if !(0.0001..=0.1).contains(&settings.false_alarms) {
            return Err(BadSetting::FalseAlarms);
        }
        for rate in Rate::ALL {
            if !(0.0001..=0.3).contains(&settings.rates[rate.index()].limit) {
                return Err(BadSetting::Limit(rate));
            }
        }
        let parts = settings.rates.map(|rate| rate.part);
        let is_part = |part: &f64| (0.0..=1.0).contains(part);
        if !parts.iter().all(is_part) || parts.iter().sum::<f64>() > 1.0 + 1e-9 {
            return Err(BadSetting::Parts);
        }
        let limit = |rate: Rate| settings.rates[rate.index()].limit;
        let shared_limits =
            [(limit(Rate::HardFailure) + limit(Rate::Timeout)).min(0.3), limit(Rate::Malformed)];
        let all = (shared_limits[0] + shared_limits[1]).min(0.3);
        Ok(GateRules {
            settings,
            thresholds: parts.map(|part| 1.0 / (settings.false_alarms * part)),
            factors: settings.rates.map(|rate| Factors::of_limit(rate.limit)),
            run_factors: settings.rates.map(|rate| Run::factors(rate.limit)),
            shared_limits,
            shared_factors: shared_limits.map(Factors::of_limit),
            aside_factors: Factors::of_limit(all),
        })
    }

    /// What was set.
    #[must_use]
    pub fn settings(&self) -> &GateSettings {
        &self.settings
    }

    /// The limit of a rate.
    #[must_use]
    pub fn limit(&self, rate: Rate) -> f64 {
        self.settings.rates[rate.index()].limit
    }

    /// The likelihood of a false alarm of a rate, once in the canary's whole life.
    #[must_use]
    pub fn alpha(&self, rate: Rate) -> f64 {
        self.settings.false_alarms * self.settings.rates[rate.index()].part
    }

    /// The evidence at which a rate trips; infinite where it is not judged.
    #[must_use]
    pub fn threshold(&self, rate: Rate) -> f64 {
        self.thresholds[rate.index()]
    }

    /// Whether a rate is judged: whether it has a part of the budget for false alarms.
    #[must_use]
    pub fn judges(&self, rate: Rate) -> bool {
        self.threshold(rate).is_finite()
    }

    /// The evidence at which a rate looks bad enough to grow no further: a tenth of what trips it.
    pub(super) fn suspicion(&self, rate: Rate) -> f64 {
        self.threshold(rate) * 0.1
    }

    /// The evidence at which errors are the canary's own. Half of the budget for blaming it wrongly is for this test and
    /// half for the `control` test.
    pub(super) fn relative_threshold(&self, rate: Rate) -> f64 {
        2.0 * self.threshold(rate)
    }

    pub(super) fn factors(&self, rate: Rate) -> &Factors {
        &self.factors[rate.index()]
    }

    pub(super) fn run_factors(&self, rate: Rate) -> [f64; 2] {
        self.run_factors[rate.index()]
    }

    pub(super) fn shared_limit(&self, group: usize) -> f64 {
        self.shared_limits[group]
    }

    pub(super) fn shared_factors(&self, group: usize) -> &Factors {
        &self.shared_factors[group]
    }

    pub(super) fn aside_factors(&self) -> &Factors {
        &self.aside_factors
    }

    pub(super) fn acts(&self) -> bool {
        self.settings.mode == Mode::Act
    }
}
