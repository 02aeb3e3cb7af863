//! `cometgate readiness`: what all checks together say of a route, written down as the record that release gates ask for.

mod subject;
mod text;

use anyhow::anyhow;
use decisions::RouteId;
use decisions::exposure::exposed;
use decisions::plan::Check;
use evidence::{Body, Decision, Filter, Moment, Override, Reader, Record, RollbackDecision, RollbackNote};
use jiff::Timestamp;
use readiness::review::{CHECKS, Known, Subject, answer, review};
use serde_json::{Value, json};

use crate::checks::{Checked, tell};
use crate::cli::{Format, Readiness};
use crate::clock::now;
use crate::commands::readiness::subject::subject;
use crate::commands::readiness::text::show;
use crate::commands::routes::parse_until;
use crate::exit::Failure;
use crate::terminal;

/// Who records what nobody has put a name to.
const NOBODY: &str = "readiness";

pub(crate) fn run(options: &Readiness) -> Result<(), Failure> {
    let checked = Checked::read(&options.given.config.path)?;
    let routes = routes(options, &checked)?;
    if routes.is_empty() {
        terminal::result("No route sends anything away from home, so there is nothing to roll back.");
        return Ok(());
    }
    let subjects: Vec<Subject> =
        routes.iter().map(|id| subject(options, &checked, *id)).collect::<Result<_, Failure>>()?;
    let said = said(options, &checked, &subjects)?;
    let by = options.by.as_deref().unwrap_or(NOBODY);
    if !said.is_empty() {
        checked.record(by, said)?;
    }
    let records = read(&checked)?;
    let now = now();
    let found: Vec<evidence::Readiness> =
        subjects.iter().map(|subject| review(subject, &records, now)).collect();
    let bodies = subjects
        .iter()
        .zip(&found)
        .map(|(subject, found)| (Some(subject.route.clone()), found.clone().into()));
    let head = checked.record(by, bodies)?;
    let first = head.sequence - found.len() as u64 + 1;
    print(options, &checked, &subjects, &found, first)?;
    for ((subject, found), sequence) in subjects.iter().zip(&found).zip(first..) {
        let passed = found.decision == Decision::Proceed;
        tell(&checked, Check::Readiness, Some(&subject.route), Some(passed), sequence);
    }
    let open = found.iter().filter(|found| found.decision != Decision::Proceed).count();
    if open == 0 {
        return Ok(());
    }
    Err(Failure::not_allowed(anyhow!("{} not ready to be rolled back", terminal::count(open, "route"))))
}

/// Those that were named, or all that send anything away.
fn routes(options: &Readiness, checked: &Checked) -> Result<Vec<RouteId>, Failure> {
    let plan = &checked.loaded.plan;
    if options.routes.is_empty() {
        return Ok(exposed(plan));
    }
    let find = |name: &String| {
        let found = plan.route_named(name).map(|(id, _)| id);
        found.ok_or_else(|| Failure::invalid(anyhow!("the map has no route {name:?}")))
    };
    options.routes.iter().map(find).collect()
}

/// What was said with the command: answers and overrides, of each of the routes.
fn said(
    options: &Readiness,
    checked: &Checked,
    subjects: &[Subject],
) -> Result<Vec<(Option<String>, Body)>, Failure> {
    let answers = answers(&options.answer)?;
    let until = options.until.as_deref().map(parse_until).transpose()?;
    for check in &options.overriding {
        if !CHECKS.contains(&check.as_str()) {
            let error = anyhow!("--override {check}: there are {}", CHECKS.join(", "));
            return Err(Failure::usage(error));
        }
    }
    if until.is_some_and(|until| until <= Timestamp::now()) {
        return Err(Failure::invalid(anyhow!("--until is in the past")));
    }
    let by = || options.by.as_deref().unwrap_or(NOBODY).into();
    let mut said = Vec::new();
    for subject in subjects {
        let route = Some(subject.route.clone());
        if let Some(answers) = &answers {
            let note = RollbackNote {
                ts: now(),
                check_id: subject.check_id.as_str().into(),
                by: by(),
                route_version: subject.route_version.as_str().into(),
                config_sha256: subject.config_sha256,
                rollback_decision: answers.clone(),
            };
            said.push((route.clone(), note.into()));
        }
        for check in &options.overriding {
            let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
            let overriding = Override {
                ts: now(),
                check_id: subject.check_id.as_str().into(),
                what: check.as_str().into(),
                by: by(),
                incident: text(&options.incident).into(),
                reason: text(&options.reason).into(),
                until: Moment::from_ms(until.unwrap_or_default().as_millisecond()),
                route_version: Some(checked.loaded.plan.route_version().into()),
                config_sha256: Some(subject.config_sha256),
            };
            said.push((route.clone(), overriding.into()));
        }
    }
    Ok(said)
}

