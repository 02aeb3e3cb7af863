//! What gates say to their keeper, most of it while a request waits.

use std::sync::Arc;

use decisions::gate::{Action, Verdict};
use decisions::plan::Watched;
use decisions::rollout::StepVerdict;
use proxy::{GateId, GateKeeper, GateLog, GateState, Restored};
use serde_json::json;

use super::{Keeper, lock};
use crate::gates::facts::MapFacts;
use crate::gates::files::{Found, GateFiles, gate_name};
use crate::gates::inbox::{Latch, Record};
use crate::gates::lines::{step_line, verdict_line};
use crate::gates::log::Log;
use crate::gates::recent::shown;
use crate::gates::records::{InLog, Operator, Place, entry, gate_decision, step_decision};

impl GateKeeper for Keeper {
    fn restore(&self, id: &GateId) -> Restored {
        let nothing = Restored { may_serve: self.is_usable(), ..Restored::nothing() };
        let (is_latched, found) = match (self.files.is_latched(id), self.files.read_numbers(id)) {
            (Ok(is_latched), Ok(found)) => (is_latched || self.knows_latched(id), found),
            (is_latched, found) => {
                lock(&self.unread).insert(id.clone());
                if self.is_usable()
                    && let Some(error) = is_latched.err().or(found.err())
                {
                    self.set_usable(&Err(error));
                }
                return Restored { may_serve: false, is_latched: self.knows_latched(id), ..nothing };
            }
        };
        lock(&self.unread).remove(id);
        match found {
            Found::Nothing => Restored { is_latched, ..nothing },
            Found::Numbers(kept) => Restored {
                gate: Some(kept.gate),
                rollout: Some(kept.rollout),
                sequence: kept.sequence,
                is_latched,
                ..nothing
            },
            Found::Damaged(why) => {
                lock(&self.damaged).insert(id.clone());
                tracing::error!(
                    "{} cannot be used, so the {} of {} stays out of traffic: {why}\n  help: start the version of \
                     cometgate that wrote it, or raise `generation` in the map, which begins a new try",
                    self.files.numbers_path(id).display(),
                    id.watched.as_str(),
                    id.route
                );
                // No numbers are no gate: whoever takes them knows that something was there.
                Restored { gate: Some(Vec::new()), is_latched, ..nothing }
            }
        }
    }

    fn log(&self, id: &GateId) -> Box<dyn GateLog> {
        let queue = self.logs.gate(&gate_name(id));
        if let Err(error) = &queue {
            tracing::error!("the decisions on {} cannot be replayed: {error}", id.route);
        }
        Box::new(Log::new(queue.ok(), Arc::clone(&self.offset)))
    }

    fn decided(&self, id: &Arc<GateId>, event: Option<u64>, state: &GateState, verdict: &Verdict) {
        let (operator, map) = (self.operator(id), self.map());
        let decision = gate_decision(self.place(&map, id, event, state), verdict);
        let line = Some(verdict_line(id, &decision, verdict, operator.as_ref()));
        let by = if operator.is_some() { "operator" } else { "gate" };
        let entry = entry(&map, &id.route, by, decision);
        let is_out = verdict.acts && verdict.action == Action::Latch;
        let latch = is_out.then(|| {
            let mut text = shown(entry.at, &entry.body);
            text["operator"] = json!(operator);
            Latch { name: GateFiles::latch_name(id), text }
        });
        if let Some(latch) = &latch {
            lock(&self.latched).insert(latch.name.clone());
        }
        self.push(Record { entry: Some(entry), latch, line, ..Record::default() });
    }

    fn climbed(&self, id: &Arc<GateId>, event: Option<u64>, state: &GateState, step: &StepVerdict) {
        let (operator, map) = (self.operator(id), self.map());
        let line = Some(step_line(id, step, operator.as_ref()));
        let by = if operator.is_some() { "operator" } else { "gate" };
        let place = self.place(&map, id, event, state);
        let decision = state.judged.rollout_rules.as_ref().map(|rules| step_decision(place, rules, step));
        let entry = decision.map(|decision| entry(&map, &id.route, by, decision));
        self.push(Record { entry, line, ..Record::default() });
    }
}

impl Keeper {
    /// Where a decision of this gate is made.
    fn place(&self, map: &MapFacts, id: &GateId, event: Option<u64>, state: &GateState) -> Place {
        let share = state.share().map(|share| share.ppm());
        let share = share.or_else(|| map.target(id)?.share_ppm).filter(|_| id.watched == Watched::Canary);
        Place::now(map, id, InLog { run: self.logs.run(), event }, &self.replica, share)
    }

    fn operator(&self, id: &GateId) -> Option<Operator> {
        lock(&self.operators).get(id).cloned()
    }
}
