//! The head of a part: what it is called, and whether it is a file.

use crate::request::path::decode;
use crate::request::peek::PeekError;

const fn bad(what: &'static str) -> PeekError {
    PeekError::Form(what)
}

/// `Content-Disposition` of a part.
#[derive(Debug)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) is_file: bool,
}

impl Disposition {
    pub(super) fn read(value: &str) -> Result<Disposition, PeekError> {
        let kind = value.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("form-data") {
            return Err(bad("a part is not form-data"));
        }
        if parameter(value, "name*")?.is_some() {
            return Err(bad("a part is named in another way than by `name`"));
        }
        let name = parameter(value, "name")?.ok_or(bad("a part has no name"))?;
        // `mod%65l` and `mod\el` are `model` to some.
        let is_plain = !name.contains('\\') && (!name.contains('%') || decode(&name) != b"model");
        if !is_plain {
            return Err(bad("a part's name is written in a way that can be read as another one"));
        }
        let is_file = parameter(value, "filename")?.is_some() || parameter(value, "filename*")?.is_some();
        Ok(Disposition { name, is_file })
    }
}

/// A header line as name and value.
pub(super) fn header(line: &[u8]) -> Result<(&str, &str), PeekError> {
    let text = std::str::from_utf8(line).map_err(|_| bad("the head of a part is not text"))?;
    let (name, value) = text.split_once(':').ok_or(bad("the head of a part is not well-formed"))?;
    if name.is_empty() || name.contains([' ', '\t', '\r', '\0']) || value.contains(['\r', '\0']) {
        return Err(bad("the head of a part is not well-formed"));
    }
    Ok((name, value.trim()))
}

/// The one value of a parameter, without its quotes. A quotation mark within is written `\"` by some and `%22` by
/// browsers; other backslashes stay, since paths are written so.
pub(super) fn parameter(value: &str, wanted: &str) -> Result<Option<String>, PeekError> {
    let mut found = None;
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    while !rest.trim().is_empty() {
        let (name, after) = rest.split_once('=').ok_or(bad("a parameter has no value"))?;
        let after = after.trim_start();
        let (text, left) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                let (text, left) = after.split_at(end);
                (text.trim().to_owned(), left)
            }
        };
        if name.contains(['"', ';']) {
            return Err(bad("its parameters are not well-formed"));
        }
        if name.trim().eq_ignore_ascii_case(wanted) && found.replace(text).is_some() {
            return Err(bad("a parameter stands twice"));
        }
        rest = match left.trim_start().strip_prefix(';') {
            Some(rest) => rest,
            None if left.trim().is_empty() => "",
            None => return Err(bad("its parameters are not well-formed")),
        };
    }
    Ok(found)
}

/// A text up to its closing quotation mark, and what follows that.
fn unquote(quoted: &str) -> Result<(String, &str), PeekError> {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((text, quoted.get(at + 1..).unwrap_or_default())),
            '\\' if quoted.get(at + 1..).is_some_and(|rest| rest.starts_with('"')) => {
                characters.next();
                text.push('"');
            }
            other => text.push(other),
        }
    }
    Err(bad("a quotation mark is not closed"))
}
