//! The kinds of values that fields have: names, shares, durations, lists, tables.

use std::fmt::Write;
use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use crate::names::{ID_BYTES, INVISIBLE, NAME_BYTES};

/// A field: its name, whether it must be there, what it takes.
pub(super) type Field = (&'static str, Presence, Value);

/// Whether a field must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
}

/// A table with these fields and no other.
pub(super) fn table(description: &str, fields: Vec<Field>) -> Value {
    let is_required = |field: &&Field| field.1 == Presence::Required;
    let required: Vec<&str> = fields.iter().filter(is_required).map(|field| field.0).collect();
    let mut schema = json!({ "type": "object", "description": description, "additionalProperties": false });
    if !required.is_empty() {
        schema = with(schema, "required", json!(required));
    }
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect();
    with(schema, "properties", Value::Object(properties))
}

/// A table of entries whose names follow a pattern.
pub(super) fn entries(description: &str, pattern: &str, entry: Value) -> Value {
    let mut patterns = Map::new();
    patterns.insert(pattern.to_owned(), entry);
    json!({
        "type": "object",
        "description": description,
        "patternProperties": patterns,
        "additionalProperties": false,
    })
}

/// The schema with one keyword more.
pub(super) fn with(mut schema: Value, keyword: &str, value: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert(keyword.to_owned(), value);
    }
    schema
}

pub(super) fn text(description: &str, pattern: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": pattern })
}

pub(super) fn name(description: &str) -> Value {
    text(description, &name_pattern())
}

/// A version: its length is counted in bytes by the loader and in characters here, so that an editor warns of
/// less.
pub(super) fn version(description: &str) -> Value {
    let pattern = format!("^[^\\s{CONTROL}]+$");
    with(text(description, &pattern), "maxLength", json!(NAME_BYTES))
}

/// An alias, a model ID, a salt, a person.
pub(super) fn exact(description: &str) -> Value {
    with(text(description, &exact_pattern()), "maxLength", json!(ID_BYTES))
}

pub(super) fn choice<'w>(description: &str, words: impl IntoIterator<Item = &'w str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({ "type": "string", "description": description, "enum": words })
}

pub(super) fn integer(description: &str, range: &RangeInclusive<u64>, default: Option<u64>) -> Value {
    let schema = json!({
        "type": "integer",
        "description": description,
        "minimum": range.start(),
        "maximum": range.end(),
    });
    match default {
        Some(default) => with(schema, "default", json!(default)),
        None => schema,
    }
}

pub(super) fn flag(description: &str, default: bool) -> Value {
    json!({ "type": "boolean", "description": description, "default": default })
}

pub(super) fn list(description: &str, item: &Value) -> Value {
    json!({ "type": "array", "description": description, "items": item })
}

/// A list in which nothing may stand twice.
pub(super) fn set(description: &str, item: &Value) -> Value {
    with(list(description, item), "uniqueItems", json!(true))
}

/// A date with a time and an offset. Editors hand dates over as strings, so one in quotes passes here; the
/// loader refuses it.
pub(super) fn date(description: &str) -> Value {
    let day = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
    let time = "[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?";
    text(description, &format!("^{day}[Tt ]{time}([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})$"))
}

pub(super) fn share(description: &str) -> Value {
    text(description, "^(100(\\.0{1,4})?|(0|[1-9][0-9]?)(\\.[0-9]{1,4})?)%$")
}

/// A share from 0.01% to so many percent, which is a multiple of ten; without anchors.
pub(super) fn share_pattern_within(most: u32) -> String {
    let tens = most / 10;
    let below = if tens > 1 { format!("[1-9]|[1-{}][0-9]", tens - 1) } else { "[1-9]".to_owned() };
    let parts = [
        format!("{tens}0(\\.0{{1,4}})?"),
        format!("({below})(\\.[0-9]{{1,4}})?"),
        "0\\.[1-9][0-9]{0,3}".to_owned(),
        "0\\.0[1-9][0-9]{0,2}".to_owned(),
    ];
    format!("({})%", parts.join("|"))
}

pub(super) fn name_pattern() -> String {
    format!("^[A-Za-z0-9][A-Za-z0-9._-]{{0,{}}}$", NAME_BYTES - 1)
}

/// Text without invisible or control characters, and without white space around it.
pub(super) fn exact_pattern() -> String {
    let mut hidden = String::from(CONTROL);
    // Beyond four digits editors differ in how a character is written.
    for range in INVISIBLE.iter().filter(|range| *range.end() <= '\u{FFFF}') {
        // Writing to a string does not fail.
        let _written =
            write!(hidden, "\\u{:04X}-\\u{:04X}", u32::from(*range.start()), u32::from(*range.end()));
    }
    format!("^[^\\s{hidden}]([^{hidden}]*[^\\s{hidden}])?$")
}

/// The control characters, for a class of a pattern.
const CONTROL: &str = "\\u0000-\\u001F\\u007F-\\u009F";
