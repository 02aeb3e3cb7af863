//! `[gates]` of the map and `[routes.gates]` of a route as written: by what a canary and a fallback are judged.
//!
//! A route's own fields come before the map's, one by one, and those before the defaults, which are the example gates of
//! runbook 3.

use std::ops::RangeInclusive;

use decisions::bucket::{Share, WHOLE};
use decisions::gate::{Control, GateRules, GateSettings, Mode, OnTrip, Rate, RateSettings, Tenants};

use crate::code::Code;
use crate::cohort_entry::{SHARE_HELP, read_share};
use crate::document::{Document, Named};
use crate::fields::Fields;
use crate::names::quote;
use crate::share::{PERCENT, parse_share};

/// 0.01 %, in parts per million: below it a limit is beyond what traffic can tell.
pub(crate) const LEAST_PPM: u32 = 100;

/// In percent: a canary that may fail oftener needs no gate.
pub(crate) const MOST_LIMIT: u32 = 30;

/// In percent.
pub(crate) const MOST_FALSE_ALARMS: u32 = 10;

/// More tokens than anybody buys for a try.
pub(crate) const MOST_TOKENS: u64 = 1_000_000_000_000;

/// Of answers in a row, and of requests that wait.
pub(crate) const MOST_COUNT: u64 = 1_000_000;

pub(crate) const PATIENCE_MS: RangeInclusive<u64> = 0..=86_400_000;

pub(crate) const SILENCE_MS: RangeInclusive<u64> = 1_000..=86_400_000;

/// 31 days; 0 leaves the end to `expires_at`.
pub(crate) const HOLD_LIMIT_MS: RangeInclusive<u64> = 0..=2_678_400_000;

/// What is written in place of a limit where a signal is not to be judged.
pub(crate) const OFF: &str = "off";

/// What a gate does, by its word; nothing is a gate that is switched off.
pub(crate) const MODES: [(&str, Option<Mode>); 3] =
    [("act", Some(Mode::Act)), ("observe", Some(Mode::Observe)), (OFF, None)];

pub(crate) const TENANTS: [(&str, Tenants); 2] = [("several", Tenants::Several), ("single", Tenants::Single)];

pub(crate) const ON_TRIP: [(&str, OnTrip); 2] = [("rollback", OnTrip::RollBack), ("hold", OnTrip::Hold)];

/// The field of a rate's limit.
pub(crate) fn field_of(rate: Rate) -> &'static str {
    match rate {
        Rate::HardFailure => "hard_failure",
        Rate::Timeout => "timeout",
        Rate::Malformed => "malformed",
        Rate::FirstToken => "slow_first_token",
        Rate::Acceptance => "rejected",
    }
}

/// One `[gates]` or `[routes.gates]`; a field that is not written is missing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GatesEntry {
    /// Where the table begins.
    pub(crate) at: usize,
    mode: Option<Option<Mode>>,
    fallback_mode: Option<Option<Mode>>,
    tenants: Option<Tenants>,
    false_alarms: Option<Share>,
    /// By rate; the inner one is missing where the signal is switched off.
    limits: [Option<Option<Share>>; 5],
    on_trip: [Option<OnTrip>; 5],
    worse_than_primary: Option<OnTrip>,
    token_budget: Option<u64>,
    unreported_answers: Option<u64>,
    queue_limit: Option<u64>,
    queue_patience_ms: Option<u64>,
    silence_ms: Option<u64>,
    hold_limit_ms: Option<u64>,
}

