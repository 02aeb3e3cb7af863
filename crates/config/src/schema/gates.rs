//! `[gates]`, `[routes.gates]` and the steps of a canary, as a schema.

use decisions::gate::{GateSettings, OnTrip, Rate};
use decisions::plan::Check;
use decisions::rollout::{MOST_STEPS, MOST_TENANTS};
use serde_json::{Value, json};

use super::values::{
    Field, Presence::Optional, choice, integer, list, set, share, share_pattern_within, table, text, with,
};
use crate::gates_entry::{
    HOLD_LIMIT_MS, MODES, MOST_COUNT, MOST_FALSE_ALARMS, MOST_LIMIT, MOST_TOKENS, OFF, ON_TRIP, PATIENCE_MS,
    SILENCE_MS, TENANTS, field_of, to_share, usual_limit,
};
use crate::share::format_share;
use crate::steps_entry::{DWELL_MS, MOST_FALSE_PROMOTIONS, TIMES, usual};

/// A table of gates: of the whole map, with the defaults, or of one route, which leaves what it does not say to the map.
pub(super) fn gates(description: &str, of_map: bool) -> Value {
    let standard = GateSettings::default();
    let default = |schema: Value, default: Value| {
        if of_map { with(schema, "default", default) } else { schema }
    };
    let number =
        |description: &str, range, usual: Option<u64>| integer(description, &range, usual.filter(|_| of_map));
    let mode = "act: what the gate decides is done. observe: it is recorded only. off: nothing is judged.";
    let fallback_mode = "The same for the fallback: without this field it is observed, unless mode is off.";
    let tenants = "single: the canary is for one tenant, and it alone decides. several: no single one decides while others \
                   are served well. Without this field as the route's tenant_or_cohort.";
    let false_alarms = "How likely the gate may be to roll back, once in the canary's whole life, a canary that keeps every \
                        limit.";
    let worse = "What a canary does that fails clearly oftener than its primary, within its own limits.";
    let budget = "How many tokens the canary may use; beyond it the canary is rolled back. Without this field no limit.";
    let unreported =
        "How many answers in a row may leave out their usage before the canary is held; 0 is no limit.";
    let queue = "How many requests may wait for the canary's target; above it the canary is held.";
    let patience = "How long more may wait until the canary is rolled back; in milliseconds.";
    let silence = "After how long without an attempt that counts the canary is held; in milliseconds.";
    let hold_limit =
        "How long a hold may last until it ends in a rollback; 0 leaves it to expires_at; in milliseconds.";
    let mut fields: Vec<Field> = vec![
        ("mode", Optional, default(choice(mode, MODES.map(|(word, _)| word)), json!(MODES[0].0))),
        ("fallback_mode", Optional, choice(fallback_mode, MODES.map(|(word, _)| word))),
        ("tenants", Optional, choice(tenants, TENANTS.map(|(word, _)| word))),
        (
            "false_alarms",
            Optional,
            default(
                percentage(false_alarms, MOST_FALSE_ALARMS),
                json!(format_share(to_share(standard.false_alarms))),
            ),
        ),
        ("on_trip", Optional, on_trip(of_map)),
        (
            "worse_than_primary",
            Optional,
            default(
                choice(worse, ON_TRIP.map(|(word, _)| word)),
                json!(word_of(standard.worse_than_primary)),
            ),
        ),
        ("token_budget", Optional, number(budget, 1..=MOST_TOKENS, standard.budget)),
        (
            "unreported_answers",
            Optional,
            number(unreported, 0..=MOST_COUNT, standard.unreported_answers.map(u64::from)),
        ),
        ("queue_limit", Optional, number(queue, 1..=MOST_COUNT, standard.queue_limit.map(u64::from))),
        ("queue_patience_ms", Optional, number(patience, PATIENCE_MS, Some(standard.queue_patience_ms))),
        ("silence_ms", Optional, number(silence, SILENCE_MS, Some(standard.silence_ms))),
        ("hold_limit_ms", Optional, number(hold_limit, HOLD_LIMIT_MS, standard.hold_limit_ms)),
    ];
    fields.extend(Rate::ALL.map(|rate| {
        let limit = limit(&format!("{}; or \"off\".", what_fails(rate)));
        (field_of(rate), Optional, default(limit, json!(format_share(usual_limit(rate)))))
    }));
    table(description, fields)
}

