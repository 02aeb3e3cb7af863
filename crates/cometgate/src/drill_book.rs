//! Which targets have passed a drill, as the evidence store says, for whoever has to know whether a way back is proven.
//!
//! Each record is read once: a map with held routes is judged every few seconds, and a store holds years. What cannot be
//! read proves nothing, so nothing was drilled then.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use config::Settings;
use decisions::plan::GateIdentity;
use decisions::proof::{Drills, UnixTime};
use evidence::{Body, DrillOutcome, Filter, Head, Reader, Record};

use crate::state::digest::Digest;

/// What a drill is of. Share, steps and other routes are no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub(crate) route: String,
    /// Of its target.
    pub(crate) identity: GateIdentity,
    /// The text of the version to go back to, which says its version as well.
    pub(crate) rollback: Digest,
}

/// The drills of a store.
#[derive(Debug)]
pub(crate) struct DrillBook {
    evidence: PathBuf,
    max_age: i64,
    known: Mutex<Option<Known>>,
}

/// What was read, up to a record.
#[derive(Debug)]
struct Known {
    head: Head,
    /// By route, identity and hash of the version, as they are written.
    drills: HashMap<[String; 3], Drills>,
}

impl DrillBook {
    pub(crate) fn of(settings: &Settings) -> DrillBook {
        let evidence = settings.state_dir.join("evidence");
        let max_age = i64::try_from(settings.check_ages.drill.as_secs()).unwrap_or(i64::MAX);
        DrillBook { evidence, max_age, known: Mutex::default() }
    }

    /// For how long a clean drill counts, in seconds.
    pub(crate) fn max_age(&self) -> i64 {
        self.max_age
    }

    /// Reads what is new, for whoever asks of several routes.
    pub(crate) fn look(&self) -> Looked<'_> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = self.read(known.take()).ok();
        Looked(known)
    }

    /// Goes on from where it was read, as long as that is still what the store begins with.
    fn read(&self, known: Option<Known>) -> evidence::Result<Known> {
        let reader = Reader::open(&self.evidence)?;
        let known = known.map(|known| Ok((reader.get(known.head.sequence)?, known))).transpose()?;
        let known = known.and_then(|(found, known)| {
            let is_same = found.is_some_and(|record| record.head() == known.head);
            is_same.then_some(known)
        });
        let after = known.as_ref().map(|known| known.head.sequence);
        let new = reader.list(&Filter { after, ..Filter::default() })?;
        let (mut drills, head) =
            known.map_or_else(Default::default, |known| (known.drills, Some(known.head)));
        let head = new.first().map(Record::head).or(head);
        new.iter().rev().for_each(|record| note(&mut drills, record));
        head.map(|head| Known { head, drills }).ok_or(evidence::Error::Absent { path: self.evidence.clone() })
    }
}

/// The book as it is now.
pub(crate) struct Looked<'b>(MutexGuard<'b, Option<Known>>);

impl Looked<'_> {
    /// What is known of all of these together: the oldest of the clean ones counts, and one that is missing spoils it. Nothing is
    /// known of nothing.
    pub(crate) fn of_all(&self, subjects: &[Subject]) -> Drills {
        let Some(known) = &*self.0 else { return Drills::default() };
        let one = |subject: &Subject| {
            let key = [subject.route.clone(), subject.identity.to_string(), subject.rollback.to_string()];
            known.drills.get(&key).copied().unwrap_or_default()
        };
        let both = |one: Drills, other: Drills| Drills {
            passed_at: one.passed_at.zip(other.passed_at).map(|(one, other)| one.min(other)),
            failed_since: one.failed_since || other.failed_since,
        };
        subjects.iter().map(one).reduce(both).unwrap_or_default()
    }
}

/// Adds what a record says, if it is of a drill that was brought to its end.
fn note(drills: &mut HashMap<[String; 3], Drills>, record: &Record) {
    let (Some(route), Ok(Body::Drill(drill))) = (&record.route, record.body()) else { return };
    let key = [
        route.as_str().to_owned(),
        drill.identity.as_str().to_owned(),
        drill.rollback_config_sha256.to_string(),
    ];
    let at = UnixTime(drill.ts.ms().div_euclid(1_000));
    match drill.outcome {
        DrillOutcome::Passed => {
            drills.insert(key, Drills { passed_at: Some(at), failed_since: false });
        }
        DrillOutcome::Failed => drills.entry(key).or_default().failed_since = true,
        DrillOutcome::Interrupted | DrillOutcome::NotRun => {}
    }
}

#[cfg(test)]
mod tests;
