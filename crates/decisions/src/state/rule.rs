//! Where a request may go, given what it refers to and what is known of that.
//!
//! Somebody else's ID is answered as if it did not exist. What lives at one provider goes there and nowhere else. What
//! nobody knows goes to the primary, which made everything before the gateway came; but not where several tenants stand
//! behind one credential, since it could be another's.

use crate::ids::ProviderId;
use crate::state::operation::StateClass;

/// What a request asks for, apart from what it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The class of its operation; of one that stores only what its body says so, `Free` or `Creates` accordingly.
    pub class: StateClass,
    /// Something in it must not leave the primary: a live credential of a third party, a job that is polled there.
    pub keeps_to_primary: bool,
}

/// Something that a request refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What it is.
    pub kind: ReferenceKind,
    /// What is known of it.
    pub known: Option<Binding>,
}

/// What a reference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceKind {
    /// The name of something that whoever knows it can use.
    Id,
    /// Something that its provider checks against the rest of the request or has sealed: knowing it opens nothing.
    Sealed,
}

/// What is known of an ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Who made it.
    pub owner: Owner,
    /// Where it lives; `None` where the map has no such provider any more.
    pub provider: Option<ProviderId>,
    /// Its provider does not keep it any more.
    pub is_expired: bool,
}

/// Who made something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Who is asking.
    Caller,
    /// Another tenant.
    Another,
}

/// Where a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Anywhere.
    Free,
    /// Where things may be made.
    Creates,
    /// There, and nowhere else.
    Pinned(ProviderId),
    /// To the primary, and nowhere else.
    PrimaryOnly,
    /// Nowhere: for this caller it does not exist.
    NotYours,
    /// Nowhere: it would show what other tenants have.
    OthersListed,
    /// Nowhere: it needs two providers at once.
    Contradiction,
}

/// Places a request whose primary is `home`. `is_shared` says of which providers several tenants use one credential.
#[must_use]
pub fn place(
    asked: Asked,
    references: impl IntoIterator<Item = Reference>,
    home: ProviderId,
    is_shared: impl Fn(ProviderId) -> bool,
) -> Placement {
    let mut seen = Seen::default();
    references.into_iter().for_each(|reference| seen.note(reference));
    let at = seen.at.unwrap_or(home);
    // Before anything else, and whatever stands first: no other answer may show that it exists.
    if seen.is_anothers || seen.has_unknown_id && is_shared(at) {
        return Placement::NotYours;
    }
    if seen.is_torn || asked.keeps_to_primary && at != home {
        return Placement::Contradiction;
    }
    match asked.class {
        _ if seen.at.is_some() => Placement::Pinned(at),
        _ if asked.keeps_to_primary || seen.has_unknown => Placement::PrimaryOnly,
        StateClass::List if is_shared(home) => Placement::OthersListed,
        StateClass::List | StateClass::Pinned | StateClass::PrimaryOnly => Placement::PrimaryOnly,
        StateClass::Creates => Placement::Creates,
        StateClass::Free => Placement::Free,
    }
}

/// What all references of a request add up to.
#[derive(Default)]
struct Seen {
    at: Option<ProviderId>,
    is_torn: bool,
    is_anothers: bool,
    has_unknown: bool,
    has_unknown_id: bool,
}

impl Seen {
    fn note(&mut self, reference: Reference) {
        match reference.known {
            Some(Binding { owner: Owner::Another, .. }) => self.is_anothers = true,
            Some(Binding { is_expired: false, provider: Some(provider), .. }) => {
                self.is_torn |= self.at.is_some_and(|at| at != provider);
                self.at = self.at.or(Some(provider));
            }
            // To ask anyone else for it would at best be refused, at worst answered without it.
            Some(Binding { is_expired: false, provider: None, .. }) => self.is_anothers = true,
            Some(Binding { is_expired: true, .. }) | None => {
                self.has_unknown = true;
                self.has_unknown_id |= reference.kind == ReferenceKind::Id;
            }
        }
    }
}
