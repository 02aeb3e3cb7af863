//! What was decided last on each route, for `status`: from the store at the start, and as it is decided since. So are the proofs
//! of rollbacks.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use decisions::gate::Reason;
use evidence::{Body, Entry, Filter, Moment, Reader};
use serde_json::{Value, json};

use crate::gates::proof_words;

/// Decisions of each route that `status` shows.
const SHOWN: usize = 5;

/// The newest records that are looked through at the start: a store of years must not delay it.
const LOOKED_THROUGH: usize = 2_000;

#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Of each route, the oldest first.
    decisions: HashMap<String, VecDeque<Value>>,
    /// What was last said of each rollback, by the `check_id` of its decision.
    proofs: HashMap<String, Value>,
}

impl Recent {
    /// As the store in this directory says; what cannot be read is left out.
    pub(super) fn read(directory: &Path) -> Recent {
        let newest = Filter { limit: Some(LOOKED_THROUGH), ..Filter::default() };
        let read = Reader::open(directory).and_then(|reader| reader.list(&newest));
        let mut recent = Recent::default();
        for record in read.unwrap_or_default().into_iter().rev() {
            if let (Some(route), Ok(body)) = (&record.route, record.body()) {
                recent.put(route.as_str(), record.at, &body);
            }
        }
        recent
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        if let Some(route) = &entry.route {
            self.put(route.as_str(), entry.at, &entry.body);
        }
    }

    pub(super) fn of(&self, route: &str) -> Vec<Value> {
        self.decisions.get(route).into_iter().flatten().cloned().collect()
    }

    /// What was last said of the rollback of a gate: its name begins what its decisions are called.
    pub(super) fn proof(&self, gate: &str) -> Option<Value> {
        let is_of_gate = |check_id: &str| {
            check_id.strip_prefix(gate).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.proofs.iter().find(|(check_id, _)| is_of_gate(check_id)).map(|(_, proof)| proof.clone())
    }

    fn put(&mut self, route: &str, at: Moment, body: &Body) {
        if let Body::RollbackProof(proof) = body {
            self.proofs.insert(proof.check_id.as_str().to_owned(), proof_words::shown(proof, false));
        }
        // What an operator does is shown with who and why, and not once more as the verdict that it leads to.
        let by_hand = Reason::ByHand.as_str();
        let is_shown = match body {
            Body::GateDecision(said) => said.reason.as_str() != by_hand,
            Body::StepDecision(said) => said.reason.as_str() != by_hand,
            Body::OperatorAction(_) => true,
            _ => false,
        };
        if !is_shown {
            return;
        }
        let of_route = self.decisions.entry(route.to_owned()).or_default();
        of_route.push_back(shown(at, body));
        if of_route.len() > SHOWN {
            of_route.pop_front();
        }
    }
}

/// The fields of a record, with its kind and when it was recorded.
pub(super) fn shown(at: Moment, body: &Body) -> Value {
    let mut fields = json!(body);
    fields["kind"] = body.kind().as_str().into();
    fields["at"] = at.to_string().into();
    fields
}
