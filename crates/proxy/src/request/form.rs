//! Reads a multipart form as it passes (RFC 7578, RFC 2046 section 5.1): where the value of `model` stands and the few
//! other fields that route, or, of a form that is not routed by its model, what it refers to.
//!
//! What the provider reads must be what was read here, so whatever parsers are known to disagree about is refused, not
//! repaired: line ends other than CR LF around a boundary, text before the first or after the last one, a field named in
//! two ways, a second `model`. The state is of fixed size, whatever is sent.

mod disposition;

use std::ops::Range;

use decisions::plan::{Feature, FeatureSet};

use crate::request::peek::PeekError;
use crate::request::references::{Place, References, must_be_read, place_of_part};
use disposition::{Disposition, header};

/// The longest line of a part's head.
const LONGEST_LINE: usize = 4 << 10;
/// The longest value that is read.
const LONGEST_VALUE: usize = 1 << 10;
/// How much of a boundary's line may follow it: the two hyphens of the last one, and padding.
const PADDING: usize = 32;
/// RFC 2046 section 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// A form that is being read.
#[derive(Debug)]
pub(crate) struct FormScanner {
    /// With its two hyphens.
    boundary: Vec<u8>,
    at: At,
    /// The beginning of the current line, as far as it is looked at.
    line: Vec<u8>,
    /// Its length so far.
    line_length: usize,
    ends_in_cr: bool,
    /// The line before it ended in CR LF.
    follows_crlf: bool,
    /// Where the next byte stands in the body.
    position: usize,
    part: Part,
    model: Option<(String, Range<usize>)>,
    user: Option<String>,
    /// What its fields use of the API.
    features: FeatureSet,
    /// What it refers to, if that is what it is read for.
    references: Option<Box<References<'static>>>,
    /// Where it goes has been decided: it may refer to nothing more.
    is_placed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first boundary.
    Start,
    Head,
    Content,
    /// After the last boundary.
    End,
}

/// The part that is being read.
#[derive(Debug, Default)]
struct Part {
    disposition: Option<Disposition>,
    is_encoded: bool,
    field: Field,
    begins_at: usize,
    value: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field {
    #[default]
    Other,
    Model,
    User,
    /// Whether the answer is to be streamed.
    Stream,
    /// What else the answer is to hold.
    Include,
    /// It may refer to something.
    Referring(Place),
}

const fn bad(what: &'static str) -> PeekError {
    PeekError::Form(what)
}

impl FormScanner {
    /// For a body of this media type.
    pub(crate) fn new(content_type: &[u8]) -> Result<FormScanner, PeekError> {
        let text = std::str::from_utf8(content_type).map_err(|_| bad("its Content-Type is not text"))?;
        let name =
            disposition::parameter(text, "boundary")?.ok_or(bad("its Content-Type has no boundary"))?;
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        if !(1..=LONGEST_BOUNDARY).contains(&name.len()) || !name.bytes().all(is_char) || name.ends_with(' ')
        {
            return Err(bad("its boundary is not one"));
        }
        Ok(FormScanner {
            boundary: format!("--{name}").into_bytes(),
            at: At::Start,
            line: Vec::new(),
            line_length: 0,
            ends_in_cr: false,
            follows_crlf: true,
            position: 0,
            part: Part::default(),
            model: None,
            user: None,
            features: FeatureSet::EMPTY,
            references: None,
            is_placed: false,
        })
    }

    /// Reads what it refers to, in place of the fields that route.
    pub(crate) fn for_references(self) -> FormScanner {
        FormScanner { references: Some(Box::default()), ..self }
    }

    /// What it has referred to so far.
    pub(crate) fn references(&self) -> Option<&References<'static>> {
        self.references.as_deref()
    }

    /// Whether enough of it has been read to decide where it goes.
    pub(crate) fn can_be_placed(&self) -> bool {
        self.references.is_some() || self.model.is_some()
    }

