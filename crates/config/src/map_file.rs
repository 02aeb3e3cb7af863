//! `routes.toml` as written: values with their place, names not yet looked up.
//!
//! Whatever is wrong with a single field is reported here, and the field is left out; a value that is missing from
//! these structs has therefore either a default or a problem of its own.

use std::time::Duration;

use decisions::bucket::Share;
use decisions::plan::{Mode, StickyBy, UnlistedModels};
use toml::de::DeValue;

use crate::document::{Document, Named};
use crate::fields::{Fields, named_values};
use crate::names::{EXACT_RULE, NAME_RULE, VERSION_RULE, is_exact_text, is_name, is_version, quote};
use crate::provider_entry::{ProviderEntry, read_provider};
use crate::share::parse_share;

/// An hour: longer than any model thinks.
const LONGEST_TIMEOUT_MS: u64 = 3_600_000;
/// What OpenAI's clients wait: an answer that is not streamed begins only when the model is done.
const TIMEOUT_MS: u64 = 600_000;

/// The first a request carries counts; plain SDK calls carry none, and then every request draws for itself.
const STICKY_BY: [StickyBy; 4] =
    [StickyBy::SafetyIdentifier, StickyBy::User, StickyBy::PromptCacheKey, StickyBy::Request];

/// The file's content.
#[derive(Debug)]
pub(crate) struct MapFile {
    pub(crate) version: Option<Named>,
    pub(crate) environment: Option<String>,
    pub(crate) unlisted_models: UnlistedModels,
    pub(crate) primary: Option<Named>,
    pub(crate) default_tenant: Option<Named>,
    pub(crate) providers: Vec<ProviderEntry>,
    pub(crate) aliases: Vec<AliasEntry>,
    pub(crate) cohorts: Vec<CohortEntry>,
    pub(crate) routes: Vec<RouteEntry>,
}

/// One `[aliases.NAME]`.
#[derive(Debug)]
pub(crate) struct AliasEntry {
    pub(crate) name: Named,
    /// Provider and its model ID.
    pub(crate) model_ids: Vec<(Named, String)>,
}

/// One `[cohorts.NAME]`.
#[derive(Debug)]
pub(crate) struct CohortEntry {
    pub(crate) name: Named,
    pub(crate) tenants: Option<Vec<Named>>,
    pub(crate) bucketing: Option<BucketingEntry>,
}

/// A share of sticky keys.
#[derive(Debug)]
pub(crate) struct BucketingEntry {
    pub(crate) share: Option<Share>,
    pub(crate) sticky_by: Vec<StickyBy>,
    pub(crate) salt: Option<String>,
}

/// One `[[routes]]`.
#[derive(Debug)]
pub(crate) struct RouteEntry {
    pub(crate) at: usize,
    pub(crate) name: Option<Named>,
    pub(crate) tenant_or_cohort: Option<Named>,
    pub(crate) alias: Option<Named>,
    pub(crate) mode: Option<Mode>,
    pub(crate) primary: Option<Named>,
    pub(crate) fallback: Option<Named>,
    pub(crate) timeout: Duration,
    pub(crate) stateful_canary: bool,
    pub(crate) canary: Option<CanaryEntry>,
}

/// One `[routes.canary]`.
#[derive(Debug)]
pub(crate) struct CanaryEntry {
    pub(crate) provider: Option<Named>,
    pub(crate) bucketing: BucketingEntry,
    pub(crate) generation: u32,
}

impl MapFile {
    /// Reads the file; nothing when its syntax is broken. What is wrong is reported to the document.
    pub(crate) fn read(document: &Document<'_>) -> Option<MapFile> {
        let Some(table) = document.parse() else {
            document.check_end_line(None);
            return None;
        };
        let mut fields = Fields::new(document, &table, 0, "the route map");
        fields.required("route_version");
        let version = fields.checked_text("route_version", is_version, VERSION_RULE);
        document.check_end_line(version.as_ref().map(|version| version.text.as_str()));
        let map = MapFile {
            version,
            environment: fields.checked_text("environment", is_name, NAME_RULE).map(|name| name.text),
            unlisted_models: fields
                .choice(
                    "unlisted_models",
                    &[("primary", UnlistedModels::Primary), ("refuse", UnlistedModels::Refuse)],
                )
                .unwrap_or(UnlistedModels::Primary),
            primary: fields.required_text("primary_provider"),
            default_tenant: fields.text("default_tenant"),
            providers: each(fields.entries("providers", "provider"), |name, fields| {
                read_provider(document, name, fields)
            }),
            aliases: each(fields.entries("aliases", "alias"), |name, fields| {
                read_alias(document, name, fields)
            }),
            cohorts: each(fields.entries("cohorts", "cohort"), |name, fields| {
                read_cohort(document, name, fields)
            }),
            routes: fields
                .items("routes", "route")
                .into_iter()
                .map(|fields| read_route(document, fields))
                .collect(),
        };
        fields.finish();
        Some(map)
    }
}

fn each<'d, 't, T>(
    entries: Vec<(Named, Fields<'d, 't>)>,
    read: impl Fn(Named, Fields<'d, 't>) -> T,
) -> Vec<T> {
    entries.into_iter().map(|(name, fields)| read(name, fields)).collect()
}

