//! `cometgate evidence list`: a line for each record, the newest first.

use evidence::{Body, CatalogCheck, ContractItem, Drill, Record};

use crate::cli::{EvidenceList, Format};
use crate::commands::evidence::{failure, open};
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &EvidenceList) -> Result<(), Failure> {
    let config = &options.given.config.path;
    let filter = options.which.filter(Some(options.last));
    let records = open(config)?.list(&filter).map_err(|error| failure(error, config))?;
    match options.given.format {
        Format::Json => {
            // The lines as they are stored: their numbers keep their digits, and their hashes can be checked.
            let lines: Vec<String> = records.iter().map(Record::to_json_line).collect();
            terminal::result(&format!("[{}]", lines.join(",\n")));
        }
        Format::Text => records.iter().for_each(|record| terminal::result(&line(record))),
    }
    if records.is_empty() {
        terminal::say("no record is like that");
    } else if records.len() == options.last {
        terminal::say(&format!(
            "the newest {}; --last asks for more",
            terminal::count(options.last, "record")
        ));
    }
    Ok(())
}

fn line(record: &Record) -> String {
    let route = record.route.as_ref().map_or("-", |route| route.as_str());
    format!(
        "{:>6}  {}  {:<16}  {route:<20}  {}",
        record.sequence,
        record.at,
        record.kind.as_str(),
        summary(record)
    )
}

fn catalog_check(said: &CatalogCheck) -> String {
    let ids = said.identifier_count.map_or_else(String::new, |count| format!(", {count} IDs"));
    format!(
        "{} {}: {}{ids}, {} configured missing",
        word(&said.decision),
        said.provider,
        said.request_outcome,
        said.configured_ids_missing
    )
}

/// What it says, in a few words.
fn summary(record: &Record) -> String {
    let body = match record.body() {
        Ok(body) => body,
        Err(why) => return why,
    };
    let mode = |acts: evidence::Acts| if acts == evidence::Acts::Observe { " (observed only)" } else { "" };
    let percent = |ppm: u32| format!("{} %", f64::from(ppm) / 1e4);
    match body {
        Body::GateDecision(said) => {
            let signal = said.signal.as_ref().map(|signal| format!("{signal}, ")).unwrap_or_default();
            format!(
                "{} {}: {signal}{}, {} of {} failed{}",
                word(&said.verdict),
                said.target,
                said.reason,
                said.failures,
                said.n,
                mode(said.mode)
            )
        }
        Body::StepDecision(said) => {
            let (from, to) = (percent(said.from_share_ppm), percent(said.to_share_ppm));
            format!(
                "{} {}: {from} to {to}, {}{}",
                word(&said.verdict),
                said.target,
                said.reason,
                mode(said.mode)
            )
        }
        Body::OperatorAction(said) => {
            format!("{} {} by {}: {}", word(&said.action), said.target, said.by, said.reason)
        }
        Body::RollbackProof(said) => {
            let remaining: Vec<&str> = said.remaining().map(|item| item.item.as_str()).collect();
            let remaining =
                if remaining.is_empty() { String::new() } else { format!(": {}", remaining.join(", ")) };
            format!("{}{remaining}", word(&said.verdict()))
        }
        Body::GateLogSegment(said) => {
            format!("gate {}, {}: {} events, {} missing", said.gate, said.file, said.events, said.missing)
        }
        Body::CatalogCheck(said) => catalog_check(&said),
        Body::CatalogDrift(said) => format!("{}: {} ({})", said.provider, said.diff_summary, said.severity),
        Body::Drill(said) => drill(&said),
        Body::Readiness(said) => format!("{}: {}", word(&said.decision), said.reason),
        Body::RollbackNote(said) => format!("answers by {}", said.by),
        Body::SmokeCheck(said) => format!(
            "{} {}: {} {}, {}",
            word(&said.decision),
            said.target,
            word(&said.request_type),
            word(&said.status_class),
            said.notes
        ),
        Body::RollforwardCheck(said) => format!(
            "{} {}: {} {}, {}",
            word(&said.operator_result),
            said.intended_upstream,
            word(&said.request_type),
            word(&said.http_status_class),
            said.notes
        ),
        Body::Override(said) => {
            format!("{} until {} by {} ({}): {}", said.what, said.until, said.by, said.incident, said.reason)
        }
        Body::Probe(said) => {
            let class = said.error_class.as_ref().map(|class| format!(" ({class})")).unwrap_or_default();
            let (result, family) = (said.result.as_str(), &said.endpoint_family);
            format!("{} {} of {family}: {result}{class}", said.provider, said.probe)
        }
        Body::ProbeSummary(said) => {
            let (alias, provider) = (&said.model_alias, &said.provider);
            format!("{alias} at {provider}: {}, {} tokens", said.decision.as_str(), said.used_tokens)
        }
        Body::ContractItem(said) => contract_item(&said),
    }
}

fn drill(said: &Drill) -> String {
    let (outcome, back) = (word(&said.outcome), &said.rollback_route_version);
    format!("{outcome} {} back to {back} by {}: {}", said.target, said.by, said.reason)
}

fn contract_item(said: &ContractItem) -> String {
    let item = format!("{} {}.{}", said.provider, said.worksheet, said.contract_item);
    format!("{item}: {} by {}", word(&said.state), said.verified_by)
}

/// The word that a value has in the records.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
