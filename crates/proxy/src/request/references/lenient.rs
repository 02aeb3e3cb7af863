//! The same walk for the few bodies that serde will not read to the end although they are JSON: half of a surrogate pair
//! that a client has cut, a number beyond all bounds, nesting that nobody means. Providers may take them.

use std::borrow::Cow;

use decisions::state::ReferenceKind;

use super::References;
use super::place::Place;
use crate::request::features::Uses;
use crate::scan::json::{Document, Json, Value};

/// What a body refers to that is known to be JSON.
pub(super) fn read(body: &[u8], uses: Uses) -> References<'static> {
    let mut reader = Reader { references: References::asking(uses), item: Item::default() };
    let mut json = Json::new::<Reader>();
    json.feed(body, &mut reader);
    reader.references
}

struct Reader {
    references: References<'static>,
    item: Item,
}

/// The item of `input` that is being read.
#[derive(Default)]
struct Item {
    ids: Vec<String>,
    is_reference: bool,
    has_type: bool,
    has_more: bool,
}

impl Document for Reader {
    type Place = Place;
    const NOWHERE: Place = Place::Nowhere;
    const ROOT: Place = Place::Root;

    fn member(&mut self, object: Place, key: &[u8]) -> Place {
        let place = std::str::from_utf8(key).map_or(Place::Nowhere, |key| object.as_object().member(key));
        self.item.has_more |= object == Place::Item && !matches!(place, Place::ItemId | Place::ItemType);
        place
    }

    fn element(array: Place) -> Place {
        array.element()
    }

    fn keep(place: Place) -> usize {
        match place {
            Place::ItemId | Place::ItemType | Place::Bound | Place::Model => 512,
            Place::PartType | Place::ToolType => 64,
            Place::Credential => 1,
            _ if place.kind().is_some() => 512,
            _ => 0,
        }
    }

    fn value(&mut self, place: Place, value: Value<'_>) {
        let into = &mut self.references;
        let is_way_on = matches!(place, Place::Previous | Place::Conversation);
        into.goes_on |= is_way_on && !matches!(value, Value::Null | Value::Closed);
        match (place, value) {
            (Place::Audio, Value::Object) => into.has_audio = true,
            // What kind of tool it is may come later or not at all: then it counts as one of the caller's.
            (Place::Tool, Value::Object) => into.uses.tool(None),
            (Place::ToolType, Value::Text(kind)) => into.uses.tool(std::str::from_utf8(kind).ok()),
            (Place::Item, Value::Object) => self.item = Item::default(),
            (Place::Item, Value::Closed) => {
                let item = std::mem::take(&mut self.item);
                if item.is_reference || !item.has_type && !item.has_more {
                    item.ids.into_iter().for_each(|id| into.add(ReferenceKind::Id, Cow::Owned(id)));
                }
            }
            (Place::ItemId, Value::Text(id)) => self.item.ids.push(String::from_utf8_lossy(id).into_owned()),
            (Place::ItemType, Value::Text(kind)) => {
                self.item.has_type = true;
                std::str::from_utf8(kind).into_iter().for_each(|kind| into.uses.part(kind));
                self.item.is_reference |= kind == b"item_reference";
            }
            (Place::Credential, Value::Bool | Value::Number(_)) => into.has_credential = true,
            (_, Value::Text(text)) => {
                into.text(place, Cow::Owned(String::from_utf8_lossy(text).into_owned()));
            }
            _ => {}
        }
    }
}
