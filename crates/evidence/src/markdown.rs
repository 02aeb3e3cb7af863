//! Records as one page of Markdown, to paste into a ticket: the fields of the runbooks under their own names, in their own
//! order, and the hash by which the page can be compared with the store.

use std::fmt::Write as _;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::kinds::QUESTIONS;
use crate::record::Record;

/// The field of an operator's action that holds the answers.
const DECISION: &str = "rollback_decision";

/// Stands for a value that is not there.
const ABSENT: &str = "–";

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
    fields(record).iter().for_each(|(name, value)| row(page, name, value));
    let answers = answers(record);
    if !answers.is_empty() {
        line(page, "\n| rollback decision | answer |\n|---|---|");
        answers.iter().for_each(|(question, answer)| row(page, question, answer));
    }
}

/// The fields of a record as text, under the names of the runbooks and in their order; of a list one for each of its
/// elements. Everything but the [`answers`].
#[must_use]
pub fn fields(record: &Record) -> Vec<(String, String)> {
    let mut said = vec![
        ("recorded".to_owned(), record.at.to_string()),
        ("by".to_owned(), record.by.as_str().to_owned()),
    ];
    if let Some(version) = &record.route_version {
        said.push(("route_version".to_owned(), version.as_str().to_owned()));
    }
    if let Some(map) = &record.map_sha256 {
        said.push(("map_sha256".to_owned(), map.to_string()));
    }
    let is_said_above =
        |name: &str| (name == "route_version" && record.route_version.is_some()) || name == DECISION;
    for (name, value) in members(record.body_json()).into_iter().filter(|(name, _)| !is_said_above(name)) {
        match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
            Ok(elements) if elements.is_empty() => said.push((name, "none".to_owned())),
            Ok(elements) => said.extend(elements.iter().map(|element| (name.clone(), text(element)))),
            Err(_) => said.push((name, text(&value))),
        }
    }
    said.push(("hash".to_owned(), record.hash.to_string()));
    said.push(("previous_hash".to_owned(), record.previous_hash.to_string()));
    said
}

/// The rollback decision of runbook 1: every question with its answer, or that there is none. Empty where a record of its
/// kind has none.
#[must_use]
pub fn answers(record: &Record) -> Vec<(&'static str, String)> {
    let body = members(record.body_json());
    let Some((_, decision)) = body.iter().find(|(name, _)| name == DECISION) else { return Vec::new() };
    let given = members(decision.get());
    let answer = |name: &str| {
        let found = given.iter().find(|(field, _)| field == name).map(|(_, value)| text(value));
        found.filter(|answer| answer != ABSENT).unwrap_or_else(|| "not answered".to_owned())
    };
    QUESTIONS.iter().map(|(name, question)| (*question, answer(name))).collect()
}

/// A value on one line: text as it is, an object as `name: value`, anything else as JSON.
fn text(value: &RawValue) -> String {
    let json = value.get();
    if json == "null" {
        return ABSENT.to_owned();
    }
    if json.starts_with('{') {
        let parts = members(json);
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
fn members(json: &str) -> Vec<(String, Box<RawValue>)> {
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
