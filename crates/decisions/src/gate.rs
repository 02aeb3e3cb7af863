//! The gate of a canary: whether it stays in traffic, by evidence and not by windows.
//!
//! A [`Gate`] is told of every attempt at the canary and at its primary, and of whatever else may change its mind
//! ([`Event`]); now and then it answers with a [`Verdict`], which says what is to become of the canary and by which
//! numbers. It is a value: the same settings and the same events at the same milliseconds give the same verdicts, to the
//! bit, on every machine. It takes the same small time for each event and never grows.
//!
//! Whoever holds it does four things: [`Gate::step`] with every event, in one order; what [`Action`] says; a
//! [`Event::Tick`] every second; and keep [`Gate::to_numbers`] where a restart finds it.
//!
//! Reading order: [`change_point`] and [`relative`] (the two tests), [`engine`] (the state), `judge` (what a trip leads
//! to), `control` (the look at the primary), [`words`] (what an operator reads). [`simulation`] plays whole days.
//! The reasons are in `docs/adr/0020-gates.md`, the plain words in `docs/gates.md`.

pub mod change_point;
mod control;
pub mod engine;
mod first_token;
pub mod holds;
mod judge;
pub mod numbers;
pub mod outcome;
mod prior;
pub mod promotion;
pub mod relative;
pub mod settings;
pub mod signal;
pub mod simulation;
mod tenants;
pub mod verdict;
pub mod words;

pub use change_point::{ChangePoint, Factors};
pub use engine::{Gate, Phase};
pub use holds::{HoldCause, Holds};
pub use numbers::{GATE_NUMBERS, NotAGate};
pub use outcome::{Arm, Attempt, Event, Outcome, Usage};
pub use promotion::{GoodEvidence, GoodFactors};
pub use relative::{Relative, Share};
pub use settings::{BadSetting, Control, GateRules, GateSettings, Mode, OnTrip, RateSettings, Tenants};
pub use signal::{Rate, Signal};
pub use verdict::{Action, Decision, Reason, Verdict};
