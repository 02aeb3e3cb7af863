//! Records as one page of Markdown, to paste into a ticket: the fields of the runbooks under their own names, in their own
//! order, and the hash by which the page can be compared with the store.

use std::fmt::Write as _;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::kinds::QUESTIONS;
use crate::record::Record;

/// A page with a section for each record, in the given order.
#[must_use]
pub fn markdown(records: &[Record]) -> String {
    let mut page = String::from("# Evidence\n");
    for record in records {
        section(&mut page, record);
    }
    page
}

fn section(page: &mut String, record: &Record) {
    let route =
        record.route.as_ref().map(|route| format!(" · {}", plain(route.as_str()))).unwrap_or_default();
    line(page, &format!("\n## {} · {}{route}\n", record.sequence, plain(record.kind.as_str())));
    line(page, "| field | value |\n|---|---|");
    row(page, "recorded", &record.at.to_string());
    row(page, "by", record.by.as_str());
    if let Some(version) = &record.route_version {
        row(page, "route_version", version.as_str());
    }
    if let Some(map) = &record.map_sha256 {
        row(page, "map_sha256", &map.to_string());
    }
    let fields = fields(record.body_json());
    let is_said_above = |name: &str| {
        (name == "route_version" && record.route_version.is_some()) || name == "rollback_decision"
    };
    for (name, value) in fields.iter().filter(|(name, _)| !is_said_above(name)) {
        field(page, name, value);
    }
    row(page, "hash", &record.hash.to_string());
    row(page, "previous_hash", &record.previous_hash.to_string());
    if let Some((_, decision)) = fields.iter().find(|(name, _)| name == "rollback_decision") {
        questions(page, decision);
    }
}

/// The rollback decision of runbook 1: every question, answered or not.
fn questions(page: &mut String, decision: &RawValue) {
    let answers = self::fields(decision.get());
    line(page, "\n| rollback decision | answer |\n|---|---|");
    for (name, question) in QUESTIONS {
        let answer = answers.iter().find(|(field, _)| field == name).map(|(_, value)| text(value));
        row(page, question, answer.as_deref().filter(|answer| *answer != "–").unwrap_or("not answered"));
    }
}

/// A field; of a list one row for each of its elements.
fn field(page: &mut String, name: &str, value: &RawValue) {
    match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        Ok(elements) if elements.is_empty() => row(page, name, "none"),
        Ok(elements) => elements.iter().for_each(|element| row(page, name, &text(element))),
        Err(_) => row(page, name, &text(value)),
    }
}

/// A value on one line: text as it is, an object as `name: value`, anything else as JSON.
fn text(value: &RawValue) -> String {
    let json = value.get();
    if json == "null" {
        return "–".to_owned();
    }
    if json.starts_with('{') {
        let parts = fields(json);
        let said = parts.iter().filter(|(_, value)| value.get() != "null");
        return said.map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join(", ");
    }
    serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())
}

fn row(page: &mut String, name: &str, value: &str) {
    line(page, &format!("| {} | {} |", plain(name), plain(value)));
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

/// Text that Markdown shows as it is: what would make markup, a mention or a link of it is written as a character
/// reference. Letters, digits and what only means something at the beginning of a line stay.
fn plain(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '&' | '<' | '>' | '|' | '`' | '*' | '[' | ']' | '\\' | '@' | '~' | '$' | '!') {
            // Writing to a string does not fail.
            write!(written, "&#{};", u32::from(character)).unwrap_or_default();
        } else {
            written.push(character);
        }
    }
    written.replace("://", "&#58;//").replace("www.", "www&#46;").replace("__", "&#95;&#95;")
}

/// The members of an object in the order in which they stand there; none if it is no object.
fn fields(json: &str) -> Vec<(String, Box<RawValue>)> {
    serde_json::from_str::<Ordered>(json).map(|ordered| ordered.0).unwrap_or_default()
}

struct Ordered(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ordered, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Ordered;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Ordered(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
