//! `cometgate smoke`: runbook 4's test of one target, through the running gateway.

use evidence::{Body, Moment, SmokeCheck};
use jiff::Timestamp;
use readiness::route_check::{AllMade, Facts, Planned, Subject, make};
use readiness::smoke::{About, Asked, Before, Found, Judged, judge, plan, records};
use serde_json::json;

use crate::checks::subject::{find, rollback_id};
use crate::checks::{CalledGateway, Checked, calling, tell};
use crate::cli::Smoke;
use crate::clock::now;
use crate::commands::route_check_text::{ended, print, time_for};
use crate::exit::Failure;
use crate::running::block_on;
use crate::state::digest::Digest;

pub(crate) fn run(options: &Smoke) -> Result<(), Failure> {
    let looked_at = &options.looked_at;
    let checked = Checked::read(&looked_at.given.config.path)?;
    let subject = find(&checked, looked_at)?;
    let gateway = CalledGateway::of(&checked.settings)?;
    let rollback = options.rollback_id.then(|| rollback_id(&checked, &subject));
    let (rollback, unknown) = match rollback {
        Some(Ok(id)) => (Some(id), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let check_id = format!("smoke-{}-{}", subject.route, Timestamp::now().strftime("%Y%m%d-%H%M%S"));
    let before = Before { docs_reviewed: options.docs_reviewed, rollback_id_unknown: unknown.is_some() };
    let asked = plan(&subject, (&check_id, &looked_at.by), rollback.as_deref(), time_for(&checked, &subject));
    let planned: Vec<Planned> = asked.iter().map(|(_, planned)| planned.clone()).collect();
    let all = block_on(async { Ok(make(&gateway, &subject, &planned, now).await) })?;
    let found = found(&subject, &asked, &all, unknown.as_deref());
    let seen: Vec<Found> = found.iter().map(|(_, found, _)| found.clone()).collect();
    let judged = judge(&subject, before, &seen);
    let about = About {
        check_id: &check_id,
        by: &looked_at.by,
        links: &options.links,
        map_sha256: Digest::of(&checked.texts.routes).into(),
        before,
    };
    let records = records(&subject, &about, &found, &judged);
    let route = Some(subject.route.clone());
    let bodies = records.iter().map(|record| (route.clone(), Body::from(record.clone())));
    let head = checked.record(&looked_at.by, bodies)?;
    let passed = all.cut_short.is_none().then_some(judged.holds.is_empty());
    show(options, &subject, &records, &judged, head.sequence);
    tell(&checked, decisions::plan::Check::Smoke, Some(&subject.route), passed, head.sequence);
    match all.cut_short {
        Some(error) => Err(calling::failure(&error)),
        None => ended("smoke", judged.decision, judged.is_unreachable, &subject.provider),
    }
}

/// Each request, with what it has shown and what else is to be noted.
fn found(
    subject: &Subject,
    asked: &[(Asked, Planned)],
    all: &AllMade,
    unknown: Option<&str>,
) -> Vec<(Moment, Found, String)> {
    let of = |(number, (asked, _)): (usize, &(Asked, Planned))| {
        let made = all.made.get(number);
        let facts = made.map_or_else(Facts::none, |made| Facts::of(subject, made));
        let notes = [Some(all.note(number)), unknown.map(|why| format!("no rollback ID: {why}"))];
        let notes: Vec<String> = notes.into_iter().flatten().filter(|note| !note.is_empty()).collect();
        (made.map_or_else(now, |made| made.at), Found { asked: asked.clone(), facts }, notes.join("; "))
    };
    asked.iter().enumerate().map(of).collect()
}

fn show(options: &Smoke, subject: &Subject, records: &[SmokeCheck], judged: &Judged, sequence: u64) {
    let holds: Vec<&str> = judged.holds.iter().map(|hold| hold.as_str()).collect();
    let said = json!({
        "check": "smoke",
        "route": subject.route,
        "target": subject.target(),
        "endpoint_family": subject.family(),
        "endpoint_family_because": subject.choice.because,
        "decision": judged.decision,
        "fallback_decision": judged.fallback,
        "holds": holds,
        "next": judged.next,
        "sequence": sequence,
        "records": records,
    });
    print(&said, options.looked_at.given.format);
}
