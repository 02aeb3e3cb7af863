//! Whether a copy of a request goes to its route's canary, for the evidence alone.
//!
//! Only what the canary could have answered, and what does no harm if it is done twice, of tenants that agreed to it, and
//! where we pay: the caller has asked for one answer.

use crate::bucket::{Share, WHOLE};
use crate::decide::{Chosen, Reason};
use crate::facts::{Endpoint, Facts};
use crate::ids::RouteId;
use crate::plan::{Canary, CredentialKind, Feature, Mirror, Plan, Route};
use crate::standing::{Barred, Standing};

/// Why a request is not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotMirrored {
    /// Its route has no mirror, or it has no route.
    NoMirror,
    /// It is not at home for being outside of the canary's share: it goes to the canary anyhow, or must not.
    NotAtHome,
    /// Its tenant has not agreed.
    NotAllowed,
    /// What it asks for is not text or numbers.
    Endpoint,
    /// It stores something, or goes on from something stored.
    Stateful,
    /// It has tools, and some tools act.
    Tools,
    /// The callers pay the canary themselves.
    NotPaidByUs,
    /// The canary's gate keeps it out.
    Barred(Barred),
}

/// Whether a decided request may be copied, and then how much of such requests is, and where to. `standing` is what
/// the gates of its route said when it was decided. What refers to state or carries a third party's credential is not asked
/// about here: whoever calls has looked for that.
///
/// # Errors
/// [`NotMirrored`] says why not.
pub fn mirror_of<'p>(
    plan: &'p Plan,
    facts: &Facts<'_>,
    chosen: &Chosen<'_>,
    standing: impl FnOnce(RouteId) -> Standing,
) -> Result<(&'p Mirror, &'p Canary), NotMirrored> {
    let id = chosen.route.ok_or(NotMirrored::NoMirror)?;
    let route = plan.route(id);
    let (Some(mirror), Some(canary)) = (&route.mirror, &route.canary) else {
        return Err(NotMirrored::NoMirror);
    };
    // These are decided last of all: the canary is in force, within reach, and bears what the request uses.
    if !matches!(chosen.reason, Reason::OutsideShare(_) | Reason::NoKey) {
        return Err(NotMirrored::NotAtHome);
    }
    if !plan.tenant(facts.tenant).allow_mirror {
        return Err(NotMirrored::NotAllowed);
    }
    let is_plain = matches!(
        facts.endpoint,
        Endpoint::Chat
            | Endpoint::Responses
            | Endpoint::Completions
            | Endpoint::Messages
            | Endpoint::Embeddings
    );
    if !is_plain {
        return Err(NotMirrored::Endpoint);
    }
    if facts.stateful {
        return Err(NotMirrored::Stateful);
    }
    if [Feature::Tools, Feature::WebSearch].into_iter().any(|feature| facts.features.contains(feature)) {
        return Err(NotMirrored::Tools);
    }
    if plan.provider(canary.provider).credential != CredentialKind::Ours {
        return Err(NotMirrored::NotPaidByUs);
    }
    match standing(id).bars_canary(route) {
        Some(barred) => Err(NotMirrored::Barred(barred)),
        None => Ok((mirror, canary)),
    }
}

/// How many of a route's requests make an attempt at its canary at the most, copies included, while the canary has this
/// share; in parts per million. It is what the canary's part of all errors is compared with.
#[must_use]
pub fn tried_ppm(route: &Route, share: Share) -> u32 {
    let mirror = route.canary_in_use().and(route.mirror.as_ref());
    let copied = mirror.map_or(0, |mirror| mirror.share.ppm());
    let at_home = u64::from(WHOLE.saturating_sub(share.ppm()));
    let copies = (at_home * u64::from(copied)).div_ceil(u64::from(WHOLE));
    share.ppm().saturating_add(u32::try_from(copies).unwrap_or(WHOLE))
}

/// Evens copies out: the moment from which the next may go, in microseconds of any clock, if one may go now.
#[must_use]
pub fn next_copy(next_us: u64, now_us: u64, most_per_second: u32) -> Option<u64> {
    let between = 1_000_000_u64.div_ceil(u64::from(most_per_second.max(1)));
    (now_us >= next_us).then(|| now_us.saturating_add(between))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_never_come_faster_than_they_may_after_whatever_pause() {
        for most_per_second in [1, 3, 50, 10_000] {
            let mut next = 0;
            let mut copies = Vec::new();
            for at in (0..3_000_000_u64).chain(10_000_000..11_000_000) {
                if let Some(after) = next_copy(next, at, most_per_second) {
                    next = after;
                    copies.push(at);
                }
            }
            let most = usize::try_from(most_per_second).unwrap();
            for window in copies.windows(most + 1) {
                assert!(window[most] - window[0] >= 1_000_000, "{most_per_second}");
            }
            assert!(copies.len() >= most * 3, "{most_per_second}: {}", copies.len());
        }
    }
}
