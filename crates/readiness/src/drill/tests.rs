//! A drill against a gateway of the test's own, whose targets do what a case says; and the judges by themselves.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use decisions::bucket::{Share, contains};
use decisions::plan::{Bucketing, StickyBy};
use decisions::rolled_back::Connections;
use decisions::{Endpoint, Role};
use evidence::{Decision, Digest, DrillOutcome, Moment, ProofState};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::gateway::{CheckRequest, Gateway, GatewayError, LeaseTerms, Leased, Reply, Seen, SeenAttempt};

const SALT: &str = "acme-summaries";

/// What a gateway of the test's own does.
#[derive(Default)]
struct Fake {
    terms: RefCell<Option<LeaseTerms>>,
    seen: RefCell<Vec<SeenAttempt>>,
    renewed: Cell<u32>,
    /// What the canary makes of a request: an error class for the one with this number, counted from 0.
    canary: Option<fn(u64) -> Option<&'static str>>,
    primary: Option<fn(u64) -> Option<&'static str>>,
    /// A request with this number, of those that should go home after the way back, goes to the canary all the same.
    straggler: Option<u64>,
    /// The map that is in force from this attempt on.
    other_map_from: Option<u64>,
    accepts: Option<fn(u64) -> Acceptance>,
    approves: Option<fn(Step) -> bool>,
    /// Usage is reported, unless.
    is_unmetered: bool,
    /// An invalid request is answered as a valid one is.
    takes_anything: bool,
    live: bool,
    open: Option<u64>,
    told: RefCell<Vec<String>>,
    returned: Cell<u64>,
    was_there: Cell<bool>,
}

impl Fake {
    fn is_at_canary(&self, body: &Value) -> bool {
        let terms = self.terms.borrow();
        let terms = terms.as_ref().unwrap();
        if let Some(role) = &terms.role {
            return role != "primary";
        }
        let percent: f64 = terms.share.as_ref().unwrap().trim_end_matches('%').parse().unwrap();
        let ppm = (percent * 10_000.0) as u32;
        self.was_there.set(self.was_there.get() || ppm > 0);
        let key = body["user"].as_str().unwrap_or("no key");
        let share = Share::from_ppm(ppm).unwrap();
        if ppm == 0 && self.was_there.get() {
            let number = self.returned.get();
            self.returned.set(number + 1);
            return self.straggler == Some(number);
        }
        contains(share, SALT, key.as_bytes())
    }

    fn attempt(&self, role: &str, kind: &str, class: Option<&str>) -> SeenAttempt {
        let number = self.seen.borrow().len() as u64 + 1;
        let other = self.other_map_from.is_some_and(|from| number >= from);
        let tokens = (class.is_none() && !self.is_unmetered).then_some(20);
        SeenAttempt {
            number,
            request_id: format!("request-{number}"),
            endpoint: "chat".to_owned(),
            route: Some(SALT.to_owned()),
            route_version: if other { "2" } else { "1" }.to_owned(),
            role: role.to_owned(),
            provider: if role == "primary" { "openai" } else { "cometapi" }.to_owned(),
            model_id: self.terms.borrow().as_ref().unwrap().model_id.clone().or(Some("gpt".to_owned())),
            kind: kind.to_owned(),
            status: class.is_none().then_some(200),
            malformed: class == Some("malformed"),
            timed_out: class.is_some_and(|class| class.ends_with("timeout")),
            error_class: class.map(str::to_owned),
            latency_ms: 10 * number,
            input_tokens: tokens,
            output_tokens: tokens,
            ..SeenAttempt::default()
        }
    }
}

impl Gateway for Fake {
    async fn lease(&self, terms: &LeaseTerms) -> Result<Leased, GatewayError> {
        *self.terms.borrow_mut() = Some(terms.clone());
        Ok(Leased {
            lease: "lease".to_owned(),
            lapses_in_ms: 30_000,
            route_version: "1".to_owned(),
            listen: String::new(),
        })
    }

    async fn renew(&self, _: &str, terms: Option<&LeaseTerms>) -> Result<(), GatewayError> {
        self.renewed.set(self.renewed.get() + 1);
        if let Some(terms) = terms {
            *self.terms.borrow_mut() = Some(terms.clone());
        }
        Ok(())
    }

    async fn end(&self, _: &str) -> Result<(), GatewayError> {
        *self.terms.borrow_mut() = None;
        Ok(())
    }

    async fn seen(&self, _: &str, after: u64) -> Result<Seen, GatewayError> {
        let seen = self.seen.borrow();
        let attempts = seen.iter().filter(|attempt| attempt.number > after).cloned().collect();
        Ok(Seen { in_flight: 0, attempts })
    }

