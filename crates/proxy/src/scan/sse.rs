//! The framing of an event stream: lines, fields and the blank line that ends an event (WHATWG HTML, 9.2.6).
//!
//! Lines come in pieces, as they are fed; nothing is put together here. A line may end with `\n`, `\r` or both, also
//! when these are in different pieces. Then the event has ended with the `\r`, and the `\n` belongs to the next one.

use memchr::memchr2;

/// A part of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'b> {
    /// Some of a `data` line.
    Data(Part<'b>),
    /// Some of an `event` line.
    Name(Part<'b>),
    /// Some of a line that is no field and no comment.
    Stray(Part<'b>),
    /// The blank line.
    End,
}

/// Some of a line's value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'b> {
    pub(super) text: &'b [u8],
    /// It is the first of its line, and may be empty.
    pub(super) first: bool,
}

/// The state between two pieces.
#[derive(Debug)]
pub(super) struct Frames {
    line: Line,
    /// Nothing of the line's value has been given out yet.
    first: bool,
    /// The last line ended with `\r`, so that a `\n` would still be part of its end.
    after_return: bool,
    /// Something other than a comment came since the last blank line.
    begun: bool,
    name: FieldName,
}

#[derive(Clone, Copy, Debug)]
enum Line {
    /// At the start of the stream, after so many bytes of a byte order mark.
    Mark(usize),
    Start,
    Name,
    /// A space may come that is not part of the value.
    AfterColon(Field),
    Value(Field),
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Data,
    Name,
    Stray,
    Other,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl Frames {
    pub(super) fn new() -> Frames {
        Frames {
            line: Line::Mark(0),
            first: false,
            after_return: false,
            begun: false,
            name: FieldName::default(),
        }
    }

    /// Something other than a comment came since the last blank line.
    pub(super) fn is_in_event(&self) -> bool {
        self.begun
    }

    /// The next part of an event in `bytes` from `at` on, which moves past it. `None` when the rest has been read.
    #[inline]
    pub(super) fn next<'b>(&mut self, bytes: &'b [u8], at: &mut usize) -> Option<Piece<'b>> {
        loop {
            let rest = bytes.get(*at..)?;
            let first = *rest.first()?;
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                *at += 1;
                continue;
            }
            match self.line {
                Line::Value(field) => {
                    if let Some(piece) = self.value(field, rest, at) {
                        return Some(piece);
                    }
                }
                Line::AfterColon(field) => {
                    *at += usize::from(first == b' ');
                    self.value_starts(field);
                }
                Line::Start if rest.starts_with(b"data:") => {
                    *at += b"data:".len();
                    self.begun = true;
                    self.line = Line::AfterColon(Field::Data);
                }
                Line::Start => match first {
                    b'\n' | b'\r' => {
                        self.end_line(rest, at);
                        self.begun = false;
                        return Some(Piece::End);
                    }
                    b':' => self.line = Line::Value(Field::Other),
                    _ => self.field_starts(first),
                },
                Line::Name => self.field_name(first, rest, at),
                Line::Mark(read) => self.mark(read, first, at),
            }
        }
    }

    /// Some of the line's value, up to its end if that has come.
    #[inline]
    fn value<'b>(&mut self, field: Field, rest: &'b [u8], at: &mut usize) -> Option<Piece<'b>> {
        let end = memchr2(b'\n', b'\r', rest);
        let (text, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        *at += text.len();
        if end.is_some() {
            self.end_line(rest, at);
        }
        let part = Part { text, first: std::mem::take(&mut self.first) };
        match field {
            Field::Data => Some(Piece::Data(part)),
            Field::Name => Some(Piece::Name(part)),
            Field::Stray => Some(Piece::Stray(part)),
            Field::Other => None,
        }
    }

    /// At the end of a line.
    #[inline]
    fn end_line(&mut self, rest: &[u8], at: &mut usize) {
        let len = if rest.starts_with(b"\r\n") { 2 } else { 1 };
        self.after_return = rest == b"\r";
        *at += len;
        self.line = Line::Start;
    }

    fn value_starts(&mut self, field: Field) {
        self.line = Line::Value(field);
        self.first = true;
    }

    /// A line that is neither blank nor a comment.
    fn field_starts(&mut self, first: u8) {
        self.begun = true;
        self.name = FieldName::default();
        match first {
            b'd' | b'e' | b'i' | b'r' => self.line = Line::Name,
            // No field that is known begins like this.
            _ => self.value_starts(Field::Stray),
        }
    }

    fn field_name(&mut self, byte: u8, rest: &[u8], at: &mut usize) {
        match byte {
            b':' => {
                *at += 1;
                self.line = Line::AfterColon(self.name.field());
            }
            // Without a colon the value is empty.
            b'\n' | b'\r' => {
                let field = self.name.field();
                self.value_starts(field);
            }
            _ => {
                let len = memchr::memchr3(b':', b'\n', b'\r', rest).unwrap_or(rest.len());
                self.name.push(rest.get(..len).unwrap_or(rest));
                *at += len;
            }
        }
    }

    fn mark(&mut self, read: usize, byte: u8, at: &mut usize) {
        if MARK.get(read) == Some(&byte) {
            *at += 1;
            self.line = if read + 1 == MARK.len() { Line::Start } else { Line::Mark(read + 1) };
        } else if read == 0 {
            self.line = Line::Start;
        } else {
            // Half a mark: the start of a field that is not known.
            self.begun = true;
            self.line = Line::Value(Field::Other);
        }
    }
}

/// The name of a field, as far as it could be a known one.
#[derive(Debug, Default)]
struct FieldName {
    bytes: [u8; 5],
    len: usize,
}

impl FieldName {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().take(self.bytes.len() + 1) {
            if let Some(room) = self.bytes.get_mut(self.len) {
                *room = *byte;
            }
            self.len = self.len.saturating_add(1);
        }
    }

    fn field(&self) -> Field {
        match self.bytes.get(..self.len) {
            Some(b"data") => Field::Data,
            Some(b"event") => Field::Name,
            _ => Field::Other,
        }
    }
}

#[cfg(test)]
mod tests;
