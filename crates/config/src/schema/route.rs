//! `[[routes]]` of `routes.toml` as a schema.

use decisions::Endpoint;
use decisions::plan::{Mode, StickyBy};
use serde_json::{Value, json};

use super::attempts::attempts;
use super::gates::{gates, steps};
use super::values::{
    Presence::{Optional, Required},
    choice, exact, integer, name, set, share, table, text, with,
};
use crate::attempts_entry::LONGEST_TIMEOUT_MS;
use crate::cohort_entry::STICKY_BY;
use crate::mirror_entry::{
    BODY_BYTES, IN_FLIGHT, PER_SECOND, USUAL_BODY_BYTES, USUAL_IN_FLIGHT, USUAL_PER_SECOND,
};
use crate::names::NAME_BYTES;

pub(super) fn route() -> Value {
    let tenant_or_cohort = "Whose requests: a tenant, a cohort, or * for everyone.";
    let everyone = format!("^(\\*|[A-Za-z0-9][A-Za-z0-9._-]{{0,{}}})$", NAME_BYTES - 1);
    let mode = "primary: all to the primary. canary: a share to the canary. fallback: all to the fallback. \
                disabled: nothing is served.";
    let stateful = "Where requests go that store something at the provider: to the primary always, or to the \
                    canary as any other.";
    let endpoint = "For this endpoint only; without this field for all of them.";
    let mut fields = vec![
        ("name", Required, name("Its name in answers and logs, and the salt of its canary.")),
        ("tenant_or_cohort", Required, text(tenant_or_cohort, &everyone)),
        ("model_alias", Optional, exact("Which alias, or * for every alias.")),
        ("model_family", Optional, name("Every alias of this family; in place of model_alias.")),
        ("endpoint", Optional, choice(endpoint, Endpoint::ALL.map(Endpoint::as_str))),
        ("mode", Required, choice(mode, Mode::ALL.map(Mode::as_str))),
        ("primary_provider", Required, name("Its home.")),
        (
            "fallback_provider",
            Optional,
            name("What the primary fails at goes here, and in mode fallback all of it; not the primary."),
        ),
        ("fallback_generation", Optional, generation("Raise it to say of the fallback: this is a new try.")),
        ("stateful", Optional, with(choice(stateful, ["primary", "canary"]), "default", json!("primary"))),
        ("gates", Optional, gates("What the route's gates do otherwise than the map's.", false)),
        ("canary", Optional, canary()),
        ("mirror", Optional, mirror()),
    ];
    fields.extend(attempts());
    let route = table("A route.", fields);
    let one = json!([{ "required": ["model_alias"] }, { "required": ["model_family"] }]);
    let needs = |mode: Mode, field: &str| {
        json!({
            "if": { "properties": { "mode": { "enum": [mode.as_str()] } }, "required": ["mode"] },
            "then": { "required": [field] },
        })
    };
    let all = json!([needs(Mode::Canary, "canary"), needs(Mode::Fallback, "fallback_provider")]);
    with(with(route, "oneOf", one), "allOf", all)
}

/// The list with its default, where leaving it out is allowed.
pub(super) fn sticky_by(default: Option<&[StickyBy]>) -> Value {
    let description =
        "By what a request is in or out: the first of these that it carries. `request` comes last.";
    let by = choice("A field of the request.", StickyBy::ALL.map(StickyBy::as_str));
    let list = with(set(description, &by), "minItems", json!(1));
    match default {
        Some(default) => {
            let words: Vec<&str> = default.iter().map(|by| by.as_str()).collect();
            with(list, "default", json!(words))
        }
        None => list,
    }
}

fn canary() -> Value {
    let share_text = "How much goes to the canary: 0% to 100%, up to four decimals. This line shifts it. Beside steps the \
                      most that it may climb to.";
    let timeout =
        "How long one attempt at the canary may take to begin its answer; without this field as the route's.";
    let mut fields = vec![
        ("provider", Required, name("Where the share goes; not the primary.")),
        ("share", Optional, share(share_text)),
        ("sticky_by", Optional, sticky_by(Some(&STICKY_BY))),
        ("salt", Optional, exact("Shuffles who is in; without this field the route's name.")),
        ("generation", Optional, generation("Raise it to say: this is a new try.")),
        ("timeout_ms", Optional, integer(timeout, &(1..=LONGEST_TIMEOUT_MS), None)),
    ];
    fields.extend(steps());
    let canary = table("The provider to try, and how much it gets.", fields);
    with(canary, "anyOf", json!([{ "required": ["share"] }, { "required": ["steps"] }]))
}

fn mirror() -> Value {
    let share_text = "How much is copied of what may be copied and stays at the primary.";
    let per_second = "Copies in a second at the most, evenly; in each process.";
    let in_flight = "Copies under way at one time at the most; in each process.";
    let body = "Larger bodies are not copied.";
    table(
        "Copies of requests go to the canary for the evidence alone, of tenants with allow_mirror; nobody gets their answers.",
        vec![
            ("share", Required, share(share_text)),
            ("most_per_second", Optional, integer(per_second, &PER_SECOND, Some(USUAL_PER_SECOND))),
            ("most_in_flight", Optional, integer(in_flight, &IN_FLIGHT, Some(USUAL_IN_FLIGHT))),
            ("max_body_bytes", Optional, integer(body, &BODY_BYTES, Some(USUAL_BODY_BYTES))),
        ],
    )
}

fn generation(description: &str) -> Value {
    integer(description, &(1..=u64::from(u32::MAX)), Some(1))
}
