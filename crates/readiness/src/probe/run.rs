//! A run: the probes of a plan, one after the other, for as long as the budget allows.

use std::time::{SystemTime, UNIX_EPOCH};

use decisions::ErrorClass;
use evidence::{Moment, Probe, ProbeResult};
use serde_json::{Value, json};

use crate::Provider;
use crate::probe::ask::ask;
use crate::probe::budget::{Ledger, Overrun};
use crate::probe::judge::judge;
use crate::probe::plan::{Needs, Plan, Planned, Target};
use crate::probe::question::Question;
use crate::probe::record::{Context, record};
use crate::probe::requests::set;
use crate::probe::seen::{Ending, Seen};

/// What came of one planned probe.
#[derive(Clone, Debug)]
pub struct Found {
    /// What was planned.
    pub planned: Planned,
    /// What was seen; `None` where it was withheld for the budget.
    pub seen: Option<Seen>,
    /// What came of it.
    pub result: ProbeResult,
    /// In a sentence.
    pub note: String,
    /// It was reported to have used more than was set aside.
    pub overrun: Option<Overrun>,
    /// As evidence; `None` where nothing was sent.
    pub record: Option<Probe>,
}

/// So often in a row a provider is silent before it is left alone: nobody waits for dozens of limits of time.
const GIVEN_UP_AFTER: usize = 2;

/// No connection came about.
fn is_unreached(seen: &Seen) -> bool {
    let classes = ErrorClass::BEFORE_SENDING.with(ErrorClass::ConnectTimeout);
    seen.ending == Ending::Unanswered && seen.class.is_some_and(|class| classes.contains(class))
}

/// It was not reached, or took longer than it had.
fn is_silent(seen: &Seen) -> bool {
    is_unreached(seen) || matches!(seen.ending, Ending::NoHead | Ending::NoEnd)
}

/// What one answer leaves for the next.
#[derive(Default)]
struct Kept {
    target: usize,
    id: Option<String>,
    sealed: Option<Value>,
}

/// Sends what a plan says, straight to the providers, and stops before a probe that could go beyond the budget. `told` hears of
/// each as it comes.
pub async fn run(
    (providers, targets): (&[Provider], &[Target]),
    plan: &Plan,
    ledger: &mut Ledger,
    context: &Context,
    mut told: impl FnMut(&Found),
) -> Vec<Found> {
    let mut found = Vec::with_capacity(plan.probes.len());
    let mut kept = Kept::default();
    let mut silent = vec![0_usize; providers.len()];
    for planned in &plan.probes {
        let (Some(target), Some(provider)) = (
            targets.get(planned.target),
            targets.get(planned.target).and_then(|target| providers.get(target.provider)),
        ) else {
            continue;
        };
        if kept.target != planned.target {
            kept = Kept { target: planned.target, ..Kept::default() };
        }
        let one = match filled_in(planned, &kept) {
            Err(why) => unsent(planned, why),
            Ok(_) if silent.get(target.provider).is_some_and(|times| *times >= GIVEN_UP_AFTER) => {
                unsent(planned, "withheld: the provider is not reached, or does not answer in time")
            }
            Ok(_) if !ledger.allows(planned.tokens) => {
                unsent(planned, "withheld: it could go beyond the budget of tokens")
            }
            Ok(ready) => {
                let at = now();
                let seen = ask(provider, &ready, &target.required_fields).await;
                if let Some(times) = silent.get_mut(target.provider)
                    && planned.question != Question::ShortTimeout
                {
                    *times = if is_silent(&seen) { *times + 1 } else { 0 };
                }
                let overrun = charge(ledger, &ready, &seen);
                keep(&mut kept, &ready, &seen);
                let (result, note) = judge(&ready, &seen);
                let record = record(context, (&provider.name, target), &ready, (at, &seen), (result, &note));
                Found { planned: ready, seen: Some(seen), result, note, overrun, record: Some(record) }
            }
        };
        told(&one);
        found.push(one);
    }
    found
}

/// What of a run concerns one of its targets: its own probes, and those that are made once for its provider.
#[must_use]
pub fn concerning<'f>(found: &'f [Found], targets: &[Target], at: usize) -> Vec<&'f Found> {
    let provider_of = |at: usize| targets.get(at).map(|target| target.provider);
    let concerns = |found: &&Found| {
        let (its, question) = (found.planned.target, found.planned.question);
        its == at || question.is_once_for_a_provider() && provider_of(its) == provider_of(at)
    };
    found.iter().filter(concerns).collect()
}

fn unsent(planned: &Planned, why: &str) -> Found {
    Found {
        planned: planned.clone(),
        seen: None,
        result: ProbeResult::NotTried,
        note: why.to_owned(),
        overrun: None,
        record: None,
    }
}

/// What never left this machine cost nothing.
fn charge(ledger: &mut Ledger, planned: &Planned, seen: &Seen) -> Option<Overrun> {
    let was_sent = match seen.ending {
        Ending::Unsent => false,
        Ending::Unanswered => !is_unreached(seen),
        _ => true,
    };
    let reported = if was_sent { seen.usage.map(|usage| usage.total) } else { Some(0) };
    ledger.charge(planned.tokens, reported)
}

fn filled_in(planned: &Planned, kept: &Kept) -> Result<Planned, &'static str> {
    let mut ready = planned.clone();
    let no_id = "the response that it follows was not stored";
    match planned.needs {
        Needs::Nothing => {}
        Needs::PreviousId => {
            let id = kept.id.as_deref().ok_or(no_id)?;
            ready.body.iter_mut().for_each(|body| set(body, "previous_response_id", json!(id)));
        }
        Needs::IdInPath => {
            let id = kept.id.as_deref().ok_or(no_id)?;
            ready.path = format!("{}/{id}", planned.path);
        }
        Needs::Sealed => {
            let item =
                kept.sealed.clone().ok_or("no sealed reasoning came that is short enough to send back")?;
            if let Some(input) = ready.body.as_mut().and_then(|body| body.get_mut("input")?.as_array_mut()) {
                input.insert(0, item);
            }
        }
    }
    Ok(ready)
}

/// An ID becomes part of a path, so it has to look like one.
fn keep(kept: &mut Kept, planned: &Planned, seen: &Seen) {
    let is_plain = |id: &String| {
        id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match planned.question {
        Question::StateBegin if seen.class.is_none() => kept.id = seen.id.clone().filter(is_plain),
        Question::SealedBegin if seen.class.is_none() => kept.sealed.clone_from(&seen.sealed),
        _ => {}
    }
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