    async fn send(&self, _: &Leased, request: &CheckRequest) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let is_there = self.is_at_canary(&body);
        let of_role = |role: &str| self.seen.borrow().iter().filter(|one| one.role == role).count() as u64;
        let role = if is_there { "canary" } else { "primary" };
        let fails = if is_there { self.canary } else { self.primary };
        let is_faulty = !body["messages"].is_array() && !self.takes_anything;
        let class = fails.and_then(|fails| fails(of_role(role)));
        let class = if is_faulty { class.or(Some("validation")) } else { class };
        let attempt = self.attempt(role, "first", class);
        let request_id = attempt.request_id.clone();
        self.seen.borrow_mut().push(attempt);
        let status = match class {
            None => 200,
            Some("validation") => 400,
            // What fails at the canary goes home and is answered there.
            Some(_) if is_there => {
                let mended = SeenAttempt {
                    request_id: request_id.clone(),
                    ..self.attempt("primary", "fallback", None)
                };
                self.seen.borrow_mut().push(mended);
                200
            }
            Some(_) => 502,
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-cometgate-request-id", request_id.parse().unwrap());
        let status = StatusCode::from_u16(status).ok();
        Reply { status, headers, body: br#"{"model":"gpt-1"}"#.to_vec(), ..Reply::default() }
    }
}

impl Surroundings for Fake {
    fn now(&self) -> Moment {
        Moment::from_ms(1_795_262_400_000)
    }

    async fn standing(&self) -> Result<Standing, GatewayError> {
        Ok(Standing {
            route_version: "1".to_owned(),
            config_sha256: "00".to_owned(),
            phase: if self.live { "serving" } else { "off" }.to_owned(),
            share_ppm: Some(if self.live { 50_000 } else { 0 }),
            is_held: !self.live,
            in_flight: 0,
        })
    }

    async fn connections(&self) -> Result<Connections, GatewayError> {
        Ok(self.open.map_or(Connections::Shared, Connections::Own))
    }

    async fn approve(&self, step: Step) -> Option<String> {
        self.approves.is_none_or(|approves| approves(step)).then(|| "kim".to_owned())
    }

    async fn accepts(&self, _: &str, _: &[u8]) -> Acceptance {
        self.accepts.map_or(Acceptance::NotAsked, |accepts| accepts(self.seen.borrow().len() as u64))
    }

    fn tell(&self, line: &str) {
        self.told.borrow_mut().push(line.to_owned());
    }
}

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

/// Lets others run between two requests.
struct Yielding<'f>(&'f Fake);

impl Gateway for Yielding<'_> {
    async fn lease(&self, terms: &LeaseTerms) -> Result<Leased, GatewayError> {
        self.0.lease(terms).await
    }

    async fn renew(&self, lease: &str, terms: Option<&LeaseTerms>) -> Result<(), GatewayError> {
        self.0.renew(lease, terms).await
    }

    async fn end(&self, lease: &str) -> Result<(), GatewayError> {
        self.0.end(lease).await
    }

    async fn seen(&self, lease: &str, after: u64) -> Result<Seen, GatewayError> {
        self.0.seen(lease, after).await
    }

    async fn send(&self, leased: &Leased, request: &CheckRequest) -> Reply {
        let reply = self.0.send(leased, request).await;
        tokio::task::yield_now().await;
        reply
    }
}

#[test]
fn limits_apply_to_the_number_that_is_planned() {
    let limits = |cohort| Limits { requests: 1, tokens: 1, time: Duration::from_secs(1), cohort };
    for (cohort, failures, timeouts) in [(10, 0, 0), (49, 0, 0), (50, 1, 0), (100, 2, 1), (200, 4, 2)] {
        assert_eq!((limits(cohort).failures(), limits(cohort).timeouts()), (failures, timeouts), "{cohort}");
    }
    assert_eq!(limits(50).lines().len(), 7);
}

#[test]
fn a_faulty_request_is_faulty_in_its_form_alone() {
    for endpoint in Endpoint::ALL {
        let (valid, faulty) = (body(endpoint, "m", None), faulty_body(endpoint, "m"));
        assert_eq!(valid.is_some(), faulty.is_some(), "{endpoint:?}");
        let (Some(valid), Some(faulty)) = (valid, faulty) else { continue };
        let read = |text: &Bytes| serde_json::from_slice::<Value>(text).unwrap();
        assert_eq!((&read(&valid)["model"], &read(&faulty)["model"]), (&"m".into(), &"m".into()));
        assert_ne!(valid, faulty);
    }
}

