//! Each check by itself: which record speaks of it, whether that is of what is in force, and whether it is too old.
//!
//! Records are read by their words and the names of the runbooks' fields, so that one of another version still counts as far
//! as it says what is asked.

use std::time::Duration;

use super::{Finding, Known, Model, Subject};
use crate::probe::{ITEMS, Item};
use evidence::{Moment, ReadinessState};

/// All but the questions, in the order of [`super::CHECKS`].
pub(super) fn findings(subject: &Subject, records: &[Known], now: Moment) -> Vec<Finding> {
    let look = Look { subject, records, now };
    vec![
        look.way_back(),
        look.models(),
        look.contract(),
        look.probe(),
        look.gate(),
        look.smoke("smoke", "current"),
        look.smoke_rollback_id(),
        look.drill(),
        look.rollforward(),
    ]
}

/// Whether a model was listed when its provider was last asked, with the record that says so. The inner `None`: it was
/// asked, and nobody can tell.
pub(super) fn presence(records: &[Known], model: &Model) -> Option<(Option<bool>, u64, Moment)> {
    let record = records
        .iter()
        .find(|record| record.kind == "catalog_check" && record.body["provider"] == *model.provider)?;
    let mut models = record.body["models"].as_array().into_iter().flatten();
    let found = models.find(|found| found["model_id"] == *model.model_id);
    Some((found.and_then(|found| found["present"].as_bool()), record.sequence, record.at))
}

struct Look<'r> {
    subject: &'r Subject,
    records: &'r [Known],
    now: Moment,
}

impl<'r> Look<'r> {
    fn way_back(&self) -> Finding {
        let route = &self.subject.route;
        match &self.subject.no_way_back {
            None => {
                let version = self.subject.rollback_route_version.as_deref().unwrap_or_default();
                found_to_be(
                    "way_back",
                    ReadinessState::Fresh,
                    format!("{version} is kept, valid and not expired"),
                )
            }
            Some((why, mend)) => Finding {
                next: mend.clone(),
                ..found_to_be("way_back", ReadinessState::Missing, format!("{why} ({route})"))
            },
        }
    }

