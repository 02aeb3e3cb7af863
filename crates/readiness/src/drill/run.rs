//! Doing it: the seven steps against a running gateway, one request at a time.
//!
//! The route is lent to the drill and goes back to it when the drill ends, whatever ends it: whoever runs a drill may drop
//! it at any moment, and what is not given back lapses by itself. Nothing here moves a caller's request.

use std::pin::pin;
use std::time::Duration;

use decisions::Role;
use decisions::bucket::Share;
use decisions::rolled_back::{Both, Finding};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::drill::cohort::{Key, body, faulty_body, keys};
use crate::drill::judge::{Acceptance, Expected, Sent, judge};
use crate::drill::plan::{DrillPlan, ONCE_MORE, Standing, Surroundings};
use crate::drill::record::{Change, Done, Ended, Report};
use crate::drill::steps::Step;
use crate::drill::way_back::{counts, judge_way_back};
use crate::gateway::{CheckRequest, Gateway, GatewayError, LeaseTerms, Leased};

/// A lease lapses after 30 s.
const RENEW_EVERY: Duration = Duration::from_secs(8);

/// How long the end of an attempt may follow the end of its answer.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs a drill until it ends or `interrupted` comes, which says why.
pub async fn run<G: Gateway, S: Surroundings>(
    plan: &DrillPlan,
    gateway: &G,
    around: &S,
    interrupted: impl Future<Output = String>,
) -> Report {
    let mut drill = Running::new(plan, gateway, around);
    let ended = tokio::select! {
        biased;
        why = interrupted => Err(Ended::Interrupted(why)),
        ended = drill.steps() => ended,
    };
    drill.close(ended).await
}

/// Where requests of the drill go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Home,
    There,
    Share,
}

struct Running<'d, G, S> {
    plan: &'d DrillPlan,
    gateway: &'d G,
    around: &'d S,
    began: Instant,
    /// While a person thinks, no time passes.
    waited: Duration,
    leased: Option<Leased>,
    before: Option<Standing>,
    /// Number of the last attempt that was seen.
    last_seen: u64,
    at_return: Option<Both>,
    report: Report,
}

