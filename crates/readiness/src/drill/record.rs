//! What a drill has come to, and how that is written down: every item of runbook 3's "Validation evidence to capture".

use decisions::rolled_back::{Connections, Finding, Item};
use evidence::{
    Decision, Drill, DrillAttempt, DrillChange, DrillOutcome, DrillRoute, DrillStep, ErrorCount, Exact,
    Moment, Name, ProofItem, ProofState,
};

use crate::drill::judge::{Acceptance, Expected, Sent};
use crate::drill::plan::DrillPlan;
use crate::drill::steps::Step;
use crate::drill::tally::{Counted, Tally};
use crate::gateway::{GatewayError, SeenAttempt};

/// Good attempts beyond these are counted and not listed: a record has an end.
const MOST_ATTEMPTS: usize = 300;

/// Why a drill did not go to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It showed that something is not as it has to be.
    Failed {
        /// What.
        why: String,
        /// What mends it.
        mend: String,
    },
    /// It was broken off, and shows nothing.
    Interrupted(String),
}

impl Ended {
    pub(super) fn failed(why: &str, mend: &str) -> Ended {
        Ended::Failed { why: why.to_owned(), mend: mend.to_owned() }
    }
}

/// A gateway that does not do what is asked says nothing of the canary.
impl From<GatewayError> for Ended {
    fn from(error: GatewayError) -> Ended {
        Ended::Interrupted(error.to_string())
    }
}

/// A step that was begun.
#[derive(Clone, Debug)]
pub struct Done {
    pub(super) step: Step,
    began_at: Moment,
    ended_at: Option<Moment>,
    approved_by: String,
    pub(super) requests: u64,
    outcome: DrillOutcome,
    note: String,
}

impl Done {
    pub(super) fn begun(step: Step, began_at: Moment, approved_by: String) -> Done {
        let outcome = DrillOutcome::Interrupted;
        Done { step, began_at, ended_at: None, approved_by, requests: 0, outcome, note: String::new() }
    }

    pub(super) fn end(&mut self, at: Moment, note: String) {
        (self.outcome, self.ended_at, self.note) = (DrillOutcome::Passed, Some(at), note);
    }
}

/// Where requests of the drill go from some time on.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) at: Moment,
    pub(super) to: String,
}

/// All that is known of a drill.
#[derive(Clone, Debug)]
pub struct Report {
    plan: DrillPlan,
    began_at: Moment,
    ended_at: Moment,
    /// In their order, as far as it came.
    pub steps: Vec<Done>,
    pub(super) changes: Vec<Change>,
    /// Everything that was sent.
    pub sent: Vec<Sent>,
    /// What was counted.
    pub tally: Tally,
    /// What was looked at after the way back.
    pub findings: Vec<Finding>,
    pub(super) connections: Option<Connections>,
    pub(super) in_flight: u64,
    /// How it ended.
    pub outcome: DrillOutcome,
    /// What follows.
    pub verdict: Decision,
    /// Why.
    pub reason: String,
    /// What to do next.
    pub next: String,
}

impl Report {
    pub(super) fn new(plan: DrillPlan, began_at: Moment) -> Report {
        Report {
            plan,
            began_at,
            ended_at: began_at,
            steps: Vec::new(),
            changes: Vec::new(),
            sent: Vec::new(),
            tally: Tally::default(),
            findings: Vec::new(),
            connections: None,
            in_flight: 0,
            outcome: DrillOutcome::NotRun,
            verdict: Decision::Pause,
            reason: String::new(),
            next: String::new(),
        }
    }

    pub(super) fn attempts(&self) -> impl Iterator<Item = &SeenAttempt> {
        self.sent.iter().flat_map(|sent| &sent.attempts)
    }

    /// Attempts whose request was not waited for.
    pub(super) fn note_rest(&mut self, attempts: Vec<SeenAttempt>) {
        let Some(done) = self.steps.last() else { return };
        attempts.iter().for_each(|attempt| self.tally.note(attempt, false));
        let step = done.step;
        self.sent.extend(attempts.into_iter().map(|attempt| Sent {
            step,
            expected: Expected::Either,
            key: None,
            request_id: Some(attempt.request_id.clone()),
            status: None,
            failure: None,
            model: None,
            acceptance: Acceptance::NotAsked,
            attempts: vec![attempt],
        }));
    }

