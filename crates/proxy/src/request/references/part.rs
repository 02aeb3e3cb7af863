//! Where the parts of a form stand among the places of a JSON body. Clients write `input_reference[file_id]` for the member
//! `file_id` of `input_reference`, and `file_ids[]` or `file_ids[0]` for an element of `file_ids`.

use std::borrow::Cow;

use serde::de::DeserializeSeed as _;

use super::{Place, References, Walk};

/// The parts that may name something, or hold what does. The others of a body's members are texts in a form: a prompt,
/// for example.
const NAMES: [&str; 11] = [
    "characters",
    "consent",
    "container_id",
    "file_id",
    "file_ids",
    "files",
    "images",
    "input_reference",
    "mask",
    "video",
    "voice",
];

/// The place of a part.
pub(crate) fn place_of_part(name: &str) -> Place {
    let (first, mut rest) = name.find('[').map_or((name, ""), |at| name.split_at(at));
    let mut place = match first {
        // A recording that was made before.
        "consent" => Place::Id,
        known if NAMES.contains(&known) => Place::Root.member(known),
        _ => Place::Nowhere,
    };
    while let Some((key, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        let is_element = key.bytes().all(|byte| byte.is_ascii_digit());
        place = if is_element { place.element() } else { place.as_object().member(key) };
        rest = after;
    }
    match place {
        _ if !rest.is_empty() => Place::Nowhere,
        // A part that is there several times is a list.
        Place::Ids => Place::Id,
        place => place,
    }
}

/// Whether a text of such a part must be read to know what it refers to.
pub(crate) fn must_be_read(place: Place, beginning: &[u8]) -> bool {
    place.kind().is_some() || matches!(beginning.trim_ascii_start().first(), Some(b'{' | b'['))
}

impl References<'static> {
    /// The text of a part: a name, or JSON in which some stand.
    pub(crate) fn add_part(&mut self, place: Place, text: &str) {
        if place.kind().is_some() {
            return self.text(place, Cow::Owned(text.to_owned()));
        }
        let mut found = References::default();
        let mut json = serde_json::Deserializer::from_str(text);
        // What is no JSON is a text to every provider.
        if (Walk { place, into: &mut found }).deserialize(&mut json).is_ok() {
            found.ids.into_iter().for_each(|(kind, id)| self.add(kind, Cow::Owned(id.into_owned())));
            self.has_credential |= found.has_credential;
            self.is_bound |= found.is_bound;
            self.is_too_many |= found.is_too_many;
        }
    }

    /// How many things it refers to.
    pub(crate) fn count(&self) -> usize {
        self.iter().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_where_members_of_a_body_do() {
        for (name, place) in [
            ("file_id", Place::Id),
            ("file_ids", Place::Id),
            ("file_ids[]", Place::Id),
            ("file_ids[3]", Place::Id),
            ("input_reference[file_id]", Place::Id),
            ("video[id]", Place::Id),
            ("characters[][id]", Place::Id),
            ("characters[1][id]", Place::Id),
            ("images[0][file_id]", Place::Id),
            ("consent", Place::Id),
            ("input_reference", Place::Holder),
            ("input_reference[image_url]", Place::Nowhere),
            ("prompt[id]", Place::Nowhere),
            ("input_reference[file_id", Place::Nowhere),
            ("file_id]", Place::Nowhere),
            ("", Place::Nowhere),
        ] {
            assert_eq!(place_of_part(name), place, "{name}");
        }
    }

    #[test]
    fn json_in_a_part_is_read_and_other_text_is_not() {
        let ids = |place, text: &str| {
            let mut references = References::default();
            references.add_part(place, text);
            references.iter().map(|(_, id)| id.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(Place::Id, "file-1"), ["file-1"]);
        assert_eq!(ids(Place::Holder, r#"{"file_id": "file-1", "x": ["file_id"]}"#), ["file-1"]);
        assert_eq!(ids(Place::NamedList, r#"[{"id": "char_1"}, {"id": "char_2"}]"#), ["char_1", "char_2"]);
        assert!(ids(Place::Holder, "{file-1}").is_empty());
    }
}
