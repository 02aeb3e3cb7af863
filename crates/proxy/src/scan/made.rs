//! What an answer makes that can be referred to later: noted as it is read, and taken by whoever sees to it that the
//! next request finds it.

use std::time::Duration;

use crate::affinity::{Made, RESPONSE_LIFETIME};
use crate::scan::json::{Document, Json, Value};
use crate::scan::sse::{Frames, Piece};

/// So many are noted between two takings; an answer with more names its rest in vain.
const MOST: usize = 512;

/// What of an answer is worth noting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing.
    #[default]
    Nothing,
    /// What lasts without the answer being stored: what is sealed, conversations, sandboxes.
    Unstored,
    /// The names of the answer and of its items, too.
    Stored,
}

/// What a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collect {
    /// Of something that is there only if the answer is stored, and as long.
    Stored,
    /// Of something in the answer that has a life of its own, about as long.
    Part,
    /// Of something without an end that is known.
    Lasting,
    /// None, but the beginning of something sealed.
    Sealed,
}

/// What was noted; on the heap only where something is wanted.
#[derive(Debug, Default)]
pub(crate) struct MadeHere(Option<Box<Noted>>);

#[derive(Debug)]
struct Noted {
    is_stored: bool,
    made: Vec<Made>,
    /// The name that was noted last: every chunk of a completion repeats its own.
    last: Box<str>,
}

impl MadeHere {
    pub(crate) fn want(&mut self, wanted: Wanted) {
        let is_stored = wanted == Wanted::Stored;
        let noted = || Box::new(Noted { is_stored, made: Vec::new(), last: Box::default() });
        self.0 = (wanted != Wanted::Nothing).then(noted);
    }

    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn note(&mut self, how: Collect, id: &[u8]) {
        let Some(noted) = &mut self.0 else { return };
        let lifetime = match how {
            Collect::Stored if !noted.is_stored => return,
            Collect::Stored | Collect::Part | Collect::Sealed => Some(RESPONSE_LIFETIME),
            Collect::Lasting => None,
        };
        if noted.last.as_bytes() == id {
            return;
        }
        note(&mut noted.made, id, lifetime);
        if let Some(made) = noted.made.last() {
            noted.last.clone_from(&made.id);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Made> {
        self.0.as_mut().map(|noted| std::mem::take(&mut noted.made)).unwrap_or_default()
    }
}

fn note(made: &mut Vec<Made>, id: &[u8], lifetime: Option<Duration>) {
    let Ok(id) = std::str::from_utf8(id) else { return };
    if !id.is_empty() && made.len() < MOST && made.iter().rev().take(8).all(|known| &*known.id != id) {
        made.push(Made { id: id.into(), lifetime });
    }
}

/// Reads a whole answer of an operation that is not routed, in pieces as they come.
#[derive(Debug)]
pub(crate) struct MadeScanner {
    json: Json<Place>,
    found: Found,
}

impl MadeScanner {
    /// `makes`: the answer's own `id` is that of something new.
    pub(crate) fn new(makes: bool) -> MadeScanner {
        MadeScanner { json: Json::new::<Found>(), found: Found { makes, made: Vec::new() } }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.json.feed(bytes, &mut self.found);
    }

    pub(crate) fn take(&mut self) -> Vec<Made> {
        std::mem::take(&mut self.found.made)
    }
}

/// Reads a stream of events in the same way, each by itself.
#[derive(Debug)]
pub(crate) struct MadeInEvents {
    frames: Frames,
    event: MadeScanner,
    made: Vec<Made>,
}

impl MadeInEvents {
    pub(crate) fn new() -> MadeInEvents {
        MadeInEvents { frames: Frames::new(), event: MadeScanner::new(false), made: Vec::new() }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(piece) = self.frames.next(bytes, &mut at) {
            match piece {
                // Lines of an event's data are one text, and JSON does not care where they break.
                Piece::Data(part) => self.event.feed(part.text),
                Piece::End => {
                    let mut event = std::mem::replace(&mut self.event, MadeScanner::new(false));
                    self.made.append(&mut event.take());
                }
                Piece::Name(_) | Piece::Stray(_) => {}
            }
        }
    }

    /// What the events that have ended have named since the last call.
    pub(crate) fn take(&mut self) -> Vec<Made> {
        std::mem::take(&mut self.made)
    }
}

#[derive(Debug)]
struct Found {
    makes: bool,
    made: Vec<Made>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Root,
    Name,
    Names,
    Named,
    Items,
    Item,
    Sealed,
}

impl Document for Found {
    type Place = Place;
    const NOWHERE: Place = Place::Nowhere;
    const ROOT: Place = Place::Root;

    fn member(&mut self, object: Place, key: &[u8]) -> Place {
        match (object, key) {
            (Place::Root, b"id") if self.makes => Place::Name,
            // What comes out of a batch, a fine-tuning job, an upload, a run.
            (Place::Root, b"output_file_id" | b"error_file_id" | b"fine_tuned_model" | b"thread_id") => {
                Place::Name
            }
            (Place::Root, b"result_files") => Place::Names,
            (Place::Root, b"file") | (Place::Root, b"conversation") => Place::Named,
            (Place::Root, b"output" | b"data") => Place::Items,
            (Place::Named, b"id") => Place::Name,
            (Place::Item, b"encrypted_content") => Place::Sealed,
            (Place::Item, b"fine_tuned_model_checkpoint") => Place::Name,
            _ => Place::Nowhere,
        }
    }

    fn element(array: Place) -> Place {
        match array {
            Place::Names => Place::Name,
            Place::Items => Place::Item,
            _ => Place::Nowhere,
        }
    }

    fn keep(place: Place) -> usize {
        if matches!(place, Place::Name | Place::Sealed) { 512 } else { 0 }
    }

    fn value(&mut self, place: Place, value: Value<'_>) {
        match (place, value) {
            (Place::Name, Value::Text(id)) => note(&mut self.made, id, None),
            (Place::Sealed, Value::Text(id)) => note(&mut self.made, id, Some(RESPONSE_LIFETIME)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
