//! How a route's targets are gated and its canary climbs, as named fields; those that say what runbook 3 says are left
//! out, so that a new target brings no list of them.

use decisions::bucket::Share;
use decisions::gate::{GateRules, GateSettings, Rate, Tenants};
use decisions::plan::{Check, Gates, Route, Scope};
use decisions::rollout::RolloutRules;

use crate::diff::entries::Fields;
use crate::gates_entry::{GatesEntry, MODES, OFF, ON_TRIP, TENANTS, field_of, to_share};
use crate::share::format_share;
use crate::steps_entry::usual as usual_steps;

/// What is in force on the route, wherever the map says it; a target that is not there has no gate.
pub(super) fn describe(route: &Route, fields: &mut Fields) {
    let one_tenant = matches!(route.scope, Scope::Tenant(_));
    let tenants = if one_tenant { Tenants::Single } else { Tenants::Several };
    let usual = usual(tenants);
    let said = said(&route.gates, route.canary.is_some(), route.fallback.is_some());
    for field in said.into_iter().filter(|field| !usual.contains(field)) {
        fields.one(field.0, field.1);
    }
}

/// What a field says that a route leaves as it is.
pub(super) fn usual_of(field: &str) -> Option<String> {
    usual(Tenants::Several).into_iter().find(|(name, _)| name == field).map(|(_, value)| value)
}

/// The steps of a canary, and what they need beyond what each step needs; its shares where they are to be compared.
pub(super) fn describe_steps(rules: &RolloutRules, with_shares: bool, fields: &mut Fields) {
    let (settings, usual) = (rules.settings(), usual_steps());
    if with_shares {
        let steps = rules.steps().iter().filter_map(|step| Share::from_ppm(*step));
        fields.one("canary.steps", steps.map(format_share).collect::<Vec<_>>().join(", "));
    }
    let is_needed =
        |name: &str, differs: bool, value: String| differs.then_some((format!("canary.{name}"), value));
    let needs = [
        is_needed("dwell_ms", settings.dwell_ms != usual.dwell_ms, settings.dwell_ms.to_string()),
        is_needed(
            "step_needs.each_feature",
            settings.times_each_feature != usual.times_each_feature,
            settings.times_each_feature.to_string(),
        ),
        is_needed(
            "step_needs.tenants",
            with_shares && settings.tenants != usual.tenants,
            settings.tenants.to_string(),
        ),
        is_needed(
            "step_needs.failures",
            to_share(settings.limit) != to_share(usual.limit),
            percentage(settings.limit),
        ),
        is_needed(
            "step_needs.false_promotions",
            to_share(settings.false_promotions) != to_share(usual.false_promotions),
            percentage(settings.false_promotions),
        ),
    ];
    for (name, value) in needs.into_iter().flatten() {
        fields.one(name, value);
    }
    if settings.checks != 0 {
        let checks = Check::ALL.into_iter().filter(|check| settings.checks & check.bit() != 0);
        fields.many("canary.step_needs.checks", checks.map(|check| check.as_str().to_owned()).collect());
    }
}

type Said = Vec<(String, String)>;

fn usual(tenants: Tenants) -> Said {
    let entry = GatesEntry::default();
    let gates = Gates { canary: entry.of_canary(tenants), fallback: entry.of_fallback(), rollout: None };
    said(&gates, true, true)
}

/// Every field, with what it says.
fn said(gates: &Gates, has_canary: bool, has_fallback: bool) -> Said {
    let mut said = Vec::new();
    if has_canary {
        say(&mut said, "mode", mode(gates.canary.as_ref()));
    }
    if has_fallback {
        say(&mut said, "fallback_mode", mode(gates.fallback.as_ref()));
    }
    if let Some(rules) = gates.canary.as_ref().or(gates.fallback.as_ref()) {
        rates(rules, &mut said);
    }
    if let Some(rules) = &gates.canary {
        of_canary(rules.settings(), &mut said);
    }
    said
}

fn say(said: &mut Said, name: &str, value: impl Into<String>) {
    said.push((format!("gates.{name}"), value.into()));
}

fn rates(rules: &GateRules, said: &mut Said) {
    let settings = rules.settings();
    say(said, "false_alarms", percentage(settings.false_alarms));
    for rate in Rate::ALL {
        let (name, of_rate) = (field_of(rate), settings.rates[rate.index()]);
        let is_judged = of_rate.part > 0.0;
        say(said, name, if is_judged { percentage(of_rate.limit) } else { OFF.to_owned() });
        say(said, &format!("on_trip.{name}"), word(&ON_TRIP, of_rate.on_trip));
    }
}

fn of_canary(settings: &GateSettings, said: &mut Said) {
    let limit = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    say(said, "tenants", word(&TENANTS, settings.tenants));
    say(said, "worse_than_primary", word(&ON_TRIP, settings.worse_than_primary));
    say(said, "token_budget", limit(settings.budget));
    say(said, "unreported_answers", limit(settings.unreported_answers.map(u64::from)));
    say(said, "queue_limit", limit(settings.queue_limit.map(u64::from)));
    say(said, "queue_patience_ms", settings.queue_patience_ms.to_string());
    say(said, "silence_ms", settings.silence_ms.to_string());
    say(said, "hold_limit_ms", limit(settings.hold_limit_ms));
}

fn mode(rules: Option<&GateRules>) -> &'static str {
    word(&MODES, rules.map(|rules| rules.settings().mode))
}

fn percentage(fraction: f64) -> String {
    format_share(to_share(fraction))
}

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| *word)
}
