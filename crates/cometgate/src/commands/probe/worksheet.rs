//! `cometgate probe worksheet`: what is known of the contract with a provider, from which source, since when, by whom.

use anyhow::anyhow;
use evidence::{Body, ContractItem, ContractState, Error, Filter, Kind, Reader};
use readiness::probe::{ITEMS, Item};
use serde_json::{Value, json};

use crate::checks::Checked;
use crate::cli::{Format, Worksheet, WorksheetKind, WorksheetOf, WorksheetSet};
use crate::clock::now;
use crate::commands::evidence::failure;
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &Worksheet) -> Result<(), Failure> {
    match &options.set {
        Some(WorksheetKind::Set(options)) => set(options),
        None => show(&options.of),
    }
}

fn show(options: &WorksheetOf) -> Result<(), Failure> {
    let checked = Checked::read(&options.given.config.path)?;
    let known = known(&checked, options)?;
    let newest = |provider: &str, item: &Item| {
        let is_it = |known: &&ContractItem| {
            known.provider.as_str() == provider
                && known.worksheet.as_str() == item.worksheet
                && known.contract_item.as_str() == item.name
        };
        known.iter().find(is_it)
    };
    let mut rows = Vec::new();
    for provider in providers(&checked, options)? {
        for item in &ITEMS {
            let known = newest(&provider, item);
            match options.given.format {
                Format::Json => rows.push(to_json(&provider, item, known)),
                Format::Text => terminal::result(&line(&provider, item, known)),
            }
        }
    }
    if options.given.format == Format::Json {
        terminal::result(&json!(rows).to_string());
    }
    Ok(())
}

/// The newest first; what was never begun has none.
fn known(checked: &Checked, options: &WorksheetOf) -> Result<Vec<ContractItem>, Failure> {
    let reader = match Reader::open(&checked.settings.state_dir.join("evidence")) {
        Ok(reader) => reader,
        Err(Error::Absent { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(failure(error, &options.given.config.path)),
    };
    let filter = Filter { kind: Some(Kind::ContractItem), ..Filter::default() };
    let records = reader.list(&filter).map_err(|error| failure(error, &options.given.config.path))?;
    let items = records.iter().filter_map(|record| match record.body() {
        Ok(Body::ContractItem(item)) => Some(*item),
        _ => None,
    });
    Ok(items.collect())
}

fn providers(checked: &Checked, options: &WorksheetOf) -> Result<Vec<String>, Failure> {
    let plan = &checked.loaded.plan;
    if let Some(name) = &options.provider {
        plan.provider_named(name)
            .ok_or_else(|| Failure::invalid(anyhow!("no provider is called `{name}`")))?;
        return Ok(vec![name.clone()]);
    }
    let away = |route: &decisions::plan::Route| {
        route.fallback.into_iter().chain(route.canary.as_ref().map(|canary| canary.provider))
    };
    let mut ids: Vec<_> = plan.routes().flat_map(|(_, route)| away(route).collect::<Vec<_>>()).collect();
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        return Err(Failure::invalid(anyhow!("no route has a canary or fallback: name one with --provider")));
    }
    Ok(ids.into_iter().map(|id| plan.provider(id).name.clone()).collect())
}

fn state(known: Option<&ContractItem>) -> &'static str {
    match known.map(|known| known.state) {
        None => "not verified",
        Some(ContractState::Verified) => "verified",
        Some(ContractState::Refuted) => "REFUTED",
    }
}

fn line(provider: &str, item: &Item, known: Option<&ContractItem>) -> String {
    let name = format!("{}.{}", item.worksheet, item.name);
    let said = match known {
        None => format!("to verify: {}", item.what),
        Some(known) => {
            format!("{} [{}, {}, {}]", known.value, known.source, known.date, known.verified_by)
        }
    };
    format!("{provider:<12} {name:<44} {:<13} {said}", state(known))
}

fn to_json(provider: &str, item: &Item, known: Option<&ContractItem>) -> Value {
    json!({
        "provider": provider,
        "worksheet": item.worksheet,
        "contract_item": item.name,
        "what": item.what,
        "state": known.map_or("not_verified", |known| match known.state {
            ContractState::Verified => "verified",
            ContractState::Refuted => "refuted",
        }),
        "value": known.map(|known| &known.value),
        "source": known.map(|known| &known.source),
        "date": known.map(|known| known.date),
        "verified_by": known.map(|known| &known.verified_by),
    })
}

fn set(options: &WorksheetSet) -> Result<(), Failure> {
    let checked = Checked::read(&options.of.given.config.path)?;
    let item = item_named(&options.item)?;
    let providers = providers(&checked, &options.of)?;
    let [provider] = providers.as_slice() else {
        let named = providers.join(", ");
        return Err(Failure::usage(anyhow!("whose contract? --provider is one of {named}")));
    };
    let body = ContractItem {
        date: now(),
        check_id: None,
        provider: provider.as_str().into(),
        worksheet: item.worksheet.into(),
        contract_item: item.name.into(),
        state: if options.refuted { ContractState::Refuted } else { ContractState::Verified },
        value: options.value.as_str().into(),
        source: options.source.as_str().into(),
        verified_by: options.by.as_str().into(),
    };
    checked.record(&options.by, [(None, body.clone().into())])?;
    match options.of.given.format {
        Format::Json => terminal::result(&to_json(provider, &item, Some(&body)).to_string()),
        Format::Text => terminal::result(&line(provider, &item, Some(&body))),
    }
    Ok(())
}

/// With its worksheet before it, or without where only one has it.
fn item_named(name: &str) -> Result<Item, Failure> {
    let named: Vec<Item> = ITEMS
        .into_iter()
        .filter(|item| item.name == name || format!("{}.{}", item.worksheet, item.name) == name)
        .collect();
    match named.as_slice() {
        [item] => Ok(*item),
        [] => {
            let all: Vec<String> =
                ITEMS.iter().map(|item| format!("{}.{}", item.worksheet, item.name)).collect();
            Err(Failure::invalid(anyhow!(
                "no item is called `{name}`\n  help: it is one of {}",
                all.join(", ")
            )))
        }
        _ => Err(Failure::invalid(anyhow!(
            "both worksheets have `{name}`: say `inference.{name}` or `models.{name}`"
        ))),
    }
}
