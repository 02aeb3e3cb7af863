//! Reads the few fields of a JSON body that route it, without building a document.
//!
//! Parsers disagree about a key that occurs twice: some take the first, some the last. So for the keys that are read
//! here a second occurrence is an error, compared after decoding (`mod\u0065l` is `model`). Everything else in the
//! body is checked to be JSON and otherwise left alone.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use decisions::plan::{Feature, FeatureSet};
use decisions::{Endpoint, StickyKeys};
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::request::features::{Tells, Uses};
use crate::request::references::{Place, References, Walk, read_leniently};
use crate::scan::made::Wanted;

/// The routed fields, borrowed from the body.
#[derive(Debug)]
pub struct Peeked<'b> {
    /// The value of `model`, decoded; empty where there is none and the endpoint can do without.
    pub model: Cow<'b, str>,
    /// Where the value of `model` stands in the body, quotes included; empty where there is none.
    pub model_at: Range<usize>,
    /// `stream` is `true`.
    pub stream: bool,
    /// It says nothing of what its stream is to tell beside the answer.
    pub leaves_stream_options: bool,
    /// The request creates or uses state that lives at one provider.
    pub stateful: bool,
    /// Its answer is stored, so what is in it can be referred to.
    pub stores: bool,
    /// What it refers to.
    pub references: References<'b>,
    /// What it uses of the API, where that was asked.
    pub features: FeatureSet,
    safety_identifier: Option<Cow<'b, str>>,
    user: Option<Cow<'b, str>>,
    prompt_cache_key: Option<Cow<'b, str>>,
}

/// Why a body cannot be routed. It never holds any of the body's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekError {
    /// Not UTF-8 (RFC 8259 section 8.1).
    NotUtf8,
    /// Nothing but white space.
    Empty,
    /// Not JSON, from here on.
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// JSON, but not an object.
    NotAnObject,
    /// A routed field occurs twice.
    Duplicate(&'static str),
    /// There is no `model`.
    NoModel,
    /// `model` is not a string, or empty.
    ModelNotText,
    /// A form that is not well-formed, or that can be read in two ways: what is wrong.
    Form(&'static str),
}

impl fmt::Display for PeekError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeekError::NotUtf8 => f.write_str("it is not valid UTF-8"),
            PeekError::Empty => f.write_str("it is empty"),
            PeekError::Syntax { line, column } => {
                write!(f, "it is not JSON from line {line}, column {column} on")
            }
            PeekError::NotAnObject => f.write_str("it is not a JSON object"),
            PeekError::Duplicate(field) => write!(f, "`{field}` is there twice"),
            PeekError::NoModel => f.write_str("it has no `model`"),
            PeekError::ModelNotText => f.write_str("its `model` is not a string, or empty"),
            PeekError::Form(what) => write!(f, "the form is not in order: {what}"),
        }
    }
}

impl<'b> Peeked<'b> {
    /// What a form says.
    pub(crate) fn of_form(model: &'b str, model_at: Range<usize>, user: Option<&'b str>) -> Peeked<'b> {
        Peeked {
            model: Cow::Borrowed(model),
            model_at,
            stream: false,
            leaves_stream_options: false,
            stateful: false,
            stores: false,
            references: References::default(),
            features: FeatureSet::EMPTY,
            safety_identifier: None,
            user: user.map(Cow::Borrowed),
            prompt_cache_key: None,
        }
    }
}

impl Peeked<'_> {
    /// What of its answer can be referred to later.
    pub(crate) fn wanted(&self, endpoint: Endpoint) -> Wanted {
        match endpoint {
            _ if self.stores => Wanted::Stored,
            Endpoint::Responses => Wanted::Unstored,
            Endpoint::Chat if self.references.has_audio => Wanted::Unstored,
            _ => Wanted::Nothing,
        }
    }

    /// Whether it refers to something that may live at one provider, or carries what must not leave its primary.
    #[must_use]
    pub fn refers(&self) -> bool {
        !self.references.is_empty()
    }

    /// What the request offers to be sticky by.
    #[must_use]
    pub fn sticky_keys(&self) -> StickyKeys<'_> {
        StickyKeys {
            safety_identifier: self.safety_identifier.as_deref(),
            user: self.user.as_deref(),
            prompt_cache_key: self.prompt_cache_key.as_deref(),
        }
    }
}

/// Reads the routed fields of a body.
///
/// # Errors
/// [`PeekError`] for a body that is not a JSON object with one `model` string.
pub fn peek(body: &[u8], endpoint: Endpoint) -> Result<Peeked<'_>, PeekError> {
    read(body, endpoint, Uses::not_asked())
}