    pub(super) fn close(&mut self, ended: Result<(), Ended>, at: Moment) {
        self.ended_at = at;
        let step = self.steps.last().map(|done| done.step);
        let place = step.map(|step| format!("step {}, {}: ", step.number(), step.text())).unwrap_or_default();
        let repeat = format!("repeat it: `cometgate drill {} --by WHO`", self.plan.route);
        let back = &self.plan.rollback_route_version;
        (self.outcome, self.verdict, self.reason, self.next) = match ended {
            Ok(()) => (
                DrillOutcome::Passed,
                Decision::Proceed,
                format!("all seven steps were clean; {back} is proven as the way back"),
                format!("a map that goes back to {back} may raise its canary: `cometgate routes check`"),
            ),
            Err(Ended::Failed { why, mend }) => {
                // A canary that is ill waits; a way back that does not work is for somebody now.
                let is_way_back = step.is_some_and(Step::is_way_back);
                let verdict = if is_way_back { Decision::Escalate } else { Decision::Pause };
                (DrillOutcome::Failed, verdict, format!("{place}{why}"), format!("{mend}; then {repeat}"))
            }
            Err(Ended::Interrupted(why)) => {
                (DrillOutcome::Interrupted, Decision::Pause, format!("{place}{why}"), repeat)
            }
        };
        let outcome = self.outcome;
        if let Some(done) = self.steps.last_mut().filter(|done| done.ended_at.is_none()) {
            (done.ended_at, done.outcome, done.note) = (Some(at), outcome, self.reason.clone());
        }
    }

    /// As it is kept.
    #[must_use]
    pub fn record(&self) -> Drill {
        let plan = &self.plan;
        let is_acceptance = |wanted| self.sent.iter().filter(|sent| sent.acceptance == wanted).count() as u64;
        let (attempts, attempts_left_out) = self.listed_attempts();
        Drill {
            ts: self.ended_at,
            check_id: plan.check_id.as_str().into(),
            began_at: self.began_at,
            by: plan.by.as_str().into(),
            link: plan.link.as_deref().map(Into::into),
            environment: plan.environment.as_deref().map(Into::into),
            route_version: plan.route_version.as_str().into(),
            config_sha256: plan.config_sha256,
            rollback_route_version: plan.rollback_route_version.as_str().into(),
            rollback_config_sha256: plan.rollback_config_sha256,
            role: plan.role.as_str().into(),
            target: plan.target.as_str().into(),
            prior_target: plan.prior_target.as_str().into(),
            identity: plan.identity.as_str().into(),
            generation: plan.generation,
            requests: plan.requests,
            share_ppm: plan.split.share.ppm(),
            while_live: plan.while_live,
            rollback_model_id: plan.rollback_model_id.as_deref().map(Into::into),
            outcome: self.outcome,
            verdict: self.verdict,
            reason: self.reason.as_str().into(),
            next: self.next.as_str().into(),
            stop_conditions: plan.limits.lines().iter().map(|line| line.as_str().into()).collect(),
            steps: Step::ALL.map(|step| self.step(step)).into(),
            changes: self.changes.iter().map(|change| self.change(change)).collect(),
            routes: self
                .tally
                .targets
                .iter()
                .map(|((role, target), counted)| route(role, target, counted))
                .collect(),
            queue_depth: self.tally.most_in_flight,
            accepted_count: is_acceptance(Acceptance::Accepted),
            rejected_count: is_acceptance(Acceptance::Rejected),
            rollback_validation: self.validation(),
            attempts,
            attempts_left_out,
        }
    }

    fn step(&self, step: Step) -> DrillStep {
        let done = self.steps.iter().find(|done| done.step == step);
        DrillStep {
            step: step.as_str().into(),
            outcome: done.map_or(DrillOutcome::NotRun, |done| done.outcome),
            began_at: done.map(|done| done.began_at),
            ended_at: done.and_then(|done| done.ended_at),
            approved_by: done.map(|done| done.approved_by.as_str().into()),
            requests: done.map_or(0, |done| done.requests),
            note: done.map(|done| done.note.as_str().into()),
        }
    }

    fn change(&self, change: &Change) -> DrillChange {
        DrillChange {
            at: change.at,
            route_version: self.plan.route_version.as_str().into(),
            to: change.to.as_str().into(),
        }
    }

