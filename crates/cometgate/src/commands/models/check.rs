//! `cometgate models check`.

use anyhow::anyhow;
use decisions::plan::Check;
use evidence::{Body, Decision, Head, Moment, Override};
use serde_json::json;

use crate::catalog::Compared;
use crate::catalog::remembered::read;
use crate::catalog::round::{self, Asking, Round};
use crate::checks::prior::Prior;
use crate::checks::{Checked, tell};
use crate::cli::{Format, ModelsCheck};
use crate::clock::now;
use crate::commands::models::check_text::lines;
use crate::exit::Failure;
use crate::running::block_on;
use crate::state::digest::Digest;
use crate::terminal;

/// How long an override holds.
const OVERRIDDEN_FOR_MS: i64 = 24 * 3_600_000;

pub(super) fn run(options: &ModelsCheck) -> Result<(), Failure> {
    let checked = options.asked.open()?;
    let places = options.asked.places(&checked)?;
    let compared: Vec<Compared> =
        options.compare.iter().map(|config| Compared::open(config)).collect::<Result<_, _>>()?;
    let command = command(options);
    let asking = Asking {
        command: &command,
        by: options.asked.by(),
        link: options.asked.link.as_deref(),
        with_negative: options.negative,
        compared: &compared,
        timeout: checked.settings.catalog.timeout,
    };
    let rounds = block_on(async {
        let back = Prior::of(&checked).into_map();
        let names: Vec<&str> = places.iter().map(|at| checked.providers[*at].name.as_str()).collect();
        let remembered = read(&checked.settings.state_dir, &names).map_err(Failure::invalid)?;
        let mut rounds = Vec::new();
        for (at, name) in places.iter().copied().zip(names) {
            let back = back.as_ref().map(|back| &back.plan);
            rounds.push(round::check(&checked, at, back, &asking, &remembered[name]).await);
        }
        Ok(rounds)
    })?;
    let head = record(&checked, options, &rounds)?;
    tell_rollouts(&checked, &rounds, head.sequence);
    let decision = rounds.iter().map(Round::decision).max().unwrap_or(Decision::Pause);
    print(options, &checked, &compared, &rounds, decision, head);
    end(options, &rounds, decision)
}

/// What was run. Of what was given, only names that the map has too.
fn command(options: &ModelsCheck) -> String {
    let mut command = "cometgate models check".to_owned();
    if let Some(provider) = &options.asked.provider {
        command.push_str(&format!(" --provider {provider}"));
    }
    for (is_given, flag) in [(options.negative, " --negative"), (!options.compare.is_empty(), " --compare")] {
        command.push_str(if is_given { flag } else { "" });
    }
    command
}

fn record(checked: &Checked, options: &ModelsCheck, rounds: &[Round]) -> Result<Head, Failure> {
    let mut found: Vec<(Option<String>, Body)> =
        rounds.iter().map(|round| (None, round.record.clone().into())).collect();
    if let (Some(incident), Some(reason)) = (&options.override_for, &options.reason) {
        let ts = now();
        let overriding = Override {
            ts,
            check_id: format!("override-models-{}", ts.ms()).into(),
            what: overridden(options).into(),
            by: options.asked.by().into(),
            incident: incident.as_str().into(),
            reason: reason.as_str().into(),
            until: Moment::from_ms(ts.ms() + OVERRIDDEN_FOR_MS),
            route_version: Some(checked.loaded.plan.route_version().into()),
            config_sha256: Some(Digest::of(&checked.texts.routes).into()),
        };
        found.push((None, overriding.into()));
    }
    checked.record(options.asked.by(), found)
}

/// What an override is of, for `readiness`: its check of the models, where all providers were asked. What was found at one
/// says nothing of another.
fn overridden(options: &ModelsCheck) -> String {
    options
        .asked
        .provider
        .as_ref()
        .map_or_else(|| "models".to_owned(), |provider| format!("models at {provider}"))
}

/// Whoever waits for this check before a step is told what it found, route by route, as far as it looked.
fn tell_rollouts(checked: &Checked, rounds: &[Round], sequence: u64) {
    let plan = &checked.loaded.plan;
    for (_, route) in plan.routes().filter(|(_, route)| route.gates.rollout.is_some()) {
        let name_of = |provider| plan.provider(provider).name.as_str();
        let asked = |provider: &str| rounds.iter().find(|round| round.provider == provider);
        let Some(own) = route.canary.as_ref().and_then(|canary| asked(name_of(canary.provider))) else {
            continue;
        };
        let mut others = route.providers().filter_map(|provider| asked(name_of(provider)));
        let is_missed = others.any(|round| round.passes(&route.name) == Some(false));
        let passed = if is_missed { Some(false) } else { own.passes(&route.name) };
        tell(checked, Check::Models, Some(&route.name), passed, sequence);
    }
}

fn print(
    options: &ModelsCheck,
    checked: &Checked,
    compared: &[Compared],
    rounds: &[Round],
    decision: Decision,
    head: Head,
) {
    match options.asked.given.format {
        Format::Json => {
            let records: Vec<_> = rounds.iter().map(|round| json!(round.record)).collect();
            let all =
                json!({ "decision": decision.as_str(), "sequence": head.sequence, "providers": records });
            terminal::result(&all.to_string());
        }
        Format::Text => {
            for round in rounds {
                lines(checked, compared, round).iter().for_each(|line| terminal::result(line));
                terminal::result("");
            }
            terminal::result(&format!(
                "decision: {}; recorded up to record {}",
                decision.as_str(),
                head.sequence
            ));
        }
    }
}

fn end(options: &ModelsCheck, rounds: &[Round], decision: Decision) -> Result<(), Failure> {
    if decision == Decision::Proceed {
        return Ok(());
    }
    if let Some(incident) = &options.override_for {
        terminal::say(&format!("{}, and overridden for {incident}", decision.as_str()));
        return Ok(());
    }
    let of: Vec<&str> = rounds
        .iter()
        .filter(|round| round.decision() != Decision::Proceed)
        .map(|round| round.provider.as_str())
        .collect();
    let why = anyhow!("{} because of {}", decision.as_str(), of.join(", "));
    let is_unreached = rounds.iter().any(|round| round.seen.outcome.class.is_unreached());
    Err(if is_unreached { Failure::unreachable(why) } else { Failure::not_allowed(why) })
}
