//! `[[routes]]` of the map as written: what matches and where it goes.

use std::time::Duration;

use decisions::Endpoint;
use decisions::plan::Mode;

use crate::attempts_entry::{AttemptsEntry, LONGEST_TIMEOUT_MS, Setting, read_attempts, read_timeout};
use crate::code::Code;
use crate::cohort_entry::{BucketingEntry, read_bucketing};
use crate::document::{Document, Named};
use crate::fields::Fields;
use crate::gates_entry::{GatesEntry, read_gates};
use crate::mirror_entry::{MirrorEntry, read_mirror};
use crate::names::{NAME_RULE, is_name, quote};
use crate::steps_entry::{StepsEntry, read_steps};

/// One `[[routes]]`.
#[derive(Debug)]
pub(crate) struct RouteEntry {
    pub(crate) at: usize,
    pub(crate) name: Option<Named>,
    pub(crate) tenant_or_cohort: Option<Named>,
    pub(crate) models: Option<ModelsEntry>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) mode: Option<Mode>,
    pub(crate) primary: Option<Named>,
    pub(crate) fallback: Option<Named>,
    pub(crate) fallback_generation: Setting<u32>,
    pub(crate) attempts: AttemptsEntry,
    pub(crate) stateful_canary: bool,
    pub(crate) gates: Option<GatesEntry>,
    pub(crate) canary: Option<CanaryEntry>,
    pub(crate) mirror: Option<MirrorEntry>,
}

/// Which models a route names.
#[derive(Debug)]
pub(crate) enum ModelsEntry {
    /// `model_alias`, or `*`.
    Alias(Named),
    /// `model_family`
    Family(Named),
}

/// One `[routes.canary]`.
#[derive(Debug)]
pub(crate) struct CanaryEntry {
    pub(crate) provider: Option<Named>,
    pub(crate) bucketing: BucketingEntry,
    pub(crate) generation: u32,
    pub(crate) timeout: Setting<Duration>,
    pub(crate) steps: StepsEntry,
}

pub(crate) fn read_route(document: &Document<'_>, mut fields: Fields<'_, '_>) -> RouteEntry {
    fields.required("name");
    let name = fields.checked_text("name", is_name, (Code::BadName, NAME_RULE));
    if let Some(name) = &name {
        fields.set_title(format!("route {}", quote(&name.text)));
    }
    let modes = Mode::ALL.map(|mode| (mode.as_str(), mode));
    fields.required("mode");
    let attempts = read_attempts(document, &mut fields);
    let timeout = attempts.timeout;
    let route = RouteEntry {
        at: fields.at(),
        name,
        tenant_or_cohort: fields.required_text("tenant_or_cohort"),
        models: read_models(document, &mut fields),
        endpoint: fields.choice("endpoint", &Endpoint::ALL.map(|endpoint| (endpoint.as_str(), endpoint))),
        mode: fields.choice("mode", &modes),
        primary: fields.required_text("primary_provider"),
        fallback: fields.text("fallback_provider"),
        fallback_generation: read_generation(&mut fields, "fallback_generation"),
        attempts,
        stateful_canary: fields.choice("stateful", &[("primary", false), ("canary", true)]).unwrap_or(false),
        gates: fields.table("gates").map(|fields| read_gates(document, fields)),
        canary: fields.table("canary").map(|fields| read_canary(document, fields, timeout)),
        mirror: fields.table("mirror").map(|fields| read_mirror(document, fields)),
    };
    fields.finish();
    route
}

fn read_models(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Option<ModelsEntry> {
    let alias = fields.text("model_alias");
    let family = fields.text("model_family");
    match (alias, family) {
        (Some(_), Some(family)) => {
            let message = "a route names a `model_alias` or a `model_family`, not both";
            let help = "an alias belongs to a family by its own `family`";
            document.problem_with_help(Code::AliasAndFamily, family.at, message, help);
            None
        }
        (Some(alias), None) => Some(ModelsEntry::Alias(alias)),
        (None, Some(family)) => Some(ModelsEntry::Family(family)),
        (None, None) => {
            let is_missing = fields.value("model_alias").is_none() && fields.value("model_family").is_none();
            if is_missing {
                fields.required("model_alias");
            }
            None
        }
    }
}

fn read_generation(fields: &mut Fields<'_, '_>, name: &'static str) -> Setting<u32> {
    let at = fields.position(name);
    let number = fields.integer(name, 1..=u64::from(u32::MAX), 1);
    Setting { value: u32::try_from(number).unwrap_or(1), at }
}

fn read_canary(document: &Document<'_>, mut fields: Fields<'_, '_>, of_route: Duration) -> CanaryEntry {
    // Steps say themselves how much it gets.
    let needs_share = fields.value("steps").is_none();
    let canary = CanaryEntry {
        provider: fields.required_text("provider"),
        bucketing: read_bucketing(document, &mut fields, needs_share),
        generation: read_generation(&mut fields, "generation").value,
        timeout: read_timeout(&mut fields, "timeout_ms", LONGEST_TIMEOUT_MS, of_route),
        steps: read_steps(document, &mut fields),
    };
    fields.finish();
    canary
}
