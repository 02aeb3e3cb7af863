//! `cometgate evidence verify`: whether the store is as it was written.

use anyhow::anyhow;
use evidence::{Error, Reader, Verification};
use serde_json::{Value, json};

use crate::cli::{EvidenceVerify, Format};
use crate::commands::evidence::{directory, failure};
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &EvidenceVerify) -> Result<(), Failure> {
    let config = &options.given.config.path;
    let directory = directory(config)?;
    let found = match Reader::open(&directory).and_then(|reader| reader.verify(options.head)) {
        Ok(found) => found,
        // A store that is damaged where it says what it is cannot be opened: that is a finding as well.
        Err(error @ Error::Unreadable { .. }) => {
            if options.given.format == Format::Json {
                let finding = json!({ "sequence": Value::Null, "what": error.to_string() });
                terminal::result(&json!({ "sound": false, "findings": [finding], "further": 0 }).to_string());
            }
            return Err(Failure::not_allowed(error));
        }
        Err(error) => return Err(failure(error, config)),
    };
    match options.given.format {
        Format::Json => terminal::result(&to_json(&found).to_string()),
        Format::Text => print(&found),
    }
    if found.is_sound() {
        return Ok(());
    }
    let findings = usize::try_from(found.further).map_or(usize::MAX, |more| found.findings.len() + more);
    Err(Failure::not_allowed(anyhow!(
        "the evidence in {} is not as it was written: {}\n  help: keep a copy of the directory, and find out what wrote to it",
        directory.display(),
        terminal::count(findings, "finding")
    )))
}

fn print(found: &Verification) {
    for finding in &found.findings {
        let record = finding.sequence.map(|number| format!("record {number}: ")).unwrap_or_default();
        terminal::result(&format!("{record}{}", finding.what));
    }
    if found.further > 0 {
        terminal::result(&format!("and {} more", found.further));
    }
    if let Some(number) = found.expected_at {
        terminal::result(&format!("the expected hash is that of record {number}"));
    }
    if found.is_sound() {
        let records = usize::try_from(found.records).unwrap_or(usize::MAX);
        terminal::result(&format!("sound: {}", terminal::count(records, "record")));
        terminal::result(&format!("head {}", found.head.hash));
    }
}

fn to_json(found: &Verification) -> Value {
    let findings: Vec<Value> = found
        .findings
        .iter()
        .map(|finding| json!({ "sequence": finding.sequence, "what": finding.what }))
        .collect();
    json!({
        "sound": found.is_sound(),
        "records": found.records,
        "head": { "sequence": found.head.sequence, "hash": found.head.hash.to_string() },
        "expected_at": found.expected_at,
        "findings": findings,
        "further": found.further,
    })
}
