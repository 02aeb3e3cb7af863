//! The line that a problem points into, fit to be shown: nothing in it that may be a secret, and not too long.
//!
//! An operator who pasted a key into the wrong place must not find it in a log. So strings are covered with `*` unless
//! the message repeats them, comments are cut off, and of a text that is no TOML little is shown at all: there, nothing
//! tells a value from a name for sure.

use std::ops::Range;

use crate::literals::{Literal, LiteralKind, literal_around};
use crate::names::{is_invisible, looks_like_key, quote};

/// Columns of a line that are shown.
const WIDTH: usize = 160;

/// Of these, what stands before the highlighted part at most.
const BEFORE: usize = 60;

const END_LINE: &str = "# end ";

/// A line, or a part of it, in which something is highlighted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippet {
    /// What may be shown of the line; empty when there is no line to show.
    pub text: String,
    /// The highlighted bytes of `text`.
    pub highlight: Range<usize>,
}

/// A text as far as a snippet needs to know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masker<'d> {
    pub(crate) text: &'d str,
    pub(crate) literals: &'d [Literal],
    /// The parser accepted the text, so that strings and comments are what they seem to be.
    pub(crate) is_toml: bool,
}

impl Masker<'_> {
    /// Where the thing that begins at `at` ends: on its line, which `line` spans.
    pub(crate) fn highlight(&self, at: usize, line: &Range<usize>) -> Range<usize> {
        let at = self.text.floor_char_boundary(at).clamp(line.start, line.end);
        let rest = self.text.get(at..line.end).unwrap_or_default();
        let Some(first) = rest.chars().next() else { return at..at };
        let bare = || rest.find(|c: char| c.is_whitespace() || "=,]}".contains(c)).unwrap_or(rest.len());
        let literal = literal_around(self.literals, at).filter(|literal| literal.range.start == at);
        let length = match first {
            '"' | '\'' => literal.map_or(1, |literal| literal.range.len()),
            '#' if rest.starts_with(END_LINE) => rest.trim_end().len(),
            '#' => 1,
            '[' | '{' => self.bracketed(at, rest),
            _ => bare(),
        };
        at..(at + length.max(first.len_utf8())).min(line.end)
    }

    /// Bytes up to the matching bracket, or to the end of what stands on the line.
    fn bracketed(&self, at: usize, rest: &str) -> usize {
        let mut depth = 0_usize;
        let mut skip_to = 0;
        for (offset, character) in rest.char_indices() {
            if offset < skip_to {
                continue;
            }
            match character {
                '[' | '{' => depth += 1,
                ']' | '}' if depth == 1 => return offset + 1,
                ']' | '}' => depth -= 1,
                '"' | '\'' | '#' => match literal_around(self.literals, at + offset) {
                    Some(literal) if literal.kind == LiteralKind::Comment => {
                        return rest.get(..offset).map_or(1, |before| before.trim_end().len());
                    }
                    Some(literal) => skip_to = literal.range.end - at,
                    None => {}
                },
                _ => {}
            }
        }
        rest.trim_end().len()
    }

    /// What may be shown of a line beside `message`.
    pub(crate) fn snippet(&self, line: &Range<usize>, highlight: &Range<usize>, message: &str) -> Snippet {
        let window = self.window(line, highlight.start);
        let mut shown = Shown::new(highlight);
        if window.start > line.start {
            shown.text.push('…');
        }
        let mut at = window.start;
        let mut cut = false;
        while at < window.end && !cut {
            let end = match literal_around(self.literals, at) {
                Some(literal) if self.is_toml || literal.kind == LiteralKind::Comment => {
                    cut = self.show_literal(&mut shown, literal, at..window.end, message);
                    literal.range.end.min(window.end)
                }
                _ => self.show_bare(&mut shown, at, &window, line),
            };
            at = end.max(at + 1);
        }
        if window.end < line.end && !cut {
            shown.text.push('…');
        }
        shown.finish()
    }

    /// The part of a long line that is shown.
    fn window(&self, line: &Range<usize>, at: usize) -> Range<usize> {
        if line.len() <= WIDTH {
            return line.clone();
        }
        let before = self.text.get(line.start..at).unwrap_or_default();
        let start = before.char_indices().rev().nth(BEFORE - 1).map_or(line.start, |(i, _)| line.start + i);
        let after = self.text.get(start..line.end).unwrap_or_default();
        start..after.char_indices().nth(WIDTH).map_or(line.end, |(i, _)| start + i)
    }

    /// Says whether the line ends here: a comment is left out, unless it is what is pointed at.
    fn show_literal(
        &self,
        shown: &mut Shown<'_>,
        literal: &Literal,
        part: Range<usize>,
        message: &str,
    ) -> bool {
        let part = part.start..part.end.min(literal.range.end);
        let is_comment = literal.kind == LiteralKind::Comment;
        let is_end_line = self.text.get(literal.range.clone()).is_some_and(|text| text.starts_with(END_LINE));
        if is_comment && (shown.highlight.end <= literal.range.start || !self.is_line(literal)) {
            return true;
        }
        // The mark alone of a comment, and of an end line the words that make it one.
        let open_until = match is_comment {
            false => literal.content.start,
            true if is_end_line => literal.range.start + END_LINE.len(),
            true => literal.range.start + 1,
        };
        let is_shown = self.is_repeated(literal, message);
        for (offset, character) in self.text.get(part.clone()).unwrap_or_default().char_indices() {
            let at = part.start + offset;
            let is_open = at < open_until || (!is_comment && at >= literal.content.end) || is_shown;
            if is_comment && !is_open && !is_end_line {
                break;
            }
            shown.push(at, if is_open { character } else { '*' });
        }
        is_comment
    }

    /// Whether a comment has its line for itself.
    fn is_line(&self, literal: &Literal) -> bool {
        let before = self.text.get(..literal.range.start).unwrap_or_default();
        before.is_empty() || before.ends_with('\n')
    }

    /// Whether the message says it anyway. It says nothing but through [`quote`], which hides what looks like a key.
    fn is_repeated(&self, literal: &Literal, message: &str) -> bool {
        let (range, is_long) = match literal.kind {
            LiteralKind::Text => (literal.content.clone(), literal.content.len() > NAMED_BYTES),
            LiteralKind::Comment => (literal.range.clone(), literal.range.len() > NAMED_BYTES),
        };
        let text = self.text.get(range).unwrap_or_default().trim_end_matches('\r');
        self.is_toml && !is_long && !looks_like_key(text) && message.contains(&quote(text))
    }

    /// One token outside strings and comments, or one character between two; returns where it ends.
    fn show_bare(
        &self,
        shown: &mut Shown<'_>,
        at: usize,
        window: &Range<usize>,
        line: &Range<usize>,
    ) -> usize {
        let rest = self.text.get(at..line.end).unwrap_or_default();
        let length = rest.find(is_between_tokens).unwrap_or(rest.len());
        let end = (at + length.max(rest.chars().next().map_or(1, char::len_utf8))).min(window.end);
        let token = rest.get(..length).unwrap_or_default();
        // Of a token that the window cuts, half a key may be left, which looks like none.
        let is_cut = length > 0 && ((at == window.start && at > line.start) || at + length > window.end);
        let is_known =
            if self.is_toml { !looks_like_key(token) } else { self.is_plainly_a_name(at, token, line) };
        let is_hidden = is_cut || !is_known;
        let token = self.text.get(at..end).unwrap_or_default();
        for (offset, character) in token.char_indices() {
            let is_open = !is_hidden || (length == 0 && character.is_whitespace());
            shown.push(at + offset, if is_open { character } else { '*' });
        }
        end
    }

    /// In a text that is no TOML: a field's name or a header, in lower case as all of ours are, and no value.
    fn is_plainly_a_name(&self, at: usize, token: &str, line: &Range<usize>) -> bool {
        let is_lower = |byte: u8| !byte.is_ascii_uppercase() && byte.is_ascii_graphic();
        if literal_around(self.literals, at).is_some()
            || !token.bytes().all(is_lower)
            || looks_like_key(token)
        {
            return false;
        }
        let text = self.text.get(line.clone()).unwrap_or_default();
        match text.split_once('=') {
            // A key in base64 ends in one or two of them.
            Some((name, value)) => {
                let is_padding = value.starts_with('=') || (value.trim().is_empty() && !name.ends_with(' '));
                at <= line.start + name.len() && !is_padding
            }
            None => text.starts_with('['),
        }
    }
}

