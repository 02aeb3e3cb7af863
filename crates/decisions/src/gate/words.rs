//! How sure the gate is, in words and numbers, and what would change its mind.

use super::engine::{Gate, Phase};
use super::settings::GateRules;
use super::signal::{Rate, Signal};

/// How far the evidence against a limit has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sureness {
    /// What was seen speaks for the canary, or for nothing.
    NoSign,
    /// It is likelier above the limit than within; chance explains it well.
    Hint,
    /// One canary in ten that keep their limits would ever show so much.
    Signs,
    /// Close to tripping: a tenth of what it takes.
    Strong,
    /// The limit is exceeded.
    Tripped,
}

impl Sureness {
    /// In words, as a part of a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Sureness::NoSign => "no sign of harm",
            Sureness::Hint => "a hint that chance explains well",
            Sureness::Signs => "signs of harm",
            Sureness::Strong => "strong signs of harm",
            Sureness::Tripped => "over the limit",
        }
    }
}

/// What is known of one signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Which signal.
    pub signal: Signal,
    /// In words.
    pub sureness: Sureness,
    /// Of so many canaries that keep the limit, one at most ever shows so much: the e-value, 1 at the least.
    pub one_in: f64,
    /// The e-value that trips.
    pub trips_at: f64,
    /// Failures in a row that would trip it now; `None` where none would.
    pub failures_to_trip: Option<u32>,
    /// Attempts that were counted.
    pub n: u64,
    /// Those that failed.
    pub failures: u64,
}

/// What is known of one rate.
#[must_use]
pub fn standing(gate: &Gate, rules: &GateRules, rate: Rate) -> Standing {
    let (evidence, trips_at) = (gate.evidence(rate), rules.threshold(rate));
    let (n, failures) = gate.counted(rate);
    let is_tripped = gate.phase() == Phase::Suspended(rate) || evidence >= trips_at;
    let sureness = match evidence {
        _ if is_tripped => Sureness::Tripped,
        e if e * 10.0 >= trips_at => Sureness::Strong,
        e if e >= 10.0 => Sureness::Signs,
        e if e > 1.0 => Sureness::Hint,
        _ => Sureness::NoSign,
    };
    Standing {
        signal: rate.signal(),
        sureness,
        one_in: evidence.max(1.0),
        trips_at,
        failures_to_trip: gate.failures_to_trip(rules, rate),
        n,
        failures,
    }
}
