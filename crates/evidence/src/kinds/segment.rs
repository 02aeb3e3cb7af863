//! A finished file of the log from which a gate is replayed: its hash stands in the chain, so the file is as safe as the
//! chain from being changed unseen.

use serde::{Deserialize, Serialize};

use crate::{Digest, Moment, Name};

/// A finished file of a gate's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateLogSegment {
    /// When it was finished: the moment of its last event.
    pub ts: Moment,
    /// The identity of the gate: the directory below `gates/`.
    pub gate: Name,
    /// The name of the file in it.
    pub file: Name,
    /// Of the whole file.
    pub sha256: Digest,
    /// The length of the file.
    pub bytes: u64,
    /// The number of its first event.
    pub first_event: u64,
    /// How many events it holds.
    pub events: u64,
    /// How many events before its first were lost, since more came than could be written.
    pub missing: u64,
    /// The moment of its first event.
    pub began_at: Moment,
}
