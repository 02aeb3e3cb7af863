//! The table of runbook 1, "Compare returned IDs against rollback config", and what follows from it.

use evidence::Decision;

use super::align::{Alignment, Presence};
use super::auth_drift::AuthDrift;
use super::configured::Use;
use super::outcome::Class;
use super::outcome::Outcome;

/// How one check of the table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its pass condition is met.
    Pass,
    /// It is not.
    Fail,
    /// Nobody could see.
    Unknown,
    /// There is nothing to check.
    NotNeeded,
}

impl State {
    /// The name used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pass => "pass",
            State::Fail => "fail",
            State::Unknown => "unknown",
            State::NotNeeded => "not_needed",
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The check, in the runbook's words.
    pub check: &'static str,
    /// How it stands.
    pub state: State,
    /// What to do unless it passes.
    pub failure_action: &'static str,
}

/// What is known.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What came of asking.
    pub outcome: &'a Outcome,
    /// The configured IDs against the list.
    pub alignment: &'a Alignment,
    /// The map sends away from home outside of development, so it needs a version to go back to, and has none that can be
    /// read.
    pub lacks_way_back: bool,
    /// Where other environments were compared: whether they mean the same IDs.
    pub has_parity: Option<bool>,
    /// What has drifted about the key.
    pub drifts: &'a [AuthDrift],
    /// A configured ID was missing in the check before too, or the list had it then and lacks it now.
    pub is_repeated: bool,
    /// A negative test came out otherwise than it must.
    pub has_odd_negative: bool,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The table.
    pub items: Vec<Item>,
    /// What is to be done.
    pub decision: Decision,
    /// Why, and what next, each a sentence.
    pub next: Vec<&'static str>,
}

/// Judges the check of one provider.
#[must_use]
pub fn judge(facts: Facts<'_>) -> Judgement {
    let models = &facts.alignment.models;
    let of = |used: &[Use]| state(models.iter().filter(|model| used.contains(&model.of.used_as)));
    let back = if facts.lacks_way_back { State::Fail } else { of(&[Use::Rollback]) };
    let parity = match facts.has_parity {
        None => State::NotNeeded,
        Some(true) => State::Pass,
        Some(false) => State::Fail,
    };
    let item = |check, state, failure_action| Item { check, state, failure_action };
    let items = vec![
        item(
            "Current ID exists",
            of(&[Use::Current, Use::Canary, Use::Unrouted]),
            "Pause rollout; check typo, account access, or model availability",
        ),
        item("Rollback ID exists", back, "Do not rely on rollback path until resolved"),
        item(
            "Fallback ID exists",
            of(&[Use::Fallback]),
            "Disable automatic fallback or route to a validated alternative",
        ),
        item("Config parity", parity, "Fix config drift before release"),
        // It is in the record that says so; one that cannot be written is a failure of the command.
        item("Evidence saved", State::Pass, "Block change window until evidence is attached"),
    ];
    let (decision, next) = decide(&facts, &items);
    Judgement { items, decision, next }
}

fn state<'m>(models: impl Iterator<Item = &'m Presence>) -> State {
    let mut state = State::NotNeeded;
    for model in models {
        match model.is_listed {
            Some(false) => return State::Fail,
            None => state = State::Unknown,
            Some(true) if state == State::NotNeeded => state = State::Pass,
            Some(true) => {}
        }
    }
    state
}

