//! A drill against a gateway of the tests' own: how it passes, and what ends it where.

mod fake;
mod properties;

use std::time::Duration;

use decisions::bucket::Share;
use decisions::plan::{Bucketing, StickyBy};
use decisions::{Endpoint, Role};
use evidence::{Decision, Digest, DrillOutcome, ProofState};

use super::*;
use fake::{Fake, SALT, Yielding};

fn plan() -> DrillPlan {
    let requests = DrillPlan::planned_requests(50, 30);
    DrillPlan {
        route: SALT.to_owned(),
        check_id: "drill-1".to_owned(),
        by: "kim".to_owned(),
        link: None,
        environment: None,
        route_version: "1".to_owned(),
        config_sha256: Digest::of(b"map"),
        rollback_route_version: "0".to_owned(),
        rollback_config_sha256: Digest::of(b"old"),
        role: Role::Canary,
        target: "cometapi/gpt".to_owned(),
        prior_target: "openai/gpt".to_owned(),
        identity: "5d1f".to_owned(),
        generation: 1,
        endpoint: Endpoint::Chat,
        alias: "summary".to_owned(),
        split: Bucketing {
            share: Share::from_ppm(200_000).unwrap(),
            sticky_by: vec![StickyBy::User, StickyBy::Request],
            salt: SALT.to_owned(),
        },
        share: "20%".to_owned(),
        tenant: "cometgate-checks".to_owned(),
        requests: 50,
        baseline: 30,
        limits: Limits { requests, tokens: 100_000, time: Duration::from_secs(600), cohort: 50 },
        timeout: Duration::from_secs(1),
        while_live: false,
        rollback_model_id: None,
    }
}

async fn drilled(fake: &Fake, plan: &DrillPlan) -> Report {
    super::run(plan, fake, fake, std::future::pending()).await
}

#[tokio::test]
async fn a_clean_drill_passes_with_every_item_of_the_runbook() {
    let fake = Fake::default();
    let plan = DrillPlan { rollback_model_id: Some("gpt-0".to_owned()), ..plan() };
    let report = drilled(&fake, &plan).await;
    let record = report.record();
    assert_eq!(
        (record.outcome, record.verdict),
        (DrillOutcome::Passed, Decision::Proceed),
        "{}",
        record.reason
    );
    assert_eq!(report.tally.requests, DrillPlan::planned_requests(50, 30), "what is printed is what is sent");
    for (step, done) in Step::ALL.into_iter().zip(&record.steps) {
        assert_eq!(done.step.as_str(), step.as_str());
        assert_eq!(
            (done.outcome, &done.approved_by),
            (DrillOutcome::Passed, &Some("kim".into())),
            "{done:?}"
        );
        assert!(done.began_at.is_some() && done.ended_at.is_some());
    }
    assert!(record.steps[3].note.as_ref().unwrap().as_str().starts_with("10 of 50 went there"));
    let to: Vec<&str> = record.changes.iter().map(|change| change.to.as_str()).collect();
    assert_eq!(
        to,
        [
            "all to the primary",
            "all to the canary",
            "20% to the canary",
            "all to the primary",
            "all to the canary",
            "as before the drill"
        ]
    );
    // The rollback's model is a target of its own.
    let [canary, primary, rollback] = &record.routes[..] else { panic!("{:?}", record.routes) };
    assert_eq!((canary.role.as_str(), canary.request_count), ("canary", 2 + 50 + 10 + 3));
    assert_eq!((canary.error_count, canary.errors[0].error_class.as_str()), (1, "validation"));
    assert!(canary.p50_ms <= canary.p95_ms && canary.p95_ms <= canary.p99_ms && canary.p50_ms.is_some());
    assert_eq!((primary.role.as_str(), primary.target.as_str()), ("primary", "openai/gpt"));
    assert_eq!((rollback.target.as_str(), rollback.request_count), ("openai/gpt-0", 1));
    assert_eq!(record.rollback_validation.len(), 9);
    assert!(record.rollback_validation.iter().all(|item| item.state == ProofState::Proven));
    assert_eq!(record.attempts.len() as u64 + record.attempts_left_out, report.tally.requests);
    assert!(fake.terms.borrow().is_none(), "nothing is left lent");
}

