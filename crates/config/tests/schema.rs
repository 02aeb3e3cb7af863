//! The schemas that editors read: they are what the code says, they take what the loader takes, and they
//! refuse what it refuses for its shape.
//!
//! `UPDATE_EXPECTED=1 cargo test -p config --test schema` writes `config/*.schema.json` anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod support;

use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use config::{Code, SchemaFile, StarterOptions, schema, starter};
use jiff::civil::date;
use serde_json::{Map, Value};

/// What a schema can see: one value at its place, and nothing beside it.
const SHAPES: [Code; 15] = [
    Code::UnknownField,
    Code::MissingField,
    Code::WrongType,
    Code::OutOfRange,
    Code::NotAChoice,
    Code::BadName,
    Code::BadVersion,
    Code::NotExactText,
    Code::ReservedName,
    Code::BadShare,
    Code::BadDate,
    Code::BadKeyHash,
    Code::StickyByEmpty,
    Code::TenantsOrShare,
    Code::TooManyProviders,
];

/// Of a wrong shape, and taken by the schema all the same.
const NOT_SEEN: [(&str, &str); 1] =
    [("expires-at-in-quotes.routes.toml", "editors hand a date over as a string, so that both look alike")];

struct Validator {
    schemas: Schemas,
    indexes: Vec<(&'static str, SchemaIndex)>,
}

impl Validator {
    fn new() -> Validator {
        let mut compiler = Compiler::new();
        let mut schemas = Schemas::new();
        let kinds = [
            ("routes", SchemaFile::Routes),
            ("tenants", SchemaFile::Tenants),
            ("settings", SchemaFile::Settings),
        ];
        let indexes = kinds.map(|(kind, file)| {
            let url = format!("file:///{}", file.file_name());
            compiler.add_resource(&url, schema(file)).unwrap();
            (kind, compiler.compile(&url, &mut schemas).unwrap())
        });
        Validator { schemas, indexes: indexes.into() }
    }

    /// What the schema of this kind has against a text.
    fn check(&self, kind: &str, text: &str) -> Result<(), String> {
        let (_, index) = self.indexes.iter().find(|(known, _)| *known == kind).unwrap();
        let table: toml::Table = text.parse().unwrap();
        self.schemas
            .validate(&to_json(toml::Value::Table(table)), *index)
            .map_err(|error| format!("{error:#}"))
    }
}

/// As editors see it: dates are strings.
fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(boolean) => Value::from(boolean),
        toml::Value::Datetime(date) => Value::from(date.to_string()),
        toml::Value::Array(items) => items.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, to_json(value))).collect::<Map<_, _>>())
        }
    }
}

fn config_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

#[test]
fn the_schemas_in_config_are_what_the_code_says() {
    for file in SchemaFile::ALL {
        let text = format!("{}\n", serde_json::to_string_pretty(&schema(file)).unwrap());
        support::check(&config_directory().join(file.file_name()), &text);
    }
}

