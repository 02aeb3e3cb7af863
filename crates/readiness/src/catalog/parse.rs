//! The smallest shape that a list of models must have (runbook 2, "Schema sanity"): JSON, an object, `data` as a list, and in
//! each of its elements an `id` that is a text with something in it. Whatever else stands there is nobody's business here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a provider lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Exact bytes, in ascending order, each once.
    pub ids: BTreeSet<String>,
    /// Elements whose ID another one had before.
    pub duplicates: usize,
    /// The answer says that there is more on another page: an ID that is not here may be there.
    pub is_partial: bool,
}

/// Why an answer is no list of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaFailure {
    /// It is HTML, most likely of some proxy or of a wrong base URL.
    Html,
    /// It is not JSON.
    InvalidJson,
    /// At its top is no object.
    OtherTopLevel,
    /// It is an object with `error`, in spite of its status.
    ErrorObject,
    /// It has no `data`, or that is no list.
    NoContainer,
    /// An element is no object.
    ItemNotObject,
    /// An element has no `id`.
    MissingId,
    /// An `id` is no text.
    NonStringId,
    /// An `id` is empty.
    EmptyId,
    /// It has more bytes than anybody should have to read.
    TooLarge,
}

impl SchemaFailure {
    /// The name used in records and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SchemaFailure::Html => "html",
            SchemaFailure::InvalidJson => "invalid_json",
            SchemaFailure::OtherTopLevel => "other_top_level",
            SchemaFailure::ErrorObject => "error_object",
            SchemaFailure::NoContainer => "no_container",
            SchemaFailure::ItemNotObject => "item_not_object",
            SchemaFailure::MissingId => "missing_id",
            SchemaFailure::NonStringId => "non_string_id",
            SchemaFailure::EmptyId => "empty_id",
            SchemaFailure::TooLarge => "too_large",
        }
    }
}

/// An element; everything but its ID is passed over.
#[derive(Deserialize)]
struct Item<'b> {
    #[serde(borrow)]
    id: Option<&'b RawValue>,
}

/// Reads a list of models.
///
/// # Errors
/// [`SchemaFailure`], the first that there is in the order of the answer.
pub fn parse(body: &[u8]) -> Result<Catalog, SchemaFailure> {
    let json: &RawValue = serde_json::from_slice(body).map_err(|_| not_json(body))?;
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(json.get()).map_err(|_| SchemaFailure::OtherTopLevel)?;
    let Some(data) = members.get("data") else {
        let is_error = members.get("error").is_some_and(|error| error.get() != "null");
        return Err(if is_error { SchemaFailure::ErrorObject } else { SchemaFailure::NoContainer });
    };
    let items: Vec<&RawValue> = serde_json::from_str(data.get()).map_err(|_| SchemaFailure::NoContainer)?;
    let mut catalog = Catalog {
        is_partial: members.get("has_more").is_some_and(|more| more.get() == "true"),
        ..Catalog::default()
    };
    for item in items {
        if !catalog.ids.insert(id_of(item)?) {
            catalog.duplicates += 1;
        }
    }
    Ok(catalog)
}

fn id_of(item: &RawValue) -> Result<String, SchemaFailure> {
    if !item.get().starts_with('{') {
        return Err(SchemaFailure::ItemNotObject);
    }
    // What is no object with one `id` has it twice: which of them counts is nobody's guess.
    let item: Item<'_> = serde_json::from_str(item.get()).map_err(|_| SchemaFailure::ItemNotObject)?;
    let id = item.id.ok_or(SchemaFailure::MissingId)?;
    let id: String = serde_json::from_str(id.get()).map_err(|_| SchemaFailure::NonStringId)?;
    if id.is_empty() { Err(SchemaFailure::EmptyId) } else { Ok(id) }
}

