//! Reads a whole JSON answer in pieces as they come: whether it is one, and what it says of usage and failure.

use crate::affinity::Made;
use crate::scan::answer::{Answer, Place};
use crate::scan::json::{Document, Json, Value};
use crate::scan::made::Wanted;
use crate::scan::{ErrorSigns, Usage};

/// So many required fields can be told apart; the width of `Fields::found`.
const MOST_REQUIRED: usize = 64;

/// Names in the longest path to a required field; the loader refuses longer ones.
const MOST_NAMES: usize = 8;

/// Whose answer this is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum BodyShape {
    /// A chat completion.
    Chat,
    /// A response object.
    Responses,
    /// A list of embeddings.
    Embeddings,
    /// Any other object, with `usage` and `error` where these have them.
    Object,
}

/// What a whole answer turned out to be.
#[derive(Clone, Debug)]
pub struct Whole {
    /// It is one complete JSON value.
    pub well_formed: bool,
    /// And that value is an object.
    pub is_object: bool,
    /// A field that was asked for is not there; null is there.
    pub missing_required: bool,
    /// The top-level `usage`.
    pub usage: Option<Usage>,
    /// The top-level `error`, if it is an object or a text.
    pub error: Option<ErrorSigns>,
    /// Responses: `status` is `failed`.
    pub response_failed: bool,
}

/// Reads one body. About a kilobyte of state, whatever its size.
#[derive(Debug)]
pub struct BodyScanner<'a> {
    shape: BodyShape,
    json: Json<At>,
    fields: Fields<'a>,
}

impl<'a> BodyScanner<'a> {
    /// For a body of this shape that must have these fields, each by its path from the top: `usage.total_tokens`. A path goes
    /// through objects, and not into lists. Only the first 64 are looked for, and no name over 512 bytes is found.
    #[must_use]
    pub fn new(shape: BodyShape, required: &'a [String]) -> BodyScanner<'a> {
        let required = required.get(..MOST_REQUIRED).unwrap_or(required);
        BodyScanner {
            shape,
            json: Json::new::<Fields<'_>>(),
            fields: Fields { answer: Answer::default(), required, found: 0, on: [u64::MAX; MOST_NAMES] },
        }
    }

    /// Notes what it makes, too.
    #[must_use]
    pub(crate) fn wanting(mut self, wanted: Wanted) -> BodyScanner<'a> {
        self.fields.answer.made.want(wanted);
        self
    }

    /// What it has made so far.
    pub(crate) fn take_made(&mut self) -> Vec<Made> {
        self.fields.answer.made.take()
    }

    /// The next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.json.feed(bytes, &mut self.fields);
    }

    /// The body ended. Of a body that is not well-formed the rest is what was read up to there.
    #[must_use]
    pub fn finish(mut self) -> Whole {
        let well_formed = self.json.finish(&mut self.fields);
        let missing_required = self.fields.is_missing_any();
        let answer = self.fields.answer;
        Whole {
            well_formed,
            is_object: answer.facts.is_object,
            missing_required,
            usage: answer.facts.usage().if_any(),
            error: answer.facts.error.then(|| *answer.signs.unwrap_or_default()),
            response_failed: self.shape == BodyShape::Responses && answer.facts.failed,
        }
    }
}

/// Where something stands: for the answer, and on the paths to required fields. Small, since one is kept for each level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    answer: Place,
    /// How many names of a path led here, and one; 0 where no path leads.
    step: u8,
}

/// The few fields of a body that are read. Where the content stands, nothing is.
#[derive(Debug)]
struct Fields<'a> {
    answer: Answer,
    required: &'a [String],
    /// A bit for each required field.
    found: u64,
    /// By step, a bit for each required field whose path leads through what is open there.
    on: [u64; MOST_NAMES],
}

impl Fields<'_> {
    fn is_missing_any(&self) -> bool {
        self.found.count_ones() as usize != self.required.len()
    }

    /// The step behind a member of an object that paths lead through: 0 where none of them goes on with this name. Those that
    /// end with it are there.
    fn follow(&mut self, object: At, key: &[u8]) -> u8 {
        let names_before = usize::from(object.step) - 1;
        let Some(from) = self.on.get(names_before).copied() else { return 0 };
        let mut on = 0;
        for (bit, path) in self.required.iter().enumerate().filter(|(bit, _)| from >> bit & 1 == 1) {
            let mut names = path.split('.').skip(names_before);
            if names.next().is_some_and(|name| name.as_bytes() == key) {
                let goes_on = names.next().is_some();
                on |= u64::from(goes_on) << bit;
                self.found |= u64::from(!goes_on) << bit;
            }
        }
        match self.on.get_mut(names_before + 1) {
            Some(next) if on != 0 => {
                *next = on;
                object.step + 1
            }
            _ => 0,
        }
    }
}

impl Document for Fields<'_> {
    type Place = At;
    const NOWHERE: At = At { answer: Place::Nowhere, step: 0 };
    const ROOT: At = At { answer: Place::Root, step: 1 };

    fn member(&mut self, object: At, key: &[u8]) -> At {
        let place = self.answer.member(object.answer, key);
        let answer = match place {
            _ if object.answer != Place::Root => place,
            Place::Usage | Place::Error | Place::Status => place,
            Place::Made(_) | Place::Conversation | Place::Items => place,
            Place::Choices if self.answer.made.is_wanted() => place,
            _ => Place::Nowhere,
        };
        let is_asked = object.step > 0 && !self.required.is_empty();
        At { answer, step: if is_asked { self.follow(object, key) } else { 0 } }
    }

    fn element(array: At) -> At {
        At { answer: Answer::element(array.answer), ..Self::NOWHERE }
    }

    fn keep(place: At) -> usize {
        Answer::keep(place.answer)
    }

    fn value(&mut self, place: At, value: Value<'_>) {
        self.answer.value(place.answer, value);
    }
}

#[cfg(test)]
mod tests;