impl<'d, G: Gateway, S: Surroundings> Running<'d, G, S> {
    fn new(plan: &'d DrillPlan, gateway: &'d G, around: &'d S) -> Running<'d, G, S> {
        Running {
            plan,
            gateway,
            around,
            began: Instant::now(),
            waited: Duration::ZERO,
            leased: None,
            before: None,
            last_seen: 0,
            at_return: None,
            report: Report::new(plan.clone(), around.now()),
        }
    }

    async fn steps(&mut self) -> Result<(), Ended> {
        for step in Step::ALL {
            let asked = Instant::now();
            let approved_by = self.alive(self.around.approve(step)).await;
            self.waited += asked.elapsed();
            let approved_by = approved_by
                .ok_or_else(|| Ended::Interrupted(format!("step {} was not approved", step.number())))?;
            self.around.tell(&format!("step {} of 7: {}", step.number(), step.text()));
            self.report.steps.push(Done::begun(step, self.around.now(), approved_by));
            let note = self.step(step).await?;
            self.around.tell(&format!("  {note}"));
            if let Some(done) = self.report.steps.last_mut() {
                done.end(self.around.now(), note);
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<String, Ended> {
        match step {
            Step::NoCallers => self.no_callers().await,
            Step::ContractProbes => self.contract_probes().await,
            Step::InternalCohort => self.internal_cohort().await,
            Step::CanaryCohort => self.canary_cohort().await,
            Step::Return => self.go_back().await,
            Step::NothingContinues => self.nothing_continues().await,
            Step::Reenable => self.enable_again().await,
        }
    }

    async fn no_callers(&mut self) -> Result<String, Ended> {
        let standing = self.around.standing().await?;
        let callers = if standing.is_live() {
            if !self.plan.while_live {
                return Err(Ended::failed("callers' requests go to the target", "take them home first"));
            }
            "callers' requests go there as before"
        } else {
            if standing.in_flight > 0 && !self.plan.while_live {
                let why = format!("{} of callers' requests are still under way there", standing.in_flight);
                return Err(Ended::failed(&why, "wait until they are over"));
            }
            "no caller's request goes there"
        };
        self.before = Some(standing);
        let terms = self.terms(To::Home);
        let leased = self.gateway.lease(&terms).await?;
        self.same_map(&leased.route_version)?;
        self.leased = Some(leased);
        self.changed(To::Home);
        for at in 0..self.plan.baseline {
            let key = self.plain_key(at);
            self.valid(Step::NoCallers, Expected::Home, key).await?;
        }
        Ok(format!("{callers}; {} requests answered by the prior route", self.plan.baseline))
    }

    async fn contract_probes(&mut self) -> Result<String, Ended> {
        self.move_to(To::There).await?;
        self.valid(Step::ContractProbes, Expected::Answered, None).await?;
        let faulty = faulty_body(self.plan.endpoint, &self.plan.alias).unwrap_or_default();
        self.send(Step::ContractProbes, Expected::Refused, None, faulty).await?;
        Ok("the valid request was answered, the invalid one refused for what it is".to_owned())
    }

    async fn internal_cohort(&mut self) -> Result<String, Ended> {
        for at in 0..self.plan.requests {
            let key = self.plain_key(at);
            self.valid(Step::InternalCohort, Expected::There, key).await?;
        }
        Ok(format!("{} requests went there", self.plan.requests))
    }

    async fn canary_cohort(&mut self) -> Result<String, Ended> {
        let keys = self.cohort_keys();
        let inside = keys.iter().filter(|key| key.is_in == Some(true)).count();
        let is_known = keys.iter().all(|key| key.is_in.is_some());
        if self.plan.role == Role::Canary {
            self.move_to(To::Share).await?;
        }
        for key in keys {
            let expected = match key.is_in {
                None => Expected::Either,
                Some(true) => Expected::There,
                Some(false) => Expected::Home,
            };
            if self.plan.role != Role::Canary {
                // A fallback has no share: the drill says for each request where it goes.
                self.move_to(if expected == Expected::There { To::There } else { To::Home }).await?;
            }
            self.valid(Step::CanaryCohort, expected, Some(key)).await?;
        }
        Ok(if is_known {
            format!("{inside} of {} went there, each as its key says", self.plan.requests)
        } else {
            format!("{} requests, each drawn for itself: this route is sticky by no key", self.plan.requests)
        })
    }

    async fn go_back(&mut self) -> Result<String, Ended> {
        self.at_return = Some(counts(self.report.attempts(), 0));
        self.move_to(To::Home).await?;
        let Some(model_id) = &self.plan.rollback_model_id else {
            return Ok("its share is nothing".to_owned());
        };
        let mut terms = self.terms(To::Home);
        (terms.role, terms.share, terms.model_id) =
            (Some("primary".to_owned()), None, Some(model_id.clone()));
        self.renew(&terms).await?;
        self.valid(Step::Return, Expected::Home, None).await?;
        let served = self.report.sent.last().and_then(|sent| sent.attempts.first());
        if served.and_then(|attempt| attempt.model_id.as_ref()) != Some(model_id) {
            return Err(Ended::failed(
                "the rollback version's model was not asked for",
                "compare the model IDs of both versions",
            ));
        }
        self.renew(&self.terms(To::Home)).await?;
        Ok(format!(
            "its share is nothing; the rollback version's {model_id} was asked for at the prior route"
        ))
    }

    async fn nothing_continues(&mut self) -> Result<String, Ended> {
        // Those that had been there first: if anything remembers them, it is they that go astray.
        let mut keys = self.cohort_keys();
        keys.sort_by_key(|key| key.is_in != Some(true));
        let count = self.plan.baseline;
        for at in 0..count {
            let place = usize::try_from(at).unwrap_or_default() % keys.len().max(1);
            self.valid(Step::NothingContinues, Expected::Home, keys.get(place).cloned()).await?;
        }
        let connections = self.alive(self.around.connections()).await?;
        let now = counts(self.report.attempts(), self.report.in_flight);
        let findings = judge_way_back(self.at_return.unwrap_or_default(), now, connections);
        let remaining: Vec<&str> = remaining(&findings);
        self.report.connections = Some(connections);
        self.report.findings = findings;
        if !remaining.is_empty() {
            let why = format!("after the way back this remains: {}", remaining.join(", "));
            return Err(Ended::failed(&why, "see `rollback_validation` of its record"));
        }
        Ok(format!("all {count} requests went home, and nothing is left there"))
    }

    async fn enable_again(&mut self) -> Result<String, Ended> {
        self.move_to(To::There).await?;
        for at in 0..ONCE_MORE {
            let key = self.plain_key(at);
            self.valid(Step::Reenable, Expected::There, key).await?;
        }
        self.give_back().await?;
        let standing = self.around.standing().await?;
        let is_as_before = self.before.as_ref().is_some_and(|before| standing.is_as(before));
        if !is_as_before {
            return Err(Ended::Interrupted("the route does not stand as it did before".to_owned()));
        }
        Ok(format!("{ONCE_MORE} requests went there again; callers' requests go where they went"))
    }

    fn cohort_keys(&self) -> Vec<Key> {
        let count = usize::try_from(self.plan.requests).unwrap_or(usize::MAX);
        let split = &self.plan.split;
        keys(split, split.share, count, &self.plan.check_id, &self.plan.tenant)
    }

    /// With a share of all or nothing every key is on one side.
    fn plain_key(&self, at: u64) -> Option<Key> {
        let seed = format!("{}-plain-{at}", self.plan.check_id);
        keys(&self.plan.split, Share::ALL, 1, &seed, &self.plan.tenant).pop()
    }

    fn terms(&self, to: To) -> LeaseTerms {
        let plan = self.plan;
        let (share, role) = match (to, plan.role) {
            (To::Home, Role::Canary) => (Some("0%"), None),
            (To::There, Role::Canary) => (Some("100%"), None),
            (To::Share, _) => (Some(plan.share.as_str()), None),
            (To::Home, _) => (None, Some("primary")),
            (To::There, role) => (None, Some(role.as_str())),
        };
        LeaseTerms {
            route: plan.route.clone(),
            check_id: plan.check_id.clone(),
            by: plan.by.clone(),
            share: share.map(str::to_owned),
            role: role.map(str::to_owned),
            ..LeaseTerms::default()
        }
    }

    async fn move_to(&mut self, to: To) -> Result<(), Ended> {
        let terms = self.terms(to);
        self.renew(&terms).await?;
        self.changed(to);
        Ok(())
    }

    async fn renew(&self, terms: &LeaseTerms) -> Result<(), Ended> {
        let Some(leased) = &self.leased else { return Ok(()) };
        Ok(self.gateway.renew(&leased.lease, Some(terms)).await?)
    }

    fn changed(&mut self, to: To) {
        let role = self.plan.role.as_str();
        let to = match to {
            To::Home => "all to the primary".to_owned(),
            To::There => format!("all to the {role}"),
            To::Share => format!("{} to the {role}", self.plan.share),
        };
        let is_news = self.report.changes.last().is_none_or(|last| last.to != to);
        if is_news {
            self.report.changes.push(Change { at: self.around.now(), to });
        }
    }

    async fn valid(&mut self, step: Step, expected: Expected, key: Option<Key>) -> Result<(), Ended> {
        let body = body(self.plan.endpoint, &self.plan.alias, key.as_ref()).unwrap_or_default();
        self.send(step, expected, key, body).await
    }

    /// Sends a request, waits for what became of it, judges it, and looks whether it has to end here.
    async fn send(
        &mut self,
        step: Step,
        expected: Expected,
        key: Option<Key>,
        body: bytes::Bytes,
    ) -> Result<(), Ended> {
        let Some(leased) = self.leased.clone() else {
            return Err(Ended::Interrupted("nothing is lent".to_owned()));
        };
        let request = CheckRequest::new(self.plan.endpoint, body, self.plan.timeout);
        let reply = self.alive(self.gateway.send(&leased, &request)).await;
        self.report.tally.requests += 1;
        let mut sent = Sent {
            step,
            expected,
            key,
            request_id: reply.header("x-cometgate-request-id").map(str::to_owned),
            status: reply.status.map(|status| status.as_u16()),
            failure: reply.failure.clone(),
            model: named_model(&reply.body),
            acceptance: Acceptance::NotAsked,
            attempts: Vec::new(),
        };
        let attempts = self.see(&leased.lease).await?;
        for attempt in &attempts {
            self.report.tally.note(attempt, expected == Expected::Refused);
        }
        let versions: Vec<String> = attempts.iter().map(|attempt| attempt.route_version.clone()).collect();
        sent.attempts = attempts;
        if let Some(request_id) = sent.request_id.as_deref().filter(|_| reply.failure.is_none())
            && reply.status.is_some_and(|status| status.is_success())
        {
            sent.acceptance = self.alive(self.around.accepts(request_id, &reply.body)).await;
        }
        let wrong = judge(&sent, self.plan.role, &self.plan.route);
        self.report.sent.push(sent);
        if let Some(done) = self.report.steps.last_mut() {
            done.requests += 1;
        }
        versions.iter().try_for_each(|version| self.same_map(version))?;
        let spent = self.began.elapsed().saturating_sub(self.waited);
        if let Some(stop) = self.plan.limits.reached(&self.report.tally, spent) {
            return Err(Ended::failed(&stop.text(&self.plan.limits), stop.mend()));
        }
        match wrong {
            None => Ok(()),
            // Nobody was asked, so it says nothing of anybody.
            Some(why) if versions.is_empty() => Err(Ended::Interrupted(why)),
            Some(why) => Err(Ended::failed(&why, "see its attempts in the record")),
        }
    }

    /// A drill is of one map.
    fn same_map(&self, version: &str) -> Result<(), Ended> {
        if version == self.plan.route_version {
            return Ok(());
        }
        Err(Ended::Interrupted(format!("route map {version} took the place of {}", self.plan.route_version)))
    }

    /// What became of the last request; an attempt may end a moment after its answer.
    async fn see(&mut self, lease: &str) -> Result<Vec<crate::gateway::SeenAttempt>, Ended> {
        let mut found = Vec::new();
        let deadline = Instant::now() + SEEN_WITHIN;
        loop {
            let seen = self.gateway.seen(lease, self.last_seen).await?;
            self.last_seen = seen.attempts.iter().map(|one| one.number).max().unwrap_or(self.last_seen);
            self.report.in_flight = u64::try_from(seen.in_flight).unwrap_or(u64::MAX);
            let most = &mut self.report.tally.most_in_flight;
            *most = (*most).max(self.report.in_flight);
            found.extend(seen.attempts);
            if self.report.in_flight == 0 || Instant::now() >= deadline {
                return Ok(found);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for something that may take longer than a lease.
    async fn alive<T>(&self, doing: impl Future<Output = T>) -> T {
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                done = &mut doing => return done,
                () = sleep(RENEW_EVERY) => {
                    if let Some(leased) = &self.leased {
                        // A gateway that is gone is noticed by what is asked of it next.
                        self.gateway.renew(&leased.lease, None).await.ok();
                    }
                }
            }
        }
    }

    async fn give_back(&mut self) -> Result<(), GatewayError> {
        let Some(leased) = self.leased.take() else { return Ok(()) };
        self.gateway.end(&leased.lease).await?;
        self.report.changes.push(Change { at: self.around.now(), to: "as before the drill".to_owned() });
        Ok(())
    }

    /// Gives everything back, and writes down how it ended.
    async fn close(mut self, ended: Result<(), Ended>) -> Report {
        let lease = self.leased.as_ref().map(|leased| leased.lease.clone());
        if let Err(error) = self.give_back().await {
            self.around.tell(&format!("the route could not be given back, and lapses within 30 s: {error}"));
        }
        // What was under way when it was broken off belongs to it.
        if let Some(lease) = lease
            && let Ok(rest) = self.gateway.seen(&lease, self.last_seen).await
        {
            self.report.note_rest(rest.attempts);
        }
        let now = self.around.now();
        self.report.close(ended, now);
        self.report
    }
}

fn remaining(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().filter(|finding| !finding.is_proven).map(|finding| finding.item.as_str()).collect()
}

/// The model that an answer names, where it is JSON that names one.
fn named_model(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.get("model")?.as_str().map(str::to_owned)
}