fn decide(facts: &Facts<'_>, items: &[Item]) -> (Decision, Vec<&'static str>) {
    let mut decision = Decision::Proceed;
    let mut next: Vec<&'static str> = Vec::new();
    let mut note = |found: Decision, what: &'static str| {
        decision = decision.max(found);
        if !what.is_empty() && !next.contains(&what) {
            next.push(what);
        }
    };
    match facts.outcome.class {
        Class::Ok => {}
        // Most likely permissions, a change of schema, or both: nobody here can tell.
        class @ Class::Empty => note(Decision::Escalate, class.advice()),
        class => note(Decision::Pause, class.advice()),
    }
    for item in items.iter().filter(|item| matches!(item.state, State::Fail | State::Unknown)) {
        note(Decision::Pause, item.failure_action);
    }
    if !facts.alignment.missing().is_empty() && facts.is_repeated {
        note(
            Decision::Escalate,
            "it was so before, or the ID has disappeared while in use: escalate to the platform owner",
        );
    }
    if !facts.alignment.unapproved().is_empty() {
        note(Decision::Pause, "approve the ID (`approved_models`), or name one that is approved");
    }
    if !facts.alignment.blocked().is_empty() {
        note(Decision::Escalate, "a blocked ID is configured: take it out of the map");
    }
    for drift in facts.drifts {
        // What is missing pauses anyhow, and escalates when it is repeated.
        let is_about_ids = *drift == AuthDrift::AcceptedButIdsMissing;
        note(if is_about_ids { Decision::Pause } else { Decision::Escalate }, drift.advice());
    }
    if facts.has_odd_negative {
        note(
            Decision::Pause,
            "a negative test did not fail as it must: read later alerts of this provider accordingly",
        );
    }
    (decision, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Configured, Use};
    use proptest::prelude::*;

    fn model(used_as: Use, is_listed: Option<bool>) -> Presence {
        let of =
            Configured { used_as, model_id: format!("{used_as:?}"), routes: Vec::new(), aliases: Vec::new() };
        let near = Vec::new;
        Presence {
            of,
            is_listed,
            is_approved: None,
            is_blocked: false,
            case_near: near(),
            look_alikes: near(),
        }
    }

    fn outcome(class: Class) -> Outcome {
        Outcome { class, detail: "", status: None }
    }

    fn facts<'a>(outcome: &'a Outcome, alignment: &'a Alignment) -> Facts<'a> {
        Facts {
            outcome,
            alignment,
            lacks_way_back: false,
            has_parity: None,
            drifts: &[],
            is_repeated: false,
            has_odd_negative: false,
        }
    }

    #[test]
    fn each_row_fails_alone_with_its_action() {
        let rows =
            [(Use::Current, 0), (Use::Canary, 0), (Use::Unrouted, 0), (Use::Rollback, 1), (Use::Fallback, 2)];
        for (used, at) in rows {
            for (listed, expected) in
                [(Some(true), State::Pass), (Some(false), State::Fail), (None, State::Unknown)]
            {
                let alignment = Alignment { models: vec![model(used, listed)], ..Alignment::default() };
                let ok = outcome(Class::Ok);
                let found = judge(facts(&ok, &alignment));
                let others = found
                    .items
                    .iter()
                    .enumerate()
                    .filter(|(other, item)| *other != at && item.check != "Evidence saved");
                assert!(others.into_iter().all(|(_, item)| item.state == State::NotNeeded));
                assert_eq!(found.items[at].state, expected);
                assert_eq!(found.decision == Decision::Proceed, expected == State::Pass);
                assert_eq!(found.next.is_empty(), expected == State::Pass);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_not_seen_never_passes(
            class in prop::sample::select(&Class::ALL[..]),
            listed in prop::collection::vec(prop::option::of(any::<bool>()), 0..6),
            (lacks_way_back, is_repeated, has_odd_negative) in any::<(bool, bool, bool)>(),
            has_parity in prop::option::of(any::<bool>()),
            drifted in any::<bool>(),
        ) {
            let models: Vec<Presence> = listed.iter().map(|listed| model(Use::Canary, *listed)).collect();
            let (outcome, alignment) = (outcome(class), Alignment { models, ..Alignment::default() });
            let drifts = if drifted { &[AuthDrift::RotatedHalfway][..] } else { &[] };
            let found = judge(Facts { lacks_way_back, has_parity, drifts, is_repeated, has_odd_negative, ..facts(&outcome, &alignment) });
            let is_good = class == Class::Ok && listed.iter().all(|listed| *listed == Some(true)) && !lacks_way_back
                && has_parity != Some(false) && !drifted && !has_odd_negative;
            prop_assert_eq!(found.decision == Decision::Proceed, is_good);
            prop_assert_eq!(found.next.is_empty(), is_good);
        }
    }
}