/// Reads the routed fields of a body, and what it uses of the API.
///
/// # Errors
/// As [`peek`].
pub fn peek_with_features(body: &[u8], endpoint: Endpoint) -> Result<Peeked<'_>, PeekError> {
    let mut peeked = read(body, endpoint, Uses::asked_of(endpoint))?;
    let mut uses = peeked.references.uses;
    if peeked.references.has_audio {
        uses.add(Feature::Audio);
    }
    // A stream is one whatever else is asked of the endpoint.
    peeked.features = uses.seen();
    if peeked.stream {
        peeked.features = peeked.features.with(Feature::Streaming);
    }
    Ok(peeked)
}

fn read(body: &[u8], endpoint: Endpoint, uses: Uses) -> Result<Peeked<'_>, PeekError> {
    let text = std::str::from_utf8(body).map_err(|_| PeekError::NotUtf8)?;
    if text.trim_ascii().is_empty() {
        return Err(PeekError::Empty);
    }
    // Derives and visitors would also fill fields from an array, so the shape is looked at first.
    if text
        .trim_ascii_start()
        .starts_with(['[', '"', 't', 'f', 'n', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    {
        return Err(PeekError::NotAnObject);
    }
    let refers = endpoint != Endpoint::Embeddings;
    let mut fields =
        Fields { endpoint, refers, references: References::asking(uses), ..Fields::new(endpoint) };
    let mut parsed = fields.read(text);
    if parsed.is_err() && fields.refers && fields.duplicate.is_none() {
        // What serde does not walk through it may still skip.
        fields = Fields { references: References::asking(uses), ..Fields::new(endpoint) };
        parsed = fields.read(text);
        if parsed.is_ok() {
            fields.references = read_leniently(body, fields.references.uses);
        }
    }
    if let Some(field) = fields.duplicate {
        return Err(PeekError::Duplicate(field));
    }
    parsed.map_err(|error| PeekError::Syntax { line: error.line(), column: error.column() })?;
    // Where it may be left out the API's own types also have it as null.
    let left_out = |raw: &&RawValue| endpoint.has_default_model() && is(Some(*raw), "null");
    let (model, model_at) = match fields.model.filter(|raw| !left_out(raw)) {
        Some(raw) => {
            let model = text_of(raw).filter(|model| !model.is_empty()).ok_or(PeekError::ModelNotText)?;
            // Both are addresses within the same text.
            let start = raw.get().as_ptr().addr() - text.as_ptr().addr();
            (model, start..start + raw.get().len())
        }
        None if endpoint.has_default_model() => (Cow::Borrowed(""), 0..0),
        None => return Err(PeekError::NoModel),
    };
    let user = match endpoint {
        of if of.is_anthropics() => fields.metadata.and_then(user_id),
        _ => fields.user.and_then(text_of),
    };
    if is(fields.background, "true") {
        fields.references.bind();
    }
    let stores = fields.stores(endpoint);
    Ok(Peeked {
        model,
        model_at,
        stream: is(fields.stream, "true"),
        leaves_stream_options: !fields.has_stream_options,
        stateful: stores || fields.references.goes_on,
        stores,
        references: fields.references,
        features: FeatureSet::EMPTY,
        safety_identifier: fields.safety_identifier.and_then(text_of),
        user,
        prompt_cache_key: fields.prompt_cache_key.and_then(text_of),
    })
}

/// A JSON string's value, borrowed unless it has escapes; `None` for any other JSON value.
pub(crate) fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// Who the end user is, where Anthropic's clients say it.
fn user_id(metadata: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Metadata<'m> {
        #[serde(borrow)]
        user_id: Option<&'m RawValue>,
    }
    serde_json::from_str::<Metadata<'_>>(metadata.get()).ok()?.user_id.and_then(text_of)
}

fn is(value: Option<&RawValue>, text: &str) -> bool {
    value.is_some_and(|raw| raw.get() == text)
}

/// The raw values of the routed fields.
struct Fields<'b> {
    endpoint: Endpoint,
    model: Option<&'b RawValue>,
    stream: Option<&'b RawValue>,
    safety_identifier: Option<&'b RawValue>,
    user: Option<&'b RawValue>,
    metadata: Option<&'b RawValue>,
    prompt_cache_key: Option<&'b RawValue>,
    store: Option<&'b RawValue>,
    background: Option<&'b RawValue>,
    references: References<'b>,
    /// The endpoint has references to look for.
    refers: bool,
    has_previous: bool,
    has_conversation: bool,
    has_stream_options: bool,
    duplicate: Option<&'static str>,
}