pub(crate) fn read_gates(document: &Document<'_>, mut fields: Fields<'_, '_>) -> GatesEntry {
    let mut optional =
        |name, range: RangeInclusive<u64>| fields.value(name).map(|_| fields.integer(name, range, 0));
    let counts = (
        optional("token_budget", 1..=MOST_TOKENS),
        optional("unreported_answers", 0..=MOST_COUNT),
        optional("queue_limit", 1..=MOST_COUNT),
    );
    let times = (
        optional("queue_patience_ms", PATIENCE_MS),
        optional("silence_ms", SILENCE_MS),
        optional("hold_limit_ms", HOLD_LIMIT_MS),
    );
    let entry = GatesEntry {
        at: fields.at(),
        mode: fields.choice("mode", &MODES),
        fallback_mode: fields.choice("fallback_mode", &MODES),
        tenants: fields.choice("tenants", &TENANTS),
        false_alarms: read_percentage(document, &mut fields, "false_alarms", MOST_FALSE_ALARMS),
        limits: Rate::ALL.map(|rate| read_limit(document, &mut fields, field_of(rate))),
        on_trip: read_on_trip(&mut fields),
        worse_than_primary: fields.choice("worse_than_primary", &ON_TRIP),
        token_budget: counts.0,
        unreported_answers: counts.1,
        queue_limit: counts.2,
        queue_patience_ms: times.0,
        silence_ms: times.1,
        hold_limit_ms: times.2,
    };
    fields.finish();
    entry
}

fn read_on_trip(fields: &mut Fields<'_, '_>) -> [Option<OnTrip>; 5] {
    let Some(mut fields) = fields.table("on_trip") else { return [None; 5] };
    let on_trip = Rate::ALL.map(|rate| fields.choice(field_of(rate), &ON_TRIP));
    fields.finish();
    on_trip
}

/// A limit, or the word that there is none.
fn read_limit(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    name: &'static str,
) -> Option<Option<Share>> {
    let text = fields.text_as(name, "in quotes and with a percent sign, as in \"2%\"; or \"off\"")?;
    if text.text == OFF {
        return Some(None);
    }
    if let Err(error) = parse_share(&text.text) {
        let message = format!("{} cannot be a limit: {error}", quote(&text.text));
        let help = "or \"off\", in small letters, where this is not to be judged";
        document.problem_with_help(Code::BadShare, text.at, message, help);
        return None;
    }
    within(document, &text, name, MOST_LIMIT).map(Some)
}

/// A percentage from 0.01 % to so many percent.
pub(crate) fn read_percentage(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    most: u32,
) -> Option<Share> {
    let text = fields.text_as(name, SHARE_HELP)?;
    within(document, &text, name, most)
}

fn within(document: &Document<'_>, text: &Named, name: &str, most: u32) -> Option<Share> {
    let share = read_share(document, text)?;
    if (LEAST_PPM..=most * PERCENT).contains(&share.ppm()) {
        return Some(share);
    }
    document.problem(Code::OutOfRange, text.at, format!("`{name}` must be from 0.01% to {most}%"));
    None
}

impl GatesEntry {
    /// This one's fields, and the other's where it leaves them open.
    pub(crate) fn or(self, other: GatesEntry) -> GatesEntry {
        GatesEntry {
            at: self.at,
            mode: self.mode.or(other.mode),
            fallback_mode: self.fallback_mode.or(other.fallback_mode),
            tenants: self.tenants.or(other.tenants),
            false_alarms: self.false_alarms.or(other.false_alarms),
            limits: each_or(self.limits, other.limits),
            on_trip: each_or(self.on_trip, other.on_trip),
            worse_than_primary: self.worse_than_primary.or(other.worse_than_primary),
            token_budget: self.token_budget.or(other.token_budget),
            unreported_answers: self.unreported_answers.or(other.unreported_answers),
            queue_limit: self.queue_limit.or(other.queue_limit),
            queue_patience_ms: self.queue_patience_ms.or(other.queue_patience_ms),
            silence_ms: self.silence_ms.or(other.silence_ms),
            hold_limit_ms: self.hold_limit_ms.or(other.hold_limit_ms),
        }
    }

    /// What becomes of the canary's verdicts; nothing where its gate is switched off.
    pub(crate) fn mode(self) -> Option<Mode> {
        self.mode.unwrap_or(Some(GateSettings::default().mode))
    }

