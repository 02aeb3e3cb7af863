//! Fields of entries that say something else than before, or in the other environment.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use crate::diff::entries::{Entry, Value};
use crate::diff::exact::remark;
use crate::diff::gates;
use crate::diff::tenants::grouped;
use crate::diff::words::{count, listed, shown};

/// A field that differs, or a whole entry that only one side has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `provider`, `alias`, `cohort`, `tenant` or `route`; `map` for the map itself.
    pub kind: &'static str,
    /// The entry's name; empty for the map itself.
    pub name: String,
    /// What differs.
    pub what: What,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The first side has no such entry.
    OnlyAfter,
    /// The second side has no such entry.
    OnlyBefore,
    /// One field.
    Field {
        /// Its name in the map.
        field: String,
        /// What the first side says; `None` where it leaves it open.
        before: Option<Value>,
        /// What the second side says.
        after: Option<Value>,
    },
}

/// What two environments are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sides(pub(super) String, pub(super) String);

/// Every field that differs, in the order of the second side's entries; then what only the first side has.
pub(super) fn fields(before: Vec<Entry>, after: Vec<Entry>) -> Vec<Field> {
    let numbered = before.into_iter().enumerate();
    let mut old: HashMap<_, _> =
        numbered.map(|(at, entry)| ((entry.kind, entry.name), (at, entry.fields))).collect();
    let mut found = Vec::new();
    for Entry { kind, name, fields } in after {
        match old.remove(&(kind, name.clone())) {
            None => found.push(Field { kind, name, what: What::OnlyAfter }),
            Some((_, then)) => compare(kind, &name, then, fields, &mut found),
        }
    }
    let mut gone: Vec<_> = old.into_iter().map(|((kind, name), (at, _))| (at, kind, name)).collect();
    gone.sort_unstable();
    found.extend(gone.into_iter().map(|(_, kind, name)| Field { kind, name, what: What::OnlyBefore }));
    found
}

fn compare(
    kind: &'static str,
    name: &str,
    before: Vec<(String, Value)>,
    after: Vec<(String, Value)>,
    found: &mut Vec<Field>,
) {
    let order: Vec<String> = after.iter().chain(&before).map(|(field, _)| field.clone()).collect();
    let mut old: HashMap<String, Value> = before.into_iter().collect();
    let mut new: HashMap<String, Value> = after.into_iter().collect();
    for field in order {
        // The second mention of a field finds nothing on either side.
        let (before, after) = (old.remove(&field), new.remove(&field));
        if before != after {
            found.push(Field { kind, name: name.to_owned(), what: What::Field { field, before, after } });
        }
    }
}

/// One line for all entries of a kind that say the same; `sides` names two environments.
pub(super) fn lines(fields: &[Field], sides: Option<&Sides>) -> Vec<String> {
    let by_what = grouped(fields.iter().map(|field| ((field.kind, &field.what), field)));
    let line = |alike: Vec<&Field>| {
        let first = alike.first()?;
        let names: Vec<&String> = alike.iter().map(|field| &field.name).collect();
        let who = match (first.kind, names.as_slice()) {
            ("map", _) => "map".to_owned(),
            (kind, [name]) => format!("{kind} {}", shown(name)),
            (kind, names) => format!("{} {} ({})", count(names.len()), plural(kind), listed(names)),
        };
        Some(format!("{who}: {}", what_text(&first.what, sides)))
    };
    by_what.into_iter().filter_map(line).collect()
}

pub(super) fn to_json(field: &Field) -> Json {
    let (what, before, after) = match &field.what {
        What::OnlyAfter => (None, json!(false), json!(true)),
        What::OnlyBefore => (None, json!(true), json!(false)),
        What::Field { field, before, after } => {
            let value = |value: &Option<Value>| value.as_ref().map_or(Json::Null, Value::to_json);
            (Some(field), value(before), value(after))
        }
    };
    match what {
        Some(what) => {
            json!({"kind": field.kind, "name": field.name, "field": what, "before": before, "after": after})
        }
        None => {
            json!({"kind": field.kind, "name": field.name, "exists_before": before, "exists_after": after})
        }
    }
}

