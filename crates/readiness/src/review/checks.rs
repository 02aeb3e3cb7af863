//! Each check by itself: which record speaks of it, whether that is of what is in force, and whether it is too old.
//!
//! Records are read by their words and the names of the runbooks' fields, so that one of another version still counts as far
//! as it says what is asked.

use std::time::Duration;

use evidence::{Moment, ReadinessState};
use serde_json::Value;

use super::{Finding, Known, Model, Subject};

/// Lines of runbook 3's worksheet for requests, and of runbook 1's for the list of models.
const CONTRACT_ITEMS: [(&str, usize); 2] = [("inference", 6), ("models", 10)];

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
                self.found(
                    "way_back",
                    ReadinessState::Fresh,
                    format!("{version} is kept, valid and not expired"),
                )
            }
            Some((why, mend)) => Finding {
                next: mend.clone(),
                ..self.found("way_back", ReadinessState::Missing, format!("{why} ({route})"))
            },
        }
    }

    /// Every ID that the route needs is listed by its provider, as it was last asked.
    fn models(&self) -> Finding {
        let subject = self.subject;
        let max_age = subject.ages.models;
        let needed = [Some(&subject.current), subject.rollback.as_ref(), subject.fallback.as_ref()];
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
                Some(false) => missing.push((name, subject.rollback.as_ref() == Some(model))),
                None => unknown.push(name),
            }
        }
        let at = oldest.map(|(at, _)| at);
        let found = |state, note: String| Finding {
            at,
            max_age,
            evidence: oldest.map(|(_, sequence)| sequence),
            next: next.clone(),
            ..self.found("models", state, note)
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
        let provider = &self.subject.current.provider;
        let max_age = self.subject.ages.contract;
        let mut seen: Vec<(&str, &str, &Known)> = Vec::new();
        for record in self.of_kind("contract_item").filter(|record| record.body["provider"] == **provider) {
            let text = |field: &str| record.body[field].as_str().unwrap_or_default();
            let (worksheet, item) = (text("worksheet"), text("contract_item"));
            if !seen.iter().any(|(known, name, _)| (*known, *name) == (worksheet, item)) {
                seen.push((worksheet, item, record));
            }
        }
        let oldest = seen.iter().map(|(_, _, record)| (record.at, record.sequence)).min();
        let refuted: Vec<&str> = seen
            .iter()
            .filter(|(_, _, record)| record.body["state"] != "verified")
            .map(|(_, item, _)| *item)
            .collect();
        let open: usize = CONTRACT_ITEMS
            .iter()
            .map(|(worksheet, of)| {
                of.saturating_sub(seen.iter().filter(|(known, ..)| known == worksheet).count())
            })
            .sum();
        let at = oldest.map(|(at, _)| at);
        let (state, note) = match (&refuted[..], open) {
            ([], 0) => {
                (self.state(at, max_age), format!("all lines of the worksheets of {provider} are verified"))
            }
            ([], open) => {
                (ReadinessState::Missing, format!("{open} lines of the worksheets of {provider} are open"))
            }
            (refuted, _) => (ReadinessState::Failed, format!("not as assumed: {}", refuted.join(", "))),
        };
        Finding {
            at,
            max_age,
            evidence: oldest.map(|(_, sequence)| sequence),
            next: format!("verify the worksheets of {provider}: `cometgate probe --help`"),
            ..self.found("contract", state, note)
        }
    }

    fn probe(&self) -> Finding {
        let subject = self.subject;
        let model = &subject.current;
        let record = self.of_kind("probe_summary").find(|record| {
            let alias = record.body["model_alias"].as_str().unwrap_or_default();
            record.body["provider"] == *model.provider && subject.aliases.iter().any(|known| known == alias)
        });
        let is_same = |record: &Known| record.body["provider_model_id"] == *model.model_id;
        let next = format!("`cometgate probe --provider {} --by WHO`", model.provider);
        self.judged("probe", record, subject.ages.probe, (decides_to_proceed, is_same), next)
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
        Finding { next, ..self.found("gate", state, note.to_owned()) }
    }

    fn smoke(&self, check: &'static str, asked: &str) -> Finding {
        let record = self.smoke_record(asked);
        let next = if asked == "current" { "" } else { " --rollback-id" };
        let next = format!("`cometgate smoke {}{next} --by WHO`", self.subject.route);
        let wanted = match asked {
            "rollback" => self.subject.rollback.as_ref(),
            _ => Some(&self.subject.current),
        };
        let is_same = |record: &Known| {
            let selected = record.body["selected_model_id"].as_str();
            wanted.is_none_or(|model| selected.is_none_or(|selected| selected == model.model_id))
        };
        // Happy and error path of one run: all of it has to be in order.
        let all = |newest: &Known| {
            let is_of_run = |record: &&Known| record.body["check_id"] == newest.body["check_id"];
            self.of_kind("smoke_check").filter(is_of_run).all(decides_to_proceed)
        };
        self.judged(check, record, self.subject.ages.smoke, (all, is_same), next)
    }

    fn smoke_record(&self, asked: &str) -> Option<&'r Known> {
        self.of_kind("smoke_check")
            .find(|record| self.is_of_route(record) && record.body["model_asked"] == asked)
    }

    /// "Repeat once with the rollback model ID": nothing to repeat where that is the same model.
    fn smoke_rollback_id(&self) -> Finding {
        if self.subject.rollback.as_ref() == Some(&self.subject.current) {
            return self.found(
                "smoke_rollback_id",
                ReadinessState::NotNeeded,
                "the rollback leads to the same model".to_owned(),
            );
        }
        self.smoke("smoke_rollback_id", "rollback")
    }

    /// Of every target that the route may send to, back to the version that its map names.
    fn drill(&self) -> Finding {
        let subject = self.subject;
        let next = format!("`cometgate drill {} --by WHO`", subject.route);
        let rollback = subject.rollback_sha256.map(|digest| digest.to_string()).unwrap_or_default();
        let mut oldest: Option<&Known> = None;
        for identity in &subject.identities {
            let record = self.of_kind("drill").find(|record| {
                self.is_of_route(record)
                    && record.body["identity"] == **identity
                    && record.body["rollback_config_sha256"] == *rollback
                    && record.body["outcome"] != "interrupted"
            });
            let Some(record) = record else {
                let note = format!("the way back of target {identity} was not drilled");
                return Finding {
                    max_age: subject.ages.drill,
                    next,
                    ..self.found("drill", ReadinessState::Missing, note)
                };
            };
            let is_worse =
                record.body["outcome"] != "passed" || oldest.is_none_or(|known| record.at < known.at);
            if is_worse && oldest.is_none_or(|known| known.body["outcome"] == "passed") {
                oldest = Some(record);
            }
        }
        let passes = |record: &Known| record.body["outcome"] == "passed";
        let mut finding = self.judged("drill", oldest, subject.ages.drill, (passes, |_: &Known| true), next);
        finding.escalates = oldest.is_some_and(|record| record.body["verdict"] == "escalate");
        if let (Some((by, until)), false) = (&subject.vouched, finding.is_in_order())
            && *until > self.now
        {
            finding.note = format!("{}; {by} vouches for the way back until {until}", finding.note);
            finding.state = ReadinessState::Overridden;
        }
        finding
    }

    fn rollforward(&self) -> Finding {
        let record = self
            .of_kind("rollforward_check")
            .find(|record| self.is_of_route(record) || record.body["route_label"] == *self.subject.route);
        let all = |newest: &Known| {
            let is_of_run = |record: &&Known| record.body["check_id"] == newest.body["check_id"];
            self.of_kind("rollforward_check").filter(is_of_run).all(decides_to_proceed)
        };
        let next = format!("`cometgate rollforward {} --by WHO`", self.subject.route);
        self.judged("rollforward", record, self.subject.ages.rollforward, (all, |_: &Known| true), next)
    }

    /// A check that one record speaks of.
    fn judged(
        &self,
        check: &'static str,
        record: Option<&Known>,
        max_age: Duration,
        (passes, is_same): (impl Fn(&Known) -> bool, impl Fn(&Known) -> bool),
        next: String,
    ) -> Finding {
        let Some(record) = record else {
            let finding = self.found(check, ReadinessState::Missing, "there is no record of it".to_owned());
            return Finding { max_age, next, ..finding };
        };
        let reason =
            || record.body["reason"].as_str().or(record.body["notes"].as_str()).unwrap_or("").to_owned();
        let (state, note) = if !passes(record) {
            (ReadinessState::Failed, format!("the last one did not pass {}", reason()).trim_end().to_owned())
        } else if !is_same(record) {
            (ReadinessState::Stale, "the last one was of another model".to_owned())
        } else {
            let state = self.state(Some(record.at), max_age);
            let note = if state == ReadinessState::Stale { "it was too long ago" } else { "it passed" };
            (state, note.to_owned())
        };
        let escalates = record.body["decision"] == "escalate" && state == ReadinessState::Failed;
        let evidence = Some(record.sequence);
        Finding { at: Some(record.at), max_age, evidence, next, escalates, ..self.found(check, state, note) }
    }

    fn found(&self, check: &'static str, state: ReadinessState, note: String) -> Finding {
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

    fn state(&self, at: Option<Moment>, max_age: Duration) -> ReadinessState {
        let Some(at) = at else { return ReadinessState::Missing };
        let age = u128::try_from(self.now.ms().saturating_sub(at.ms())).unwrap_or(0);
        if age < max_age.as_millis() { ReadinessState::Fresh } else { ReadinessState::Stale }
    }

    fn of_kind(&self, kind: &'r str) -> impl Iterator<Item = &'r Known> {
        self.records.iter().filter(move |record| record.kind == kind)
    }

    fn is_of_route(&self, record: &Known) -> bool {
        let named = record.route.as_deref().or(record.body["route"].as_str());
        named == Some(self.subject.route.as_str())
    }
}

/// Runbook 1's word for it, or what those that have none say instead.
fn decides_to_proceed(record: &Known) -> bool {
    let is = |field: &str, word: &str| record.body[field] == Value::from(word);
    is("decision", "proceed")
}