    /// The limit of hard failures, in parts per million, unless they are not judged.
    pub(crate) fn hard_failure_ppm(self) -> Option<u32> {
        let limit = self.limits[Rate::HardFailure.index()];
        limit.unwrap_or(Some(usual_limit(Rate::HardFailure))).map(Share::ppm)
    }

    /// The gate of a canary; `tenants` is what it is for where nobody says.
    pub(crate) fn of_canary(self, tenants: Tenants) -> Option<GateRules> {
        let usual = GateSettings::default();
        // Zero stands for "it does not matter".
        let unless_zero = |written: Option<u64>, usual: Option<u64>| match written {
            Some(0) => None,
            Some(number) => Some(number),
            None => usual,
        };
        let small = |number: Option<u64>| number.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        rules(GateSettings {
            mode: self.mode()?,
            control: Control::Primary,
            tenants: self.tenants.unwrap_or(tenants),
            worse_than_primary: self.worse_than_primary.unwrap_or(usual.worse_than_primary),
            budget: self.token_budget.or(usual.budget),
            unreported_answers: small(unless_zero(
                self.unreported_answers,
                usual.unreported_answers.map(u64::from),
            )),
            queue_limit: small(self.queue_limit).or(usual.queue_limit),
            queue_patience_ms: self.queue_patience_ms.unwrap_or(usual.queue_patience_ms),
            silence_ms: self.silence_ms.unwrap_or(usual.silence_ms),
            hold_limit_ms: unless_zero(self.hold_limit_ms, usual.hold_limit_ms),
            ..self.rates()
        })
    }

    /// The gate of a fallback. It is asked when the primary has failed, and for days not at all: neither silence, nor a
    /// budget, nor a queue may take the last way out.
    pub(crate) fn of_fallback(self) -> Option<GateRules> {
        rules(GateSettings {
            mode: self.fallback_mode.unwrap_or(self.mode().map(|_| Mode::Observe))?,
            control: Control::None,
            tenants: Tenants::Several,
            budget: None,
            unreported_answers: None,
            queue_limit: None,
            hold_limit_ms: None,
            silence_ms: self.silence_ms.unwrap_or(GateSettings::default().silence_ms),
            ..self.rates()
        })
    }

    /// Limits, what their trips do, and the budget for false alarms: all of it goes to the signals that are judged, in the
    /// proportions of the defaults.
    fn rates(self) -> GateSettings {
        let usual = GateSettings::default();
        let is_judged = |rate: Rate| self.limits[rate.index()] != Some(None);
        let usual_part = |rate: Rate| usual.rates[rate.index()].part;
        let judged: f64 = Rate::ALL.into_iter().filter(|rate| is_judged(*rate)).map(usual_part).sum();
        let rate = |rate: Rate| {
            let limit = self.limits[rate.index()].flatten().unwrap_or(usual_limit(rate));
            RateSettings {
                limit: fraction(limit),
                part: if is_judged(rate) { usual_part(rate) / judged } else { 0.0 },
                on_trip: self.on_trip[rate.index()].unwrap_or(usual.rates[rate.index()].on_trip),
            }
        };
        GateSettings {
            false_alarms: self.false_alarms.map_or(usual.false_alarms, fraction),
            rates: Rate::ALL.map(rate),
            ..usual
        }
    }
}

fn each_or<T: Copy>(own: [Option<T>; 5], other: [Option<T>; 5]) -> [Option<T>; 5] {
    let mut merged = own;
    for (place, other) in merged.iter_mut().zip(other) {
        *place = place.or(other);
    }
    merged
}

/// What is read is within the bounds of the engine; a test holds the two to each other.
fn rules(settings: GateSettings) -> Option<GateRules> {
    GateRules::new(settings).ok()
}

/// As a fraction of one.
pub(crate) fn fraction(share: Share) -> f64 {
    f64::from(share.ppm()) / f64::from(WHOLE)
}

