//! What a log leads to, held against what was recorded: bit for bit, in both directions.

use std::collections::BTreeSet;

use evidence::{GateLogSegment, Moment};
use serde_json::{Value, json};

use crate::commands::replay::played::{Decided, Played, What};
use crate::commands::replay::recorded::{Decision, Recorded, Said};
use crate::gates::records::{Place, gate_decision, run_name, step_decision};
use crate::terminal::count;

/// Which decisions are asked about.
pub(super) struct Window {
    pub(super) since: Option<Moment>,
    pub(super) until: Option<Moment>,
}

impl Window {
    fn has(&self, at: Moment) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
}

/// What is to be said of a gate, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// Neither a log nor a decision.
    Nothing,
    /// Every decision is what the log leads to.
    Reproduced,
    /// So is every one that the log has; it lacks something.
    Incomplete,
    /// Something is not as it was.
    Differs,
}

impl Word {
    /// The name used in JSON.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Word::Nothing => "nothing",
            Word::Reproduced => "reproduced",
            Word::Incomplete => "incomplete",
            Word::Differs => "differs",
        }
    }

    pub(super) fn of_all(compared: &[Compared]) -> Word {
        compared.iter().map(Compared::word).max().unwrap_or(Word::Nothing)
    }
}

/// One gate.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) gate: String,
    pub(super) files: usize,
    pub(super) events: u64,
    /// Decisions that are as they were recorded.
    pub(super) equal: usize,
    /// Decisions older than the oldest event that is kept.
    pub(super) too_old: usize,
    /// Decisions whose event the log does not have, though it should.
    pub(super) not_in_log: usize,
    /// What the log leads to at its very end, and nothing was recorded of: a kill was quicker.
    pub(super) unrecorded: usize,
    /// Stretches that cannot be played, in words.
    pub(super) missing: Vec<String>,
    /// Bytes of half an event that kills have left.
    pub(super) torn: u64,
    /// What is not as it was, in words.
    pub(super) differences: Vec<String>,
}

/// All gates of which there is a log or a decision.
pub(super) fn all(played: &[Played], recorded: &Recorded, window: &Window) -> Vec<Compared> {
    let known: BTreeSet<String> = played.iter().map(|played| played.gate.clone()).collect();
    let others = recorded.decisions.keys().filter(|gate| !known.contains(*gate));
    let others: Vec<Played> = others.map(|gate| Played::nothing(gate)).collect();
    let compare = |played: &Played| {
        let (gate, none) = (&played.gate, Vec::new());
        let logs = recorded.logs.get(gate).map_or(&[][..], Vec::as_slice);
        Compared::of(played, recorded.decisions.get(gate).unwrap_or(&none), logs, window)
    };
    played.iter().chain(&others).map(compare).collect()
}

impl Compared {
    fn of(played: &Played, decisions: &[Decision], logs: &[GateLogSegment], window: &Window) -> Compared {
        let mut compared = Compared {
            gate: played.gate.clone(),
            files: played.files.len(),
            events: played.files.iter().map(|file| file.events.end - file.events.start).sum(),
            torn: played.files.iter().map(|file| file.torn).sum(),
            differences: played.damaged.clone(),
            ..Compared::default()
        };
        compared.files(played, logs);
        let mut found = BTreeSet::new();
        for decision in decisions {
            found.extend(decision.place());
            if window.has(decision.at()) {
                compared.decision(played, decision);
            }
        }
        let unrecorded =
            |decided: &&Decided| window.has(decided.at) && !found.contains(&(decided.run, decided.event));
        for decided in played.decided.iter().filter(unrecorded) {
            let is_later = |(run, event): &(u64, u64)| *run == decided.run && *event > decided.event;
            if played.is_at_the_end(decided) && !found.iter().any(is_later) {
                compared.unrecorded += 1;
            } else {
                let place = place(decided.run, decided.event);
                compared
                    .differences
                    .push(format!("the log leads to a decision at {place}, and none is recorded"));
            }
        }
        compared
    }

