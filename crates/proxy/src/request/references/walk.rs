//! Walks through a body by the tree of places, as serde reads it.

use std::borrow::Cow;
use std::fmt;

use decisions::state::ReferenceKind;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::place::Place;
use super::{References, Skipped};

/// Reads the value at a place.
pub(crate) struct Walk<'w, 'b> {
    pub(crate) place: Place,
    pub(crate) into: &'w mut References<'b>,
}

impl<'b> DeserializeSeed<'b> for Walk<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'b> Walk<'_, 'b> {
    fn text(self, text: Cow<'b, str>) {
        self.into.goes_on |= self.goes_on();
        self.into.text(self.place, text);
    }

    /// Whatever stands here, the request goes on from something.
    fn goes_on(&self) -> bool {
        matches!(self.place, Place::Previous | Place::Conversation)
    }

    fn something<E>(self) -> Result<(), E> {
        self.into.goes_on |= self.goes_on();
        self.into.has_credential |= self.place == Place::Credential;
        Ok(())
    }

    /// An item is a reference if its type says so, or if it has no type and nothing but an ID.
    fn item<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        let mut ids: Vec<Cow<'b, str>> = Vec::new();
        let (mut is_reference, mut has_type, mut has_more) = (false, false, false);
        while let Some(key) = map.next_key::<Key<'b>>()? {
            match Place::Item.member(&key.0) {
                Place::ItemId => ids.extend(map.next_value::<Text<'b>>()?.0),
                Place::ItemType => {
                    let kind = map.next_value::<Text<'b>>()?.0;
                    has_type |= kind.is_some();
                    kind.iter().for_each(|kind| self.into.uses.part(kind));
                    is_reference |= kind.is_some_and(|kind| kind == "item_reference");
                }
                Place::Nowhere => {
                    has_more = true;
                    map.next_value::<Skipped>()?;
                }
                place => {
                    has_more = true;
                    map.next_value_seed(Walk { place, into: self.into })?;
                }
            }
        }
        if is_reference || !has_type && !has_more {
            ids.into_iter().for_each(|id| self.into.add(ReferenceKind::Id, id));
        }
        Ok(())
    }
}

impl<'b> Visitor<'b> for Walk<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        self.into.goes_on |= self.goes_on();
        self.into.has_audio |= self.place == Place::Audio;
        if self.place == Place::Item {
            return self.item(map);
        }
        let object = self.place.as_object();
        let asks = self.into.uses.is_asked();
        let mut tool = None;
        while let Some(key) = map.next_key::<Key<'b>>()? {
            match object.member(&key.0) {
                Place::PartType | Place::ToolType if !asks => {
                    map.next_value::<Skipped>()?;
                }
                Place::Nowhere => {
                    map.next_value::<Skipped>()?;
                }
                Place::ToolType => tool = map.next_value::<Text<'b>>()?.0,
                place => map.next_value_seed(Walk { place, into: self.into })?,
            }
        }
        if object == Place::Tool {
            self.into.uses.tool(tool.as_deref());
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut list: A) -> Result<(), A::Error> {
        self.into.goes_on |= self.goes_on();
        match self.place.element() {
            Place::Nowhere => while list.next_element::<Skipped>()?.is_some() {},
            place => while list.next_element_seed(Walk { place, into: self.into })?.is_some() {},
        }
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'b str) -> Result<(), E> {
        self.text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.something()
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.something()
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.something()
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.something()
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key, decoded.
struct Key<'b>(Cow<'b, str>);

/// A text, or nothing for any other value.
struct Text<'b>(Option<Cow<'b, str>>);

impl<'b> serde::Deserialize<'b> for Key<'b> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Key<'b>, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Key)
    }
}

impl<'b> serde::Deserialize<'b> for Text<'b> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Text<'b>, D::Error> {
        let raw = <&'b serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(Text(crate::request::peek::text_of(raw)))
    }
}

struct TextVisitor;

impl<'b> Visitor<'b> for TextVisitor {
    type Value = Cow<'b, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'b str) -> Result<Cow<'b, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'b, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