/// All answers that were given together; the last of one field counts.
fn answers(given: &[String]) -> Result<Option<RollbackDecision>, Failure> {
    let mut all = None;
    for text in given {
        let (field, value) = text.split_once('=').unwrap_or((text, ""));
        let said = answer(field, value).filter(|_| !value.trim().is_empty()).ok_or_else(|| {
            let fields: Vec<String> =
                evidence::QUESTIONS.iter().map(|(field, asks)| format!("  {field}: {asks}")).collect();
            Failure::usage(anyhow!(
                "--answer {field} needs a question's name and an answer:\n{}",
                fields.join("\n")
            ))
        })?;
        let before: RollbackDecision = all.unwrap_or_default();
        all = Some(RollbackDecision {
            rolling_back_from: said.rolling_back_from.or(before.rolling_back_from),
            rolling_back_to: said.rolling_back_to.or(before.rolling_back_to),
            mapping_approved_by: said.mapping_approved_by.or(before.mapping_approved_by),
            rollback_id_last_confirmed: said.rollback_id_last_confirmed.or(before.rollback_id_last_confirmed),
            canary_request: said.canary_request.or(before.canary_request),
            watched_metric: said.watched_metric.or(before.watched_metric),
            may_revert: said.may_revert.or(before.may_revert),
        });
    }
    Ok(all)
}

/// Every record that a review may need, the newest first. A store that is not there yet has none.
fn read(checked: &Checked) -> Result<Vec<Known>, Failure> {
    let known = |record: &Record| {
        let body: Value = serde_json::from_str(record.body_json()).unwrap_or(Value::Null);
        let route = record.route.as_ref().map(|route| route.as_str().to_owned());
        Known { sequence: record.sequence, at: record.at, kind: record.kind.as_str().to_owned(), route, body }
    };
    match Reader::open(&checked.settings.state_dir.join("evidence")) {
        Ok(reader) => {
            let records = reader.list(&Filter::default()).map_err(Failure::invalid)?;
            // What gates wrote is most of a store, and no check.
            let is_check = |record: &&Record| !record.kind.as_str().starts_with("gate_");
            Ok(records.iter().filter(is_check).map(known).collect())
        }
        Err(evidence::Error::Absent { .. }) => Ok(Vec::new()),
        Err(error) => Err(Failure::invalid(error)),
    }
}

fn print(
    options: &Readiness,
    checked: &Checked,
    subjects: &[Subject],
    found: &[evidence::Readiness],
    first: u64,
) -> Result<(), Failure> {
    if options.markdown {
        let reader = Reader::open(&checked.settings.state_dir.join("evidence")).map_err(Failure::invalid)?;
        let last = first + found.len() as u64;
        let records: Result<Vec<_>, _> = (first..last).map(|sequence| reader.get(sequence)).collect();
        let records: Vec<Record> = records.map_err(Failure::invalid)?.into_iter().flatten().collect();
        terminal::result(evidence::markdown(&records).trim_end());
        return Ok(());
    }
    match options.given.format {
        Format::Json => {
            let routes: Vec<Value> = subjects
                .iter()
                .zip(found)
                .map(|(subject, found)| json!({ "route": subject.route, "readiness": found }))
                .collect();
            terminal::result(&json!({ "routes": routes }).to_string());
        }
        Format::Text => {
            for ((subject, found), sequence) in subjects.iter().zip(found).zip(first..) {
                show(&subject.route, found, sequence);
            }
        }
    }
    Ok(())
}