    /// The files themselves: what their hashes say, and what they lack.
    fn files(&mut self, played: &Played, logs: &[GateLogSegment]) {
        for file in &played.files {
            let known = logs.iter().find(|log| log.file.as_str() == file.name);
            if known.is_some_and(|log| log.sha256 != file.sha256) {
                self.differences.push(format!("{} is not the file whose SHA-256 is recorded", file.name));
            }
            if file.missing > 0 {
                let what = format!(
                    "{} before {}, {}: more came than could be written",
                    count(usize::try_from(file.missing).unwrap_or(usize::MAX), "event"),
                    place(file.run, file.events.start),
                    file.began
                );
                self.missing.push(what);
            }
            if let Some(event) = file.unknown_from {
                let what = format!(
                    "{} from {} on: another version has written it",
                    file.name,
                    place(file.run, event)
                );
                self.missing.push(what);
            }
        }
        // The oldest files go when all together take too much; any other was there.
        let Some(oldest) = played.files.first() else { return };
        let is_there = |log: &GateLogSegment| played.files.iter().any(|file| file.name == log.file.as_str());
        let is_damaged =
            |log: &GateLogSegment| played.damaged.iter().any(|damage| damage.contains(log.file.as_str()));
        for log in logs.iter().filter(|log| log.file.as_str() > oldest.name.as_str()) {
            if !is_there(log) && !is_damaged(log) {
                self.differences.push(format!("{} is recorded, and is gone", log.file));
            }
        }
    }

    fn decision(&mut self, played: &Played, decision: &Decision) {
        let in_log = decision.place().filter(|(run, event)| played.has(*run, *event));
        let Some((run, event)) = in_log else {
            let oldest = played.files.iter().map(|file| file.began).min();
            match oldest {
                Some(oldest) if decision.at() >= oldest => self.not_in_log += 1,
                _ => self.too_old += 1,
            }
            return;
        };
        let mut decided =
            played.decided.iter().filter(|decided| (decided.run, decided.event) == (run, event));
        let replayed = decided.find_map(|decided| match (&decided.what, &decision.what) {
            (What::Verdict(verdict), Said::Verdict(said)) => {
                let again = gate_decision(Place::of(said), verdict);
                Some((again != **said).then(|| differing(&json!(said), &json!(again))))
            }
            (What::Step(step, rules), Said::Step(said)) => {
                let again = step_decision(Place::of_step(said), rules, step);
                Some((again != **said).then(|| differing(&json!(said), &json!(again))))
            }
            _ => None,
        });
        let (number, place) = (decision.sequence, place(run, event));
        match replayed {
            Some(None) => self.equal += 1,
            Some(Some(fields)) => {
                self.differences.push(format!("record {number}, {place}: {fields}"));
            }
            None => {
                self.differences
                    .push(format!("record {number}, {place}: the log leads to no decision there"));
            }
        }
    }

    pub(super) fn word(&self) -> Word {
        if !self.differences.is_empty() {
            Word::Differs
        } else if !self.missing.is_empty() || self.not_in_log > 0 {
            Word::Incomplete
        } else if self.files == 0 {
            Word::Nothing
        } else {
            Word::Reproduced
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "gate": self.gate,
            "verdict": self.word().as_str(),
            "files": self.files,
            "events": self.events,
            "reproduced": self.equal,
            "too_old": self.too_old,
            "not_in_log": self.not_in_log,
            "unrecorded": self.unrecorded,
            "missing": self.missing,
            "torn_bytes": self.torn,
            "differences": self.differences.len(),
            "first_difference": self.differences.first(),
        })
    }
}

/// Each field that is not the same, as it was recorded and as it is replayed.
fn differing(said: &Value, again: &Value) -> String {
    let fields = said.as_object().into_iter().flatten();
    let other = fields.filter(|(name, value)| again[name.as_str()] != **value);
    let words = other.map(|(name, value)| {
        format!("{name} is recorded as {value} and replayed as {}", again[name.as_str()])
    });
    words.collect::<Vec<_>>().join("; ")
}

fn place(run: u64, event: u64) -> String {
    format!("event {event} of run {}", run_name(run))
}
