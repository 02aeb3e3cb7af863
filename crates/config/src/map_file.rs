//! `routes.toml` as written: values with their place, names not yet looked up.
//!
//! Whatever is wrong with a single field is reported here, and the field is left out; a value that is missing from
//! these structs has therefore either a default or a problem of its own.

use decisions::plan::UnlistedModels;
use jiff::Timestamp;

use crate::alias_entry::{AliasEntry, read_alias};
use crate::code::Code;
use crate::cohort_entry::{CohortEntry, read_cohort};
use crate::document::{Document, Named};
use crate::fields::Fields;
use crate::gates_entry::{GatesEntry, read_gates};
use crate::names::{EXACT_RULE, NAME_RULE, VERSION_RULE, is_exact_text, is_name, is_version, quote};
use crate::provider_entry::{ProviderEntry, read_provider};
use crate::route_entry::{RouteEntry, read_route};

/// The file's content.
#[derive(Debug)]
pub(crate) struct MapFile {
    pub(crate) version: Option<Named>,
    pub(crate) rollback_version: Option<Named>,
    pub(crate) rollback_override: Option<OverrideEntry>,
    pub(crate) environment: Option<Named>,
    pub(crate) owner: Option<Named>,
    pub(crate) expires_at: Option<Date>,
    pub(crate) unlisted_models: UnlistedModels,
    pub(crate) primary: Option<Named>,
    pub(crate) default_tenant: Option<Named>,
    pub(crate) shared_state: bool,
    pub(crate) providers: Vec<ProviderEntry>,
    pub(crate) aliases: Vec<AliasEntry>,
    pub(crate) cohorts: Vec<CohortEntry>,
    pub(crate) gates: Option<GatesEntry>,
    pub(crate) routes: Vec<RouteEntry>,
}

/// A point in time and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Date {
    pub(crate) time: Timestamp,
    pub(crate) at: usize,
}

/// `rollback_override`: who vouches for the version to go back to.
#[derive(Debug)]
pub(crate) struct OverrideEntry {
    pub(crate) at: usize,
    pub(crate) by: Option<Named>,
    pub(crate) incident: Option<Named>,
    pub(crate) until: Option<Date>,
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
        let version_rule = (Code::BadVersion, VERSION_RULE);
        let version = fields.checked_text("route_version", is_version, version_rule);
        document.check_end_line(version.as_ref().map(|version| version.text.as_str()));
        let map = MapFile {
            version,
            rollback_version: fields.checked_text("rollback_route_version", is_version, version_rule),
            rollback_override: fields.table("rollback_override").map(read_override),
            environment: fields.checked_text("environment", is_name, (Code::BadName, NAME_RULE)),
            owner: fields.checked_text("owner", is_exact_text, (Code::NotExactText, EXACT_RULE)),
            expires_at: fields.date("expires_at"),
            unlisted_models: fields
                .choice(
                    "unlisted_models",
                    &[("primary", UnlistedModels::Primary), ("refuse", UnlistedModels::Refuse)],
                )
                .unwrap_or(UnlistedModels::Primary),
            primary: fields.required_text("primary_provider"),
            default_tenant: fields.text("default_tenant"),
            shared_state: fields.flag("shared_state").unwrap_or(false),
            providers: each(fields.entries("providers", "provider"), |name, fields| {
                read_provider(document, name, fields)
            }),
            aliases: each(fields.entries("aliases", "alias"), |name, fields| {
                read_alias(document, name, fields)
            }),
            cohorts: each(fields.entries("cohorts", "cohort"), |name, fields| {
                read_cohort(document, name, fields)
            }),
            gates: fields.table("gates").map(|fields| read_gates(document, fields)),
            routes: fields
                .items("routes", "route", "[[routes]]")
                .into_iter()
                .map(|fields| read_route(document, fields))
                .collect(),
        };
        fields.finish();
        Some(map)
    }
}

fn read_override(mut fields: Fields<'_, '_>) -> OverrideEntry {
    let mut said = |name| {
        fields.required(name);
        fields.checked_text(name, is_exact_text, (Code::BadOverride, EXACT_RULE))
    };
    let (by, incident) = (said("by"), said("incident"));
    fields.required("until");
    let entry = OverrideEntry { at: fields.at(), by, incident, until: fields.date("until") };
    fields.finish();
    entry
}

fn each<'d, 't, T>(
    entries: Vec<(Named, Fields<'d, 't>)>,
    read: impl Fn(Named, Fields<'d, 't>) -> T,
) -> Vec<T> {
    entries.into_iter().map(|(name, fields)| read(name, fields)).collect()
}

pub(crate) fn check_name(document: &Document<'_>, kind: &str, name: &Named) {
    if !is_name(&name.text) {
        document.problem(
            Code::BadName,
            name.at,
            format!("{} cannot be a {kind}'s name: {NAME_RULE}", quote(&name.text)),
        );
    }
}