/// No name is longer.
const NAMED_BYTES: usize = 80;

fn is_between_tokens(character: char) -> bool {
    character.is_whitespace() || "=,[]{}\"'#".contains(character)
}

/// A snippet in the making.
struct Shown<'d> {
    text: String,
    /// In the file.
    highlight: &'d Range<usize>,
    /// In `text`.
    start: Option<usize>,
    end: Option<usize>,
}

impl<'d> Shown<'d> {
    fn new(highlight: &'d Range<usize>) -> Shown<'d> {
        Shown { text: String::new(), highlight, start: None, end: None }
    }

    fn push(&mut self, at: usize, character: char) {
        if at >= self.highlight.start && self.start.is_none() {
            self.start = Some(self.text.len());
        }
        if at >= self.highlight.end && self.end.is_none() {
            self.end = Some(self.text.len());
        }
        let is_unseen = character != '\t' && (character.is_control() || is_invisible(character));
        self.text.push(if is_unseen { '\u{FFFD}' } else { character });
    }

    /// At least one column is highlighted, behind the text if need be.
    fn finish(mut self) -> Snippet {
        let start = self.start.unwrap_or(self.text.len());
        let end = self.end.unwrap_or(self.text.len());
        let kept = self.text.trim_end().len().max(end).max(start);
        self.text.truncate(kept);
        if end > start {
            return Snippet { text: self.text, highlight: start..end };
        }
        if start == self.text.len() {
            self.text.push(' ');
        }
        let width = self.text.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        Snippet { highlight: start..start + width, text: self.text }
    }
}
