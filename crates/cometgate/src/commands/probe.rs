//! `cometgate probe`: plans, announces, asks, records, and says what it amounts to. It changes no route.

mod counters;
mod report;
mod targets;
mod telling;
mod worksheet;

use std::time::Duration;

use anyhow::anyhow;
use decisions::plan::Check;
use evidence::{Body, ContractItem, Decision, Name, Probe, ProbeSummary};
use jiff::Timestamp;
use readiness::Provider;
use readiness::probe::{self, Context, Found, Ledger, Needles, Options, Plan, RetryFacts, Target};

use crate::checks::{Checked, tell};
use crate::cli::{Format, Probe as Asked, ProbeAsked, ProbeKind};
use crate::clock::now;
use crate::exit::Failure;
use crate::running::block_on;
use crate::terminal;

/// Does what was asked.
pub(super) fn run(asked: &Asked) -> Result<(), Failure> {
    match &asked.worksheet {
        Some(ProbeKind::Worksheet(options)) => worksheet::run(options),
        None => probe(&asked.asked),
    }
}

/// What a run found of one alias at one provider.
struct Probed {
    summary: ProbeSummary,
    probes: Vec<Probe>,
    route: Option<String>,
}

/// What a run found.
struct Report {
    check_id: String,
    planned_requests: usize,
    planned_tokens: u64,
    budget: u64,
    used: u64,
    results: Vec<Probed>,
    items: Vec<ContractItem>,
}

impl Report {
    fn decision(&self) -> Decision {
        self.results.iter().map(|result| result.summary.decision).max().unwrap_or(Decision::Pause)
    }
}

fn probe(options: &ProbeAsked) -> Result<(), Failure> {
    let by = options.by.as_deref().unwrap_or_default();
    let checked = Checked::open(&options.given.config.path)?;
    let targets = targets::select(&checked, options)?;
    let marker = random_word()?;
    let run_options = Options {
        max_tokens: options.max_tokens,
        prompt_tokens: options.prompt_tokens,
        timeout: Duration::from_millis(options.timeout_ms),
        short_timeout: Duration::from_millis(options.short_timeout_ms),
        contract: options.contract,
        state: options.state,
        marker: format!("marker-{marker}"),
    };
    let plan = probe::plan(&targets, &run_options);
    let budget = options.budget.unwrap_or_else(|| plan.tokens());
    announce(&checked, &targets, &plan, budget, options.state);
    if plan.tokens() > budget {
        return Err(Failure::not_allowed(anyhow!(
            "the plan may use {} tokens and the budget is {budget}: nothing was sent\n  help: fewer aliases or families, a \
             smaller --max-tokens or --prompt-tokens, or a larger --budget",
            plan.tokens()
        )));
    }
    let question = format!("Send them, for up to {} tokens?", plan.tokens());
    terminal::confirm(options.answer.yes, &question, "nothing was sent")?;

    let context = Context {
        check_id: format!("probe-{}-{marker}", Timestamp::now().as_second()),
        environment: checked.loaded.environment.clone(),
    };
    let mut ledger = Ledger::new(budget);
    let (found, counted) = asked(&checked, &targets, (&plan, &mut ledger), &context)?;
    let mut needles = Needles::new(&run_options.marker, &checked.providers);
    found.iter().filter_map(|found| found.seen.as_ref()).for_each(|seen| needles.add(seen));

    let routes: Vec<Vec<RetryFacts>> =
        targets.iter().map(|target| targets::retries(&checked, target, counted.as_deref())).collect();
    let make = |leaks: bool| {
        let judged = Judging {
            checked: &checked,
            options,
            by,
            targets: &targets,
            plan: &plan,
            found: &found,
            routes: &routes,
        };
        judged.report(&context, &ledger, leaks)
    };
    let mut report = make(false);
    if needles.are_in(&report::all_that_is_said(&report)) {
        // Then nothing of it is said, but that it is so.
        report = make(true);
        report.items.clear();
        for result in &mut report.results {
            result.probes.clear();
            result.summary.matrix.clear();
            result.summary.checks.retain(|check| check.check.as_str() == "logging");
            result.summary.next = vec!["find the leak before anything else is sent".into()];
        }
    }
    let bodies = bodies(&report);
    let summary_at = bodies.iter().position(|(_, body)| matches!(body, Body::ProbeSummary(_))).unwrap_or(0);
    let count = bodies.len();
    let head = checked.record(by, bodies)?;
    let sequence = head.sequence.saturating_sub((count - 1 - summary_at) as u64);
    match options.given.format {
        Format::Json => terminal::result(&report::to_json(&report).to_string()),
        Format::Text => report::lines(&report).iter().for_each(|line| terminal::result(line)),
    }
    tell_rollouts(&checked, (&targets, &report), sequence);
    verdict(&report, &found)
}