fn not_json(body: &[u8]) -> SchemaFailure {
    let start = body.trim_ascii_start();
    if start.first() == Some(&b'<') { SchemaFailure::Html } else { SchemaFailure::InvalidJson }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn each_way_not_to_be_a_list_has_its_name() {
        let cases: [(&str, SchemaFailure); 16] = [
            ("", SchemaFailure::InvalidJson),
            ("{\"data\":[", SchemaFailure::InvalidJson),
            ("{\"data\":[]} more", SchemaFailure::InvalidJson),
            ("\n <!doctype html><html>", SchemaFailure::Html),
            ("[{\"id\":\"a\"}]", SchemaFailure::OtherTopLevel),
            ("\"data\"", SchemaFailure::OtherTopLevel),
            ("{}", SchemaFailure::NoContainer),
            ("{\"error\":null}", SchemaFailure::NoContainer),
            ("{\"error\":{\"message\":\"no\"}}", SchemaFailure::ErrorObject),
            ("{\"models\":[{\"id\":\"a\"}]}", SchemaFailure::NoContainer),
            ("{\"data\":{\"id\":\"a\"}}", SchemaFailure::NoContainer),
            ("{\"data\":[\"a\"]}", SchemaFailure::ItemNotObject),
            ("{\"data\":[{\"id\":\"a\"},{\"name\":\"b\"}]}", SchemaFailure::MissingId),
            ("{\"data\":[{\"id\":null}]}", SchemaFailure::MissingId),
            ("{\"data\":[{\"id\":7}]}", SchemaFailure::NonStringId),
            ("{\"data\":[{\"id\":\"\"}]}", SchemaFailure::EmptyId),
        ];
        for (body, expected) in cases {
            assert_eq!(parse(body.as_bytes()), Err(expected), "{body}");
        }
        assert_eq!(parse(b"{\"data\":[{\"id\":\"\xff\"}]}"), Err(SchemaFailure::InvalidJson));
    }

    #[test]
    fn ids_keep_their_bytes() {
        let body = r#"{"data":[{"id":" GPT-5.4 "},{"id":"gpt-5.4"},{"id":"gpt-4\u043e"}],"has_more":true}"#;
        let catalog = parse(body.as_bytes()).unwrap();
        assert!(catalog.is_partial);
        let ids: Vec<&str> = catalog.ids.iter().map(String::as_str).collect();
        assert_eq!(ids, [" GPT-5.4 ", "gpt-4\u{43e}", "gpt-5.4"]);
    }

    fn body(ids: &[String], extra: &[(String, Value)]) -> Vec<u8> {
        let with_extra = |mut object: Value| {
            for (name, value) in extra {
                object[format!("x{name}")] = value.clone();
            }
            object
        };
        let data: Vec<Value> = ids.iter().map(|id| with_extra(json!({ "id": id }))).collect();
        with_extra(json!({ "object": "list", "data": data })).to_string().into_bytes()
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<Option<i64>>().prop_map(|number| json!(number)),
            ".{0,8}".prop_map(|text| json!(text)),
            ".{0,8}".prop_map(|text| json!({ "id": [text], "data": 1 })),
        ]
    }

    proptest! {
        #[test]
        fn order_duplicates_and_unknown_fields_change_nothing(
            ids in prop::collection::vec(".{1,12}", 0..12),
            shuffled in any::<prop::sample::Index>(),
            extra in prop::collection::vec((".{0,6}", value()), 0..4),
        ) {
            let plain = parse(&body(&ids, &[])).unwrap();
            let mut other = ids.clone();
            if !other.is_empty() {
                other.rotate_left(shuffled.index(ids.len()));
                other.push(other[0].clone());
            }
            other.reverse();
            let same = parse(&body(&other, &extra)).unwrap();
            prop_assert_eq!(&plain.ids, &same.ids);
            prop_assert_eq!(plain.duplicates, ids.len() - plain.ids.len());
            prop_assert_eq!(same.duplicates, other.len() - plain.ids.len());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(parse(&bytes));
        }
    }
}
