//! A decision of a person to go on against what a check says: recorded, with an end.

use serde::{Deserialize, Serialize};

use crate::{Digest, Moment, Name, Prose};

/// Someone goes on although a check says no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// When it was decided.
    pub ts: Moment,
    /// Names this decision in logs and tickets.
    pub check_id: Name,
    /// Which check or verdict is overridden.
    pub what: Name,
    /// Who decided, as they say.
    pub by: Name,
    /// The incident or ticket that it belongs to.
    pub incident: Name,
    /// Why, as they say.
    pub reason: Prose,
    /// From then on the check counts again.
    pub until: Moment,
    /// The version of the route map that it is for.
    pub route_version: Option<Name>,
    /// Of that map.
    pub config_sha256: Option<Digest>,
}