fn plural(kind: &str) -> String {
    if kind == "alias" { "aliases".to_owned() } else { format!("{kind}s") }
}

fn what_text(what: &What, sides: Option<&Sides>) -> String {
    match (what, sides) {
        (What::OnlyAfter, None) => "new".to_owned(),
        (What::OnlyBefore, None) => "gone".to_owned(),
        (What::OnlyAfter, Some(Sides(_, second))) => format!("in {second} only"),
        (What::OnlyBefore, Some(Sides(first, _))) => format!("in {first} only"),
        (What::Field { field, before: Some(Value::Many(then)), after: Some(Value::Many(now)) }, _) => {
            format!("{field} {}", list_text(then, now, sides))
        }
        (What::Field { field, before, after }, None) => {
            let text =
                |value: &Option<Value>| value.as_ref().map_or_else(|| open(field).into_owned(), Value::text);
            format!("{field} {} -> {}", text(before), text(after))
        }
        (What::Field { field, before, after }, Some(Sides(first, second))) => {
            let text = |value: &Option<Value>| match value {
                None => open(field).into_owned(),
                Some(Value::One(text)) => format!("\"{}\"", shown(text)),
                Some(list) => list.text(),
            };
            let remark = match (before, after) {
                (Some(Value::One(then)), Some(Value::One(now))) => remark(then, now),
                _ => None,
            };
            let remark = remark.map(|remark| format!(" ({remark})")).unwrap_or_default();
            format!("{field} is {} in {first}, {} in {second}{remark}", text(before), text(after))
        }
    }
}

/// What is added to a list and what is taken out.
fn list_text(before: &[String], after: &[String], sides: Option<&Sides>) -> String {
    let (old, new): (HashSet<&String>, HashSet<&String>) = (before.iter().collect(), after.iter().collect());
    let only = |list: &[String], other: &HashSet<&String>| -> Vec<String> {
        list.iter().filter(|text| !other.contains(text)).map(|text| format!("\"{}\"", shown(text))).collect()
    };
    let (gone, added) = (only(before, &new), only(after, &old));
    let part = |names: &[String], label: String| {
        (!names.is_empty()).then(|| format!("{label} {}", names_text(names)))
    };
    let parts = match sides {
        None => [part(&added, "adds".to_owned()), part(&gone, "drops".to_owned())],
        Some(Sides(first, second)) => {
            [part(&gone, format!("have in {first} only:")), part(&added, format!("have in {second} only:"))]
        }
    };
    let twin = match (gone.as_slice(), added.as_slice(), sides) {
        ([then], [now], Some(_)) => remark(then.trim_matches('"'), now.trim_matches('"')),
        _ => None,
    };
    let twin = twin.map(|remark| format!(" ({remark})")).unwrap_or_default();
    format!("{}{twin}", parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// More names of one list than anybody reads.
const NAMED: usize = 8;

fn names_text(names: &[String]) -> String {
    let some: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        0 => some.join(", "),
        more => format!("{} and {} more", some.join(", "), count(more)),
    }
}

/// What it means that a field is left open.
fn open(field: &str) -> Cow<'static, str> {
    if let Some(usual) = gates::usual_of(field) {
        return usual.into();
    }
    let said = match field {
        "primary_timeout_ms" | "fallback_timeout_ms" | "first_token_timeout_ms" | "canary.timeout_ms" => {
            "the route's own"
        }
        "max_concurrent_requests" => "no limit",
        "fallback_generation" => "1",
        "approved_models" | "allowed_aliases" | "allowed_providers" => "all",
        "paths.chat" | "paths.responses" | "paths.embeddings" => "OpenAI's",
        _ if field.starts_with("enabled_features") => "not said",
        "endpoint" => "every endpoint",
        _ => "none",
    };
    said.into()
}
