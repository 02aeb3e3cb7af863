//! What was decided last on each route, for `status`: from the store at the start, and as it is decided since.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use decisions::gate::Reason;
use evidence::{Body, Entry, Filter, Moment, Reader};
use serde_json::{Value, json};

/// Decisions of each route that `status` shows.
const SHOWN: usize = 5;

/// The newest records that are looked through at the start: a store of years must not delay it.
const LOOKED_THROUGH: usize = 2_000;

/// The oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(HashMap<String, VecDeque<Value>>);

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
        self.0.get(route).into_iter().flatten().cloned().collect()
    }

    fn put(&mut self, route: &str, at: Moment, body: &Body) {
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
        let of_route = self.0.entry(route.to_owned()).or_default();
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