/// A running gateway hears of it for each route that grows by itself; `sequence` is that of the first summary.
fn tell_rollouts(checked: &Checked, (targets, report): (&[Target], &Report), sequence: u64) {
    let plan = &checked.loaded.plan;
    let decisions = report.results.iter().map(|result| result.summary.decision);
    let probed: Vec<(&Target, Decision)> = targets.iter().zip(decisions).collect();
    for (route, passed) in telling::results(plan, &probed) {
        if plan.route_named(&route).is_some_and(|(_, route)| route.gates.rollout.is_some()) {
            tell(checked, Check::Probe, Some(&route), passed, sequence);
        }
    }
}

/// All records of a run, or none.
fn bodies(report: &Report) -> Vec<(Option<String>, Body)> {
    let mut bodies = Vec::new();
    for result in &report.results {
        let of_route = |body: Body| (result.route.clone(), body);
        bodies.extend(result.probes.iter().cloned().map(|probe| of_route(probe.into())));
        bodies.push(of_route(result.summary.clone().into()));
    }
    bodies.extend(report.items.iter().cloned().map(|item| (None, item.into())));
    bodies
}

fn announce(checked: &Checked, targets: &[Target], plan: &Plan, budget: u64, state: bool) {
    for target in targets {
        let families: Vec<&str> = target.families.iter().map(|(endpoint, _)| endpoint.as_str()).collect();
        let provider = checked.providers.get(target.provider).map_or("", |provider| provider.name.as_str());
        terminal::say(&format!(
            "{} as {} at {provider}: {}",
            target.alias,
            target.model_id,
            families.join(", ")
        ));
    }
    let requests = terminal::count(plan.probes.len(), "request");
    terminal::say(&format!(
        "{requests}, at most {} tokens; the budget is {budget}. They go straight to the provider from this machine, by the \
         gateway's own connections and credential.",
        plan.tokens()
    ));
    if state {
        terminal::say(
            "--state: responses are stored at the provider, and stay there for as long as it keeps them.",
        );
    }
}

/// Asks the providers, then a running gateway what it has counted.
fn asked(
    checked: &Checked,
    targets: &[Target],
    (plan, ledger): (&Plan, &mut Ledger),
    context: &Context,
) -> Result<(Vec<Found>, Option<String>), Failure> {
    block_on(async {
        let found = probe::run((&checked.providers, targets), plan, ledger, context, report::progress).await;
        Ok((found, counters::page(&checked.settings).await))
    })
}

/// What it takes to judge a run.
struct Judging<'a> {
    checked: &'a Checked,
    options: &'a ProbeAsked,
    by: &'a str,
    targets: &'a [Target],
    plan: &'a Plan,
    found: &'a [Found],
    routes: &'a [Vec<RetryFacts>],
}