proptest! {
    #[test]
    fn keys_are_on_both_sides_and_each_is_where_the_published_function_says(
        ppm in 1_000_u32..999_000, count in 2_usize..120, seed in "[a-z]{1,12}", salt in "[a-z]{1,12}",
    ) {
        let split = Bucketing {
            share: Share::from_ppm(ppm).unwrap(),
            sticky_by: vec![StickyBy::SafetyIdentifier],
            salt,
        };
        let keys = keys(&split, split.share, count, &seed, "t");
        prop_assert_eq!(keys.len(), count);
        let inside = keys.iter().filter(|key| key.is_in == Some(true)).count();
        prop_assert!(inside >= 1 && inside < count);
        let ideal = count as f64 * f64::from(ppm) / 1e6;
        prop_assert!((inside as f64 - ideal).abs() <= 1.0, "{inside} of {count} at {ppm}");
        for key in &keys {
            prop_assert_eq!(key.is_in, Some(contains(split.share, &split.salt, key.value.as_bytes())));
        }
        let mut values: Vec<&str> = keys.iter().map(|key| key.value.as_str()).collect();
        values.sort_unstable();
        values.dedup();
        prop_assert_eq!(values.len(), count, "no key twice");
    }

    /// Whatever came before: one attempt more that fails never turns a stop into none.
    #[test]
    fn more_trouble_never_makes_a_drill_go_on(
        classes in proptest::collection::vec(0_usize..7, 0..120), more in 1_usize..7, cohort in 1_u64..300,
    ) {
        const CLASSES: [Option<&str>; 7] = [
            None, Some("server"), Some("head_timeout"), Some("malformed"), Some("auth"), Some("validation"),
            Some("a class of another version"),
        ];
        let limits = Limits { requests: 1_000, tokens: u64::MAX, time: Duration::from_secs(1), cohort };
        let attempt = |class: usize| SeenAttempt {
            role: if class % 2 == 0 { "canary" } else { "primary" }.to_owned(),
            error_class: CLASSES[class].map(str::to_owned),
            ..SeenAttempt::default()
        };
        let mut tally = Tally::default();
        let mut was_stopped = false;
        for class in classes.into_iter().chain([more]) {
            tally.note(&attempt(class), false);
            let is_stopped = limits.reached(&tally, Duration::ZERO).is_some();
            prop_assert!(is_stopped || !was_stopped);
            was_stopped = is_stopped;
        }
        let malformed_or_auth = tally.there.malformed + tally.there.auth > 0;
        prop_assert!(was_stopped || !malformed_or_auth);
        prop_assert_eq!(
            was_stopped,
            malformed_or_auth
                || tally.there.failures > limits.failures()
                || tally.there.timeouts > limits.timeouts()
                || tally.prior.ill() > limits.failures()
        );
    }

    /// A request that has to be home is only in order where no attempt of it was anywhere else, and one that has to be
    /// there only where it began there.
    #[test]
    fn where_a_request_went_is_judged_by_its_attempts_alone(
        roles in proptest::collection::vec(0_usize..3, 0..4), home in any::<bool>(),
    ) {
        const ROLES: [&str; 3] = ["primary", "canary", "fallback"];
        let attempts: Vec<SeenAttempt> = roles.iter().map(|role| SeenAttempt {
            route: Some("r".to_owned()),
            role: ROLES[*role].to_owned(),
            ..SeenAttempt::default()
        }).collect();
        let expected = if home { Expected::Home } else { Expected::There };
        let sent = Sent {
            step: Step::CanaryCohort, expected, key: None, request_id: None, status: Some(200), failure: None,
            model: None, acceptance: Acceptance::NotAsked, attempts,
        };
        let is_fine = judge(&sent, Role::Canary, "r").is_none();
        let wanted = if home { roles.iter().all(|role| *role == 0) } else { roles.first() == Some(&1) };
        prop_assert_eq!(is_fine, wanted && !roles.is_empty());
        prop_assert!(judge(&sent, Role::Canary, "another route").is_some());
    }

    #[test]
    fn a_way_back_is_proven_only_where_nothing_began_there_since_and_enough_was_answered(
        before in 0_usize..60, home in 0_usize..60, astray in 0_usize..3, in_flight in 0_u64..2, open in 0_u64..2,
    ) {
        let attempt = |role: &str| SeenAttempt { role: role.to_owned(), kind: "first".to_owned(), ..SeenAttempt::default() };
        let first: Vec<SeenAttempt> =
            std::iter::repeat_n(attempt("primary"), before).chain([attempt("canary")]).collect();
        let then = std::iter::repeat_n(attempt("primary"), home)
            .chain(std::iter::repeat_n(attempt("canary"), astray));
        let all: Vec<SeenAttempt> = first.iter().cloned().chain(then).collect();
        let findings = judge_way_back(counts(&first, 0), counts(&all, in_flight), Connections::Own(open));
        let is_proven = findings.iter().all(|finding| finding.is_proven);
        prop_assert_eq!(is_proven, home >= 30 && astray == 0 && in_flight == 0 && open == 0);
    }
}
