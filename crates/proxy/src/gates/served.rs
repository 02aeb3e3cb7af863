//! Whose answers an application may still judge: for each recent request that a gated target answered well, by the ID
//! that its caller was told, which gate that was and for whom.
//!
//! A fixed table of four places for each of some thousand values of a keyed hash, so what is remembered never grows, a newer
//! request takes the place of the oldest of its four, and nobody can choose IDs that crowd out another's. Only the
//! hash of an ID is kept. A primary's answers are left out: no gate takes what is said of them.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::gates::route_gate::RouteGate;

/// How long an answer can be judged, in milliseconds.
pub(crate) const JUDGED_WITHIN_MS: u64 = 3_600_000;

const SETS: usize = 4096;

/// Places for each hash.
const WAYS: usize = 4;

#[derive(Debug)]
struct Answer {
    id: u64,
    at_ms: u64,
    gate: Weak<RouteGate>,
    tenant: u64,
    judged: Judged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    NotYet,
    Pass(bool),
    /// Two requests came with this ID: nobody knows which of them is meant.
    Ambiguous,
}

/// An answer that can be judged, once.
pub(super) struct Meant {
    pub(super) gate: Arc<RouteGate>,
    pub(super) tenant: u64,
}

/// Why an application's word about an answer is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCounted {
    /// No such request, or it was answered too long ago, or not well, or by a target without a gate.
    Unknown,
    /// Several requests came with this ID.
    Ambiguous,
    /// It was judged before, and so.
    Before {
        /// That it could be used.
        pass: bool,
    },
    /// Its target is not in the map any more.
    Gone,
    /// The map does not have its target judged by what applications say.
    NotJudged,
    /// Its target is out of traffic for good, or suspended.
    Out,
}

#[derive(Debug, Default)]
pub(super) struct Served {
    hasher: RandomState,
    /// Empty until the first answer: a gateway without gates pays nothing.
    places: Mutex<Vec<Option<Answer>>>,
}

impl Served {
    /// A gated target has answered a request well.
    pub(super) fn remember(&self, id: &[u8], gate: &Arc<RouteGate>, tenant: u64, at_ms: u64) {
        let id = self.hasher.hash_one(id);
        let answer = Answer { id, at_ms, gate: Arc::downgrade(gate), tenant, judged: Judged::NotYet };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize_with(SETS * WAYS, || None);
        }
        let places = set(&mut places, id);
        if let Some(known) = places.iter_mut().flatten().find(|known| known.is(id, at_ms)) {
            *known = Answer { judged: Judged::Ambiguous, ..answer };
        } else if let Some(oldest) =
            places.iter_mut().min_by_key(|place| place.as_ref().map(|answer| answer.at_ms))
        {
            *oldest = Some(answer);
        }
    }

    /// Takes what an application says of the answer to a request, unless something said before takes its place.
    pub(super) fn judge(&self, id: &[u8], pass: bool, now_ms: u64) -> Result<Meant, NotCounted> {
        let id = self.hasher.hash_one(id);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let known = set(&mut places, id).iter_mut().flatten().find(|known| known.is(id, now_ms));
        let known = known.ok_or(NotCounted::Unknown)?;
        match known.judged {
            Judged::NotYet => {}
            Judged::Pass(pass) => return Err(NotCounted::Before { pass }),
            Judged::Ambiguous => return Err(NotCounted::Ambiguous),
        }
        let gate = known.gate.upgrade().ok_or(NotCounted::Gone)?;
        gate.takes_judgements()?;
        known.judged = Judged::Pass(pass);
        Ok(Meant { gate, tenant: known.tenant })
    }
}

impl Answer {
    fn is(&self, id: u64, now_ms: u64) -> bool {
        self.id == id && now_ms.saturating_sub(self.at_ms) < JUDGED_WITHIN_MS
    }
}

/// The places of a hash; none before anything is remembered.
fn set(places: &mut [Option<Answer>], id: u64) -> &mut [Option<Answer>] {
    let first = usize::try_from(id % SETS as u64).unwrap_or(0) * WAYS;
    places.get_mut(first..first + WAYS).unwrap_or_default()
}
