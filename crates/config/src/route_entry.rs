//! `[[routes]]` of the map as written: what matches and where it goes.

use std::time::Duration;

use decisions::plan::{Mode, RetryPolicy};
use decisions::{ClassSet, Endpoint, ErrorClass};

use crate::code::Code;
use crate::cohort_entry::{BucketingEntry, read_bucketing};
use crate::document::{Document, Named};
use crate::fields::Fields;
use crate::names::{NAME_RULE, is_name, quote};

/// An hour: longer than any model thinks.
pub(crate) const LONGEST_TIMEOUT_MS: u64 = 3_600_000;
/// What OpenAI's clients wait: an answer that is not streamed begins only when the model is done.
pub(crate) const TIMEOUT_MS: u64 = 600_000;
/// With the first attempt and one at another target that makes three, and more never helped anyone.
pub(crate) const MOST_RETRIES: u64 = 2;

/// When a policy does not say.
pub(crate) const RETRIES: u64 = 1;

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
    pub(crate) timeout: Duration,
    pub(crate) fallback_timeout: Duration,
    pub(crate) retry_policy: Option<RetryPolicyEntry>,
    pub(crate) stateful_canary: bool,
    pub(crate) canary: Option<CanaryEntry>,
}

/// Which models a route names.
#[derive(Debug)]
pub(crate) enum ModelsEntry {
    /// `model_alias`, or `*`.
    Alias(Named),
    /// `model_family`
    Family(Named),
}

/// `retry_policy` with its place.
#[derive(Debug)]
pub(crate) struct RetryPolicyEntry {
    pub(crate) at: usize,
    pub(crate) policy: RetryPolicy,
}

/// One `[routes.canary]`.
#[derive(Debug)]
pub(crate) struct CanaryEntry {
    pub(crate) provider: Option<Named>,
    pub(crate) bucketing: BucketingEntry,
    pub(crate) generation: u32,
    pub(crate) timeout: Duration,
}

pub(crate) fn read_route(document: &Document<'_>, mut fields: Fields<'_, '_>) -> RouteEntry {
    fields.required("name");
    let name = fields.checked_text("name", is_name, (Code::BadName, NAME_RULE));
    if let Some(name) = &name {
        fields.set_title(format!("route {}", quote(&name.text)));
    }
    let modes = Mode::ALL.map(|mode| (mode.as_str(), mode));
    fields.required("mode");
    let timeout = fields.millis("timeout_ms", 1..=LONGEST_TIMEOUT_MS, TIMEOUT_MS);
    let route = RouteEntry {
        at: fields.at(),
        name,
        tenant_or_cohort: fields.required_text("tenant_or_cohort"),
        models: read_models(document, &mut fields),
        endpoint: fields.choice("endpoint", &Endpoint::ALL.map(|endpoint| (endpoint.as_str(), endpoint))),
        mode: fields.choice("mode", &modes),
        primary: fields.required_text("primary_provider"),
        fallback: fields.text("fallback_provider"),
        timeout,
        fallback_timeout: or_else(&mut fields, "fallback_timeout_ms", timeout),
        retry_policy: read_retry_policy(document, &mut fields),
        stateful_canary: fields.choice("stateful", &[("primary", false), ("canary", true)]).unwrap_or(false),
        canary: fields.table("canary").map(|fields| read_canary(document, fields, timeout)),
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

fn read_canary(document: &Document<'_>, mut fields: Fields<'_, '_>, of_route: Duration) -> CanaryEntry {
    let canary = CanaryEntry {
        provider: fields.required_text("provider"),
        bucketing: read_bucketing(document, &mut fields),
        generation: u32::try_from(fields.integer("generation", 1..=u64::from(u32::MAX), 1)).unwrap_or(1),
        timeout: or_else(&mut fields, "timeout_ms", of_route),
    };
    fields.finish();
    canary
}

fn read_retry_policy(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Option<RetryPolicyEntry> {
    let mut fields = fields.table("retry_policy")?;
    let at = fields.at();
    let retries = u8::try_from(fields.integer("retries", 0..=MOST_RETRIES, RETRIES)).unwrap_or(1);
    let mut on = ClassSet::EMPTY;
    for word in fields.texts("on").unwrap_or_default() {
        let Some(class) = ErrorClass::RETRYABLE.iter().find(|class| class.as_str() == word.text) else {
            let message = format!("nothing is retried on {}", quote(&word.text));
            let known = ErrorClass::RETRYABLE.iter().map(ErrorClass::as_str);
            document.unknown(Code::NotAChoice, word.at, message, &word.text, known);
            continue;
        };
        if on.contains(class) {
            document.problem(Code::ListedTwice, word.at, format!("{} is listed twice", quote(&word.text)));
        } else {
            on = on.with(class);
        }
    }
    fields.finish();
    Some(RetryPolicyEntry { at, policy: RetryPolicy { retries, on } })
}

/// A limit of its own for one target, or the route's.
fn or_else(fields: &mut Fields<'_, '_>, name: &'static str, of_route: Duration) -> Duration {
    let default = u64::try_from(of_route.as_millis()).unwrap_or(LONGEST_TIMEOUT_MS);
    fields.millis(name, 1..=LONGEST_TIMEOUT_MS, default)
}
