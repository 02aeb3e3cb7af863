//! Schema and loader know the same fields: for each table, what the loader looked for is what the schema
//! lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{SchemaFile, schema};
use crate::document::Source;
use crate::fields::looked_for;
use crate::load::load_map;
use crate::settings::load_settings;

/// Every table of the files, so that each is looked at.
const ROUTES: &str = include_str!("../../tests/accepted/every-field.routes.toml");
const TENANTS: &str = include_str!("../../tests/accepted/every-field.tenants.toml");

const SETTINGS: &str = include_str!("../../tests/accepted/every-table.settings.toml");

/// Where the schema of a table is, by the beginning of what the loader calls the table.
const TABLES: [(&str, SchemaFile, &str); 27] = [
    ("the route map", SchemaFile::Routes, ""),
    ("`rollback_override` of", SchemaFile::Routes, "/properties/rollback_override"),
    ("provider ", SchemaFile::Routes, "/properties/providers/patternProperties/*"),
    ("`tls` of provider", SchemaFile::Routes, "/properties/providers/patternProperties/*/properties/tls"),
    ("`http2` of", SchemaFile::Routes, "/properties/providers/patternProperties/*/properties/http2"),
    ("`paths` of", SchemaFile::Routes, "/properties/providers/patternProperties/*/properties/paths"),
    ("alias ", SchemaFile::Routes, "/properties/aliases/patternProperties/*"),
    ("cohort ", SchemaFile::Routes, "/properties/cohorts/patternProperties/*"),
    ("route ", SchemaFile::Routes, "/properties/routes/items"),
    ("`retry_policy` of", SchemaFile::Routes, "/properties/routes/items/properties/retry_policy"),
    ("`gates` of the route map", SchemaFile::Routes, "/properties/gates"),
    ("`gates` of route", SchemaFile::Routes, "/properties/routes/items/properties/gates"),
    ("`on_trip` of", SchemaFile::Routes, "/properties/routes/items/properties/gates/properties/on_trip"),
    (
        "`step_needs` of",
        SchemaFile::Routes,
        "/properties/routes/items/properties/canary/properties/step_needs",
    ),
    ("`mirror` of", SchemaFile::Routes, "/properties/routes/items/properties/mirror"),
    ("`canary` of", SchemaFile::Routes, "/properties/routes/items/properties/canary"),
    ("the tenants file", SchemaFile::Tenants, ""),
    ("tenant ", SchemaFile::Tenants, "/properties/tenants/patternProperties/*"),
    ("a key of", SchemaFile::Tenants, "/properties/tenants/patternProperties/*/properties/keys/items"),
    ("the settings file", SchemaFile::Settings, ""),
    ("`limits` of", SchemaFile::Settings, "/properties/limits"),
    ("`tls` of the settings", SchemaFile::Settings, "/properties/tls"),
    ("`admin` of", SchemaFile::Settings, "/properties/admin"),
    ("`telemetry` of", SchemaFile::Settings, "/properties/telemetry"),
    ("`tls` of `telemetry`", SchemaFile::Settings, "/properties/telemetry/properties/tls"),
    ("`traces` of", SchemaFile::Settings, "/properties/telemetry/properties/traces"),
    ("`metrics` of", SchemaFile::Settings, "/properties/telemetry/properties/metrics"),
];

/// A part of a schema; `*` is the only entry there is.
fn part<'s>(schema: &'s Value, pointer: &str) -> &'s Value {
    pointer.split('/').skip(1).fold(schema, |part, step| match step {
        "*" => part.as_object().unwrap().values().next().unwrap(),
        step => &part[step],
    })
}

fn fields_of(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn schema_and_loader_know_the_same_fields() {
    let source = |text| Source { path: Path::new("x.toml"), text };
    load_map(source(ROUTES), source(TENANTS)).unwrap();
    load_settings(source(SETTINGS)).unwrap();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (title, fields) in looked_for() {
        let fields: BTreeSet<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        let secrets = match title.as_str() {
            "`credential`" => {
                Some((SchemaFile::Routes, "/properties/providers/patternProperties/*/properties/credential"))
            }
            "a header of `telemetry`" => {
                Some((SchemaFile::Settings, "/properties/telemetry/properties/headers/patternProperties/*"))
            }
            _ => None,
        };
        if let Some((file, pointer)) = secrets {
            let kinds = schema(file);
            let secret = part(&kinds, pointer);
            let tables = secret["oneOf"].as_array().unwrap().iter().filter(|kind| kind["type"] == "object");
            let known: BTreeSet<String> = tables.flat_map(fields_of).collect();
            assert_eq!(fields, known, "{title}");
            continue;
        }
        let (begins, file, pointer) = TABLES.iter().find(|(begins, ..)| title.starts_with(begins)).unwrap();
        assert_eq!(fields, fields_of(part(&schema(*file), pointer)), "{title}");
        *seen.entry(begins).or_default() += 1;
    }
    for (begins, ..) in TABLES {
        assert!(seen.contains_key(begins), "no table was seen that begins with {begins}");
    }
}

/// What an operator sees in an editor.
#[test]
fn every_field_is_described_and_no_table_takes_more() {
    fn walk(schema: &Value, at: &str) {
        if schema["type"] == "object" {
            assert_eq!(schema["additionalProperties"], false, "{at}");
        }
        for keyword in ["properties", "patternProperties"] {
            for (name, field) in schema[keyword].as_object().into_iter().flatten() {
                let at = format!("{at}.{name}");
                let description =
                    field["description"].as_str().unwrap_or_else(|| panic!("{at} is not described"));
                assert!(description.ends_with('.'), "{at}: {description}");
                walk(field, &at);
            }
        }
        if schema["items"].is_object() {
            walk(&schema["items"], at);
        }
        schema["oneOf"].as_array().into_iter().flatten().for_each(|one| walk(one, at));
    }
    for file in SchemaFile::ALL {
        walk(&schema(file), file.file_name());
    }
}