    /// Where it goes is decided by what has been read.
    pub(crate) fn placed(&mut self) {
        self.is_placed = true;
    }

    /// The value of `model` and where it stands, once the part that holds it has ended.
    pub(crate) fn model(&self) -> Option<(&str, Range<usize>)> {
        self.model.as_ref().map(|(model, at)| (model.as_str(), at.clone()))
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What the fields that have passed use of the API.
    pub(crate) fn features(&self) -> FeatureSet {
        self.features
    }

    /// The next bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), PeekError> {
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            self.keep(line.strip_suffix(b"\n").unwrap_or(line))?;
            self.keep_value(line);
            self.position += line.len();
            bytes = rest;
            if end.is_some() {
                self.line_end()?;
                self.follows_crlf = self.ends_in_cr;
                self.line.clear();
                (self.line_length, self.ends_in_cr) = (0, false);
            }
        }
        Ok(())
    }

    /// The body has ended.
    pub(crate) fn finish(&mut self) -> Result<(), PeekError> {
        if self.at == At::Content && self.line_length > 0 {
            // The last boundary needs no line end.
            self.ends_in_cr = true;
            self.line.push(b'\r');
            self.line_length += 1;
            // As if there were one, so that positions fit.
            self.position += 2;
            self.line_end()?;
        }
        if self.at == At::End && self.line.trim_ascii().is_empty() | self.line.starts_with(&self.boundary) {
            return Ok(());
        }
        Err(bad("its last boundary is missing"))
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), PeekError> {
        let most = match self.at {
            At::Head => LONGEST_LINE,
            At::Start | At::Content | At::End => self.boundary.len() + PADDING,
        };
        let room = most.saturating_sub(self.line.len());
        self.line.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        self.line_length = self.line_length.saturating_add(bytes.len());
        if let Some(last) = bytes.last() {
            self.ends_in_cr = *last == b'\r';
        }
        if self.at == At::Head && self.line_length > LONGEST_LINE {
            return Err(bad("the head of a part is too long"));
        }
        Ok(())
    }

    fn keep_value(&mut self, bytes: &[u8]) {
        if self.at == At::Content && self.part.field != Field::Other {
            let most = LONGEST_VALUE + self.boundary.len() + PADDING;
            let room = most.saturating_sub(self.part.value.len());
            self.part.value.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        }
    }

    fn line_end(&mut self) -> Result<(), PeekError> {
        let is_boundary = self.line.starts_with(&self.boundary);
        match self.at {
            At::Start if self.line == b"\r" => Ok(()),
            At::Start if is_boundary => self.boundary_line(),
            At::Start => Err(bad("it does not begin with its boundary")),
            At::Head => self.head_line(),
            At::Content if is_boundary => {
                self.end_part()?;
                self.boundary_line()
            }
            At::Content => Ok(()),
            At::End if self.line.trim_ascii().is_empty() => Ok(()),
            At::End => Err(bad("something stands after its last boundary")),
        }
    }

    /// A line that begins with the boundary.
    fn boundary_line(&mut self) -> Result<(), PeekError> {
        if !self.follows_crlf || !self.ends_in_cr {
            return Err(bad("a boundary stands between line ends other than CR LF"));
        }
        let is_whole = self.line_length == self.line.len();
        let rest = self.line.get(self.boundary.len()..).filter(|_| is_whole).unwrap_or(b"x");
        let is_padding = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
        self.part = Part::default();
        self.at = match rest.strip_prefix(b"--") {
            _ if is_padding(rest) => At::Head,
            Some(rest) if is_padding(rest) => At::End,
            _ => return Err(bad("a line begins with its boundary and is none")),
        };
        Ok(())
    }

    fn head_line(&mut self) -> Result<(), PeekError> {
        let line =
            self.line.strip_suffix(b"\r").ok_or(bad("a line of a part's head does not end in CR LF"))?;
        if line.is_empty() {
            return self.begin_content();
        }
        let (name, value) = header(line)?;
        if name.eq_ignore_ascii_case("content-disposition") {
            if self.part.disposition.is_some() {
                return Err(bad("a part is named twice"));
            }
            self.part.disposition = Some(Disposition::read(value)?);
        } else if name.eq_ignore_ascii_case("content-transfer-encoding") {
            let is_plain = ["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain));
            self.part.is_encoded |= !is_plain;
        }
        Ok(())
    }

    fn begin_content(&mut self) -> Result<(), PeekError> {
        let named = self.part.disposition.as_ref().ok_or(bad("a part has no Content-Disposition"))?;
        self.part.field = match (named.name.as_str(), &self.references) {
            (_, Some(_)) if named.is_file => Field::Other,
            (name, Some(_)) => match place_of_part(name) {
                Place::Nowhere => Field::Other,
                place => Field::Referring(place),
            },
            ("model", None) => Field::Model,
            ("user", None) => Field::User,
            ("stream", None) => Field::Stream,
            // `include[]` from most clients.
            (name, None) if name.starts_with("include") => Field::Include,
            _ => Field::Other,
        };
        if matches!(self.part.field, Field::Referring(_)) && self.part.is_encoded {
            return Err(bad("a part that may refer to something is encoded"));
        }
        if self.part.field == Field::Model {
            if self.model.is_some() {
                return Err(PeekError::Duplicate("model"));
            }
            if named.is_file || self.part.is_encoded {
                return Err(PeekError::ModelNotText);
            }
        }
        self.part.begins_at = self.position;
        self.at = At::Content;
        // The line end after the head may also be the one before a boundary.
        Ok(())
    }

    /// The boundary after a part has been read: what came before its line end was the content.
    fn end_part(&mut self) -> Result<(), PeekError> {
        let part = std::mem::take(&mut self.part);
        if part.field == Field::Other {
            return Ok(());
        }
        let line_begins_at = self.position - self.line_length - 1;
        let end = line_begins_at.checked_sub(2).filter(|end| *end >= part.begins_at);
        let at = part.begins_at..end.unwrap_or(part.begins_at);
        let value = part.value.get(..at.len()).filter(|value| value.len() <= LONGEST_VALUE);
        let text = value.and_then(|value| std::str::from_utf8(value).ok());
        match part.field {
            Field::Model => {
                let text = text.filter(|text| !text.is_empty()).ok_or(PeekError::ModelNotText)?;
                self.model = Some((text.to_owned(), at));
            }
            // The first one counts, and one that cannot be read counts as none.
            Field::Referring(place) => return self.refer(place, text, &part.value),
            Field::User if self.user.is_none() => self.user = text.map(str::to_owned),
            // What nobody can read here somebody may there: it counts as use.
            Field::Stream if part.is_encoded || text.is_none_or(|text| !is_default(text)) => {
                self.features = self.features.with(Feature::Streaming);
            }
            Field::Include if part.is_encoded || text.is_none_or(|text| text.contains("logprobs")) => {
                self.features = self.features.with(Feature::Logprobs);
            }
            Field::User | Field::Stream | Field::Include | Field::Other => {}
        }
        Ok(())
    }
}

/// A flag that is not set, as clients write it.
fn is_default(flag: &str) -> bool {
    matches!(flag, "" | "0") || flag.eq_ignore_ascii_case("false")
}

impl FormScanner {
    /// A part that may refer to something has ended; `text` is missing where it is too long, or no text.
    fn refer(&mut self, place: Place, text: Option<&str>, value: &[u8]) -> Result<(), PeekError> {
        let Some(references) = &mut self.references else { return Ok(()) };
        let Some(text) = text else {
            let is_text_alone = !must_be_read(place, value);
            return is_text_alone
                .then_some(())
                .ok_or(bad("a part that may refer to something is no short text"));
        };
        let before = references.count();
        references.add_part(place, text);
        if self.is_placed && references.count() > before {
            return Err(bad("it refers to something behind its first files"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