/// The fields of a canary that are about steps.
pub(super) fn steps() -> Vec<Field> {
    let steps = "By which shares the canary grows by itself, when each has shown enough; the first is what it begins with.";
    let dwell = "How long it stays at a share at least; twice the route's timeout_ms where that is longer; in milliseconds.";
    let one = list(steps, &share("A share above the one before."));
    let some = with(with(one, "minItems", json!(1)), "maxItems", json!(MOST_STEPS));
    vec![
        ("steps", Optional, with(some, "uniqueItems", json!(true))),
        ("dwell_ms", Optional, integer(dwell, &DWELL_MS, Some(usual().dwell_ms))),
        ("step_needs", Optional, step_needs()),
    ]
}

fn step_needs() -> Value {
    let usual = usual();
    let features = "How often each of the aliases' enabled_features must have been used and answered well.";
    let tenants =
        "How many tenants must have been served well; without this field three, or all that there are.";
    let checks = "The checks that must have passed.";
    let failures =
        "The share of attempts that may fail in any way; without this field as hard_failure of the gates.";
    let promotions = "How likely it may be that a canary at that share, or above, takes a step.";
    table(
        "What each step needs besides time and evidence.",
        vec![
            ("each_feature", Optional, integer(features, &TIMES, Some(u64::from(usual.times_each_feature)))),
            ("tenants", Optional, integer(tenants, &(1..=MOST_TENANTS as u64), None)),
            ("checks", Optional, with(set(checks, &check()), "default", json!([]))),
            ("failures", Optional, percentage(failures, MOST_LIMIT)),
            (
                "false_promotions",
                Optional,
                with(
                    percentage(promotions, MOST_FALSE_PROMOTIONS),
                    "default",
                    json!(format_share(to_share(usual.false_promotions))),
                ),
            ),
        ],
    )
}

fn check() -> Value {
    choice("A check.", Check::ALL.map(Check::as_str))
}

fn on_trip(of_map: bool) -> Value {
    let usual = GateSettings::default().rates;
    let fields = Rate::ALL.map(|rate| {
        let description = format!("When the limit of {} is exceeded.", field_of(rate));
        let field = choice(&description, ON_TRIP.map(|(word, _)| word));
        let word = word_of(usual[rate.index()].on_trip);
        (field_of(rate), Optional, if of_map { with(field, "default", json!(word)) } else { field })
    });
    table("What is done with the canary, signal by signal.", fields.into())
}

fn word_of(on_trip: OnTrip) -> &'static str {
    ON_TRIP.into_iter().find(|(_, known)| *known == on_trip).map_or("", |(word, _)| word)
}

/// What the limit of a rate is about.
fn what_fails(rate: Rate) -> &'static str {
    match rate {
        Rate::HardFailure => "The share of attempts that may fail: 5xx, 429, no connection, one that broke",
        Rate::Timeout => "The share of attempts that may take too long",
        Rate::Malformed => "The share of attempts whose answer may be malformed",
        Rate::FirstToken => {
            "The share of attempts whose first token may come later than at 95 of 100 of the primary's"
        }
        Rate::Acceptance => "The share of answers that applications may say they could not use",
    }
}

fn percentage(description: &str, most: u32) -> Value {
    text(description, &format!("^({})$", share_pattern_within(most)))
}

fn limit(description: &str) -> Value {
    text(description, &format!("^({OFF}|{})$", share_pattern_within(MOST_LIMIT)))
}