/// The first line of a file tells an editor where its schema is; it must be there.
#[test]
fn every_file_in_config_names_its_schema_and_keeps_to_it() {
    let validator = Validator::new();
    let mut files = vec![
        ("settings", PathBuf::from("cometgate.toml")),
        ("routes", PathBuf::from("routes.toml")),
        ("tenants", PathBuf::from("tenants.toml")),
    ];
    for entry in std::fs::read_dir(config_directory().join("versions")).unwrap() {
        files.push(("routes", Path::new("versions").join(entry.unwrap().file_name())));
    }
    for (kind, file) in files {
        let path = config_directory().join(&file);
        let text = std::fs::read_to_string(&path).unwrap();
        let named = text.lines().next().unwrap().strip_prefix("#:schema ").unwrap();
        let schema_path = path.parent().unwrap().join(named).canonicalize().unwrap();
        let expected = if kind == "settings" { "cometgate" } else { kind };
        assert!(schema_path.ends_with(format!("config/{expected}.schema.json")), "{}", file.display());
        validator.check(kind, &text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn the_schema_takes_every_accepted_file() {
    let validator = Validator::new();
    for case in support::cases("accepted") {
        let text = case.text.strip_prefix('\u{FEFF}').unwrap_or(&case.text);
        validator.check(&case.kind, text).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

#[test]
fn the_schema_takes_a_first_configuration() {
    let validator = Validator::new();
    let mut options =
        StarterOptions::new("https://api.openai.com/v1", "https://api.cometapi.com/v1", date(2026, 11, 21));
    options.models.push(("gpt-5.4".to_owned(), None));
    options.fallback = true;
    let files = starter(&options).unwrap();
    for (kind, text) in
        [("routes", &files.routes), ("tenants", &files.tenants), ("settings", &files.settings)]
    {
        validator.check(kind, text).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn the_schema_refuses_every_rejected_file_whose_shape_is_wrong() {
    let validator = Validator::new();
    let mut refused = 0;
    for case in support::cases("rejected") {
        if case.text.parse::<toml::Table>().is_err() {
            continue;
        }
        let problems = case.load().unwrap_err();
        let is_here = |path: &Path| path == Path::new("file.toml");
        let is_shape =
            problems.iter().all(|problem| SHAPES.contains(&problem.code) && is_here(&problem.place.path));
        if !is_shape {
            continue;
        }
        let is_refused = validator.check(&case.kind, &case.text).is_err();
        let is_excused = NOT_SEEN.iter().any(|(name, _)| *name == case.name);
        assert_eq!(is_refused, !is_excused, "{}:\n{problems}", case.name);
        refused += usize::from(is_refused);
    }
    assert!(refused >= 80, "only {refused} files have a wrong shape alone");
}

/// Every value of a full map is replaced by others, at and beyond the bounds: loader and schema judge its
/// shape alike.
#[test]
fn schema_and_loader_draw_the_same_lines() {
    let validator = Validator::new();
    let full =
        support::cases("accepted").into_iter().find(|case| case.name == "every-field.routes.toml").unwrap();
    let full = full.text.parse::<toml::Table>().unwrap();
    let mut judged = 0;
    for leaf in leaves(&toml::Value::Table(full.clone())) {
        for value in replacements() {
            let mut table = toml::Value::Table(full.clone());
            *leaf.iter().fold(&mut table, |value, step| match step {
                Step::Field(name) => &mut value[name.as_str()],
                Step::Item(at) => &mut value[*at],
            }) = value.clone();
            let version = table["route_version"].as_str().unwrap_or("1").to_owned();
            let text = toml::to_string(&table).unwrap();
            let verdict = support::load("routes", &format!("{text}\n# end {version}\n"));
            let found =
                verdict.as_ref().err().into_iter().flatten().find(|found| SHAPES.contains(&found.code));
            let refused = validator.check("routes", &text);
            let is_date =
                matches!(leaf.last(), Some(Step::Field(name)) if name == "until" || name == "expires_at");
            if let Err(error) = &refused {
                assert!(verdict.is_err(), "{leaf:?} = {value}: only the schema refuses it: {error}");
            } else if !(is_date && value.is_str() || !is_date && value.is_datetime()) {
                assert!(
                    found.is_none(),
                    "{leaf:?} = {value}: only the loader refuses it: {}",
                    found.unwrap()
                );
            }
            judged += 1;
        }
    }
    assert!(judged > 1000, "{judged}");
}

#[derive(Clone, Debug)]
enum Step {
    Field(String),
    Item(usize),
}

/// The way to every value that is no table, and to the tables, too.
fn leaves(value: &toml::Value) -> Vec<Vec<Step>> {
    let inner: Vec<(Step, &toml::Value)> = match value {
        toml::Value::Table(table) => {
            table.iter().map(|(name, value)| (Step::Field(name.clone()), value)).collect()
        }
        toml::Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| (Step::Item(at), value)).collect()
        }
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for (step, value) in inner {
        all.push(vec![step.clone()]);
        all.extend(leaves(value).into_iter().map(|way| std::iter::once(step.clone()).chain(way).collect()));
    }
    all
}

fn replacements() -> Vec<toml::Value> {
    let numbers = [-1, 0, 1, 2, 3, 60_000, 60_001, 3_600_000, 3_600_001, 4_294_967_295, 4_294_967_296];
    let long = [64, 65, 256, 257].map(|length| "a".repeat(length));
    let texts = [
        "",
        " ",
        "a",
        "a ",
        "a b",
        "*",
        "ä",
        "a\u{200B}",
        "a\u{7}b",
        "primary",
        "canary",
        "tenant",
        "request",
        "chat",
        "0%",
        "100%",
        "100.0001%",
        "00%",
        "5.00001%",
        "12.5%",
        "5",
        "2036-01-01",
        "http://a",
        "https://a/b?c",
        "/x",
        "x/",
        "client",
        "streaming",
        "usage.total",
        "usage..total",
        "connect",
        "A",
        "1A",
    ];
    let mut all: Vec<toml::Value> = numbers.into_iter().map(toml::Value::Integer).collect();
    all.extend(texts.into_iter().chain(long.iter().map(String::as_str)).map(toml::Value::from));
    all.extend([toml::Value::Float(1.5), toml::Value::Boolean(true)]);
    all.push(toml::Value::Array(Vec::new()));
    all.push(toml::Value::Array(vec![toml::Value::Integer(1)]));
    all.push(toml::Value::Table(toml::Table::new()));
    all.push(toml::Value::Datetime("2036-01-01T00:00:00Z".parse().unwrap()));
    all.push(toml::Value::Datetime("2036-01-01".parse().unwrap()));
    all
}