pub(crate) fn check_name(document: &Document<'_>, kind: &str, name: &Named) {
    if !is_name(&name.text) {
        document.problem(name.at, format!("{} cannot be a {kind}'s name: {NAME_RULE}", quote(&name.text)));
    }
}

fn read_alias(document: &Document<'_>, name: Named, mut fields: Fields<'_, '_>) -> AliasEntry {
    if name.text == "*" {
        document.problem(name.at, "`*` cannot be an alias: in a route it stands for every alias");
    } else if !is_exact_text(&name.text) {
        document.problem(name.at, format!("{} cannot be an alias: {EXACT_RULE}", quote(&name.text)));
    }
    let ids = fields.required("provider_model_id");
    let model_ids = match ids.map(|value| (value, value.get_ref())) {
        Some((_, DeValue::Table(table))) => named_values(table)
            .filter_map(|(provider, value)| {
                let at = value.span().start;
                let DeValue::String(id) = value.get_ref() else {
                    document.problem(at, "a model ID must be a string");
                    return None;
                };
                if !is_exact_text(id) {
                    let message = format!("{} is not a model ID: {EXACT_RULE}", quote(id));
                    document.problem(at, message);
                }
                Some((provider, id.clone().into_owned()))
            })
            .collect(),
        Some((value, _)) => {
            fields.wrong_type("provider_model_id", value, "a table of provider and model ID");
            Vec::new()
        }
        None => Vec::new(),
    };
    fields.finish();
    AliasEntry { name, model_ids }
}

fn read_cohort(document: &Document<'_>, name: Named, mut fields: Fields<'_, '_>) -> CohortEntry {
    check_name(document, "cohort", &name);
    let names_tenants = fields.value("tenants").is_some();
    let tenants = fields.texts("tenants");
    let wants_share =
        ["share", "sticky_by", "salt"].map(|field| fields.value(field).is_some()).contains(&true);
    let bucketing = if names_tenants {
        None
    } else if wants_share {
        fields.required("sticky_by");
        Some(read_bucketing(document, &mut fields))
    } else {
        None
    };
    if names_tenants == wants_share {
        let message = format!("cohort {} must have either `tenants` or `share`", quote(&name.text));
        document.problem_with_help(name.at, message, "`share` comes with `sticky_by` and perhaps `salt`");
    }
    fields.finish();
    CohortEntry { name, tenants, bucketing }
}

fn read_bucketing(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> BucketingEntry {
    let share = fields.required_text("share").and_then(|text| {
        let parsed = parse_share(&text.text);
        parsed.map_err(|error| document.problem(text.at, error.to_string())).ok()
    });
    let list_at = fields.value("sticky_by").map_or(fields.at(), |value| value.span().start);
    let sticky_by = match fields.texts("sticky_by") {
        Some(words) => read_sticky_by(document, list_at, &words),
        None => STICKY_BY.to_vec(),
    };
    let salt = fields.checked_text("salt", is_exact_text, EXACT_RULE).map(|salt| salt.text);
    BucketingEntry { share, sticky_by, salt }
}

fn read_sticky_by(document: &Document<'_>, at: usize, words: &[Named]) -> Vec<StickyBy> {
    let mut list = Vec::new();
    for word in words {
        let Some(by) = StickyBy::ALL.into_iter().find(|by| by.as_str() == word.text) else {
            let message = format!("nothing is sticky by {}", quote(&word.text));
            document.unknown(word.at, message, &word.text, StickyBy::ALL.iter().map(|by| by.as_str()));
            continue;
        };
        if list.contains(&by) {
            document.problem(word.at, format!("{} is listed twice", quote(&word.text)));
        } else if list.last() == Some(&StickyBy::Request) {
            let message = "`request` must come last: every request has it, so nothing after it ever counts";
            document.problem(word.at, message);
        }
        list.push(by);
    }
    if words.is_empty() {
        document.problem(at, "`sticky_by` is empty: nobody would ever be in");
    }
    list
}

fn read_route(document: &Document<'_>, mut fields: Fields<'_, '_>) -> RouteEntry {
    fields.required("name");
    let name = fields.checked_text("name", is_name, NAME_RULE);
    if let Some(name) = &name {
        fields.set_title(format!("route {}", quote(&name.text)));
    }
    let modes = Mode::ALL.map(|mode| (mode.as_str(), mode));
    fields.required("mode");
    let canary = fields.table("canary").map(|mut fields| {
        let canary = CanaryEntry {
            provider: fields.required_text("provider"),
            bucketing: read_bucketing(document, &mut fields),
            generation: u32::try_from(fields.integer("generation", 1..=u64::from(u32::MAX), 1)).unwrap_or(1),
        };
        fields.finish();
        canary
    });
    let route = RouteEntry {
        at: fields.at(),
        name,
        tenant_or_cohort: fields.required_text("tenant_or_cohort"),
        alias: fields.required_text("model_alias"),
        mode: fields.choice("mode", &modes),
        primary: fields.required_text("primary_provider"),
        fallback: fields.text("fallback_provider"),
        timeout: fields.millis("timeout_ms", 1..=LONGEST_TIMEOUT_MS, TIMEOUT_MS),
        stateful_canary: fields.choice("stateful", &[("primary", false), ("canary", true)]).unwrap_or(false),
        canary,
    };
    fields.finish();
    route
}