    /// Every ID that the route needs is listed by its provider, as it was last asked.
    fn models(&self) -> Finding {
        let subject = self.subject;
        let max_age = subject.ages.models;
        let needed = [&subject.current, &subject.rollback, &subject.fallback];
        let next = "`cometgate models check --by WHO`".to_owned();
        let mut oldest: Option<(Moment, u64)> = None;
        let mut missing = Vec::new();
        let mut unknown = Vec::new();
        for model in needed.into_iter().flatten() {
            let name = format!("{} at {}", model.model_id, model.provider);
            let Some((present, sequence, at)) = presence(self.records, model) else {
                unknown.push(name);
                continue;
            };
            oldest = Some(oldest.map_or((at, sequence), |known| known.min((at, sequence))));
            match present {
                Some(true) => {}
                Some(false) => missing.push((name, subject.rollback.contains(model))),
                None => unknown.push(name),
            }
        }
        let at = oldest.map(|(at, _)| at);
        let found = |state, note: String| Finding {
            at,
            max_age,
            evidence: oldest.map(|(_, sequence)| sequence),
            next: next.clone(),
            ..found_to_be("models", state, note)
        };
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            // "If the rollback model ID is absent from the models response, pause the release and escalate."
            let escalates = missing.iter().any(|(_, is_rollback)| *is_rollback);
            return Finding {
                escalates,
                ..found(ReadinessState::Failed, format!("not listed: {}", names.join(", ")))
            };
        }
        if !unknown.is_empty() {
            return found(ReadinessState::Missing, format!("nobody has asked for {}", unknown.join(", ")));
        }
        let state = self.state(at, max_age);
        found(state, "current, rollback and fallback ID are listed".to_owned())
    }

    /// Every line of both worksheets was verified, for the provider that requests go away to.
    fn contract(&self) -> Finding {
        let provider = self.subject.current.first().map_or("", |model| model.provider.as_str());
        let max_age = self.subject.ages.contract;
        let mut seen: Vec<(&str, &str, &Known)> = Vec::new();
        for record in self.of_kind("contract_item").filter(|record| record.body["provider"] == *provider) {
            let text = |field: &str| record.body[field].as_str().unwrap_or_default();
            let (worksheet, item) = (text("worksheet"), text("contract_item"));
            if !seen.iter().any(|(known, name, _)| (*known, *name) == (worksheet, item)) {
                seen.push((worksheet, item, record));
            }
        }
        let oldest = seen.iter().map(|(_, _, record)| (record.at, record.sequence)).min();
        let at = oldest.map(|(at, _)| at);
        let refuted: Vec<&str> = seen
            .iter()
            .filter(|(_, _, record)| record.body["state"] != "verified")
            .map(|(_, item, _)| *item)
            .collect();
        let is_open = |item: &&Item| {
            !seen.iter().any(|(sheet, name, _)| (*sheet, *name) == (item.worksheet, item.name))
        };
        let open = ITEMS.iter().filter(is_open).count();
        let (state, note) = if !refuted.is_empty() {
            (ReadinessState::Failed, format!("not as assumed: {}", refuted.join(", ")))
        } else if open > 0 {
            (ReadinessState::Missing, format!("{open} lines of the worksheets of {provider} are open"))
        } else {
            (self.state(at, max_age), format!("all lines of the worksheets of {provider} are verified"))
        };
        Finding {
            at,
            max_age,
            evidence: oldest.map(|(_, sequence)| sequence),
            next: format!("`cometgate probe worksheet --provider {provider}` lists what is open"),
            ..found_to_be("contract", state, note)
        }
    }

    /// Each model was probed at its provider; the one that stands worst counts.
    fn probe(&self) -> Finding {
        let subject = self.subject;
        let next = format!("`cometgate probe --route {} --by WHO`", subject.route);
        let of = |model: &Model| {
            let record = self.of_kind("probe_summary").find(|record| {
                record.body["provider"] == *model.provider
                    && record.body["provider_model_id"] == *model.model_id
            });
            self.judged("probe", record, subject.ages.probe, decides_to_proceed, next.clone())
        };
        let nothing = || self.judged("probe", None, subject.ages.probe, decides_to_proceed, next.clone());
        worst(subject.current.iter().map(of)).unwrap_or_else(nothing)
    }

    /// What would take the canary out again.
    fn gate(&self) -> Finding {
        let route = &self.subject.route;
        let (state, note) = if self.subject.is_gated {
            (ReadinessState::Fresh, "a gate takes it out when it fails")
        } else {
            (ReadinessState::Missing, "no gate takes it out when it fails")
        };
        let next = format!(
            "set `[gates]` of the map, and look what it would do: `cometgate gates simulate {route}`"
        );
        Finding { next, ..found_to_be("gate", state, note.to_owned()) }
    }

    fn smoke(&self, check: &'static str, asked: &str) -> Finding {
        let more = if asked == "current" { "" } else { " --rollback-id" };
        let next = format!("`cometgate smoke {} --docs-reviewed{more} --by WHO`", self.subject.route);
        let record = self
            .of_kind("smoke_check")
            .find(|record| self.is_of_route(record) && record.body["model_asked"] == asked);
        let wanted = if asked == "current" { &self.subject.current } else { &self.subject.rollback_there };
        let passes = |newest: &Known| self.run_proceeds(newest);
        let finding = self.judged(check, record, self.subject.ages.smoke, passes, next);
        let selected = record.and_then(|record| record.body["selected_model_id"].as_str());
        let is_other = selected.is_some_and(|id| wanted.iter().all(|model| model.model_id != id));
        if is_other && finding.state == ReadinessState::Fresh {
            let note = "the last one was of another model".to_owned();
            return Finding { state: ReadinessState::Stale, note, ..finding };
        }
        finding
    }

    /// Happy and error path of one run: all of it has to be in order.
    fn run_proceeds(&self, newest: &Known) -> bool {
        self.of_kind(&newest.kind)
            .filter(|record| record.body["check_id"] == newest.body["check_id"])
            .all(decides_to_proceed)
    }

    /// "Repeat once with the rollback model ID": nothing to repeat where the version to go back to has no other model there.
    fn smoke_rollback_id(&self) -> Finding {
        let (there, current) = (&self.subject.rollback_there, &self.subject.current);
        if there.iter().all(|model| current.contains(model)) {
            let note = "the version to go back to has no other model at this provider".to_owned();
            return found_to_be("smoke_rollback_id", ReadinessState::NotNeeded, note);
        }
        self.smoke("smoke_rollback_id", "rollback")
    }

    /// Of every target that the route may send to, back to the version that its map names; whoever vouches for that version in
    /// the map stands in for it.
    fn drill(&self) -> Finding {
        let subject = self.subject;
        let nothing = || found_to_be("drill", ReadinessState::NotNeeded, "it sends nothing away".to_owned());
        let each = subject.identities.iter().map(|identity| self.drill_of(identity));
        let mut finding = worst(each).unwrap_or_else(nothing);
        if let Some((by, until)) = subject.vouched.as_ref().filter(|(_, until)| *until > self.now)
            && !finding.is_in_order()
        {
            finding.note = format!("{}; {by} vouches for the way back until {until}", finding.note);
            finding.state = ReadinessState::Overridden;
        }
        finding
    }

    fn drill_of(&self, identity: &str) -> Finding {
        let subject = self.subject;
        let rollback = subject.rollback_sha256.map(|digest| digest.to_string()).unwrap_or_default();
        let record = self.of_kind("drill").find(|record| {
            self.is_of_route(record)
                && record.body["identity"] == *identity
                && record.body["rollback_config_sha256"] == *rollback
                && record.body["outcome"] != "interrupted"
        });
        let passes = |record: &Known| record.body["outcome"] == "passed";
        let next = format!("`cometgate drill {} --by WHO`", subject.route);
        let finding = self.judged("drill", record, subject.ages.drill, passes, next);
        let escalates = record.is_some_and(|record| record.body["verdict"] == "escalate");
        Finding { escalates, ..finding }
    }

    fn rollforward(&self) -> Finding {
        let record = self
            .of_kind("rollforward_check")
            .find(|record| self.is_of_route(record) || record.body["route_label"] == *self.subject.route);
        let next = format!("`cometgate rollforward {} --review-link URL --by WHO`", self.subject.route);
        let ages = &self.subject.ages;
        self.judged("rollforward", record, ages.rollforward, |newest| self.run_proceeds(newest), next)
    }

    /// A check that one record speaks of.
    fn judged(
        &self,
        check: &'static str,
        record: Option<&Known>,
        max_age: Duration,
        passes: impl Fn(&Known) -> bool,
        next: String,
    ) -> Finding {
        let Some(record) = record else {
            let finding = found_to_be(check, ReadinessState::Missing, "there is no record of it".to_owned());
            return Finding { max_age, next, ..finding };
        };
        let reason =
            || record.body["reason"].as_str().or(record.body["notes"].as_str()).unwrap_or("").to_owned();
        let (state, note) = if !passes(record) {
            (ReadinessState::Failed, format!("the last one did not pass {}", reason()).trim_end().to_owned())
        } else {
            let state = self.state(Some(record.at), max_age);
            let note = if state == ReadinessState::Stale { "it was too long ago" } else { "it passed" };
            (state, note.to_owned())
        };
        let escalates = record.body["decision"] == "escalate" && state == ReadinessState::Failed;
        let evidence = Some(record.sequence);
        Finding { at: Some(record.at), max_age, evidence, next, escalates, ..found_to_be(check, state, note) }
    }

    fn state(&self, at: Option<Moment>, max_age: Duration) -> ReadinessState {
        let Some(at) = at else { return ReadinessState::Missing };
        let age = u128::try_from(self.now.ms().saturating_sub(at.ms())).unwrap_or(0);
        if age < max_age.as_millis() { ReadinessState::Fresh } else { ReadinessState::Stale }
    }

    fn of_kind<'k>(&self, kind: &'k str) -> impl Iterator<Item = &'r Known> + use<'r, 'k> {
        self.records.iter().filter(move |record| record.kind == kind)
    }

    fn is_of_route(&self, record: &Known) -> bool {
        let named = record.route.as_deref().or(record.body["route"].as_str());
        named == Some(self.subject.route.as_str())
    }
}

/// The one that stands worst counts; of several alike the first.
fn worst(findings: impl DoubleEndedIterator<Item = Finding>) -> Option<Finding> {
    findings.rev().max_by_key(|finding| (!finding.is_in_order(), finding.escalates))
}

/// What is found of a check, where nothing more is known of it.
fn found_to_be(check: &'static str, state: ReadinessState, note: String) -> Finding {
    Finding {
        check,
        state,
        at: None,
        max_age: Duration::ZERO,
        evidence: None,
        note,
        next: String::new(),
        escalates: false,
    }
}

/// Runbook 1's word for it.
fn decides_to_proceed(record: &Known) -> bool {
    record.body["decision"] == "proceed"
}
