//! Where the same requests go under two plans: who changes sides, and not only how large the sides are.
//!
//! Two plans that both send 5 % away may send away the same keys or others. A request stands at the same position
//! wherever a salt and a field are the same, so whoever has gone one way under the first plan goes on from there
//! through the second.

use crate::plan::{Plan, StickyBy};
use crate::spread::{Class, PartDecision, share_of, walk};

/// Where the requests of a class go under two plans.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint<'p> {
    /// Their shares sum to 1; no two are equal.
    pub pairs: Vec<Pair<'p>>,
    /// Some split goes by [`StickyBy::Request`]: then the pairs hold for one draw, and nobody's next request shares it.
    pub is_drawn: bool,
}

/// A share of a class and what becomes of it under each plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair<'p> {
    /// Above 0, at most 1.
    pub share: f64,
    /// Under the first plan.
    pub before: PartDecision<'p>,
    /// Under the second.
    pub after: PartDecision<'p>,
}

/// Where the requests of a class go under two plans. The class is given once for each, since a tenant's id belongs to
/// one plan; all else of the two has to be equal.
#[must_use]
pub fn joint<'p>(before: (&'p Plan, Class<'_>), after: (&'p Plan, Class<'_>)) -> Joint<'p> {
    let mut joint: Joint<'p> = Joint { pairs: Vec::new(), is_drawn: false };
    walk(before.0, before.1, Vec::new(), |then, positions| {
        walk(after.0, after.1, positions.to_vec(), |now, positions| {
            joint.is_drawn |= positions.iter().any(|position| position.by == StickyBy::Request);
            let share = share_of(positions);
            let is_it = |pair: &&mut Pair<'p>| pair.before == then && pair.after == now;
            match joint.pairs.iter_mut().find(is_it) {
                Some(pair) => pair.share += share,
                None => joint.pairs.push(Pair { share, before: then, after: now }),
            }
        });
    });
    joint
}
