//! The steps of a `[routes.canary]` as written: by which shares it grows, and what each step needs.

use std::ops::RangeInclusive;

use decisions::bucket::Share;
use decisions::plan::Check;
use decisions::rollout::{MOST_STEPS, MOST_TENANTS, RolloutSettings};

use crate::attempts_entry::Setting;
use crate::code::Code;
use crate::cohort_entry::read_share;
use crate::document::{Document, Named};
use crate::fields::Fields;
use crate::gates_entry::{MOST_COUNT, MOST_LIMIT, read_percentage};
use crate::names::quote;
use crate::share::format_share;

/// From the ten minutes that a canary stays at a share anyhow to 31 days.
pub(crate) const DWELL_MS: RangeInclusive<u64> = 600_000..=2_678_400_000;

/// How often a feature must have been answered well.
pub(crate) const TIMES: RangeInclusive<u64> = 0..=MOST_COUNT;

/// In percent.
pub(crate) const MOST_FALSE_PROMOTIONS: u32 = 20;

/// What a step needs where nobody says, as the loader and the schema have it.
pub(crate) fn usual() -> RolloutSettings {
    RolloutSettings::default()
}

/// What a `[routes.canary]` says about steps.
#[derive(Debug)]
pub(crate) struct StepsEntry {
    /// In parts per million, rising; missing where the canary does not climb.
    pub(crate) steps: Option<Setting<Vec<Share>>>,
    pub(crate) dwell_ms: Setting<u64>,
    /// Where `[routes.canary.step_needs]` begins.
    pub(crate) needs_at: Option<usize>,
    pub(crate) times_each_feature: u32,
    /// Missing where it is left to who the route is for.
    pub(crate) tenants: Option<Setting<u32>>,
    pub(crate) checks: u32,
    /// Missing where it is left to the gate.
    pub(crate) failures: Option<Share>,
    pub(crate) false_promotions: Option<Share>,
}

pub(crate) fn read_steps(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> StepsEntry {
    let usual = usual();
    let dwell_at = fields.position("dwell_ms");
    let mut entry = StepsEntry {
        steps: read_list(document, fields),
        dwell_ms: Setting { value: fields.integer("dwell_ms", DWELL_MS, usual.dwell_ms), at: dwell_at },
        needs_at: fields.position("step_needs"),
        times_each_feature: usual.times_each_feature,
        tenants: None,
        checks: usual.checks,
        failures: None,
        false_promotions: None,
    };
    if let Some(mut fields) = fields.table("step_needs") {
        entry.needs_at = Some(fields.at());
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let times = fields.integer("each_feature", TIMES, u64::from(usual.times_each_feature));
        entry.times_each_feature = small(times);
        let tenants_at = fields.position("tenants");
        let tenants = small(fields.integer("tenants", 1..=MOST_TENANTS as u64, 1));
        entry.tenants = tenants_at.map(|at| Setting { value: tenants, at: Some(at) });
        entry.checks = read_checks(document, &fields.texts("checks").unwrap_or_default());
        entry.failures = read_percentage(document, &mut fields, "failures", MOST_LIMIT);
        entry.false_promotions =
            read_percentage(document, &mut fields, "false_promotions", MOST_FALSE_PROMOTIONS);
        fields.finish();
    }
    entry
}

/// The shares, where each is one and each is larger than the one before.
fn read_list(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Option<Setting<Vec<Share>>> {
    let at = fields.position("steps");
    let words = fields.texts("steps")?;
    let mut steps: Vec<(Share, usize)> = Vec::new();
    for word in &words {
        let Some(share) = read_share(document, word) else { continue };
        let last = steps.last().copied();
        if let Some((last, last_at)) = last.filter(|(last, _)| share <= *last) {
            let message = format!("{} does not rise above {}", quote(&word.text), quote(&format_share(last)));
            document.problem_beside(Code::BadSteps, word.at, last_at, "the step before", message);
        } else if share == Share::NONE {
            let help = "begin with the smallest share that shows anything, as in \"1%\"";
            document.problem_with_help(Code::BadSteps, word.at, "no step is \"0%\"", help);
        }
        steps.push((share, word.at));
    }
    let first_at = at.unwrap_or(fields.at());
    if words.is_empty() {
        let help = "name them, as in [\"1%\", \"5%\", \"25%\", \"100%\"], or leave `steps` out";
        document.problem_with_help(Code::BadSteps, first_at, "`steps` is empty", help);
    }
    if let Some(word) = words.get(MOST_STEPS) {
        document.problem(Code::BadSteps, word.at, format!("there may be {MOST_STEPS} steps at most"));
    }
    Some(Setting { value: steps.into_iter().map(|(share, _)| share).collect(), at })
}

fn read_checks(document: &Document<'_>, words: &[Named]) -> u32 {
    let mut listed: Vec<(Check, usize)> = Vec::new();
    for word in words {
        let Some(check) = Check::ALL.into_iter().find(|check| check.as_str() == word.text) else {
            let message = format!("there is no check {}", quote(&word.text));
            let known = Check::ALL.iter().map(|check| check.as_str());
            document.unknown(Code::NotAChoice, word.at, message, &word.text, known);
            continue;
        };
        if let Some((_, first_at)) = listed.iter().find(|(known, _)| *known == check) {
            let message = format!("{} is listed twice", quote(&word.text));
            document.problem_beside(Code::ListedTwice, word.at, *first_at, "first here", message);
        }
        listed.push((check, word.at));
    }
    listed.iter().fold(0, |bits, (check, _)| bits | check.bit())
}
