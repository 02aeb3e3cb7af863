//! `cometgate evidence show`: one record with all its fields.

use anyhow::anyhow;
use evidence::{Prose, answers, fields};

use crate::cli::{EvidenceShow, Format};
use crate::commands::evidence::{failure, open};
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &EvidenceShow) -> Result<(), Failure> {
    let (config, number) = (&options.given.config.path, options.sequence);
    let found = open(config)?.get(number).map_err(|error| failure(error, config))?;
    let record = found.ok_or_else(|| {
        Failure::invalid(anyhow!(
            "there is no record {number}\n  help: `cometgate evidence list` says which there are"
        ))
    })?;
    if options.given.format == Format::Json {
        terminal::result(&record.to_json_line());
        return Ok(());
    }
    let route = record.route.as_ref().map(|route| format!(" about {route}")).unwrap_or_default();
    terminal::result(&format!("{} {}{route}", record.sequence, record.kind));
    for (name, value) in fields(&record) {
        row(&name, &value);
    }
    let answers = answers(&record);
    if !answers.is_empty() {
        terminal::result("rollback decision");
        for (question, answer) in &answers {
            terminal::result(&format!("  {question} {}", Prose::from(answer.as_str())));
        }
    }
    Ok(())
}

/// Of a kind that this version does not know nobody has looked at the texts: what a terminal would obey is spelt out.
fn row(name: &str, value: &str) {
    terminal::result(&format!("  {:<24}  {}", Prose::from(name).as_str(), Prose::from(value)));
}