/// What a case is, how it ends, and in which step.
type Case = (&'static str, Fake, DrillOutcome, Option<Step>, &'static str);

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn whatever_is_wrong_ends_the_drill_where_it_shows_and_gives_the_route_back() {
    let fake = Fake::default;
    let cases: Vec<Case> = vec![
        (
            "one malformed answer",
            Fake { canary: Some(|n| (n == 7).then_some("malformed")), ..fake() },
            DrillOutcome::Failed,
            Some(Step::InternalCohort),
            "malformed",
        ),
        (
            "a refused key",
            Fake { canary: Some(|_| Some("auth")), ..fake() },
            DrillOutcome::Failed,
            Some(Step::ContractProbes),
            "refused the credential",
        ),
        (
            "one timeout of fifty",
            Fake { canary: Some(|n| (n == 9).then_some("head_timeout")), ..fake() },
            DrillOutcome::Failed,
            Some(Step::InternalCohort),
            "time limit",
        ),
        (
            "one failure of fifty is allowed",
            Fake { canary: Some(|n| (n == 9).then_some("server")), ..fake() },
            DrillOutcome::Passed,
            None,
            "",
        ),
        (
            "two are not",
            Fake { canary: Some(|n| (n == 9 || n == 20).then_some("reset")), ..fake() },
            DrillOutcome::Failed,
            Some(Step::InternalCohort),
            "2 attempts at the target failed",
        ),
        (
            "an ill primary",
            Fake { primary: Some(|n| (n < 2).then_some("server")), ..fake() },
            DrillOutcome::Failed,
            Some(Step::NoCallers),
            "prior route",
        ),
        (
            "no usage",
            Fake { is_unmetered: true, ..fake() },
            DrillOutcome::Failed,
            Some(Step::ContractProbes),
            "no usage",
        ),
        (
            "a provider that takes anything",
            Fake { takes_anything: true, ..fake() },
            DrillOutcome::Failed,
            Some(Step::ContractProbes),
            "as if it were valid",
        ),
        (
            "one that goes there after the way back",
            Fake { straggler: Some(12), ..fake() },
            DrillOutcome::Failed,
            Some(Step::NothingContinues),
            "not to the prior route",
        ),
        (
            "a connection that stays",
            Fake { open: Some(1), ..fake() },
            DrillOutcome::Failed,
            Some(Step::NothingContinues),
            "connection_pools",
        ),
        ("no connection", Fake { open: Some(0), ..fake() }, DrillOutcome::Passed, None, ""),
        (
            "callers are there",
            Fake { live: true, ..fake() },
            DrillOutcome::Failed,
            Some(Step::NoCallers),
            "callers",
        ),
        (
            "an answer that is no use",
            Fake {
                accepts: Some(|n| if n == 60 { Acceptance::Rejected } else { Acceptance::Accepted }),
                ..fake()
            },
            DrillOutcome::Failed,
            Some(Step::InternalCohort),
            "not accepted",
        ),
        (
            "a judge that hangs",
            Fake { accepts: Some(|_| Acceptance::Silent), ..fake() },
            DrillOutcome::Failed,
            Some(Step::ContractProbes),
            "said nothing",
        ),
        (
            "another map",
            Fake { other_map_from: Some(70), ..fake() },
            DrillOutcome::Interrupted,
            Some(Step::InternalCohort),
            "took the place",
        ),
        (
            "nobody approves",
            Fake { approves: Some(|step| step != Step::CanaryCohort), ..fake() },
            DrillOutcome::Interrupted,
            Some(Step::InternalCohort),
            "not approved",
        ),
    ];
    for (name, fake, outcome, step, reason) in cases {
        let report = drilled(&fake, &plan()).await;
        let record = report.record();
        assert_eq!(record.outcome, outcome, "{name}: {}", record.reason);
        assert!(record.reason.as_str().contains(reason), "{name}: {}", record.reason);
        if let Some(step) = step {
            assert_eq!(report.steps.last().map(|done| done.step), Some(step), "{name}: {}", record.reason);
            let verdict = if step.is_way_back() { Decision::Escalate } else { Decision::Pause };
            assert_eq!(record.verdict, verdict, "{name}");
            let later = &record.steps[step.number()..];
            assert!(later.iter().all(|later| later.outcome == DrillOutcome::NotRun), "{name}");
        }
        assert!(fake.terms.borrow().is_none(), "{name}: the route is still lent");
    }
}

#[tokio::test]
async fn a_drill_that_is_interrupted_anywhere_gives_the_route_back_and_shows_nothing() {
    let whole = DrillPlan::planned_requests(50, 30);
    for at in [0, 1, 29, 30, 31, 40, 90, 131, 140, whole - 1] {
        let fake = Fake::default();
        let plan = plan();
        let interrupted = async {
            while fake.seen.borrow().len() < at as usize {
                tokio::task::yield_now().await;
            }
            "SIGINT".to_owned()
        };
        let yielding = Yielding(&fake);
        let report = super::run(&plan, &yielding, &fake, interrupted).await;
        assert_eq!(report.outcome, DrillOutcome::Interrupted, "after {at}");
        assert!(fake.terms.borrow().is_none(), "after {at} the route is still lent");
        let record = report.record();
        assert!(record.reason.as_str().contains("SIGINT"), "{}", record.reason);
        assert_eq!(
            record.routes.iter().map(|route| route.attempt_count).sum::<u64>(),
            fake.seen.borrow().len() as u64
        );
    }
}