impl<'b> Fields<'b> {
    fn new(endpoint: Endpoint) -> Fields<'b> {
        Fields {
            endpoint,
            model: None,
            stream: None,
            safety_identifier: None,
            user: None,
            metadata: None,
            prompt_cache_key: None,
            store: None,
            background: None,
            references: References::default(),
            refers: false,
            has_previous: false,
            has_conversation: false,
            has_stream_options: false,
            duplicate: None,
        }
    }

    fn read(&mut self, text: &'b str) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_map(FieldsVisitor(self)).and_then(|()| json.end())
    }

    fn slot(&mut self, key: Field) -> Option<(&mut Option<&'b RawValue>, &'static str)> {
        Some(match key {
            Field::Model => (&mut self.model, "model"),
            Field::Stream => (&mut self.stream, "stream"),
            Field::SafetyIdentifier => (&mut self.safety_identifier, "safety_identifier"),
            Field::User => (&mut self.user, "user"),
            Field::Metadata => (&mut self.metadata, "metadata"),
            Field::PromptCacheKey => (&mut self.prompt_cache_key, "prompt_cache_key"),
            Field::Store => (&mut self.store, "store"),
            Field::Background => (&mut self.background, "background"),
            Field::StreamOptions | Field::Refers(_) | Field::Tells(_) | Field::Other => return None,
        })
    }

    /// Whether a field from which a request goes on is there a second time.
    fn is_second(&mut self, place: Place) -> Option<&'static str> {
        let (has, name) = match place {
            Place::Previous => (&mut self.has_previous, "previous_response_id"),
            Place::Conversation => (&mut self.has_conversation, "conversation"),
            _ => return None,
        };
        std::mem::replace(has, true).then_some(name)
    }

    /// Responses are stored unless `store` is `false`; chat completions only when it is `true`.
    fn stores(&self, endpoint: Endpoint) -> bool {
        match endpoint {
            Endpoint::Chat => is(self.store, "true"),
            Endpoint::Responses => !is(self.store, "false") || is(self.background, "true"),
            // What it answers can be read by the provider that wrote it alone.
            Endpoint::ResponsesCompact => true,
            _ => false,
        }
    }
}

/// A key of the top-level object, told apart from the others.
#[derive(Clone, Copy)]
enum Field {
    Model,
    Stream,
    SafetyIdentifier,
    User,
    Metadata,
    PromptCacheKey,
    Store,
    Background,
    StreamOptions,
    /// Something may be referred to here.
    Refers(Place),
    /// It may say that something of the API is used.
    Tells(Tells),
    Other,
}

impl<'de> serde::Deserialize<'de> for Field {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Field, E> {
                Ok(match key {
                    "model" => Field::Model,
                    "stream" => Field::Stream,
                    "safety_identifier" => Field::SafetyIdentifier,
                    "user" => Field::User,
                    "metadata" => Field::Metadata,
                    "prompt_cache_key" => Field::PromptCacheKey,
                    "store" => Field::Store,
                    "background" => Field::Background,
                    "stream_options" => Field::StreamOptions,
                    _ => match Place::Root.member(key) {
                        Place::Nowhere => Tells::of(key).map_or(Field::Other, Field::Tells),
                        place => Field::Refers(place),
                    },
                })
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct FieldsVisitor<'f, 'b>(&'f mut Fields<'b>);

impl<'b> Visitor<'b> for FieldsVisitor<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Field>()? {
            if let Field::Refers(place) = key {
                if let Some(name) = self.0.is_second(place) {
                    self.0.duplicate = Some(name);
                    return Err(A::Error::custom("a routed field occurs twice"));
                }
                if !self.0.refers {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                map.next_value_seed(Walk { place, into: &mut self.0.references })?;
                continue;
            }
            if let Field::Tells(field) = key
                && self.0.references.uses.is_asked()
            {
                let (value, endpoint) = (map.next_value::<&RawValue>()?, self.0.endpoint);
                self.0.references.uses.field(field, endpoint, value);
                continue;
            }
            self.0.has_stream_options |= matches!(key, Field::StreamOptions);
            let Some((slot, name)) = self.0.slot(key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if slot.replace(map.next_value()?).is_some() {
                self.0.duplicate = Some(name);
                return Err(A::Error::custom("a routed field occurs twice"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