/// A fraction as it is written.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction from 0 to 1, in millionths"
)]
pub(crate) fn to_share(fraction: f64) -> Share {
    Share::from_ppm((fraction * f64::from(WHOLE)).round() as u32).unwrap_or(Share::ALL)
}

pub(crate) fn usual_limit(rate: Rate) -> Share {
    to_share(GateSettings::default().rates[rate.index()].limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(limit: Option<Share>, false_alarms: Share) -> GatesEntry {
        GatesEntry { limits: [Some(limit); 5], false_alarms: Some(false_alarms), ..GatesEntry::default() }
    }

    /// What the loader takes the engine takes: no gate is lost between the two.
    #[test]
    fn every_bound_of_the_loader_is_one_of_the_engine() {
        let ppm = |ppm| Share::from_ppm(ppm).unwrap();
        for limit in [None, Some(ppm(LEAST_PPM)), Some(ppm(MOST_LIMIT * PERCENT))] {
            for false_alarms in [LEAST_PPM, MOST_FALSE_ALARMS * PERCENT] {
                let entry = limited(limit, ppm(false_alarms));
                assert!(entry.of_canary(Tenants::Several).is_some(), "{limit:?} {false_alarms}");
                assert!(entry.of_fallback().is_some(), "{limit:?} {false_alarms}");
            }
        }
    }

    #[test]
    fn nothing_written_is_the_engines_default() {
        let rules = GatesEntry::default().of_canary(Tenants::Several).unwrap();
        let usual = GateRules::new(GateSettings::default()).unwrap();
        let parts = |rules: &GateRules| rules.settings().rates.map(|rate| rate.part);
        for (part, usual) in parts(&rules).into_iter().zip(parts(&usual)) {
            assert!((part - usual).abs() < 1e-12, "{part} {usual}");
        }
        let exact = |rules: &GateRules| {
            let mut settings = *rules.settings();
            settings.rates.iter_mut().for_each(|rate| rate.part = 0.0);
            settings
        };
        assert_eq!(exact(&rules), exact(&usual));
    }

    #[test]
    fn a_signal_that_is_off_leaves_its_part_of_the_budget_to_the_others() {
        let entry = GatesEntry { limits: [None, Some(None), None, None, None], ..GatesEntry::default() };
        let rules = entry.of_canary(Tenants::Several).unwrap();
        assert!(rules.threshold(Rate::Timeout).is_infinite());
        let parts = rules.settings().rates.map(|rate| rate.part);
        assert!((parts.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{parts:?}");
        assert!((parts[0] / parts[2] - 0.4 / 0.15).abs() < 1e-9, "{parts:?}");
    }

    #[test]
    fn an_idle_fallback_is_never_held_until_it_is_rolled_back() {
        let entry = GatesEntry {
            hold_limit_ms: Some(1),
            token_budget: Some(1),
            queue_limit: Some(1),
            ..GatesEntry::default()
        };
        let rules = entry.of_fallback().unwrap();
        let settings = rules.settings();
        assert_eq!((settings.hold_limit_ms, settings.budget, settings.queue_limit), (None, None, None));
    }

    #[test]
    fn a_routes_own_field_comes_before_the_maps() {
        let ppm = |ppm| Share::from_ppm(ppm);
        let route =
            GatesEntry { limits: [Some(ppm(50_000)), None, None, None, None], ..GatesEntry::default() };
        let map = GatesEntry {
            limits: [Some(ppm(10_000)), Some(ppm(30_000)), None, None, None],
            mode: Some(None),
            ..GatesEntry::default()
        };
        let rates = route.or(map).rates().rates;
        let limits = rates.map(|rate| to_share(rate.limit).ppm());
        assert_eq!(limits, [50_000, 30_000, 1_000, 100_000, 50_000]);
        assert!(route.or(map).of_canary(Tenants::Several).is_none());
        assert!(GatesEntry { mode: Some(Some(Mode::Observe)), ..route }.or(map).mode().is_some());
    }
}