    /// Those that failed, and then as many others as there is room for; in the order in which they were.
    fn listed_attempts(&self) -> (Vec<DrillAttempt>, u64) {
        let all =
            || self.sent.iter().flat_map(|sent| sent.attempts.iter().map(move |attempt| (sent, attempt)));
        let failed = all().filter(|(_, attempt)| attempt.error_class.is_some()).count();
        let mut room = MOST_ATTEMPTS.saturating_sub(failed);
        let mut listed = Vec::new();
        let mut left_out = 0;
        for (sent, attempt) in all() {
            if attempt.error_class.is_some() && listed.len() < 2 * MOST_ATTEMPTS {
                listed.push(listed_attempt(sent, attempt));
            } else if room > 0 {
                room -= 1;
                listed.push(listed_attempt(sent, attempt));
            } else {
                left_out += 1;
            }
        }
        (listed, left_out)
    }

    fn validation(&self) -> Vec<ProofItem> {
        let mut items: Vec<ProofItem> =
            self.findings.iter().map(|finding| item(finding, self.connections)).collect();
        if !items.is_empty() {
            items.push(self.versions_are_split());
        }
        items
    }

    /// "Verify dashboards split old and new route versions": every attempt names its version, and its role and target.
    fn versions_are_split(&self) -> ProofItem {
        let all = self.attempts().count();
        let names = |attempt: &&SeenAttempt| {
            attempt.route_version == self.plan.route_version
                && !attempt.role.is_empty()
                && !attempt.provider.is_empty()
        };
        let named = self.attempts().filter(names).count();
        ProofItem {
            item: "dashboards_split_versions".into(),
            state: state(named == all && all > 0),
            expected: Some(Exact(real(all as u64))),
            observed: Some(Exact(real(named as u64))),
            unit: Some("attempts".into()),
            since: None,
            note: Some("each names its route version, role and target".into()),
        }
    }
}

fn listed_attempt(sent: &Sent, attempt: &SeenAttempt) -> DrillAttempt {
    let name = |text: &Option<String>| text.as_deref().map(Name::from);
    DrillAttempt {
        step: sent.step.as_str().into(),
        route_version: attempt.route_version.as_str().into(),
        request_id: attempt.request_id.as_str().into(),
        provider_request_id: name(&attempt.provider_request_id),
        role: attempt.role.as_str().into(),
        kind: attempt.kind.as_str().into(),
        latency_ms: attempt.latency_ms,
        http_status: attempt.status,
        error_class: name(&attempt.error_class),
        provider_model: name(&sent.model).filter(|_| attempt.error_class.is_none()),
        input_token_count: attempt.input_tokens,
        output_token_count: attempt.output_tokens,
        accepted: match sent.acceptance {
            Acceptance::Accepted => Some(true),
            Acceptance::Rejected => Some(false),
            Acceptance::NotAsked | Acceptance::Silent => None,
        },
    }
}

fn route(role: &str, target: &str, counted: &Counted) -> DrillRoute {
    let errors = counted.errors.iter();
    DrillRoute {
        role: role.into(),
        target: target.into(),
        request_count: counted.requests,
        attempt_count: counted.attempts,
        error_count: counted.errors.values().sum(),
        errors: errors
            .map(|(class, count)| ErrorCount { error_class: class.as_str().into(), count: *count })
            .collect(),
        p50_ms: counted.percentile_ms(50.0),
        p95_ms: counted.percentile_ms(95.0),
        p99_ms: counted.percentile_ms(99.0),
        timeout_count: counted.timeouts,
        retry_count: counted.retries,
        fallback_count: counted.fallbacks,
        malformed_response_count: counted.malformed,
        input_token_count: counted.input_tokens,
        output_token_count: counted.output_tokens,
        usage_missing_count: counted.usage_missing,
    }
}

fn item(finding: &Finding, connections: Option<Connections>) -> ProofItem {
    let note = match (finding.item, connections) {
        (Item::ConnectionPools, Some(Connections::Shared)) => {
            Some("left open: others use that provider as well".to_owned())
        }
        (Item::NewRequests | Item::ObservedShare, _) => Some(format!("of {} requests", finding.of)),
        (Item::ErrorRate, _) => Some(format!("of {} attempts at the prior route", finding.of)),
        _ => None,
    };
    ProofItem {
        item: finding.item.as_str().into(),
        state: state(finding.is_proven),
        expected: finding.expected.map(Exact),
        observed: finding.observed.map(Exact),
        unit: None,
        since: None,
        note: note.map(|note| note.as_str().into()),
    }
}

fn state(is_proven: bool) -> ProofState {
    if is_proven { ProofState::Proven } else { ProofState::Remaining }
}

#[expect(clippy::cast_precision_loss, reason = "a drill has no 2^53 attempts")]
fn real(count: u64) -> f64 {
    count as f64
}
