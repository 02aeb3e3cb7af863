//! `cometgate rollforward`: runbook 5's check of one target, through the running gateway.

use anyhow::anyhow;
use evidence::{Body, Moment};
use readiness::rollforward::{About, Found, check_id, judge, plan, records};
use readiness::route_check::{Facts, Planned, make};
use serde_json::json;

use crate::checks::subject::find;
use crate::checks::{CalledGateway, Checked, calling, tell};
use crate::cli::Rollforward;
use crate::clock::now;
use crate::commands::route_check_text::{ended, print, time_for};
use crate::exit::Failure;
use crate::running::block_on;
use crate::state::digest::Digest;

pub(crate) fn run(options: &Rollforward) -> Result<(), Failure> {
    let looked_at = &options.looked_at;
    if options.review_link.trim().is_empty() {
        return Err(Failure::invalid(anyhow!("--review-link: the review or ticket has to be named")));
    }
    let checked = Checked::read(&looked_at.given.config.path)?;
    let subject = find(&checked, looked_at)?;
    let gateway = CalledGateway::of(&checked.settings)?;
    let check_id = check_id(now());
    let asked = plan(&subject, (&check_id, &looked_at.by), time_for(&checked, &subject));
    let planned: Vec<Planned> = asked.iter().map(|(_, planned)| planned.clone()).collect();
    let all = block_on(async { Ok(make(&gateway, &subject, &planned, now).await) })?;
    let of = |(number, (request, _)): (usize, &(_, _))| {
        let made = all.made.get(number);
        let facts = made.map_or_else(Facts::none, |made| Facts::of(&subject, made));
        (made.map_or_else(now, |made| made.at), Found { request: *request, facts }, all.note(number))
    };
    let found: Vec<(Moment, Found, String)> = asked.iter().enumerate().map(of).collect();
    let seen: Vec<Found> = found.iter().map(|(_, found, _)| found.clone()).collect();
    let judged = judge(&subject, &seen);
    let about = About {
        check_id: &check_id,
        by: &looked_at.by,
        review_link: &options.review_link,
        map_sha256: Digest::of(&checked.texts.routes).into(),
    };
    let records = records(&subject, &about, &found, &judged);
    let route = Some(subject.route.clone());
    let bodies = records.iter().map(|record| (route.clone(), Body::from(record.clone())));
    let head = checked.record(&looked_at.by, bodies)?;
    let holds: Vec<&str> = judged.holds.iter().map(|hold| hold.as_str()).collect();
    let said = json!({
        "check": "rollforward",
        "check_id": check_id,
        "route": subject.route,
        "target": subject.target(),
        "endpoint_family": subject.family(),
        "endpoint_family_because": subject.choice.because,
        "decision": judged.decision,
        "fallback_decision": judged.rollforward,
        "holds": holds,
        "next": judged.next,
        "sequence": head.sequence,
        "records": records,
    });
    print(&said, looked_at.given.format);
    let passed = all.cut_short.is_none().then_some(judged.holds.is_empty());
    tell(&checked, decisions::plan::Check::Rollforward, Some(&subject.route), passed, head.sequence);
    match all.cut_short {
        Some(error) => Err(calling::failure(&error)),
        None => ended("rollforward", judged.decision, judged.is_unreachable, &subject.provider),
    }
}
