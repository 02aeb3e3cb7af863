//! `[aliases.NAME]` of the map: the explicit record from what applications send to what each provider is asked for.

use decisions::plan::{Feature, FeatureSet};
use toml::de::DeValue;

use crate::code::Code;
use crate::document::{Document, Named};
use crate::fields::{Fields, named_values};
use crate::names::{EXACT_RULE, NAME_RULE, is_exact_text, is_field_path, is_name, quote};

/// One `[aliases.NAME]`.
#[derive(Debug)]
pub(crate) struct AliasEntry {
    pub(crate) name: Named,
    pub(crate) family: Option<Named>,
    pub(crate) model_ids: Vec<ModelId>,
    /// Whether an ID is missing because of a mistake that is reported already.
    pub(crate) lacks_reported_ids: bool,
    pub(crate) enabled_features: Option<FeaturesEntry>,
    pub(crate) required_fields: Vec<String>,
    pub(crate) rollback_target: Option<Named>,
}

/// What has been checked to work away from the primary.
#[derive(Debug)]
pub(crate) enum FeaturesEntry {
    /// Wherever the alias may go.
    Everywhere(FeatureSet),
    /// At these providers; of others nothing is said.
    At(Vec<(Named, FeatureSet)>),
}

/// What a provider calls the alias.
#[derive(Debug)]
pub(crate) struct ModelId {
    pub(crate) provider: Named,
    pub(crate) id: Named,
}

pub(crate) fn read_alias(document: &Document<'_>, name: Named, mut fields: Fields<'_, '_>) -> AliasEntry {
    if name.text == "*" {
        let message = "`*` cannot be an alias: in a route it stands for every alias";
        document.problem(Code::ReservedName, name.at, message);
    } else if !is_exact_text(&name.text) {
        let message = format!("{} cannot be an alias: {EXACT_RULE}", quote(&name.text));
        document.problem(Code::NotExactText, name.at, message);
    }
    let (model_ids, lacks_reported_ids) = read_model_ids(document, &mut fields);
    let entry = AliasEntry {
        family: fields.checked_text("family", is_name, (Code::BadName, NAME_RULE)),
        lacks_reported_ids,
        model_ids,
        enabled_features: read_features(document, &mut fields),
        required_fields: read_required_fields(document, &mut fields),
        rollback_target: fields.text("rollback_target"),
        name,
    };
    fields.finish();
    entry
}

/// The IDs, and whether one is missing because it cannot be read.
fn read_model_ids(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> (Vec<ModelId>, bool) {
    let Some(value) = fields.required("provider_model_id") else { return (Vec::new(), true) };
    let DeValue::Table(table) = value.get_ref() else {
        fields.wrong_type("provider_model_id", value, "a table of provider and model ID");
        return (Vec::new(), true);
    };
    let ids: Vec<Option<ModelId>> = named_values(table)
        .map(|(provider, value)| {
            let at = value.span().start;
            let DeValue::String(id) = value.get_ref() else {
                document.problem(Code::WrongType, at, "a model ID must be a string");
                return None;
            };
            if !is_exact_text(id) {
                let message = format!("{} is not a model ID: {EXACT_RULE}", quote(id));
                document.problem(Code::NotExactText, at, message);
            }
            Some(ModelId { provider, id: Named { text: id.clone().into_owned(), at } })
        })
        .collect();
    let lacks = ids.iter().any(Option::is_none);
    (ids.into_iter().flatten().collect(), lacks)
}

/// A list for every provider, or a table of provider and list.
fn read_features(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Option<FeaturesEntry> {
    const FIELD: &str = "enabled_features";
    let value = fields.value(FIELD)?;
    let DeValue::Table(table) = value.get_ref() else {
        return fields
            .as_texts(FIELD, value)
            .map(|words| FeaturesEntry::Everywhere(features(document, words)));
    };
    let at = named_values(table).filter_map(|(provider, value)| {
        let words = fields.as_texts(FIELD, value)?;
        Some((provider, features(document, words)))
    });
    Some(FeaturesEntry::At(at.collect()))
}

fn features(document: &Document<'_>, words: Vec<Named>) -> FeatureSet {
    let mut features = FeatureSet::EMPTY;
    for word in words {
        let Some(feature) = Feature::ALL.into_iter().find(|feature| feature.as_str() == word.text) else {
            let message = format!("there is no feature {}", quote(&word.text));
            let known = Feature::ALL.iter().map(|feature| feature.as_str());
            document.unknown(Code::NotAChoice, word.at, message, &word.text, known);
            continue;
        };
        if features.contains(feature) {
            document.problem(Code::ListedTwice, word.at, format!("{} is listed twice", quote(&word.text)));
        }
        features = features.with(feature);
    }
    features
}

fn read_required_fields(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Vec<String> {
    let mut required: Vec<String> = Vec::new();
    for field in fields.texts("required_fields").unwrap_or_default() {
        if !is_field_path(&field.text) {
            let message = format!("{} cannot be a field of an answer", quote(&field.text));
            let help = "name a field by its path from the top, as in \"choices\" or \"usage.total_tokens\"";
            document.problem_with_help(Code::NotExactText, field.at, message, help);
        } else if required.contains(&field.text) {
            document.problem(Code::ListedTwice, field.at, format!("{} is listed twice", quote(&field.text)));
        } else {
            required.push(field.text);
        }
    }
    required
}
