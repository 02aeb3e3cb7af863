//! What a body refers to that lives at one provider, found in the same pass that reads its routed fields.
//!
//! A tree of places says where such references stand; everything else is skipped without a look. Where a key occurs
//! twice both values count, so that no reading of the body refers to more than was looked up.

mod lenient;
mod part;
mod place;
mod walk;

use std::borrow::Cow;

use decisions::state::ReferenceKind;
use serde::de::{Deserializer as _, IgnoredAny};

use crate::affinity::beginning;
use crate::request::features::Uses;
use crate::request::peek::PeekError;

pub(crate) use part::{must_be_read, place_of_part};
pub(crate) use place::Place;
pub(crate) use walk::Walk;

/// So many references are told apart; a body with more goes to the primary, if it may be sent at all.
const MOST: usize = 256;

/// What a body refers to.
#[derive(Clone, Debug, Default)]
pub struct References<'b> {
    ids: Vec<(ReferenceKind, Cow<'b, str>)>,
    /// It carries a live credential of a third party.
    pub(crate) has_credential: bool,
    /// It goes on from an earlier response or within a conversation.
    pub(crate) goes_on: bool,
    /// It asks for audio.
    pub(crate) has_audio: bool,
    /// It names something that only its home has.
    is_bound: bool,
    is_too_many: bool,
    /// What its messages and tools use of the API.
    pub(crate) uses: Uses,
}

impl<'b> References<'b> {
    /// Each reference; an empty name stands for something that nobody can look up.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReferenceKind, &str)> {
        let bound = self.is_bound.then_some((ReferenceKind::Sealed, ""));
        let too_many = self.is_too_many.then_some((ReferenceKind::Id, ""));
        self.ids.iter().map(|(kind, id)| (*kind, id.as_ref())).chain(bound).chain(too_many)
    }

    /// Whether there is nothing to place it by.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.has_credential && !self.is_bound && !self.is_too_many
    }

    /// It goes to its home, if nothing else says where.
    pub(crate) fn bind(&mut self) {
        self.is_bound = true;
    }

    /// References that are still to be read, of a body that is asked for its features too or not.
    pub(crate) fn asking(uses: Uses) -> References<'b> {
        References { uses, ..References::default() }
    }

    /// A text at a place.
    fn text(&mut self, place: Place, text: Cow<'b, str>) {
        match (place, place.kind()) {
            // A sandbox that is made for this request.
            (Place::Container, _) if text == "auto" => {}
            (_, Some(kind)) => self.add(kind, text),
            (Place::Credential, _) => self.has_credential |= !text.is_empty(),
            (Place::Bound, _) => self.bind(),
            (Place::PartType, _) => self.uses.part(&text),
            (Place::Model, _) if text.starts_with("ft:") => self.add(ReferenceKind::Id, text),
            _ => {}
        }
    }

    pub(crate) fn add(&mut self, kind: ReferenceKind, id: Cow<'b, str>) {
        if id.is_empty() {
            return;
        }
        if self.ids.len() == MOST {
            self.is_too_many = true;
            return;
        }
        let id = match (kind, id) {
            (ReferenceKind::Id, id) => id,
            (ReferenceKind::Sealed, Cow::Borrowed(text)) => Cow::Borrowed(beginning(text)),
            (ReferenceKind::Sealed, Cow::Owned(text)) => Cow::Owned(beginning(&text).to_owned()),
        };
        self.ids.push((kind, id));
    }
}

/// What the body of a request refers to that is not routed by its model.
///
/// # Errors
/// [`PeekError`] for a body that is not JSON: a provider that reads it all the same would see what the gateway does not.
pub(crate) fn read(body: &[u8]) -> Result<References<'_>, PeekError> {
    let text = std::str::from_utf8(body).map_err(|_| PeekError::NotUtf8)?;
    let mut references = References::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let walk = Walk { place: Place::Root, into: &mut references };
    if json.deserialize_any(walk).and_then(|()| json.end()).is_ok() {
        return Ok(references);
    }
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| PeekError::Syntax { line: error.line(), column: error.column() })?;
    Ok(lenient::read(body, Uses::not_asked()))
}

/// What a body refers to that is JSON, though serde would not walk through it.
pub(super) fn read_leniently(body: &[u8], uses: Uses) -> References<'static> {
    lenient::read(body, uses)
}

/// Skips a value.
pub(super) type Skipped = IgnoredAny;

#[cfg(test)]
mod tests;
