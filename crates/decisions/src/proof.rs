//! Whether a map has a proven way back (runbook 3: "every fallback activation must have an already-tested rollback
//! route version").
//!
//! The version to go back to must be named, be there, not have expired, and have passed a drill; an override stands in
//! for the drill until its day. What a map lacks is held back when it goes live, never the way home.

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

/// What is known of the way back of one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayBack {
    /// The version that `rollback_route_version` names.
    pub rollback: Rollback,
    /// Who vouches for it although it was not drilled.
    pub vouched: Option<Override>,
}

/// The version that a map names to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// None is named.
    NotNamed,
    /// One is named, and nobody has its text.
    NotFound,
    /// One whose text is no valid map.
    Invalid,
    /// One that is there.
    Found {
        /// Its `expires_at`.
        expires_at: Option<UnixTime>,
        /// The last drill that was made of it.
        drill: Option<Drill>,
    },
}

/// A drill of a version: traffic was taken back to it, and nothing kept using what it had left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drill {
    /// When it ended.
    pub at: UnixTime,
    /// Whether it was clean.
    pub passed: bool,
}

/// `rollback_override`: an operator vouches for a version that was not drilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// Until when.
    pub until: UnixTime,
}

/// What a map lacks to send traffic away from home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It names no version to go back to.
    NotNamed,
    /// The version is neither in `versions/` nor in the state directory.
    NotFound,
    /// The version's text is not a valid map.
    Invalid,
    /// The version has expired.
    Expired(UnixTime),
    /// The version has passed no drill, and nobody vouches for it.
    NotDrilled,
    /// Its last drill failed, and nobody vouches for it.
    DrillFailed,
    /// It passed no drill, and whoever vouched for it did so until then.
    OverrideLapsed(UnixTime),
}

/// The first thing that a map lacks; `None` when its way back is proven.
#[must_use]
pub fn lack(way_back: WayBack, now: UnixTime) -> Option<Lack> {
    let (expires_at, drill) = match way_back.rollback {
        Rollback::NotNamed => return Some(Lack::NotNamed),
        Rollback::NotFound => return Some(Lack::NotFound),
        Rollback::Invalid => return Some(Lack::Invalid),
        Rollback::Found { expires_at, drill } => (expires_at, drill),
    };
    if let Some(at) = expires_at.filter(|at| *at <= now) {
        return Some(Lack::Expired(at));
    }
    match (drill, way_back.vouched) {
        (Some(Drill { passed: true, .. }), _) => None,
        (_, Some(vouched)) if vouched.until > now => None,
        (_, Some(vouched)) => Some(Lack::OverrideLapsed(vouched.until)),
        (Some(_), None) => Some(Lack::DrillFailed),
        (None, None) => Some(Lack::NotDrilled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_000);

    fn found(expires_at: Option<i64>, passed: Option<bool>) -> Rollback {
        let drill = passed.map(|passed| Drill { at: UnixTime(1), passed });
        Rollback::Found { expires_at: expires_at.map(UnixTime), drill }
    }

    #[test]
    fn a_way_back_is_proven_by_a_drill_or_an_override_and_by_nothing_less() {
        let until = |at| Some(Override { until: UnixTime(at) });
        let cases = [
            (Rollback::NotNamed, until(2_000), Some(Lack::NotNamed)),
            (Rollback::NotFound, until(2_000), Some(Lack::NotFound)),
            (Rollback::Invalid, until(2_000), Some(Lack::Invalid)),
            (found(Some(1_000), Some(true)), until(2_000), Some(Lack::Expired(NOW))),
            (found(Some(1_001), Some(true)), None, None),
            (found(None, Some(true)), until(1), None),
            (found(None, Some(false)), None, Some(Lack::DrillFailed)),
            (found(None, Some(false)), until(1_001), None),
            (found(None, None), None, Some(Lack::NotDrilled)),
            (found(None, None), until(1_001), None),
            (found(None, None), until(1_000), Some(Lack::OverrideLapsed(NOW))),
        ];
        for (rollback, vouched, expected) in cases {
            assert_eq!(lack(WayBack { rollback, vouched }, NOW), expected, "{rollback:?} {vouched:?}");
        }
    }
}
