//! `docs/metrics.md` says of every metric what the list of names says, `docs/traces.md` of every attribute and event, `docs/log-lines.md` of every field of a line, and every query of the documentation, of the
//! alerts and of the dashboard asks for metrics and labels that exist. To write the tables anew:
//! `UPDATE_EXPECTED=1 cargo test -p telemetry --test reference`.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{read_to_string, write};
use std::path::{Path, PathBuf};

use telemetry::line_names::FIELDS;
use telemetry::span_names::{ATTRIBUTES, EVENTS, On};
use telemetry::{Family, Kind, names};

const END: &str = "<!-- up to here -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn table() -> String {
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for family in names::ALL {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (kind, labels) = (family.kind.as_str(), labels.join(", "));
        writeln!(table, "| `{}` | {kind} | {labels} | {} |", family.name, family.help).unwrap();
    }
    table
}

/// Compares the part of a page that is written from a file of names, or writes it anew.
fn compare(page: &str, names: &str, written: &str) {
    let path = root().join(page);
    let text = read_to_string(&path).unwrap();
    let begin = format!("<!-- written from crates/telemetry/src/{names} -->\n");
    let (before, rest) = text.split_once(&begin).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        write(&path, format!("{before}{begin}{written}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(there, written, "UPDATE_EXPECTED=1 writes it anew");
}

#[test]
fn the_documentation_lists_every_metric() {
    compare("docs/metrics.md", "names.rs", &table());
}

#[test]
fn the_documentation_lists_every_attribute_and_event() {
    let mut tables = "| attribute | of | meaning |\n|---|---|---|\n".to_owned();
    for attribute in ATTRIBUTES {
        let (on, help) = (attribute.on.as_str(), attribute.help);
        writeln!(tables, "| `{}` | {on} | {help} |", attribute.name).unwrap();
    }
    tables.push_str("\n| event | meaning |\n|---|---|\n");
    for event in EVENTS {
        writeln!(tables, "| `{}` | {} |", event.name, event.help).unwrap();
    }
    compare("docs/traces.md", "span_names.rs", &tables);
}

#[test]
fn the_documentation_lists_every_field_of_a_line() {
    let mut table = "| field | of | meaning |\n|---|---|---|\n".to_owned();
    for field in FIELDS {
        writeln!(table, "| `{}` | {} | {} |", field.name, field.on.as_str(), field.help).unwrap();
    }
    compare("docs/log-lines.md", "line_names.rs", &table);
}

/// Whoever has a line of the log finds the same words in the trace.
#[test]
fn what_a_line_and_a_span_have_in_common_has_one_name() {
    let of_lines = |name: &str| FIELDS.iter().any(|field| field.name == name);
    for attribute in ATTRIBUTES.iter().filter(|attribute| attribute.on != On::Event) {
        let name = attribute.name.strip_prefix("cometgate.").unwrap_or(attribute.name);
        let is_of_spans_alone = name.contains('.') || name == "kept_for";
        assert!(of_lines(name) || is_of_spans_alone, "{name} is in no line");
    }
    let names: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(names.len(), FIELDS.len());
    assert!(FIELDS.iter().all(|field| field.help.ends_with('.') && !field.help.contains(['\n', '|'])));
}

/// A name is the runbook's, of OpenTelemetry, or in the namespace of ours; never of two of them.
#[test]
fn names_of_spans_are_of_one_kind_and_no_two_are_the_same() {
    let mut seen = BTreeSet::new();
    for (name, help) in ATTRIBUTES
        .iter()
        .map(|attribute| (attribute.name, attribute.help))
        .chain(EVENTS.iter().map(|event| (event.name, event.help)))
    {
        assert!(seen.insert(name), "{name} is there twice");
        let namespaces = ["cometgate.", "gen_ai.", "http.", "server.", "error.", "openai."];
        let is_known = namespaces.iter().any(|namespace| name.starts_with(namespace));
        assert!(is_known || !name.contains('.'), "{name}");
        let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.';
        assert!(name.bytes().all(word), "{name}");
        assert!(help.ends_with('.') && !help.contains(['\n', '|']), "{name}: {help}");
    }
    assert!(EVENTS.iter().all(|event| event.name.starts_with("cometgate.")));
    let of_events = |name: &str| name.starts_with("cometgate.event.");
    assert!(ATTRIBUTES.iter().all(|each| (each.on == On::Event) == of_events(each.name)));
}

#[test]
fn names_say_what_they_are_and_no_two_are_the_same() {
    let mut seen = BTreeSet::new();
    for family in names::ALL {
        let Family { name, kind, labels, help } = family;
        assert!(seen.insert(name), "{name} is there twice");
        assert!(name.starts_with(names::PREFIX), "{name}");
        assert_eq!(matches!(kind, Kind::Counter), name.ends_with("_total"), "{name}");
        assert!(!matches!(kind, Kind::Histogram(_)) || name.ends_with("_seconds"), "{name}");
        assert!(help.ends_with('.') && !help.contains(['\n', '\\', '|']), "{name}: {help}");
        let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(word(name) && labels.iter().all(|label| word(label) && *label != "le"), "{name}");
        assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), labels.len(), "{name}");
    }
}

/// What may be asked for: the names, and those of a histogram's series.
fn family_of(name: &str) -> Option<&'static Family> {
    names::ALL.iter().copied().find(|family| match family.kind {
        Kind::Histogram(_) => {
            let suffix = name.strip_prefix(family.name);
            matches!(suffix, Some("_bucket" | "_sum" | "_count"))
        }
        Kind::Counter | Kind::Gauge => family.name == name,
    })
}

/// Each metric that a text asks for, with the labels between its braces.
fn asked(text: &str) -> Vec<(String, String)> {
    let starts = text.match_indices(names::PREFIX).filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || matches!(before, '_' | ':' | '/'))
    });
    let is_name = |each: char| each.is_ascii_alphanumeric() || each == '_';
    let each = starts.map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|each| !is_name(each)).unwrap_or(rest.len());
        let labels = rest[end..].strip_prefix('{').and_then(|rest| rest.split('}').next());
        (rest[..end].to_owned(), labels.unwrap_or_default().to_owned())
    });
    each.collect()
}

#[test]
fn every_query_asks_for_what_exists() {
    let mut checked = 0;
    let files = [
        "docs/metrics.md",
        "docs/traces.md",
        "deploy/prometheus/rules.yml",
        "deploy/prometheus/alerts.yml",
        "deploy/prometheus/catalog.yml",
    ];
    let dashboards = std::fs::read_dir(root().join("deploy/grafana")).unwrap();
    let dashboards = dashboards.map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.iter().map(|file| root().join(file)).chain(dashboards).collect();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let text = read_to_string(&file).unwrap();
        let file = file.display();
        for (name, labels) in asked(&text) {
            let family =
                family_of(&name).or_else(|| names::ALL.iter().copied().find(|family| family.name == name));
            let family = family.unwrap_or_else(|| panic!("{file}: there is no {name}"));
            for label in labels.split(',').filter_map(|each| each.split(['=', '!']).next()) {
                let label = label.trim();
                let is_known = label.is_empty() || label == "le" || family.labels.contains(&label);
                assert!(is_known, "{file}: {name} has no label {label}");
            }
            checked += 1;
        }
    }
    assert!(checked > names::ALL.len(), "{checked} were found");
    assert_eq!(asked("x_cometgate_a 1"), []);
    assert_eq!(
        asked("rate(cometgate_a_total{b=\"c\"}[5m])"),
        [("cometgate_a_total".into(), "b=\"c\"".into())]
    );
}