impl Judging<'_> {
    fn report(&self, context: &Context, ledger: &Ledger, leaks: bool) -> Report {
        let results = self.targets.iter().enumerate().zip(self.routes);
        let results: Vec<Probed> = results
            .map(|((at, target), routes)| Probed {
                summary: self.summary(context, ledger, (at, target), routes, leaks),
                probes: self.found_for(at).filter_map(|found| found.record.clone()).collect(),
                route: self.options.route.clone().or_else(|| Some(routes.first()?.route.clone())),
            })
            .collect();
        Report {
            check_id: context.check_id.clone(),
            planned_requests: self.plan.probes.len(),
            planned_tokens: self.plan.tokens(),
            budget: ledger.budget(),
            used: ledger.used(),
            items: self.items(context, &results),
            results,
        }
    }

    /// Each probe once: with the target that it was sent for.
    fn found_for(&self, at: usize) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(move |found| found.planned.target == at)
    }

    fn summary(
        &self,
        context: &Context,
        ledger: &Ledger,
        (at, target): (usize, &Target),
        routes: &[RetryFacts],
        leaks: bool,
    ) -> ProbeSummary {
        let found = probe::concerning(self.found, self.targets, at);
        let checks = probe::checks(&found, routes, leaks);
        let matrix = probe::matrix(at, target, self.plan, &found);
        let decision = probe::decide(&found, &checks, &matrix, leaks);
        let next = probe::next_steps(target, &found, (&checks, &matrix), decision);
        let sent = self.found_for(at).filter(|found| found.seen.is_some()).count() as u64;
        ProbeSummary {
            ts: now(),
            check_id: context.check_id.as_str().into(),
            environment: context.environment.as_deref().map(Into::into),
            provider: provider_of(self.checked, target).name.as_str().into(),
            provider_model_id: target.model_id.as_str().into(),
            model_alias: target.alias.as_str().into(),
            network_path:
                "straight from the machine that ran the probe, by the gateway's connections and credential"
                    .into(),
            budget_tokens: ledger.budget(),
            used_tokens: ledger.used(),
            probes_sent: sent,
            probes_withheld: self.found_for(at).count() as u64 - sent,
            checks,
            matrix,
            decision,
            next: next.iter().map(|step| step.as_str().into()).collect(),
            review_link: self.options.link.as_deref().map(Into::into),
        }
    }

    /// What the run settles of each provider's worksheets.
    fn items(&self, context: &Context, results: &[Probed]) -> Vec<ContractItem> {
        let mut items = Vec::new();
        for (at, provider) in self.checked.providers.iter().enumerate() {
            let of_it: Vec<usize> =
                (0..self.targets.len()).filter(|place| self.targets[*place].provider == at).collect();
            let Some(first) = of_it.first() else { continue };
            let targets: Vec<&Target> = of_it.iter().map(|place| &self.targets[*place]).collect();
            let found: Vec<&Found> =
                self.found.iter().filter(|found| of_it.contains(&found.planned.target)).collect();
            let settled = probe::settled(provider, &targets, &found, &results[*first].summary.checks);
            items.extend(settled.into_iter().map(|(item, state, value)| ContractItem {
                date: now(),
                check_id: Some(context.check_id.as_str().into()),
                provider: provider.name.as_str().into(),
                worksheet: item.worksheet.into(),
                contract_item: item.name.into(),
                state,
                value: value.into(),
                source: format!("probe {}", context.check_id).into(),
                verified_by: Name::from(self.by),
            }));
        }
        items
    }
}

fn provider_of<'c>(checked: &'c Checked, target: &Target) -> &'c Provider {
    &checked.providers[target.provider]
}

/// The exit code says what the decision is.
fn verdict(report: &Report, found: &[Found]) -> Result<(), Failure> {
    let sent: Vec<_> = found.iter().filter_map(|found| found.seen.as_ref()).collect();
    if !sent.is_empty() && sent.iter().all(|seen| seen.status.is_none()) {
        let class =
            sent.iter().find_map(|seen| seen.class).map_or("no answer", decisions::ErrorClass::as_str);
        return Err(Failure::unreachable(anyhow!("no provider answered: {class}")));
    }
    match report.decision() {
        Decision::Proceed => Ok(()),
        decision => Err(Failure::not_allowed(anyhow!("the decision is {}", decision.as_str()))),
    }
}

/// Names a run, and marks its prompts.
fn random_word() -> Result<String, Failure> {
    let mut random = [0_u8; 6];
    getrandom::fill(&mut random).map_err(|error| Failure::internal(anyhow!("no random bytes: {error}")))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
