//! Whether a map has a proven way back (runbook 3: "every fallback activation must have an already-tested rollback
//! route version").
//!
//! The version to go back to must be named, be there, not have expired, and have passed a drill; an override stands in
//! for the drill until its day. What a map lacks is held back when it goes live, never the way home.

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

/// What is known of the way back of one route of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayBack {
    /// The version that `rollback_route_version` names.
    pub rollback: Rollback,
    /// The drills that were made of it.
    pub drills: Drills,
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
    },
}

/// The drills of one target that led back to one version: traffic was taken back to it, and nothing kept using what it
/// had left. A drill that was broken off shows nothing, and is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drills {
    /// When the last that was clean ended.
    pub passed_at: Option<UnixTime>,
    /// Whether one after that was not.
    pub failed_since: bool,
}

/// `rollback_override`: an operator vouches for a version that was not drilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// Until when.
    pub until: UnixTime,
}

/// What a route lacks to send traffic away from home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Its map names no version to go back to.
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
    /// Its last clean drill was then, which is too long ago, and nobody vouches for it.
    DrillStale(UnixTime),
    /// It passed no drill, and whoever vouched for it did so until then.
    OverrideLapsed(UnixTime),
}

impl Lack {
    /// Whether there was a proof and it has ended: then what went live on it goes home as well.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Lack::DrillStale(_) | Lack::OverrideLapsed(_))
    }
}

/// The first thing that a route lacks; `None` when its way back is proven. A clean drill counts for `drill_max_age`
/// seconds. One that fails afterwards ends that at once for whatever is raised, and never makes it longer.
#[must_use]
pub fn lack(way_back: WayBack, drill_max_age: i64, now: UnixTime) -> Option<Lack> {
    let expires_at = match way_back.rollback {
        Rollback::NotNamed => return Some(Lack::NotNamed),
        Rollback::NotFound => return Some(Lack::NotFound),
        Rollback::Invalid => return Some(Lack::Invalid),
        Rollback::Found { expires_at } => expires_at,
    };
    if let Some(at) = expires_at.filter(|at| *at <= now) {
        return Some(Lack::Expired(at));
    }
    let Drills { passed_at, failed_since } = way_back.drills;
    let is_stale = |at: UnixTime| now.0.saturating_sub(at.0) >= drill_max_age;
    match (passed_at, way_back.vouched) {
        (Some(at), _) if !failed_since && !is_stale(at) => None,
        (_, Some(vouched)) if vouched.until > now => None,
        (Some(at), _) if is_stale(at) => Some(Lack::DrillStale(at)),
        (_, Some(vouched)) => Some(Lack::OverrideLapsed(vouched.until)),
        (_, None) if failed_since => Some(Lack::DrillFailed),
        (_, None) => Some(Lack::NotDrilled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_000);
    const MAX_AGE: i64 = 100;

    #[test]
    fn a_way_back_is_proven_by_a_drill_or_an_override_and_by_nothing_less() {
        let until = |at| Some(Override { until: UnixTime(at) });
        let found = |expires_at: Option<i64>| Rollback::Found { expires_at: expires_at.map(UnixTime) };
        let passed = |at| Drills { passed_at: Some(UnixTime(at)), failed_since: false };
        let (never, failed) = (Drills::default(), Drills { passed_at: None, failed_since: true });
        let spoilt = |at| Drills { failed_since: true, ..passed(at) };
        let stale = Some(Lack::DrillStale(UnixTime(900)));
        let lapsed = Some(Lack::OverrideLapsed(NOW));
        let cases = [
            (Rollback::NotNamed, passed(999), until(2_000), Some(Lack::NotNamed)),
            (Rollback::NotFound, passed(999), until(2_000), Some(Lack::NotFound)),
            (Rollback::Invalid, passed(999), until(2_000), Some(Lack::Invalid)),
            (found(Some(1_000)), passed(999), until(2_000), Some(Lack::Expired(NOW))),
            (found(Some(1_001)), passed(999), None, None),
            (found(None), passed(999), until(1), None),
            (found(None), passed(901), None, None),
            // Too long ago: a minute less is not.
            (found(None), passed(900), None, stale),
            (found(None), passed(900), until(1_000), stale),
            (found(None), passed(900), until(1_001), None),
            // One that failed afterwards.
            (found(None), spoilt(999), None, Some(Lack::DrillFailed)),
            (found(None), spoilt(999), until(1_001), None),
            (found(None), spoilt(999), until(1_000), lapsed),
            (found(None), spoilt(900), None, stale),
            (found(None), failed, None, Some(Lack::DrillFailed)),
            (found(None), failed, until(1_001), None),
            (found(None), never, None, Some(Lack::NotDrilled)),
            (found(None), never, until(1_001), None),
            (found(None), never, until(1_000), lapsed),
            // A clock that was set back makes a drill no older.
            (found(None), passed(2_000), None, None),
        ];
        for (rollback, drills, vouched, expected) in cases {
            let found = lack(WayBack { rollback, drills, vouched }, MAX_AGE, NOW);
            assert_eq!(found, expected, "{rollback:?} {drills:?} {vouched:?}");
        }
    }

    #[test]
    fn what_has_ended_takes_home_and_what_never_was_does_not() {
        for lack in [Lack::DrillStale(NOW), Lack::OverrideLapsed(NOW)] {
            assert!(lack.has_ended());
        }
        for lack in [Lack::NotNamed, Lack::Expired(NOW), Lack::NotDrilled, Lack::DrillFailed] {
            assert!(!lack.has_ended());
        }
    }
}
